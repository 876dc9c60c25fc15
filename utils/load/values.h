// utils/load/values.h: what belongs to a key, so that whoever reads it can tell whether it is right.
//
//   key (8) | run (4) | version (4) | expires at, in ms (8) | noise | filler        little-endian
//
// The head says which write it was; size and noise follow from it. So a value that was torn, mixed up with
// another's or cut short is found without remembering what was written. Half of what is not head compresses.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/slice.h"

namespace varve::load {

struct ValueHead {
  uint64_t key = 0;
  uint32_t run = 0;      // of the load generator: later runs have greater numbers
  uint32_t version = 0;  // counts the writes of a key in a run, from 1
  int64_t expire_at_ms = 0;
};

class Values {
 public:
  static constexpr size_t kHeadBytes = 24;
  static constexpr size_t kSizeMax = 1u << 20;

  // A size, and how often it comes in proportion to the others.
  struct Share {
    size_t value_bytes;
    uint64_t weight;
  };
  // REQUIRES: sizes of kHeadBytes to kSizeMax, weights above 0.
  explicit Values(std::vector<Share> shares);

  size_t SizeOf(const ValueHead& head) const;
  void AppendTo(std::string* to, const ValueHead& head) const;
  // False: these bytes were never written. Else `head` says by which write.
  bool Parse(Slice value, ValueHead* head) const;

 private:
  Slice NoiseOf(const ValueHead& head, size_t size) const;

  std::vector<Share> shares_;
  uint64_t weights_ = 0;
  std::string noise_;
};

}  // namespace varve::load
