// utils/load/load.cc: varve-load, a load generator for servers that speak the Redis protocol.
//
// What it has that others lack together: a fixed rate whose latencies count from when a request was due, percentiles
// of every second, Zipfian keys, mixes of sizes, and a check of every value that is read against what was written.
// See runner.h for what it prints.
//
// Exits 0 when all was answered and right, 1 when something was not, 2 when it could not do its work.
#include <cstdio>
#include <string>
#include <vector>

#include "utils/load/options.h"
#include "utils/load/runner.h"

int main(int argc, char** argv) {
  using namespace varve;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const Result<load::Options> options = load::ParseOptions(arguments);
  if (!options.ok()) {
    std::fprintf(stderr, "varve-load: %s\n", std::string(options.status().message()).c_str());
    return 2;
  }
  if (options->help) {
    std::printf("varve-load --phases=LIST [--NAME=VALUE...]\n%s", load::OptionsUsage().c_str());
    return 0;
  }
  load::Runner runner(*options);
  if (const Status s = runner.Run(); !s.ok()) {
    std::fprintf(stderr, "varve-load: %s\n", std::string(s.message()).c_str());
    return 2;
  }
  if (runner.failures() == 0) return 0;
  std::fprintf(stderr, "varve-load: %llu replies were not what they had to be\n",
               static_cast<unsigned long long>(runner.failures()));
  return 1;
}
