// engine/iterators/level_iterator.cc: from table to table.
#include "engine/iterators/level_iterator.h"

#include <algorithm>

#include "base/check.h"

namespace varve {

void LevelIterator::SeekToFirst() {
  if (Enter(0)) table_->SeekToFirst();
}

void LevelIterator::Seek(Slice target) {
  const auto table =
      std::partition_point(tables_.begin(), tables_.end(),
                           [target](const FileRef& file) { return file->largest < target; });
  if (Enter(static_cast<size_t>(table - tables_.begin()))) table_->Seek(target);
}

void LevelIterator::Next() {
  DCHECK(Valid());
  table_->Next();
  SkipEnded();
}

bool LevelIterator::Enter(size_t i) {
  if (table_ && table_index_ == i) return true;
  table_.reset();
  table_index_ = i;
  if (i >= tables_.size()) return false;
  table_.emplace(tables_[i], source_);
  return true;
}

void LevelIterator::SkipEnded() {
  if (table_->Valid() || !table_->status().ok()) return;
  if (Enter(table_index_ + 1)) table_->SeekToFirst();
}

}  // namespace varve
