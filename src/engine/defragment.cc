// engine/defragment.cc: records are moved together, so that memory the allocator cannot use comes back.
//
// Eviction takes records here and there, and values change their sizes. What stays may hold many more pages than it
// fills (base/heap.h). When the allocator's slack is beyond a bound, a hand goes over all records once and empties the
// slabs that have many free slots: a clean record is moved, or evicted if memory is short and nobody asked for it
// lately. Dirty ones stay where they are, as generations and workers know their places; a flush makes them clean.
//
// A round is made in steps, with much rest between them. After a round that brought little there is none for a while, twice
// as long each time: where records come and go all the time, slabs fill up as fast as they are emptied.
//
// Threads: loop.
#include <algorithm>
#include <vector>

#include "base/heap.h"
#include "engine/engine_impl.h"

namespace varve {

namespace {

constexpr size_t kStepSlots = 512;
// The rest after a step is so many times as long as the step: a twentieth of the loop's time at most.
constexpr uint64_t kStepRest = 19;
// Slack of at most this part of the memory limit is left alone.
constexpr uint64_t kSlackPart = 16;
// A slab is worth emptying from so large a part of free slots on.
constexpr size_t kFreePart = 4;
// A round was worth it if no more of the slack is left.
constexpr double kSlackLeftMax = 0.75;
constexpr uint64_t kRoundRestUsMin = 10'000'000;
constexpr uint64_t kRoundRestUsMax = 1'000'000'000;

}  // namespace

void EngineImpl::SetHeapSlack(uint64_t bytes) {
  Defragmentation& round = defragmentation_;
  if (round.slots_left > 0) return;
  const uint64_t now_us = env_.MonotonicUs();
  if (round.slack > 0) {
    const bool worth_it =
        static_cast<double>(bytes) <= kSlackLeftMax * static_cast<double>(round.slack);
    round.rest_us = worth_it ? 0 : std::clamp(2 * round.rest_us, kRoundRestUsMin, kRoundRestUsMax);
    round.not_before_us = now_us + round.rest_us;
    round.slack = 0;
  }
  if (bytes <= options_.memory_limit_bytes / kSlackPart || now_us < round.not_before_us) return;
  round.slack = bytes;
  round.slots_left = records_.slot_count();
  DefragmentSome();
}

void EngineImpl::DefragmentSome() {
  Defragmentation& round = defragmentation_;
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
  if (round.slots_left == 0) return;
  const uint64_t rest_us = kStepRest * (env_.MonotonicUs() - begin_us);
  env_.RunAfter(rest_us / 1000 + 1, [this, alive = alive()] {
    if (!alive.expired() && !closing_) DefragmentSome();
  });
}

}  // namespace varve
