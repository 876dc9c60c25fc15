// engine/compaction/simulated_tree.h: a tree without a disk, compacted exactly.
//
// The version is a real one, and so are the policies that are asked; only the tables are vectors of
// numbered keys. A job merges them as compaction_job.h does: the newest entry of a key wins, what
// lies under a dead prefix goes, and so does a tombstone below which no table may hold its key.
//
// Units      Bytes are those of FileMeta::size_bytes: so many for each put and each tombstone.
// Threads    Any, one at a time.
// Errors     kCorruption if a plan was none: it names what is not there or busy, reads what cannot be
//            read, makes tables of a level overlap, or claims that nothing is to be read where
//            something is. Get() tells whether it lost or revived anything.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "engine/compaction/policy.h"
#include "engine/options.h"
#include "engine/version/dead_prefixes.h"
#include "engine/version/version.h"

namespace varve {

struct SimulatedEntry {
  uint32_t key;
  uint32_t value;  // 0: a tombstone
};
// In order of their keys, each key once.
using SimulatedEntries = std::vector<SimulatedEntry>;

class SimulatedTree {
 public:
  // `options` are those that policies look at; table_bytes cuts what jobs write.
  SimulatedTree(const Options& options, uint64_t put_bytes, uint64_t tombstone_bytes)
      : options_(options), put_bytes_(put_bytes), tombstone_bytes_(tombstone_bytes) {}

  // What FileMeta has for a key: eight hexadecimal digits, so that numbers are ordered as keys are.
  static std::string KeyText(uint32_t key);

  // --- Changing it ---
  // A new table in level 0; none if there is nothing.
  Status Flush(SimulatedEntries entries);
  // A table where a former life may have left it. kCorruption if it overlaps others there.
  Status Plant(int level, SimulatedEntries entries);
  // Carries out what the policy picks. False if it picks nothing.
  Result<bool> Step(const CompactionPolicy& policy);
  // Likewise of a range, and moves that on.
  Result<bool> StepManually(const CompactionPolicy& policy, CompactionRange* range);
  // Steps until nothing is picked. kCorruption too if that takes more than `steps_max`.
  Status Settle(const CompactionPolicy& policy, int steps_max);
  // Nothing may be written under it any more.
  void KillPrefix(Slice prefix) { dead_prefixes_.Add(prefix, next_number_); }
  void SetBusy(std::set<uint64_t> tables) { busy_ = std::move(tables); }
  // Tables that no plan may read from now on.
  void SetUnreadable(std::set<uint64_t> tables) { unreadable_ = std::move(tables); }

  // --- Reading it ---
  struct Found {
    uint32_t value = 0;   // 0: none
    uint64_t tables = 0;  // whose range holds the key, up to the one that has it
  };
  Found Get(uint32_t key) const;
  // Tombstones included, and what others shadow.
  uint64_t CountEntries(uint32_t key) const;

  const Version& version() const { return *version_; }
  uint64_t next_number() const { return next_number_; }
  const DeadPrefixes& dead_prefixes() const { return dead_prefixes_; }
  const Options& options() const { return options_; }
  PolicyState state() const {
    return {.options = options_,
            .busy = busy_,
            .dead_prefixes = dead_prefixes_,
            .unreadable_files = &unreadable_};
  }
  // Tables of level 0, and other levels that are not empty: what a scan has to merge.
  uint64_t runs() const;

  // --- What it took ---
  uint64_t bytes_flushed() const { return bytes_flushed_; }
  uint64_t bytes_compacted() const { return bytes_compacted_; }  // written by jobs
  uint64_t largest_job_bytes() const { return largest_job_bytes_; }
  void ClearTotals() { bytes_flushed_ = bytes_compacted_ = largest_job_bytes_ = 0; }
  // The last one that was carried out, or tried.
  const std::string& last_plan() const { return last_plan_; }

 private:
  class Below;

  Result<bool> CarryOut(const std::optional<CompactionPlan>& plan);
  Status CheckPlan(const CompactionPlan& plan) const;
  Status Run(const CompactionPlan& plan, VersionEdit* edit);
  SimulatedEntries Merge(const CompactionPlan& plan) const;
  void DropGone(const CompactionPlan& plan, SimulatedEntries* entries) const;
  // Cuts entries into tables, unless they are of level 0.
  void AddTables(int level, const SimulatedEntries& entries, VersionEdit* edit);
  FileRef NewTable(int level, SimulatedEntries entries);
  uint64_t BytesOf(const SimulatedEntry& entry) const {
    return entry.value == 0 ? tombstone_bytes_ : put_bytes_;
  }
  const SimulatedEntries& Contents(const FileRef& file) const { return contents_.at(file->number); }
  Status Apply(const VersionEdit& edit);

  const Options options_;
  const uint64_t put_bytes_;
  const uint64_t tombstone_bytes_;
  std::set<uint64_t> busy_;
  std::set<uint64_t> unreadable_;
  DeadPrefixes dead_prefixes_;
  std::shared_ptr<const Version> version_ = std::make_shared<const Version>();
  std::unordered_map<uint64_t, SimulatedEntries> contents_;  // by file number
  uint64_t next_number_ = 1;
  uint64_t bytes_flushed_ = 0;
  uint64_t bytes_compacted_ = 0;
  uint64_t largest_job_bytes_ = 0;
  std::string last_plan_;
};

}  // namespace varve
