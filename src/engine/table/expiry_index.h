// engine/table/expiry_index.h: which keys of a table expire when.
//
// Read in order, the index leads from what is due next to the keys, without a byte of memory per key, and
// without a look at the data blocks: keys that expire together lie all over the table, so that a block would have to
// be read for every one of them.
//
//   expiry key    stretch (8, big-endian) | key
//   value         ms into the stretch (1)
//   tag           that of the key's entry
//
// A stretch is kExpiryStretchMs of wall-clock time, within which the keys are in their own order: neighbours share
// beginnings, and are looked up in the same places. The expiry keys lie in blocks of the same form as data blocks, as
// puts, between data and filter. Where these blocks end is told by the table's properties, in the form of
// an index block whose offsets count from where the first one begins.
//
// Threads: one at a time for the builder.
// See also: table_format.h, engine/expiry.cc (its reader).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/slice.h"
#include "base/status.h"
#include "engine/entry.h"
#include "engine/table/table_format.h"

namespace varve {

// What is due is found at the end of its stretch, so this is how late it may be. On disk.
inline constexpr int64_t kExpiryStretchMs = 250;
static_assert(kExpiryStretchMs <= 256, "the way into a stretch has a byte");

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

// The least expiry key of a stretch.
std::string ExpiryKeyOf(uint64_t stretch);

struct Expiring {
  int64_t at_ms = 0;  // > 0
  uint8_t tag = 0;
  Slice key;

  bool operator==(const Expiring&) const = default;
};

// What `entry` of an expiry block says; its key is part of that of `entry`. False if it says nothing.
bool DecodeExpiring(const Entry& entry, Expiring* expiring);

class ExpiryIndexBuilder {
 public:
  // REQUIRES: keys in strictly increasing order.
  void Add(const Expiring& expiring);

  bool empty() const { return places_.empty(); }
  // Of the blocks before they are compressed, about.
  size_t size_bytes() const { return encoded_.size() + sizeof(uint32_t) * places_.size(); }

  // Hands the contents of one block after the other to `write`, which says where each ends, and returns
  // the index over them. `begin` is where the first one begins. REQUIRES: !empty().
  using WriteBlock = std::function<Status(Slice contents, uint64_t* end)>;
  Status Finish(size_t block_bytes, uint64_t begin, const WriteBlock& write, std::string* index);

 private:
  struct Place {
    uint64_t stretch;
    size_t offset;  // in encoded_, hence in the order of the keys

    auto operator<=>(const Place&) const = default;  // NOLINT: nothing here is a pointer
  };

  std::vector<Place> places_;
  std::string encoded_;  // ms into the stretch, tag, size of the expiry key (varint), expiry key
};

}  // namespace varve
