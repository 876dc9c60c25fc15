// tools/backup.h: varve-tool backup DIR TO [--json], varve-tool restore CHECKPOINT DIR [--json].
//
// Both make a copy of a database that is not open, into a directory that is empty or not there: by
// links within a file system, by copying between two. They differ in what their messages say.
// A running server is asked for a checkpoint first (BGSAVE), and that is backed up.
//
// Exit code 0 if it is done; 2 if it is not, and then nothing is left. See engine/checkpoint/copy_database.h.
#pragma once

#include <span>
#include <string>

namespace varve {

int RunBackup(std::span<const std::string> arguments);
int RunRestore(std::span<const std::string> arguments);

}  // namespace varve
