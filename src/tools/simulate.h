// tools/simulate.h: `varve-tool simulate`, what each compaction policy would cost.
#pragma once

#include <span>
#include <string>

namespace varve {

// Simulates the policies and loads that `arguments` ask for and prints a line for each. Returns the
// program's exit code.
int RunSimulate(std::span<const std::string> arguments);

}  // namespace varve
