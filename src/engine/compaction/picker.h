// engine/compaction/picker.h: what all policies pick alike.
//
// Best first:
//   1. tables wholly under a dead prefix: they cost nothing to drop
//   2. what gives the tree its shape, which is the policy's own business: see Shape()
//   3. a table that has expired as a whole
//   4. a table that is mostly tombstones
//   5. a table that may hold something under a dead prefix
//   6. a table that refers to value files with much garbage, rewritten where it is, and its values moved:
//      value_garbage.h. When little is being written, runs are first merged to find what is garbage
//
// 3 and 4 push the table into the next level or, where nothing lies below, rewrite it in its place;
// 5 always does that. None of them can go on for ever: a push leads downwards, and there are so
// many levels; where nothing lies below, the job drops tombstones and expired entries; everywhere
// it drops what is under a dead prefix, and what it writes has a number above the prefix's bound.
//
// On a full disk 5 and 4 come before 2: they need little room and give back more. So does 6 when most of the
// value files is garbage, unless level 0 cannot wait.
//
// Every plan that merges tables which refer to such value files moves those values on the way. 6 ends because a
// table that was rewritten refers to none of the files that it was rewritten for.
//
// Jobs at the same time: a plan takes all tables of its output level that meet its range, and none
// that is busy. So two jobs never write into the same range. Level 0 has one job at most.
//
// Tables that cannot be read are not merged, nor is what lies above them and meets them; all others are compacted around them.
// They may move. Level 0 always has somewhere to go, a level above what cannot be read, and if there is none runs
// sink until there is one: writers do not wait for what may never come.
//
// Threads: any; a picker lives for one call.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/compaction/policy.h"

namespace varve {

struct KeyRange {
  Slice smallest;
  Slice largest;
};
// REQUIRES: there are some.
KeyRange RangeOf(const FileList& files);

// Whether no two tables, of whatever levels, overlap.
bool AreDisjoint(const FileList& files);

class Picker {
 public:
  using Plan = std::optional<CompactionPlan>;

  Plan Automatic() const;
  // What was asked for: see range.h.
  Plan OfRange(const CompactionRange& range) const;

 protected:
  // How single tables are pushed.
  struct Pushes {
    int base;                     // levels above it are passed over when they are empty
    uint64_t push_bytes_max;      // what would meet more than that stays
    uint64_t tombstones_percent;  // of its entries, beyond which a table is mostly tombstones
  };
  // All but `pushes` must outlive the picker.
  Picker(const Version& version, const PolicyState& state, const Pushes& pushes)
      : version_(version), state_(state), pushes_(pushes) {}
  ~Picker() = default;

  // --- The policy's own ---
  virtual Plan Shape() const = 0;
  virtual Plan FromLevel0(CompactionReason reason) const = 0;
  // Likewise, of these tables. REQUIRES: with each come all older ones that meet it.
  virtual Plan MergeLevel0(FileList tables, CompactionReason reason) const = 0;
  // The next step towards one run, without what could be dropped.
  virtual Plan TowardsOneRun(CompactionReason reason) const = 0;

  // --- Plans for one table ---
  Plan InPlace(const FileRef& file, CompactionReason reason) const;
  // REQUIRES: level >= 1, and it is not the last.
  Plan PushDown(int level, size_t index, CompactionReason reason) const;
  // Of tables of level 0, newest first, as many of the oldest as can be read; or the oldest alone, if that one cannot.
  FileList OldestToMerge(FileList tables) const;
  // The deepest run above an empty level moves down, all of it.
  Plan SinkRun() const;
  // Where a push out of `level` leads: the next level, or the next one that is not empty.
  int NextLevel(int level) const;
  // The first table of `level` that holds a tombstone or what is dead, rewritten.
  Plan CleanInPlace(int level, CompactionReason reason) const;

  bool MostlyTombstones(const FileMeta& file) const {
    return 100 * file.tombstones > pushes_.tombstones_percent * file.entries;
  }
  bool IsBusy(const FileRef& file) const { return state_.busy.contains(file->number); }
  bool AnyBusy(const FileList& files) const;
  bool AnyBusy(const CompactionPlan& plan) const {
    return AnyBusy(plan.inputs) || AnyBusy(plan.next_inputs);
  }
  const Options& options() const { return state_.options; }
  uint64_t bytes_max() const { return state_.options.compaction_bytes_max; }

  const Version& version_;
  const PolicyState& state_;

 private:
  Plan Best() const;
  Plan DropDead() const;
  Plan ExpiredTable() const;
  Plan TombstoneTable() const;
  Plan TableWithDead() const;
  Plan TableWithGarbage() const;
  template <typename Wanted>
  Plan FirstTable(CompactionReason reason, Wanted wanted) const;
  Plan DownOrInPlace(int level, size_t index, CompactionReason reason) const;
  // Whether a job may be about to write to `next` where the table would lie if it moved there.
  bool MayBeWrittenOver(const FileMeta& file, int next) const;
  void Widen(size_t index, CompactionPlan* plan) const;

  const Pushes pushes_;
};

}  // namespace varve
