// server/expiry_cycle.cc: keys go when their time has come, whether or not anyone looks at them.
#include "server/expiry_cycle.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace varve {

namespace {
constexpr uint64_t kSliceUs = 1000;
// Between two slices, for whoever else wants the core, unless keys are this late.
constexpr uint64_t kPauseMs = 1;
constexpr uint64_t kLateMs = 500;
// While writers are held, at most.
constexpr uint64_t kHeldMs = 10;
// Deleted in one commit, and between two looks at the clock.
constexpr size_t kKeysPerCommit = 64;
// Another try after so long, for so many keys of such sizes at most. Of others the next start tells.
constexpr uint64_t kRetryUs = 1'000'000;
constexpr size_t kRetriesMax = 4096;
constexpr size_t kRetryKeyBytesMax = 4096;
// What is damaged may not.
bool MayBeReadLater(const Status& status) {
  return !status.ok() && !status.is_not_found() && status.code() != StatusCode::kCorruption;
}

}  // namespace

ExpiryCycle::ExpiryCycle(const Parts& parts)
    : engine_(parts.engine),
      env_(parts.env),
      databases_(parts.databases),
      watches_(parts.watches),
      stats_(parts.stats),
      view_(parts.engine, parts.databases) {}

void ExpiryCycle::Tick() {
  if (under_way_) return;
  stats_.expiry_lag_ms = 0;
  if (env_.MonotonicUs() >= retry_at_us_) {
    std::move(later_.begin(), later_.end(), std::back_inserter(due_));
    later_.clear();
  }
  RunSlice();
}

void ExpiryCycle::RunSlice() {
  under_way_ = true;
  const auto again = [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) RunSlice();
  };
  const uint64_t until_us = env_.MonotonicUs() + kSliceUs;
  do {
    switch (DeleteSome()) {
      case Step::kMore: break;
      case Step::kDone: under_way_ = false; return;
      case Step::kWaits: view_.scope().WhenReady([this, again] { env_.Post(again); }); return;
    }
  } while (env_.MonotonicUs() < until_us);
  // Deletions are writes: what they bring, flushes and compactions have to take as well.
  const uint64_t held_ms = std::min(engine_.WriterDelayUs() / 1000, kHeldMs);
  const uint64_t pause_ms = std::max(held_ms, lag_ms_ < kLateMs ? kPauseMs : 0);
  if (pause_ms > 0) {
    env_.RunAfter(pause_ms, again);
  } else {
    env_.Post(again);
  }
}

ExpiryCycle::Step ExpiryCycle::DeleteSome() {
  // What frees space goes on while the disk is full.
  const Status writable = engine_.writable();
  if (!writable.ok() && writable.code() != StatusCode::kNoSpace) {
    view_.scope().Reset();
    return Step::kDone;
  }
  const int64_t now_ms = env_.WallMs();
  if (due_.empty()) {
    const Result<bool> more = engine_.TakeDue(now_ms, kKeysPerCommit, view_.scope(), &due_);
    // What the wait brings stays in the scope: it may be too large for the cache.
    if (!more.ok()) return Step::kWaits;
    if (due_.empty()) {
      view_.scope().Reset();
      return *more ? Step::kMore : Step::kDone;
    }
  }
  view_.Begin(0, now_ms);
  std::vector<Due> waiting;
  for (Due& due : due_) {
    // The clock has been set back while it was waited for.
    if (due.at_ms > now_ms) {
      TryLater(std::move(due));
      continue;
    }
    const Result<int64_t> expired_ms = view_.DeleteExpired(due);
    if (expired_ms.status().is_pending()) {
      waiting.push_back(std::move(due));
    } else if (MayBeReadLater(expired_ms.status())) {
      TryLater(std::move(due));
    } else if (expired_ms.ok() && *expired_ms != 0) {
      lag_ms_ = static_cast<uint64_t>(std::max<int64_t>(now_ms - *expired_ms, 0));
      stats_.expiry_lag_ms = std::max(stats_.expiry_lag_ms, lag_ms_);
      stats_.expiry_lags_ms.Add(lag_ms_);
    }
  }
  due_ = std::move(waiting);
  if (!view_.batch().empty()) Commit();
  if (!due_.empty()) return Step::kWaits;  // for all of them at once
  view_.scope().Reset();
  return Step::kMore;
}

void ExpiryCycle::TryLater(Due due) {
  due.newest = false;  // by then
  if (later_.size() < kRetriesMax && due.key.size() <= kRetryKeyBytesMax) {
    later_.push_back(std::move(due));
  }
  retry_at_us_ = env_.MonotonicUs() + kRetryUs;
}

void ExpiryCycle::Commit() {
  stats_.expired_keys += view_.counters().expired_keys;
  const Databases& databases = databases_;  // which a deletion does not change
  engine_.Commit(view_.batch());
  if (!watches_.empty()) watches_.Touch(view_.batch(), databases, databases);
}

}  // namespace varve
