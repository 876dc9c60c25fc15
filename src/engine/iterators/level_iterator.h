// engine/iterators/level_iterator.h: disjoint tables, one after the other, from either end.
//
// What a deeper level looks like to a merge: one child, however many tables there are. Only the
// table the walk is in costs anything. Threads: one at a time, that of its BlockSource.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "engine/iterators/table_iterator.h"

namespace varve {

// In key order, whatever the direction.
using LevelTables = std::span<const FileRef>;

template <Direction direction>
class LevelIterator final : public EntryIterator {
 public:
  // REQUIRES: each table's smallest key is greater than the largest of the table before.
  // `tables` is borrowed, as from a Version that the caller holds: it and `source` must outlive
  // the iterator. `losses`: see TableIterator.
  LevelIterator(LevelTables tables, BlockSource& source, std::optional<Losses> losses = {})
      : tables_(tables), source_(source), losses_(losses) {}

  void SeekToFirst() override;
  void Seek(Slice target) override;
  void Next() override;

  bool Valid() const override { return table_ && table_->Valid(); }
  Status status() const override { return table_ ? table_->status() : Status::Ok(); }
  const Entry& entry() const override { return table_->entry(); }

  // The one that the walk is in, or ended in. REQUIRES: Valid(), or an error.
  const FileMeta& table() const { return *tables_[table_index_]; }

 private:
  // Makes table `i` the current one, or none if there is no such table.
  bool Enter(size_t i);
  // At the end of a table: to the first entry behind it. A table may have none, if what it had is lost.
  void SkipEnded();

  const LevelTables tables_;
  BlockSource& source_;
  const std::optional<Losses> losses_;
  size_t table_index_ = 0;
  std::optional<TableIterator<direction>> table_;
};

}  // namespace varve
