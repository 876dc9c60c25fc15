// engine/table/filter.h: which keys a table surely does not hold.
//
// A Bloom filter cut into lines of 64 bytes, so that a probe costs one cache miss: a hash
// chooses a line and some bits in it, all of which must be set (Putze, Sanders, Singler, "Cache-,
// Hash- and Space-Efficient Bloom Filters", 2007). At 10 bits per key it errs for about 1% of the
// absent keys, a fifth more than an undivided filter would, since keys do not spread over the lines
// evenly.
//
// What it was chosen over, measured for partitions of 10,000 keys, eight million keys in all, so that the filters are
// not in the processor's caches (one core's own time; a throw-away program):
//
//                          bits a key   errs for   to build   to deny a key
//   lines of 64 bytes         10.0       0.95%       7 ns        16 ns
//   undivided                 10.0       0.85%       5 ns        39 ns
//   ribbon, 7 bits             7.6       0.79%      57 ns        70 ns
//
// The ribbon (Dillinger, Hübschle-Schneider, Sanders, Walzer, "Fast Succinct Retrieval and Approximate
// Membership Using Ribbon", 2022; the standard one, 64 wide) saves a quarter of the memory, which is
// 0.3% of the data at 100 bytes a record, and costs every lookup of an absent key, and every entry of a
// compaction, 50 ns more. More bits: 12 err for 0.42%, 14 for 0.20%, 16 for 0.10%, 20 for 0.03%.
//
// The filter block:
//
//   offset  size  field
//        0     1  probes      bits per key in a line, 1 to 7
//        1     1  bits        per key, as it was asked for; 0 if it does not say. For people: what
//                             a reader needs is the probes and the size
//        2     6  zeros
//        8   64n  lines       eight 64-bit words each; n >= 1
//
// A hash (FilterHash of the key) belongs to line (hash * n) >> 64. The bits are the leading
// `probes` groups of nine bits of hash * kProbeMultiplier. An empty block means no filter: any key
// may be there.
//
// Threads: any for Filter, which never changes; one at a time for FilterBuilder.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/slice.h"

namespace varve {

inline constexpr size_t kFilterLineBytes = 64;
inline constexpr unsigned kLineBitsLog2 = 9;
static_assert((size_t{1} << kLineBitsLog2) == kFilterLineBytes * 8);
inline constexpr unsigned kFilterProbesMax = 64 / kLineBitsLog2;
inline constexpr size_t kFilterHeaderBytes = 8;

struct alignas(kFilterLineBytes) FilterLine {
  std::array<uint64_t, 8> words{};
};
static_assert(sizeof(FilterLine) == kFilterLineBytes);

// Odd, so that no two hashes become one (2^64 divided by the golden ratio). The leading bits of the
// product depend on all bits of the hash, of which the line has used up only the leading ones.
inline constexpr uint64_t kProbeMultiplier = 0x9e3779b97f4a7c15;

inline size_t FilterLineOf(uint64_t hash, size_t lines) {
  return static_cast<size_t>((static_cast<Uint128>(hash) * lines) >> 64);
}

// Calls `use(word, mask)` for each bit of `hash` until it returns false.
template <typename Use>
inline bool ForEachFilterBit(uint64_t hash, unsigned probes, Use use) {
  uint64_t bits = hash * kProbeMultiplier;
  for (unsigned i = 0; i < probes; ++i) {
    const uint64_t bit = bits >> (64 - kLineBitsLog2);
    if (!use(bit / 64, uint64_t{1} << (bit % 64))) return false;
    bits <<= kLineBitsLog2;
  }
  return true;
}

class FilterBuilder {
 public:
  // 0 builds an empty filter.
  explicit FilterBuilder(int bits_per_key) : bits_per_key_(bits_per_key) {}

  void Add(uint64_t filter_hash) {
    if (bits_per_key_ > 0) hashes_.push_back(filter_hash);
  }
  // The contents of the filter block.
  std::string Finish() const;
  // Of those contents, as of now.
  size_t size_bytes() const;

 private:
  size_t Lines() const;

  const int bits_per_key_;
  std::vector<uint64_t> hashes_;
};

class Filter {
 public:
  // Lets everything pass.
  Filter() = default;
  // From a verified filter block; nothing if it makes no sense.
  static std::optional<Filter> Make(Slice contents);

  bool MayContain(uint64_t filter_hash) const {
    if (lines_.empty()) return true;
    const FilterLine& line = lines_[FilterLineOf(filter_hash, lines_.size())];
    return ForEachFilterBit(filter_hash, probes_, [&line](uint64_t word, uint64_t mask) {
      return (line.words[word] & mask) != 0;
    });
  }

  void Prefetch(uint64_t filter_hash) const {
    if (!lines_.empty()) __builtin_prefetch(&lines_[FilterLineOf(filter_hash, lines_.size())]);
  }

  bool empty() const { return lines_.empty(); }
  // As its builder was told; 0 if it does not say.
  int bits_per_key() const { return bits_per_key_; }
  size_t memory_bytes() const { return lines_.size() * sizeof(FilterLine); }

 private:
  unsigned probes_ = 0;
  int bits_per_key_ = 0;
  std::vector<FilterLine> lines_;
};

}  // namespace varve
