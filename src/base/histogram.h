// base/histogram.h: how often something took how long.
//
// Buckets are log-linear: numbers below 64 have one each, and above, every power of two is cut into 32
// equal parts. So a percentile is told to within 1/32 of itself, over twelve orders of magnitude, in 9 KB, and
// adding is a shift and a counter.
//
// Threads: one at a time.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/check.h"

namespace varve {

class Histogram {
 public:
  void Add(uint64_t value) { Add(value, 1); }
  void Add(uint64_t value, uint64_t times) {
    counts_[BucketOf(value)] += times;
    total_ += times;
    max_ = std::max(max_, value);
  }
  void Merge(const Histogram& other) {
    for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    max_ = std::max(max_, other.max_);
  }

  // The upper edge of the bucket in which the given share lies, so never too low; 0 when nothing was added.
  uint64_t Percentile(double percent) const {
    const double wanted = static_cast<double>(total_) * percent / 100;
    uint64_t seen = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen > 0 && static_cast<double>(seen) >= wanted) return std::min(EdgeOf(i), max_);
    }
    return max_;
  }
  // Values of more bits count as the largest of so many: twelve days of microseconds, 18 minutes of nanoseconds.
  static constexpr unsigned kValueBits = 40;

  // How often less than `value` was added. REQUIRES: a power of two of at most kValueBits bits.
  uint64_t CountBelow(uint64_t value) const {
    DCHECK(std::has_single_bit(value) && value <= kValueMax);
    uint64_t count = 0;
    for (size_t i = 0; i < BucketOf(value); ++i) count += counts_[i];
    return count;
  }
  uint64_t total() const { return total_; }
  uint64_t max() const { return max_; }

 private:
  static constexpr unsigned kPartBits = 5;
  static constexpr uint64_t kParts = uint64_t{1} << kPartBits;
  static constexpr uint64_t kValueMax = (uint64_t{1} << kValueBits) - 1;
  static constexpr size_t kBuckets = (kValueBits - kPartBits + 1) * kParts;

  // With `shift` low bits dropped a number lies in [kParts, 2 * kParts): its power of two gives the shift, what
  // is left the part.
  static size_t BucketOf(uint64_t value) {
    value = std::min(value, kValueMax);
    const auto width = static_cast<unsigned>(std::bit_width(value));
    const unsigned shift = width > kPartBits + 1 ? width - kPartBits - 1 : 0;
    return shift * kParts + (value >> shift);
  }
  static uint64_t EdgeOf(size_t bucket) {
    if (bucket < 2 * kParts) return bucket;
    const unsigned shift = static_cast<unsigned>(bucket / kParts) - 1;
    const uint64_t part = bucket % kParts + kParts;
    return ((part + 1) << shift) - 1;
  }

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t total_ = 0;
  uint64_t max_ = 0;
};

}  // namespace varve
