// engine/table/key_bytes.h: keys as byte strings, compared fast.
//
// Threads: any.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/coding.h"
#include "base/slice.h"

namespace varve {

// How many leading bytes `a` and `b` share.
inline size_t CommonPrefixSize(Slice a, Slice b) {
  const size_t limit = std::min(a.size(), b.size());
  size_t i = 0;
  for (; i + sizeof(uint64_t) <= limit; i += sizeof(uint64_t)) {
    const uint64_t difference = LoadFixed64(a.data() + i) ^ LoadFixed64(b.data() + i);
    if (difference != 0) return i + static_cast<size_t>(std::countr_zero(difference)) / 8;
  }
  while (i < limit && a[i] == b[i]) ++i;
  return i;
}

// The eight bytes behind the first `skip`, zeros where the key has ended, as a number that sorts
// like them: a smaller head means a smaller key, and equal heads leave it open.
inline uint64_t KeyHead(Slice key, size_t skip) {
  if (key.size() >= skip + sizeof(uint64_t)) {
    return __builtin_bswap64(LoadFixed64(key.data() + skip));
  }
  char bytes[sizeof(uint64_t)] = {};
  if (key.size() > skip) std::memcpy(bytes, key.data() + skip, key.size() - skip);
  return __builtin_bswap64(LoadFixed64(bytes));
}

// How many of `count` sorted keys are <= `key`, whose head is `head`. `head_of(i)` and `key_of(i)`
// give the head and the whole of the i-th; of the latter only those with the same head are asked
// for.
template <typename HeadOf, typename KeyOf>
size_t CountUpTo(Slice key, uint64_t head, size_t count, HeadOf head_of, KeyOf key_of) {
  // The first i in [low, low + n) for which `is_before(i)` does not hold. The choice compiles to a
  // conditional move: there is no branch to guess wrong.
  const auto first_not = [](size_t low, size_t n, auto is_before) {
    while (n > 0) {
      const size_t half = n / 2;
      const bool before = is_before(low + half);
      low = before ? low + half + 1 : low;
      n = before ? n - half - 1 : half;
    }
    return low;
  };
  const size_t low = first_not(0, count, [&](size_t i) { return head_of(i) < head; });
  // Mostly no head is equal, or one. There may be thousands, too: then their end is found in leaps.
  size_t high = low;
  for (size_t leap = 1; high < count && head_of(high) == head; leap *= 2) high += leap;
  high = std::min(high, count);
  return first_not(low, high - low, [&](size_t i) { return key_of(i) <= key; });
}

}  // namespace varve
