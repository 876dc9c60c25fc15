// engine/iterators/table_iterator.cc: from block to block.
#include "engine/iterators/table_iterator.h"

#include "base/check.h"

namespace varve {

void TableIterator::SeekToFirst() {
  if (EnterTable() && EnterPartition(0) && EnterBlock(0)) block_.SeekToFirst();
}

void TableIterator::Seek(Slice target) {
  if (!EnterTable() || !EnterPartition(table_->FindPartition(target))) return;
  if (!EnterBlock(partition_->FindIndex(target))) return;
  block_.Seek(target);
  if (!block_.Valid()) NextBlock();
}

void TableIterator::Next() {
  DCHECK(Valid());
  block_.Next();
  if (!block_.Valid()) NextBlock();
}

bool TableIterator::EnterTable() {
  status_ = Status::Ok();
  if (table_) return true;
  Result<std::shared_ptr<const TableReader>> table = source_.Open(*file_);
  if (!table.ok()) return Fail(table.status());
  table_ = std::move(*table);
  return true;
}

bool TableIterator::EnterPartition(size_t i) {
  if (partition_ && partition_index_ == i) return true;
  block_.Reset(nullptr);
  partition_.reset();
  Result<std::shared_ptr<const Partition>> partition = source_.FetchPartition(table_, i);
  if (!partition.ok()) return Fail(partition.status());
  partition_ = std::move(*partition);
  partition_index_ = i;
  return true;
}

bool TableIterator::EnterBlock(size_t i) {
  if (block_.block() && block_index_ == i) return true;  // A seek within the same block.
  Result<std::shared_ptr<const Block>> block = source_.Fetch(table_, partition_, i);
  if (!block.ok()) return Fail(block.status());
  block_.Reset(std::move(*block));
  block_index_ = i;
  return true;
}

void TableIterator::NextBlock() {
  if (block_index_ + 1 < partition_->blocks()) {
    if (EnterBlock(block_index_ + 1)) block_.SeekToFirst();
    return;
  }
  if (partition_index_ + 1 == table_->partition_count()) return;  // The end.
  if (EnterPartition(partition_index_ + 1) && EnterBlock(0)) block_.SeekToFirst();
}

bool TableIterator::Fail(Status status) {
  block_.Reset(nullptr);
  status_ = std::move(status);
  return false;
}

}  // namespace varve
