// engine/table/partition.h: filter and index of a stretch of a table's data blocks.
//
// What a lookup needs to know of a table is cut into such pieces, read when they are first asked for and
// dropped when they are not: memory does not grow with the data, and a table is opened by reading a few
// kilobytes, however large it is (RocksDB calls this partitioned indexes and filters, and the
// index over them a top-level index).
//
//   offset  size  field
//        0     8  data begin   where the first of its data blocks begins
//        8     8  filter size  f
//       16     f  filter       over the keys of its blocks (filter.h)
//     16+f        index        over its blocks (index.h)
//
// A partition is a part of the file like a data block, stored as it is. All but a table's last
// hold kPartitionBlocks blocks, so that a block's number says in which one it is.
//
// Threads: any for Partition, which never changes; one at a time for PartitionBuilder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/slice.h"
#include "engine/table/filter.h"
#include "engine/table/index.h"
#include "engine/table/table_format.h"

namespace varve {

class PartitionBuilder {
 public:
  // The first data block will begin at `data_begin` of the file.
  PartitionBuilder(int filter_bits_per_key, uint64_t data_begin)
      : data_begin_(data_begin), filter_(filter_bits_per_key) {}

  void AddKey(uint64_t filter_hash) { filter_.Add(filter_hash); }
  // See IndexBuilder.
  void BeginBlock(Slice separator) { index_.BeginBlock(separator); }
  // It ends at `end` of the file, trailer included.
  void EndBlock(uint64_t end) { index_.EndBlock(end - data_begin_); }

  size_t blocks() const { return index_.blocks(); }
  // REQUIRES: every block begun has ended, and there is one.
  std::string Finish() const;
  // Of those contents, roughly, as of now.
  size_t size_bytes() const { return 16 + filter_.size_bytes() + index_.size_bytes(); }

 private:
  const uint64_t data_begin_;
  FilterBuilder filter_;
  IndexBuilder index_;
};

class Partition {
 public:
  // From verified contents; null if they make no sense, or lead beyond the file's first `data_bytes`.
  static std::shared_ptr<const Partition> Make(Slice contents, uint64_t data_bytes);

  // False means that surely none of its blocks has an entry for the key of this FilterHash.
  bool MayContain(uint64_t filter_hash) const { return filter_.MayContain(filter_hash); }
  // Begins to load what MayContain will look at.
  void PrefetchFilter(uint64_t filter_hash) const { filter_.Prefetch(filter_hash); }

  // Otherwise it may contain anything.
  bool has_filter() const { return !filter_.empty(); }
  int filter_bits_per_key() const { return filter_.bits_per_key(); }

  // Its blocks, in key order.
  size_t blocks() const { return index_.blocks(); }
  BlockHandle BlockAt(size_t i) const { return index_.BlockAt(i); }
  // The one that would hold `key`. There is always one: also for a key outside of its range, which
  // is then not found in it.
  size_t FindIndex(Slice key) const { return index_.Find(key); }
  BlockHandle Find(Slice key) const { return BlockAt(FindIndex(key)); }
  // Keys below it are in block i at most. REQUIRES: i + 1 < blocks().
  Slice SeparatorBehind(size_t i) const { return index_.SeparatorBehind(i); }
  // Where the last block ends.
  uint64_t end() const { return index_.end(); }

  size_t memory_bytes() const {
    return sizeof(*this) + filter_.memory_bytes() + index_.memory_bytes();
  }

 private:
  Partition(Filter filter, Index index) : filter_(std::move(filter)), index_(std::move(index)) {}

  const Filter filter_;
  const Index index_;
};

}  // namespace varve
