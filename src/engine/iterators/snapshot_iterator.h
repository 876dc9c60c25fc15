// engine/iterators/snapshot_iterator.h: what is alive in a pinned state, in order.
//
// The tables are merged, newest first; of what comes out, tombstones and what lies under dead prefixes is left
// out, and values are fetched from their value files. Long stretches under a dead prefix are jumped over.
//
// Reads past all caches, with readahead. Threads: a worker, one at a time; waits for the disk.
// Errors     kCorruption, kIoError: of any table in the range, or of the value of the entry that would be the next.
// Ownership  Holds the state, and so its files, as long as it lives.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "engine/iterators/block_source.h"
#include "engine/iterators/merging_iterator.h"
#include "engine/values/open_value_files.h"
#include "engine/version/pins.h"

namespace varve {

class SnapshotIterator final : public EntryIterator {
 public:
  // Of [lower, upper); an empty `upper` means no bound.
  SnapshotIterator(std::shared_ptr<const PinnedState> state, TableDirectory tables, Slice lower,
                   Slice upper);

  void SeekToFirst() override { Seek(lower_); }
  void Seek(Slice target) override;
  void Next() override;

  bool Valid() const override { return valid_; }
  Status status() const override { return value_status_.ok() ? merge_->status() : value_status_; }
  const Entry& entry() const override { return entry_; }

 private:
  using DeadPrefix = DeadPrefixes::Map::const_iterator;

  // From where the merge stands to the first entry that is alive.
  void Settle();
  // The dead prefix of a key that is no smaller than that of the last call since a seek; the end if there is none.
  DeadPrefix FindDead(Slice key);
  // Behind what lies under it. False: there is nothing behind.
  bool PassDead(const std::string& prefix);
  Status FetchValue();

  const std::shared_ptr<const PinnedState> state_;
  const DeadPrefixes::Map& dead_;  // the state's
  const TableDirectory tables_;
  OpenValueFiles values_;
  const std::string lower_;
  const std::string upper_;
  std::deque<DirectBlockSource> sources_;
  std::unique_ptr<NewestIterator> merge_;
  DeadPrefix next_dead_;                      // no key from here on lies under one before it
  std::shared_ptr<const LoadedValue> value_;  // of the entry
  Status value_status_;
  bool valid_ = false;
  Entry entry_;
};

}  // namespace varve
