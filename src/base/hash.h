// base/hash.h: one hash for everything, XXH3 (Yann Collet's xxHash library).
//
// Checksum() guards bytes on disk and never changes. Hash() spreads keys in memory and
// takes a seed, so that no client can choose keys that collide.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>

#include "base/slice.h"

namespace varve {

inline uint64_t Checksum(Slice bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

inline uint64_t Hash(Slice bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

// The same of bytes that come in pieces.
class Hasher {
 public:
  explicit Hasher(uint64_t seed) { XXH3_64bits_reset_withSeed(&state_, seed); }
  void Add(Slice bytes) { XXH3_64bits_update(&state_, bytes.data(), bytes.size()); }
  uint64_t Finish() const { return XXH3_64bits_digest(&state_); }

 private:
  XXH3_state_t state_{};
};

// For the byte strings that filters hold: seedless, because it reaches the disk.
inline uint64_t FilterHash(Slice bytes) { return Checksum(bytes); }

}  // namespace varve
