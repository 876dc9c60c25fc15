// tests/bench/main.cc: nanoseconds and allocations of an operation, for what the loop does most. `make bench` runs it;
// ARGS='--benchmark_filter=Table' chooses.
//
// A figure here is for comparing two versions on one machine. What counts in the end is measured
// with everything around it: see utils/bench.
#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
