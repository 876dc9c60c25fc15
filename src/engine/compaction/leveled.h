// engine/compaction/leveled.h: every level a sorted run, about ten times the one above it.
//
// Sizes are reckoned from below. The last level is as large as it is; the one above may hold a
// tenth of it, and so on up to the base, the first level that would get level1_bytes or less and is
// given level1_bytes. Levels between 0 and the base stay empty: level 0 is merged straight into the
// base. So about a tenth of the data waits to be merged away, however large the database. With 256
// MiB and a ratio of 10:
//
//             L1      L2           L3         L4         L5           L6
//   1 TiB     -       256 MiB      1 GiB      10 GiB     102 GiB      1 TiB
//   5 GiB     -       -            -          256 MiB    512 MiB      5 GiB
//   100 MiB   -       -            -          -          -            100 MiB
//
// Pick, best first:
//   1. tables wholly under a dead prefix: they cost nothing to drop
//   2. the level that is fullest, if that is 85% of its limit: level 0 by its count, the others by
//      their bytes
//   3. a table that has expired as a whole
//   4. a table that is more than half tombstones
//   5. a table that may hold something under a dead prefix
//
// 3 and 4 push the table one level down or, where nothing lies below, rewrite it in its place; 5
// always does that. None of them can go on for ever. Each push is one of six at most. Where nothing
// lies below, the job drops tombstones and expired entries; everywhere it drops what is under a
// dead prefix, and what it writes has a number above the prefix's bound.
//
// In a level, the table is picked that meets the fewest bytes in the next one for each of its own;
// but those with mostly tombstones go first, for they free what they shadow.
//
// Jobs at the same time: a plan takes all tables of its output level that meet its range, and none
// that is busy. So two jobs never write into the same range. Level 0 has one job at most.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "engine/compaction/policy.h"

namespace varve {

// What each level may hold: 0 above the base. The last one has no limit.
struct LevelTargets {
  std::array<uint64_t, kLevels> bytes{};
  int base = kLevels - 1;
};
LevelTargets LevelTargetsOf(const Version& version, const Options& options);

class LeveledPolicy final : public CompactionPolicy {
 public:
  std::optional<CompactionPlan> Pick(const Version& version,
                                     const PolicyState& state) const override;
  std::optional<CompactionPlan> PickManual(const Version& version,
                                           const PolicyState& state) const override;
  uint64_t DebtBytes(const Version& version, const Options& options) const override;
};

}  // namespace varve
