// engine/table/index.h: in which of several blocks a key would be.
//
// Of a partition: in which of its data blocks. Of a table: in which of its partitions. Of the expiry blocks: in
// which of them.
//
// Between two blocks stands a separator: the shortest beginning of the second one's first key that
// is greater than all keys of the first. So block i holds the keys from separator i (included) up
// to separator i+1, and long keys cost little here.
//
//   block 0 ... "user:1031"   |  "user:11"  |   "user:1107" ... block 1
//
// The index block:
//
//   offset  size    field
//        0     8    blocks           n; at least 1
//        8    8n    ends             where each block ends, trailer included; the next begins there.
//                                    Counted from where the first one begins
//            8(n-1) separator ends   in the bytes that follow; separator i stands before block i+1
//                   separators       one after the other
//
// It is searched as it is, by halving. To spare those steps their cache misses, the eight bytes of
// each separator behind what all have in common are kept together, as numbers: mostly the answer is
// found among these alone, branch-free.
//
// Threads: any for Index, which never changes; one at a time for IndexBuilder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/slice.h"
#include "engine/table/table_format.h"

namespace varve {

class IndexBuilder {
 public:
  // The next block begins. `separator` is ignored for the first one.
  void BeginBlock(Slice separator);
  // It ends here, trailer included, counted from where the first block begins.
  void EndBlock(uint64_t end) { ends_.push_back(end); }

  // The contents of the index block. REQUIRES: every block begun has ended, and there is one.
  std::string Finish() const;
  // Of those contents, roughly, as of now.
  size_t size_bytes() const { return separators_.size() + 16 * ends_.size() + 8; }
  size_t blocks() const { return ends_.size(); }

 private:
  bool first_begun_ = false;
  std::vector<uint64_t> ends_;
  std::vector<uint64_t> separator_ends_;
  std::string separators_;
};

class Index {
 public:
  Index() = default;
  // From a verified index block; nothing if it makes no sense. The first of the blocks begins at `begin`
  // of the file.
  static std::optional<Index> Make(Slice contents, uint64_t begin);

  size_t blocks() const { return blocks_; }
  // REQUIRES: i < blocks().
  BlockHandle BlockAt(size_t i) const {
    const uint64_t begin = i == 0 ? 0 : End(i - 1);
    return {begin_ + begin, End(i) - begin - kTrailerBytes};
  }
  // Where the last one ends, trailer included.
  uint64_t end() const { return begin_ + End(blocks_ - 1); }
  // The block `key` would be in. REQUIRES: blocks() > 0.
  size_t Find(Slice key) const;
  // Stands between blocks i and i+1. REQUIRES: i + 1 < blocks().
  Slice SeparatorBehind(size_t i) const;

  size_t memory_bytes() const { return bytes_.capacity() + heads_.capacity() * sizeof(uint64_t); }

 private:
  bool Parse();

  uint64_t End(size_t block) const { return LoadFixed64(bytes_.data() + 8 + 8 * block); }
  uint64_t SeparatorEnd(size_t i) const {
    return LoadFixed64(bytes_.data() + 8 + 8 * (blocks_ + i));
  }
  size_t separators() const { return blocks_ - 1; }

  std::string bytes_;
  uint64_t begin_ = 0;
  size_t blocks_ = 0;
  size_t separators_at_ = 0;     // offset in bytes_
  size_t prefix_bytes_ = 0;      // that all separators have in common
  std::vector<uint64_t> heads_;  // of the separators, behind that prefix
};

}  // namespace varve
