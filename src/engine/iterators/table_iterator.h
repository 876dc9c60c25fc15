// engine/iterators/table_iterator.h: the entries of one table, in order or in reverse order.
//
// Three levels: the table, opened when the walk begins; a partition of it; and an iterator over one of that
// one's blocks. Each is fetched when the walk comes to it. Threads: one at a time, that of its BlockSource.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include "engine/iterators/block_source.h"
#include "engine/iterators/iterator.h"
#include "engine/table/table_reader.h"

namespace varve {

template <Direction direction>
class TableIterator final : public EntryIterator {
 public:
  // `source` must outlive the iterator.
  TableIterator(FileRef file, BlockSource& source) : file_(std::move(file)), source_(source) {}

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
  // Of the partition: to its first entry.
  void EnterFirstBlock();
  // When a block has ended: to the first entry of the next one, if there is one.
  void NextBlock();
  bool Fail(Status status);

  const FileRef file_;
  BlockSource& source_;
  std::shared_ptr<const TableReader> table_;
  size_t partition_index_ = 0;
  std::shared_ptr<const Partition> partition_;
  size_t block_index_ = 0;
  InBlock block_;
  Status status_;
};

}  // namespace varve
