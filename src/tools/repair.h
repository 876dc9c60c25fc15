// tools/repair.h: varve-tool repair DIR TO: all that can be read of a damaged database, as a new one in TO, and a list of
// what was lost.
//
//   --json   the same, as an object
//
// DIR stays as it is. See engine/check/repair.h for what comes back, and what does not.
//
// Exit code 0 if nothing was lost, 1 if something was, 2 if it is not done; then what is in TO is of no use.
#pragma once

#include <span>
#include <string>

namespace varve {

int RunRepair(std::span<const std::string> arguments);

}  // namespace varve
