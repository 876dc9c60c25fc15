// engine/compaction/policy.h: what to compact next.
//
// A policy is a pure function from a version to an optional plan: no disk, no clock, no
// memory of former calls. So it is tested as text, can be simulated at any size, and may run on any
// thread. And every policy goes on from any version that another one left: the policy is changed
// while the database is in use, and nothing is rewritten for it.
//
//   leveled       each level one sorted run, ten times the one above: few runs to read, little
//                 space wasted, many bytes written
//   tiered        runs of like size pile up and are merged four at a time: the fewest bytes
//                 written, the most runs to read and space to waste
//   lazy-leveled  tiered, but for the last level, which is one run: little space wasted, and not
//                 many more bytes written than by tiered
//
// See also: leveled.h, tiered.h, picker.h (what they share), compaction_job.h (does it),
// simulation.h (what each costs).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "engine/compaction/range.h"
#include "engine/options.h"
#include "engine/version/dead_prefixes.h"
#include "engine/version/version.h"

namespace varve {

enum class CompactionReason : uint8_t {
  kDeadPrefix,   // tables may hold what lies under a dead prefix
  kLevel0Count,  // too many tables in level 0
  kLevelSize,    // a level is larger than its target
  kTierFull,     // as many runs of like size as are merged at once
  kRunCount,     // too many runs, or no level left for another one
  kExpired,      // every entry of a table has expired
  kTombstones,   // mostly tombstones: scans would step over them again and again
  kValues,       // value files with garbage are to be emptied, or garbage in them to be found
  kManual,       // someone asked
};
const char* ToString(CompactionReason reason);

struct CompactionPlan {
  int level = 0;         // the newest that inputs are of
  int output_level = 0;  // may be `level` itself: rewritten where it is, for what can be dropped
  // Newest first: of `level`, then of the levels between it and `output_level`, each in its order.
  // A table of a level in between that meets one of those before it is always among them, or else
  // what is older would come to lie above what is newer.
  FileList inputs;
  FileList next_inputs;  // of `output_level`, if that is another one: all that meet the inputs
  CompactionReason reason = CompactionReason::kLevelSize;
  bool trivial_move =
      false;               // nothing overlaps, so nothing is merged: tables only change their level
  bool drop_only = false;  // all lie under dead prefixes: removed without being read
  // Value files out of which the job moves what its inputs refer to, and how much that is at most: see
  // value_garbage.h.
  std::set<uint64_t> relocate = {};
  uint64_t relocate_bytes = 0;

  uint64_t input_bytes() const;
  // "L1 -> L2, size: 12 14 + 20 21", "L1 -> L2, size, move: 12", "L3, dead prefix, drop: 9 10",
  // "L6, tombstones: 7", "L6, values: 7, emptying 4 5", and of several levels "L28 -> L31, tier: 14 15 | 12 | 9 + 2 3". For logs
  // and tests.
  std::string ToString() const;
};

// What a policy may know beside the version. Borrowed for the call.
struct PolicyState {
  const Options& options;
  // Tables that running jobs read; no plan contains any of them.
  const std::set<uint64_t>& busy;
  const DeadPrefixes& dead_prefixes;
  int64_t now_ms = 0;
  // Whether jobs drop expired entries where nothing lies below. Otherwise a table that has expired
  // as a whole is left alone: rewriting it would change nothing, for ever.
  bool jobs_drop_expired = false;
  // The disk is full: what needs little room and gives back more comes first.
  bool short_of_room = false;
  // Little has been written for a while: space is taken back that would have to wait under load.
  bool quiet = false;
  // Tables and value files that could not be read. No plan reads such a table, though it may move it, or drop it; and none is
  // made to empty such a value file, or one that such a table refers to. May be null.
  const std::set<uint64_t>* unreadable_files = nullptr;

  bool IsUnreadable(uint64_t file) const {
    return unreadable_files != nullptr && unreadable_files->contains(file);
  }
  bool AnyUnreadable(const FileList& tables) const;
  // Whether its job would fail.
  bool ReadsUnreadable(const CompactionPlan& plan) const;
};

class CompactionPolicy {
 public:
  virtual ~CompactionPolicy() = default;

  // What pays most; nothing if the tree is in good shape, or what would pay is busy.
  virtual std::optional<CompactionPlan> Pick(const Version& version,
                                             const PolicyState& state) const = 0;

  // The next step of what was asked for: see range.h. Nothing once the range is through, or while the next step is
  // busy.
  virtual std::optional<CompactionPlan> PickManual(const Version& version, const PolicyState& state,
                                                   const CompactionRange& range) const = 0;

  // Bytes that lie where they should not: the debt that writers are slowed by.
  virtual uint64_t DebtBytes(const Version& version, const Options& options) const = 0;
};

// --- Which there are ---

std::span<const PolicyKind> PolicyKinds();
// Lives for ever.
const CompactionPolicy& PolicyOf(PolicyKind kind);
// As in the configuration: "leveled", "tiered", "lazy-leveled".
const char* ToString(PolicyKind kind);
std::optional<PolicyKind> ParsePolicyKind(Slice name);

}  // namespace varve
