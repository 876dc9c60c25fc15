// engine/iterators/table_iterator.cc: from block to block.
#include "engine/iterators/table_iterator.h"

#include "base/check.h"

namespace varve {

template <Direction direction>
void TableIterator<direction>::SeekToFirst() {
  if (EnterTable()) {
    EnterFirstFrom(FirstOf<direction>(table_->partition_count()), std::nullopt);
  } else {
    PassOverTable();
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
void TableIterator<direction>::EnterFirstFrom(size_t p, std::optional<size_t> b) {
  for (; p < table_->partition_count(); p = NextOf<direction>(p), b.reset()) {
    if (!EnterPartition(p)) {
      if (PassOver(p, std::nullopt)) continue;
      return;
    }
    size_t i = b.value_or(FirstOf<direction>(partition_->blocks()));
    for (; i < partition_->blocks(); i = NextOf<direction>(i)) {
      if (EnterBlock(i)) return block_.SeekToFirst();
      if (!PassOver(p, i)) return;
    }
  }
}

template <Direction direction>
void TableIterator<direction>::NextBlock() {
  EnterFirstFrom(partition_index_, NextOf<direction>(block_index_));
}

template <Direction direction>
bool TableIterator<direction>::PassOverTable() {
  const bool damaged = status_.code() == StatusCode::kCorruption || status_.is_not_found();
  if (!losses_ || !damaged) return false;
  losses_->ranges->Add({.begin = file_->smallest,
                        .end = file_->largest + '\0',
                        .why = std::string(status_.message()),
                        .file_number = file_->number,
                        .child = losses_->child,
                        .partition = nullptr});
  status_ = Status::Ok();
  return true;
}

// What the index leads there to, no more than that is lost.
template <Direction direction>
bool TableIterator<direction>::PassOver(size_t p, std::optional<size_t> block) {
  if (!losses_ || status_.code() != StatusCode::kCorruption) return false;
  Slice begin = p > 0 ? table_->SeparatorBehind(p - 1) : Slice(file_->smallest);
  std::string end = file_->largest + '\0';
  if (p + 1 < table_->partition_count()) end = table_->SeparatorBehind(p);
  if (block && *block > 0) begin = partition_->SeparatorBehind(*block - 1);
  if (block && *block + 1 < partition_->blocks()) end = partition_->SeparatorBehind(*block);
  losses_->ranges->Add({.begin = std::string(begin),
                        .end = std::move(end),
                        .why = std::string(status_.message()),
                        .file_number = file_->number,
                        .child = losses_->child,
                        .partition = block ? partition_ : nullptr});
  status_ = Status::Ok();
  return true;
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
