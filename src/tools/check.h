// tools/check.h: varve-tool check DIR [--json]: is a database sound?
//
// One line a problem, with file and offset; `note: ` before what is no damage; the sum at the end.
// Exit code 0 if it is sound, 1 if it is damaged, 2 if it could not be checked. See
// engine/check/check.h for what is looked at.
#pragma once

#include <span>
#include <string>

namespace varve {

int RunCheck(std::span<const std::string> arguments);

}  // namespace varve
