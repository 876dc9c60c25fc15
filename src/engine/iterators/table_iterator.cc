// engine/iterators/table_iterator.cc: from block to block.
#include "engine/iterators/table_iterator.h"

#include "base/check.h"

namespace varve {

template <Direction direction>
void TableIterator<direction>::SeekToFirst() {
  if (EnterTable() && EnterPartition(FirstOf<direction>(table_->partition_count()))) {
    EnterFirstBlock();
  }
}

template <Direction direction>
void TableIterator<direction>::Seek(Slice target) {
  if (!EnterTable() || !EnterPartition(table_->FindPartition(target))) return;
  if (!EnterBlock(partition_->FindIndex(target))) return;
  block_.Seek(target);
  if (!block_.Valid()) NextBlock();
}

template <Direction direction>
void TableIterator<direction>::Next() {
  DCHECK(Valid());
  block_.Next();
  if (!block_.Valid()) NextBlock();
}

template <Direction direction>
bool TableIterator<direction>::EnterTable() {
  status_ = Status::Ok();
  if (table_) return true;
  Result<std::shared_ptr<const TableReader>> table = source_.Open(*file_);
  if (!table.ok()) return Fail(table.status());
  table_ = std::move(*table);
  return true;
}

template <Direction direction>
bool TableIterator<direction>::EnterPartition(size_t i) {
  if (partition_ && partition_index_ == i) return true;
  block_.Reset(nullptr);
  partition_.reset();
  Result<std::shared_ptr<const Partition>> partition = source_.FetchPartition(table_, i);
  if (!partition.ok()) return Fail(partition.status());
  partition_ = std::move(*partition);
  partition_index_ = i;
  return true;
}

template <Direction direction>
bool TableIterator<direction>::EnterBlock(size_t i) {
  if (block_.block() && block_index_ == i) return true;  // A seek within the same block.
  Result<std::shared_ptr<const Block>> block = source_.Fetch(table_, partition_, i);
  if (!block.ok()) return Fail(block.status());
  block_.Reset(std::move(*block));
  block_index_ = i;
  return true;
}

template <Direction direction>
void TableIterator<direction>::EnterFirstBlock() {
  if (EnterBlock(FirstOf<direction>(partition_->blocks()))) block_.SeekToFirst();
}

template <Direction direction>
void TableIterator<direction>::NextBlock() {
  if (const size_t next = NextOf<direction>(block_index_); next < partition_->blocks()) {
    if (EnterBlock(next)) block_.SeekToFirst();
    return;
  }
  const size_t next = NextOf<direction>(partition_index_);
  if (next >= table_->partition_count()) return;  // The end.
  if (EnterPartition(next)) EnterFirstBlock();
}

template <Direction direction>
bool TableIterator<direction>::Fail(Status status) {
  block_.Reset(nullptr);
  status_ = std::move(status);
  return false;
}

template class TableIterator<Direction::kForward>;
template class TableIterator<Direction::kBackward>;

}  // namespace varve
