// engine/iterators/table_iterator.h: the entries of one table, in order.
//
// Two levels: a position in the table's index, and an iterator over the block there, fetched when
// the walk comes to it. Threads: one at a time, that of its BlockSource.
#pragma once

#include <cstddef>
#include <memory>

#include "engine/iterators/block_source.h"
#include "engine/iterators/iterator.h"
#include "engine/table/table_reader.h"

namespace varve {

class TableIterator final : public EntryIterator {
 public:
  // `source` must outlive the iterator, which holds the table.
  TableIterator(std::shared_ptr<const TableReader> table, BlockSource& source)
      : table_(std::move(table)), source_(source) {}

  void SeekToFirst() override;
  void Seek(Slice target) override;
  void Next() override;

  bool Valid() const override { return block_.Valid(); }
  Status status() const override { return status_; }
  const Entry& entry() const override { return block_.entry(); }

 private:
  // Fetches block `i`; false, with a status, if it cannot be had.
  bool Enter(size_t i);
  // From behind a block's last entry to the first of the next one, if there is one.
  void NextBlock();

  std::shared_ptr<const TableReader> table_;
  BlockSource& source_;
  size_t block_index_ = 0;
  BlockIterator block_;
  Status status_;
};

}  // namespace varve
