// engine/checkpoint/partial_directory.h: a directory that becomes a database, or stops being one, all at once.
//
// While it is made, or removed, NAME is called NAME.partial. A crash may leave that; what is called NAME is whole.
//
//   made      files, CURRENT last -> synced -> renamed to NAME -> parent synced
//   removed   renamed to NAME.partial -> parent synced -> files removed
//
// Threads    Any that may wait for the disk; one at a time for one NAME.
// Errors     Name the path. kLocked: somebody has it open as a database.
#pragma once

#include <string>

#include "base/slice.h"
#include "base/status.h"
#include "env/env.h"

namespace varve {

// Not one of ParseFileName's: a database that holds such a directory leaves it alone.
inline constexpr Slice kPartialSuffix = ".partial";

// Of a directory, without slashes at its end.
std::string PartialPath(const std::string& directory);

// kInvalidArgument: the directory is there, and not empty; or its name is one of a database's own files.
Status RequireVacant(Env& env, const std::string& directory);

// What is partial is whole: gives it its name. REQUIRES: all within is synced. Only if the last sync fails, NAME is
// there: it is whole, but a power cut may take it back.
Status FinishPartial(Env& env, const std::string& directory);

// Removes what is called NAME, so that at no moment a part of it passes for a whole.
Status RemoveWhole(Env& env, const std::string& directory);

// Removes what is called NAME.partial: a database's files, and then the directory; files of others make it fail. Ok if
// there is nothing.
Status RemovePartial(Env& env, const std::string& directory);

}  // namespace varve
