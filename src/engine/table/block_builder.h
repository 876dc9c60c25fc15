// engine/table/block_builder.h: the bytes of a data block, entry by entry.
//
// Threads: one at a time.
// See also: table_format.h (the bytes), block_reader.h (the way back).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/slice.h"
#include "engine/entry.h"

namespace varve {

class BlockBuilder {
 public:
  // `shared` is how many bytes the key has in common with the one added before; ignored for the
  // first. REQUIRES: keys in strictly increasing order, puts and tombstones only.
  void Add(const Entry& entry, size_t shared);
  // The block's contents; valid until Reset.
  Slice Finish();
  void Reset();

  // The contents of a block that holds nothing but `entry`, as pieces: the value is not copied.
  // Valid until the next call. REQUIRES: empty().
  std::array<Slice, 3> EncodeAlone(const Entry& entry);

  bool empty() const { return bytes_.empty(); }
  // Of the contents if they were finished now.
  size_t size_bytes() const { return bytes_.size() + (restarts_.size() + 1) * sizeof(uint32_t); }
  // And if `entry` were added, at most.
  size_t SizeWith(const Entry& entry, size_t shared) const;

 private:
  void AppendHead(const Entry& entry, size_t shared);
  void AppendRestarts(std::string* to) const;

  std::string bytes_;
  std::vector<uint32_t> restarts_;
  size_t entries_since_restart_ = 0;
  std::string tail_;  // of a block in pieces
};

}  // namespace varve
