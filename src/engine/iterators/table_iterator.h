// engine/iterators/table_iterator.h: the entries of one table, in order or in reverse order.
//
// Three levels: the table, opened when the walk begins; a partition of it; and an iterator over one of that
// one's blocks. Each is fetched when the walk comes to it. Threads: one at a time, that of its BlockSource.
//
// What is damaged ends the walk with an error. A merge that writes what is left has to go on: with Losses the walk adds to
// them and goes on behind.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "engine/iterators/block_source.h"
#include "engine/iterators/iterator.h"
#include "engine/iterators/lost_ranges.h"
#include "engine/table/table_reader.h"

namespace varve {

struct Losses {
  LostRanges* ranges;
  size_t child;  // of the merge: whose they are
};

template <Direction direction>
class TableIterator final : public EntryIterator {
 public:
  // `source` must outlive the iterator, and so must the ranges of `losses`. With these there is only the walk forward
  // from the first entry.
  TableIterator(FileRef file, BlockSource& source, std::optional<Losses> losses = {})
      : file_(std::move(file)), source_(source), losses_(losses) {}

  void SeekToFirst() override;
  void Seek(Slice target) override;
  void Next() override;

  bool Valid() const override { return block_.Valid(); }
  Status status() const override { return status_; }
  const Entry& entry() const override { return block_.entry(); }

 private:
  using InBlock =
      std::conditional_t<direction == Direction::kForward, BlockIterator, BackwardBlockIterator>;

  // Each fetches what it is named for, unless it is there already; false, with a status, if it cannot be had.
  bool EnterTable();
  bool EnterPartition(size_t i);
  bool EnterBlock(size_t i);  // of the partition
  // To the first entry at or behind the beginning of block `b` of partition `p`, if there is one.
  void EnterFirstFrom(size_t p, std::optional<size_t> b);
  // When a block has ended: to the first entry of the next one, if there is one.
  void NextBlock();
  bool Fail(Status status);

  // After a failure of the table, of a partition, or of a block of it: whether the walk goes on behind it.
  bool PassOverTable();
  bool PassOver(size_t partition, std::optional<size_t> block);

  const FileRef file_;
  BlockSource& source_;
  std::shared_ptr<const TableReader> table_;
  size_t partition_index_ = 0;
  std::shared_ptr<const Partition> partition_;
  size_t block_index_ = 0;
  InBlock block_;
  Status status_;
  const std::optional<Losses> losses_;
};

}  // namespace varve
