// engine/table/expiry_index.h: which data blocks of a table hold what expires when.
//
// For each expiring put the index says in which stretch of time it expires and in which data block it
// lies; several in one block and one stretch are one entry. Read in order, it leads from what
// is due next to the keys, without a byte of memory per key.
//
//   expiry key    stretch (8, big-endian) | data block (4, big-endian)
//
// A stretch is kExpiryStretchMs of wall-clock time. The keys lie in blocks of the same form as data
// blocks, as puts without a value, between data and filter. Where these blocks end is told by
// the table's properties, in the form of an index block whose offsets count from where the first one
// begins.
//
// Threads: one at a time for the builder.
// See also: table_format.h, engine/expiry.cc (its reader).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/slice.h"
#include "base/status.h"
#include "engine/table/table_format.h"

namespace varve {

// What is due is found at the end of its stretch, so this is how late it may be. On disk.
inline constexpr int64_t kExpiryStretchMs = 250;

struct ExpiryPlace {
  uint64_t stretch = 0;
  uint32_t block = 0;

  auto operator<=>(const ExpiryPlace&) const = default;  // NOLINT: nothing here is a pointer
};
static_assert(sizeof(ExpiryPlace) == 16);

inline constexpr size_t kExpiryKeyBytes = 12;

// REQUIRES: at_ms > 0.
inline uint64_t ExpiryStretchOf(int64_t at_ms) {
  return static_cast<uint64_t>(at_ms / kExpiryStretchMs);
}
// From then on all of it has expired. For what is beyond the end of time, the end of time.
inline int64_t ExpiryStretchEndMs(uint64_t stretch) {
  constexpr int64_t kEndOfTimeMs = std::numeric_limits<int64_t>::max();
  if (stretch >= ExpiryStretchOf(kEndOfTimeMs)) return kEndOfTimeMs;
  return static_cast<int64_t>(stretch + 1) * kExpiryStretchMs;
}

std::string EncodeExpiryKey(const ExpiryPlace& place);
// False if it is none.
bool DecodeExpiryKey(Slice key, ExpiryPlace* place);

class ExpiryIndexBuilder {
 public:
  void Add(int64_t expire_at_ms, uint32_t block);

  bool empty() const { return places_.empty(); }
  // Of the finished blocks, at most.
  size_t size_bytes() const { return 8 * places_.size(); }

  // Hands the contents of one block after the other to `write`, which says where each ends, and returns
  // the index over them. `begin` is where the first one begins. REQUIRES: !empty().
  using WriteBlock = std::function<Status(Slice contents, uint64_t* end)>;
  Status Finish(size_t block_bytes, uint64_t begin, const WriteBlock& write, std::string* index);

 private:
  std::vector<ExpiryPlace> places_;
};

}  // namespace varve
