// engine/iterators/merging_iterator.cc: the loser tree, and who may speak for a key.
#include "engine/iterators/merging_iterator.h"

#include <utility>

#include "base/check.h"

namespace varve {

template <Direction direction>
// NOLINTNEXTLINE: its elements are moved, if not itself
MergingIterator<direction>::MergingIterator(std::vector<std::unique_ptr<EntryIterator>> children)
    : losers_(children.size()) {
  children_.reserve(children.size());
  for (std::unique_ptr<EntryIterator>& child : children) {
    children_.push_back({.iterator = std::move(child), .valid = false, .key = {}});
  }
}

template <Direction direction>
void MergingIterator<direction>::SeekToFirst() {
  status_ = Status::Ok();
  for (Child& child : children_) {
    child.iterator->SeekToFirst();
    Refresh(&child);
  }
  PlayAll();
}

template <Direction direction>
void MergingIterator<direction>::Seek(Slice target) {
  status_ = Status::Ok();
  for (Child& child : children_) {
    child.iterator->Seek(target);
    Refresh(&child);
  }
  PlayAll();
}

template <Direction direction>
void MergingIterator<direction>::Next() {
  DCHECK(valid_);
  children_[winner_].iterator->Next();
  Refresh(&children_[winner_]);
  ReplayWinner();
}

template <Direction direction>
void MergingIterator<direction>::Refresh(Child* child) {
  child->valid = child->iterator->Valid();
  if (child->valid) {
    child->key = child->iterator->entry().key;
    return;
  }
  // An error says more than a wait: running again would not help.
  Status status = child->iterator->status();
  if (!status.ok() && (status_.ok() || status_.is_pending())) status_ = std::move(status);
}

template <Direction direction>
bool MergingIterator<direction>::Before(size_t a, size_t b) const {
  const Child& left = children_[a];
  const Child& right = children_[b];
  if (!left.valid || !right.valid) return left.valid;
  const int order =
      direction == Direction::kForward ? left.key.compare(right.key) : right.key.compare(left.key);
  return order < 0 || (order == 0 && a < b);
}

template <Direction direction>
void MergingIterator<direction>::PlayAll() {
  const size_t n = children_.size();
  valid_ = false;
  if (n == 0) return;
  std::vector<size_t> winners(2 * n);  // of each node
  for (size_t node = 2 * n - 1; node >= 1; --node) {
    if (node >= n) {
      winners[node] = node - n;
      continue;
    }
    const size_t left = winners[2 * node];
    const size_t right = winners[2 * node + 1];
    const bool left_wins = Before(left, right);
    winners[node] = left_wins ? left : right;
    losers_[node] = left_wins ? right : left;
  }
  winner_ = winners[1];
  valid_ = status_.ok() && children_[winner_].valid;
}

template <Direction direction>
void MergingIterator<direction>::ReplayWinner() {
  size_t winner = winner_;
  for (size_t node = (winner + children_.size()) / 2; node >= 1; node /= 2) {
    if (Before(losers_[node], winner)) std::swap(losers_[node], winner);
  }
  winner_ = winner;
  valid_ = status_.ok() && children_[winner_].valid;
}

void NewestIterator::Next() {
  key_.assign(entries_->entry().key);
  do {
    entries_->Next();
  } while (entries_->Valid() && entries_->entry().key == key_);
}

template class MergingIterator<Direction::kForward>;
template class MergingIterator<Direction::kBackward>;

}  // namespace varve
