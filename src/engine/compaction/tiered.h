// engine/compaction/tiered.h: runs of like size pile up, and are merged a few at a time.
//
// Each level from 1 on is one sorted run or empty; the deeper a run lies, the older it is. A run
// belongs to the tier of the logarithm of its size, and when a tier has as many runs as are merged
// at once (Options::tier_runs, 4), they become one run, which is of the next tier. So an entry is
// written once a tier, where leveling writes it many times a level; but a tier has up to three runs
// at rest, all to be read, and what the last ones hold in common is stored as many times.
//
//   sizes    L26  L27  L28  L29  L30  L31              sizes    L26  L27  L28  L29  L30  L31
//   before        4    4    4    4    16               after                        16   16
//
// Lazy leveling keeps a single run in the last place, four times (tier_runs again) the size of all
// above it together: when there is more, the last tier is merged into it. Most entries lie in that
// run, so little space is wasted, and most merging is still done in tiers. (Dayan and Idreos,
// "Dostoevsky: Better Space-Time Trade-Offs for LSM-Tree Based Key-Value Stores via Adaptive
// Removal of Superfluous Merging", SIGMOD 2018. Its runs have places by their number; ours have
// tiers by their size, so that any version will do, whoever made it.)
//
// Shape, best first:
//   1. level 0, when it has level0_tables_compact tables: all of them become the newest run. For
//      that there must be an empty level above the newest run; runs sink into gaps to make one
//   2. a run that lies wholly beside the next older one joins it: both are one run already, and no
//      byte is written. Entries that come in the order of their keys are never merged at all
//   3. the newest tier that has all its runs
//   4. lazy-leveled: the tier above the last run, when it is time
//   5. more than Options::runs_max runs: the cheapest two, for a scan has to read them all
//
// A tier is merged by one job, whatever its size: cut into parts by ranges of keys, it would cost
// three times as much, for tables of different runs do not end at the same keys, and what reaches
// into the next part is merged once more (simulated; it is why Cassandra's unified compaction cuts
// all tables at the same places). So a job may take hours and as much disk as the data, and the
// engine lets others run beside it. What lazy-leveled merges into its last run goes part by part:
// there the last run is most of the cost either way.
//
// How many runs there can be: less than tier_runs a tier, for a tier that has as many is merged,
// and between a kilobyte and a petabyte there are twenty tiers of four. A run that is smaller than
// a newer one counts as one of its tier.
//
// See also: picker.h (everything else that is picked).
#pragma once

#include <cstdint>
#include <optional>

#include "engine/compaction/policy.h"

namespace varve {

class TieredPolicy final : public CompactionPolicy {
 public:
  // Whether the last level is tiered like the others or kept as one run.
  enum class LastLevel : uint8_t { kTiered, kLeveled };
  explicit TieredPolicy(LastLevel last) : last_(last) {}

  std::optional<CompactionPlan> Pick(const Version& version,
                                     const PolicyState& state) const override;
  std::optional<CompactionPlan> PickManual(const Version& version, const PolicyState& state,
                                           const CompactionRange& range) const override;
  uint64_t DebtBytes(const Version& version, const Options& options) const override;

 private:
  const LastLevel last_;
};

}  // namespace varve
