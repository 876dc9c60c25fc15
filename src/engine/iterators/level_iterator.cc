// engine/iterators/level_iterator.cc: from table to table.
#include "engine/iterators/level_iterator.h"

#include <algorithm>

#include "base/check.h"

namespace varve {

template <Direction direction>
void LevelIterator<direction>::SeekToFirst() {
  if (!Enter(FirstOf<direction>(tables_.size()))) return;
  table_->SeekToFirst();
  SkipEnded();
}

template <Direction direction>
void LevelIterator<direction>::Seek(Slice target) {
  // The first of the walk that has anything on its side of the target.
  const auto behind =
      std::partition_point(tables_.begin(), tables_.end(), [target](const FileRef& file) {
        const Slice key = direction == Direction::kForward ? file->largest : file->smallest;
        return key < target;
      });
  const auto passed = static_cast<size_t>(behind - tables_.begin());
  if (Enter(direction == Direction::kForward ? passed : passed - 1)) table_->Seek(target);
}

template <Direction direction>
void LevelIterator<direction>::Next() {
  DCHECK(Valid());
  table_->Next();
  SkipEnded();
}

template <Direction direction>
bool LevelIterator<direction>::Enter(size_t i) {
  if (table_ && table_index_ == i) return true;
  table_.reset();
  table_index_ = i;
  if (i >= tables_.size()) return false;
  table_.emplace(tables_[i], source_, losses_);
  return true;
}

template <Direction direction>
void LevelIterator<direction>::SkipEnded() {
  while (!table_->Valid() && table_->status().ok()) {
    if (!Enter(NextOf<direction>(table_index_))) return;
    table_->SeekToFirst();
  }
}

template class LevelIterator<Direction::kForward>;
template class LevelIterator<Direction::kBackward>;

}  // namespace varve
