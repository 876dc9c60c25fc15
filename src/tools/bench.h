// tools/bench.h: `varve-tool bench`, the engine without a server.
#pragma once

#include <span>
#include <string>

namespace varve {

// Runs the workloads that `arguments` ask for and prints what they came to. Returns the program's exit code.
int RunBench(std::span<const std::string> arguments);

}  // namespace varve
