// engine/iterators/table_iterator.cc: from block to block.
#include "engine/iterators/table_iterator.h"

#include "base/check.h"

namespace varve {

void TableIterator::SeekToFirst() {
  if (Enter(0)) block_.SeekToFirst();
}

void TableIterator::Seek(Slice target) {
  if (!Enter(table_->FindBlockIndex(target))) return;
  block_.Seek(target);
  if (!block_.Valid()) NextBlock();
}

void TableIterator::Next() {
  DCHECK(Valid());
  block_.Next();
  if (!block_.Valid()) NextBlock();
}

bool TableIterator::Enter(size_t i) {
  status_ = Status::Ok();
  if (block_.block() && block_index_ == i) return true;  // A seek within the same block.
  Result<std::shared_ptr<const Block>> block = source_.Fetch(table_, table_->BlockAt(i));
  block_index_ = i;
  block_.Reset(block.ok() ? std::move(*block) : nullptr);
  if (!block.ok()) status_ = block.status();
  return block.ok();
}

void TableIterator::NextBlock() {
  if (block_index_ + 1 == table_->block_count()) return;  // The end.
  if (Enter(block_index_ + 1)) block_.SeekToFirst();
}

}  // namespace varve
