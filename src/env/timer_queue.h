// env/timer_queue.h: timers in the order they are due, whatever the clock.
//
// Both worlds keep their timers here; only the clock that wakes them differs. `due` and `now`
// are in any one unit. Timers due at the same time run in the order they were added.
// Threads: loop.
#pragma once

#include <map>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "env/env.h"

namespace varve {

class TimerQueue {
 public:
  Env::TimerId Add(uint64_t due, Env::Job job) {
    const Env::TimerId id = next_id_++;
    timers_.emplace(Key(due, id), std::move(job));
    due_of_.emplace(id, due);
    return id;
  }

  // Does nothing for a timer that has run or was cancelled.
  void Cancel(Env::TimerId id) {
    const auto found = due_of_.find(id);
    if (found == due_of_.end()) return;
    const auto node = timers_.extract(Key(found->second, id));
    due_of_.erase(found);
  }  // The job dies here, when the queue is whole again: its captures may cancel others.

  // Takes out the job of the first timer due at `now`, or returns an empty one. Timers with ids
  // from `limit` on are left: one that adds itself again must not run twice in one round.
  Env::Job TakeDue(uint64_t now, Env::TimerId limit) {
    if (timers_.empty()) return nullptr;
    const auto first = timers_.begin();
    const auto [due, id] = first->first;
    if (due > now || id >= limit) return nullptr;
    Env::Job job = std::move(first->second);
    timers_.erase(first);
    due_of_.erase(id);
    return job;
  }

  void Clear() {
    // A job's captures may add or cancel timers while they die.
    while (!timers_.empty()) Cancel(timers_.begin()->first.second);
  }

  bool empty() const { return timers_.empty(); }
  // REQUIRES: !empty().
  uint64_t next_due() const {
    CHECK(!timers_.empty());
    return timers_.begin()->first.first;
  }
  // The id that the next timer will get: the limit of a round.
  Env::TimerId next_id() const { return next_id_; }

 private:
  using Key = std::pair<uint64_t, Env::TimerId>;

  std::map<Key, Env::Job> timers_;
  std::unordered_map<Env::TimerId, uint64_t> due_of_;
  Env::TimerId next_id_ = 1;
};

}  // namespace varve
