// engine/range_compaction.cc: Compact: what someone asked for, beside what the policy wants.
//
//   asked       Flush: what is in memory goes to level 0
//   flushed     the range knows which tables were there, and takes its turns
//   running     one job of it, of bounded size: a plan of the policy for this range (compaction/range.h)
//     installed   the range has come further; flushed again
//     failed      over, with the job's error: what cannot be read now could not be read the next time either. Whoever asks
//                 anew has it tried anew, whatever the policy's jobs leave alone
//   through     the policy has no plan for it any more: `done`
//   Close       over, with kAborted
//
// Turns. There is one slot for jobs, and another one for large ones (flush.cc). A range and the policy have it in turn, and
// ranges among each other. But level 0 goes first when it is full: writers wait for that, and for nothing else. So a
// range moves on under any load, and a small one is not held up by a large one.
//
// Threads: loop.
#include <algorithm>
#include <utility>

#include "engine/engine_impl.h"

namespace varve {

void EngineImpl::Compact(Slice lower, Slice upper, std::function<void(Status)> done) {
  if (closing_) return done(Status(StatusCode::kAborted, "shutting down"));
  if (!upper.empty() && upper <= lower) return done(Status::Ok());
  auto asked = std::make_shared<RangeCompaction>();
  asked->range.lower.assign(lower);
  asked->range.upper.assign(upper);
  asked->done = std::move(done);
  range_compactions_.push_back(asked);
  Flush([this, waiting = std::weak_ptr<RangeCompaction>(asked)](const Status& status) {
    const std::shared_ptr<RangeCompaction> flushed = waiting.lock();
    if (!flushed) return;  // it has ended meanwhile
    if (!status.ok()) return EndRangeCompaction(flushed, status);
    flushed->range.files_before = next_file_number_;
    flushed->range.expired_ms = CompactionNowMs();
    flushed->flushed = true;
    MaybeCompact();
  });
}

EngineImpl::NextCompaction EngineImpl::PickForRange(PolicyState state) {
  state.unreadable_files = nullptr;
  const CompactionPolicy& policy = PolicyOf(options_.compaction_policy);
  for (size_t n = range_compactions_.size(); n > 0; --n) {
    const std::shared_ptr<RangeCompaction> asked = range_compactions_.front();
    std::rotate(range_compactions_.begin(), range_compactions_.begin() + 1,
                range_compactions_.end());
    if (!asked->flushed || asked->running) continue;
    std::optional<CompactionPlan> plan = policy.PickManual(*state_.version, state, asked->range);
    if (!plan || !MayStart(*plan)) continue;
    return {std::move(plan), asked};
  }
  return {};
}

// Those that would have no next step either if nothing were busy. What they call may ask for anything.
void EngineImpl::EndRangesThrough() {
  if (range_compactions_.empty()) return;
  static const std::set<uint64_t> kNothingBusy;
  PolicyState state = CompactionState(kNothingBusy);
  state.unreadable_files = nullptr;
  const CompactionPolicy& policy = PolicyOf(options_.compaction_policy);
  std::vector<std::shared_ptr<RangeCompaction>> through;
  for (const std::shared_ptr<RangeCompaction>& asked : range_compactions_) {
    if (!asked->flushed || asked->running) continue;
    if (!policy.PickManual(*state_.version, state, asked->range)) through.push_back(asked);
  }
  for (const auto& asked : through) EndRangeCompaction(asked, Status::Ok());
}

void EngineImpl::EndRangeCompaction(const std::shared_ptr<RangeCompaction>& asked,
                                    const Status& outcome) {
  // Close may have ended it while a job of it was running.
  if (std::erase(range_compactions_, asked) == 0) return;
  if (outcome.ok()) ++stats_.range_compactions;
  asked->done(outcome);
}

void EngineImpl::CancelRangeCompactions() {
  for (const auto& asked : std::exchange(range_compactions_, {})) {
    asked->done(Status(StatusCode::kAborted, "shutting down"));
  }
}

void EngineImpl::AddRangeStats(EngineStats* stats) const {
  stats->range_compactions_running = range_compactions_.size();
  if (range_compactions_.empty()) return;
  const PolicyState state = CompactionState(busy_tables_);
  for (const auto& asked : range_compactions_) {
    stats->range_compaction_bytes_left += BytesLeft(*state_.version, state, asked->range);
  }
}

}  // namespace varve
