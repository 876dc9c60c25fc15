// engine/compaction/leveled.h: every level a sorted run, about ten times the one above it.
//
// Sizes are reckoned from below. The last level is as large as it is; the one above may hold a
// tenth of it, and so on up to the base, the first level that would get level1_bytes or less and is
// given level1_bytes. Level 0 is merged straight into the base. So about a tenth of the data waits
// to be merged away, however large the database. With 256 MiB and a ratio of 10:
//
//             L1      L2           L3         L4         L5           L6
//   1 TiB     -       256 MiB      1 GiB      10 GiB     102 GiB      1 TiB
//   5 GiB     -       -            -          256 MiB    512 MiB      5 GiB
//   100 MiB   -       -            -          -          -            100 MiB
//
// The last level is level 6, or a deeper one if another policy left something there.
//
// Staging. What overwrites a few keys for a long time, or asks for flushes, makes tables that are
// tiny beside the base, and each merge of four of them would rewrite all of it. Where the base
// would cost more than ten times their size, tables of level 0 are merged with each other alone
// (others call it intra-level-0 compaction), into the empty level above the base. There they gather
// until they are a tenth of the base. Not within level 0: there a table's number is its age, and
// what is merged would seem newer than what was flushed meanwhile.
//
// Shape: the level that is fullest, if that is 85% of its limit: level 0 by its count, the others
// by their bytes. In a level, the table is picked that meets the fewest bytes in the next one for
// each of its own; but those with mostly tombstones go first, for they free what they shadow.
//
// See also: picker.h (everything else that is picked).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "engine/compaction/policy.h"

namespace varve {

// What each level may hold: 0 above the base. The last one has no limit.
struct LevelTargets {
  std::array<uint64_t, kLevels> bytes{};
  int base = 0;
  int last = 0;
  uint64_t staging_bytes = 0;  // for the level above the base, as the base is now
};
LevelTargets LevelTargetsOf(const Version& version, const Options& options);

class LeveledPolicy final : public CompactionPolicy {
 public:
  std::optional<CompactionPlan> Pick(const Version& version,
                                     const PolicyState& state) const override;
  std::optional<CompactionPlan> PickManual(const Version& version, const PolicyState& state,
                                           const CompactionRange& range) const override;
  uint64_t DebtBytes(const Version& version, const Options& options) const override;
};

}  // namespace varve
