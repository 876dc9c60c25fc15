// engine/records/ordered_index.h: order over a generation's records, made when a scan asks.
//
// Records come in no order, and most are never scanned. A scan needs the first n of a
// generation's list in order; what is not sorted yet is sorted then: a short stretch on the spot, a long
// one by a worker while the scan waits. The sorted runs are merged as they pile up, so there
// are few of them.
//
//   list of records   |----- run 0 -----|-- run 1 --|- run 2 -| not yet sorted ... |
//
// Threads    Loop. The worker gets a copy of the pointers and reads only keys, which never change
//            while a record lives; and dirty records live as long as their generation.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/iterators/iterator.h"
#include "engine/records/record.h"

namespace varve {

using RecordRun = std::vector<Record*>;  // sorted by key; of equal keys, only the newest record

// Sorts records that stand in the order they came.
RecordRun SortedRun(std::vector<Record*> records);
// Merges runs, the newest first.
RecordRun MergedRuns(const std::vector<std::shared_ptr<const RecordRun>>& runs);

class OrderedIndex {
 public:
  // At most this many records are sorted on the loop, in about half a millisecond.
  static constexpr size_t kSortOnLoopMax = 2000;

  size_t covered() const { return covered_; }

  // Sorts list[covered(), list.size()) now. REQUIRES: it is short.
  void CoverNow(const std::vector<Record*>& list);

  // A worker has sorted list[covered(), covered).
  void Add(RecordRun run, size_t covered);

  // The runs together cover list[0, covered()).
  const std::vector<std::shared_ptr<const RecordRun>>& runs() const { return runs_; }

 private:
  void MergeSmallRuns();

  std::vector<std::shared_ptr<const RecordRun>> runs_;  // oldest first
  size_t covered_ = 0;
};

}  // namespace varve
