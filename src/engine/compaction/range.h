// engine/compaction/range.h: a range of keys that someone asked to have compacted, and how far that has come.
//
// Afterwards nothing that was there when it began is left of tombstones, of entries that others shadow, of dead and
// of expired keys, and values have left the files that are mostly garbage. It is one pass from the newest level
// to the last one that holds any of the range, part by part:
//
//   level 0   tables that meet the range, with the older ones that these meet, by the policy's own way down
//   level n   from the first key on, tables that meet the range are merged with all that they meet further down: as deep
//             as a job may go that reads compaction_bytes_max, and as far to the right. If that is no further than
//             the next run, what was merged is met again there
//   last      tables that still hold what could be dropped are rewritten where they are
//   values    tables that refer to value files with much garbage (value_garbage.h, as when little is written) are rewritten
//             where they are, and the values moved
//
// Data moves downwards only, whoever moves it. So behind the pass nothing is left of what was there when it began, and
// the pass need not know what other jobs do, nor follow what is written meanwhile: it ends however much that is. A
// table that reaches out of the range is merged as a whole; one that neither meets the range nor
// such a table is not touched.
//
// The order of runs is all it relies on, so it is the same for every policy. Each goes on from what it leaves.
//
// Threads: any; values and pure functions.
// See also: picker.h (OfRange), engine/range_compaction.cc (who asks).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/slice.h"
#include "engine/version/version.h"

namespace varve {

struct CompactionPlan;
struct PolicyState;

struct CompactionRange {
  std::string lower;
  std::string upper;  // behind the last key; empty: no bound
  // As it began. What came later is not its business.
  uint64_t files_before = UINT64_MAX;  // tables and value files with smaller numbers were there
  int64_t expired_ms = 0;

  // --- How far ---
  int level = 0;     // what was there has left all smaller levels
  std::string from;  // and this one, but for tables that end here or behind

  bool Reaches(Slice key) const { return upper.empty() || key < upper; }
  bool Meets(const FileMeta& file) const { return file.largest >= lower && Reaches(file.smallest); }
  // After its plan has been carried out.
  void Advance(const CompactionPlan& plan);
};

// Tables of level 0 that are to leave it next, newest first: no more than one job may read, and one at least; none if
// all have left.
FileList Level0Of(const Version& version, const CompactionRange& range, uint64_t bytes_max);

// The next step once level 0 is through. Nothing if that was all, or while it is busy.
std::optional<CompactionPlan> PickBelowLevel0(const Version& version, const PolicyState& state,
                                              const CompactionRange& range);

// Of tables that are still to be merged down or rewritten, as far as that is known. For progress.
uint64_t BytesLeft(const Version& version, const PolicyState& state, const CompactionRange& range);

}  // namespace varve
