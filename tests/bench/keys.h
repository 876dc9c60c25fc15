// tests/bench/keys.h: keys and values as redis-benchmark has them, the same in every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

namespace varve {

inline constexpr size_t kBenchValueBytes = 100;

inline std::string BenchKey(size_t i) {
  char key[24];
  const int size = std::snprintf(key, sizeof(key), "key:%012zu", i);
  return {key, static_cast<size_t>(size)};
}

// In ascending order.
inline std::vector<std::string> BenchKeys(size_t count) {
  std::vector<std::string> keys(count);
  for (size_t i = 0; i < count; ++i) keys[i] = BenchKey(i);
  return keys;
}

// 0 to count - 1 in a random order: so that neither the caches nor the processor's prefetching
// make a lookup cheaper than it is.
inline std::vector<uint32_t> RandomOrder(size_t count) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  Random random(1);
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.Uniform(i)]);
  return order;
}

}  // namespace varve
