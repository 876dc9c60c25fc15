// tests/bench/measure.h: nanoseconds and allocations of an operation.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>

#ifdef VARVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

namespace varve {

// By this thread and all others, since the start. Without jemalloc nobody counts.
inline uint64_t AllocationsMade() {
#ifdef VARVE_JEMALLOC
  // What a thread was given from its own cache is added up when the cache is flushed.
  mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
  uint64_t epoch = 1;
  mallctl("epoch", nullptr, nullptr, &epoch, sizeof(epoch));
  uint64_t sum = 0;
  for (const char* name :
       {"stats.arenas.4096.small.nrequests", "stats.arenas.4096.large.nrequests"}) {
    uint64_t made = 0;
    size_t size = sizeof(made);
    if (mallctl(name, &made, &size, nullptr, 0) == 0) sum += made;
  }
  return sum;
#else
  return 0;
#endif
}

// What some rounds of `operations` each allocate, as a counter of the benchmark. `between` does not count.
template <typename Round, typename Between>
void CountAllocations(benchmark::State& state, size_t operations, Round& round, Between& between) {
  constexpr int kWarmUpRounds = 10;
  constexpr int kCountedRounds = 100;
  uint64_t made = 0;
  for (int i = 0; i < kWarmUpRounds + kCountedRounds; ++i) {
    const uint64_t before = AllocationsMade();
    round();
    if (i >= kWarmUpRounds) made += AllocationsMade() - before;
    between();
  }
#ifdef VARVE_JEMALLOC
  state.counters["allocations"] =
      static_cast<double>(made) / static_cast<double>(kCountedRounds * operations);
#endif
}

// Times `round`, which is `operations` operations.
template <typename Round>
void Measure(benchmark::State& state, size_t operations, Round round) {
  const auto nothing = [] {};
  CountAllocations(state, operations, round, nothing);
  for (auto _ : state) round();
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(operations));
}

// The same with something to be done between rounds, which takes no time.
template <typename Round, typename Between>
void Measure(benchmark::State& state, size_t operations, Round round, Between between) {
  CountAllocations(state, operations, round, between);
  for (auto _ : state) {
    round();
    state.PauseTiming();
    between();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(operations));
}

}  // namespace varve
