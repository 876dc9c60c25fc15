// engine/defragment.cc: records are moved together, so that memory the allocator cannot use comes back.
//
// Eviction takes records here and there, and values change their sizes. What stays may hold many more pages than it
// fills (base/heap.h). When the allocator's slack is beyond a bound, a hand goes over all records once and empties the
// slabs that have many free slots: a clean record is moved, or evicted if memory is short and nobody asked for it
// lately. Dirty ones stay where they are, as generations and workers know their places; a flush makes them clean.
//
// A round is made in slices, and the next one begins only after nine times as long as it took.
//
// Threads: loop.
#include <algorithm>
#include <utility>
#include <vector>

#include "base/heap.h"
#include "engine/engine_impl.h"

namespace varve {

namespace {

constexpr size_t kStepSlots = 512;
// Slack of at most this part of the memory limit is left alone.
constexpr uint64_t kSlackPart = 16;
// A slab is worth emptying from so large a part of free slots on.
constexpr size_t kFreePart = 4;
// Of the loop's time rounds take one part in so many.
constexpr uint64_t kTimePart = 10;

}  // namespace

void EngineImpl::SetHeapSlack(uint64_t bytes) {
  if (bytes <= options_.memory_limit_bytes / kSlackPart || defragmentation_.slots_left > 0) return;
  if (env_.MonotonicUs() < defragmentation_.not_before_us) return;
  defragmentation_.slots_left = records_.slot_count();
  ScheduleUpkeep();
}

bool EngineImpl::DefragmentSome() {
  Defragmentation& round = defragmentation_;
  if (round.slots_left == 0) return false;
  const uint64_t begin_us = env_.MonotonicUs();
  const size_t slots = std::min(kStepSlots, round.slots_left);
  std::vector<Record*> records;
  records_.Sweep(&round.hand, slots, [&](Record* record) {
    if (!record->dirty()) records.push_back(record);
    return false;
  });
  const std::vector<const void*> places(records.begin(), records.end());
  std::vector<SlabUse> uses(places.size());
  const bool told = QuerySlabs(places, uses);
  const bool evict = memory_used() > low_mark();
  for (size_t i = 0; told && i < records.size(); ++i) {
    if (uses[i].free_slots * kFreePart < uses[i].slots || uses[i].free_slots == 0) continue;
    const uint64_t hash = records_.HashOf(records[i]->key());
    if (evict && !records[i]->referenced()) {
      records_.Erase(records[i], hash);
      Evicted(records[i]);
    } else if (Record* copy = Record::CopyPacked(records[i])) {
      records_.Replace(records[i], copy, hash);
      Record::Delete(records[i]);
      ++stats_.moved_records;
    }
  }
  round.slots_left = told ? round.slots_left - slots : 0;
  const uint64_t now_us = env_.MonotonicUs();
  round.took_us += now_us - begin_us;
  if (round.slots_left > 0) return true;
  round.not_before_us = now_us + (kTimePart - 1) * std::exchange(round.took_us, 0);
  return false;
}

}  // namespace varve
