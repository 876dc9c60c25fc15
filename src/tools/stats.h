// tools/stats.h: varve-tool stats DIR [--tables] [--json]: what a closed database consists of.
//
// Levels and tables, log segments, dead prefixes, counts: see inventory.h. --tables lists every table.
// Exit code 0; 1 if something could not be read, which is then listed; 2 if nothing was done.
#pragma once

#include <span>
#include <string>

namespace varve {

int RunStats(std::span<const std::string> arguments);

}  // namespace varve
