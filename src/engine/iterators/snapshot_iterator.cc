// engine/iterators/snapshot_iterator.cc: over what is dead, to what is alive.
#include "engine/iterators/snapshot_iterator.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/prefix.h"
#include "engine/iterators/version_children.h"

namespace varve {

namespace {

// A seek goes through all runs; so many steps cost about as much.
constexpr int kStepsBeforeJump = 64;

}  // namespace

SnapshotIterator::SnapshotIterator(std::shared_ptr<const PinnedState> state, TableDirectory tables,
                                   Slice lower, Slice upper)
    : state_(std::move(state)),
      dead_(state_->manifest.dead_prefixes.prefixes()),
      tables_(std::move(tables)),
      values_(tables_),
      lower_(lower),
      upper_(upper),
      next_dead_(dead_.end()) {
  const Version& version = *state_->manifest.version;
  std::vector<size_t> runs;
  for (int level = 1; level < kLevels; ++level) {
    if (!version.level(level).empty()) runs.push_back(static_cast<size_t>(level));
  }
  std::vector<std::unique_ptr<EntryIterator>> children;
  AddChildrenOf<Direction::kForward>(
      version, runs, lower_, upper_,
      [this]() -> BlockSource& { return sources_.emplace_back(tables_); }, &children);
  merge_ = std::make_unique<NewestIterator>(
      std::make_unique<MergingIterator<Direction::kForward>>(std::move(children)));
}

void SnapshotIterator::Seek(Slice target) {
  target = std::max(target, Slice(lower_));
  next_dead_ = state_->manifest.dead_prefixes.FirstFrom(target);
  merge_->Seek(target);
  Settle();
}

void SnapshotIterator::Next() {
  DCHECK(valid_);
  merge_->Next();
  Settle();
}

void SnapshotIterator::Settle() {
  valid_ = false;
  value_.reset();
  value_status_ = Status::Ok();
  while (merge_->Valid() && (upper_.empty() || merge_->entry().key < upper_)) {
    const Entry& entry = merge_->entry();
    if (const DeadPrefix dead = FindDead(entry.key); dead != dead_.end()) {
      if (!PassDead(dead->first)) return;
    } else if (entry.kind != EntryKind::kPut) {
      merge_->Next();
    } else {
      entry_ = entry;
      if (entry_.in_value_file) value_status_ = FetchValue();
      valid_ = value_status_.ok();
      return;
    }
  }
}

SnapshotIterator::DeadPrefix SnapshotIterator::FindDead(Slice key) {
  // What begins with a smaller prefix lies before the key, and so behind the walk.
  while (next_dead_ != dead_.end() && next_dead_->first <= key) {
    if (key.starts_with(next_dead_->first)) return next_dead_;
    ++next_dead_;
  }
  return dead_.end();
}

bool SnapshotIterator::PassDead(const std::string& prefix) {
  for (int steps = 0; steps < kStepsBeforeJump; ++steps) {
    merge_->Next();
    if (!merge_->Valid() || !merge_->entry().key.starts_with(prefix)) return true;
  }
  const std::string end = PrefixEnd(prefix);
  if (end.empty()) return false;
  merge_->Seek(end);
  return true;
}

Status SnapshotIterator::FetchValue() {
  Result<std::shared_ptr<const LoadedValue>> value = values_.Read(entry_);
  if (!value.ok()) return value.status();
  value_ = std::move(*value);
  entry_.value = value_->slice();
  entry_.in_value_file = false;
  return Status::Ok();
}

}  // namespace varve
