// server/loop_rest.cc: from how long jobs wait.
#include "server/loop_rest.h"

#include <algorithm>

namespace varve {

namespace {
// Jobs wait now and then for each other, for interrupts, for other processes.
constexpr double kWaitingMin = 0.25;
// A loop that works less has nothing to gain. Resting brings its work down, hence so little.
constexpr double kWorkMin = 0.15;
constexpr double kNewest = 0.5;
// The longest rest, in short ones.
constexpr uint64_t kLongRest = 5;
}  // namespace

void LoopRest::Sample(uint64_t now_us, uint64_t worked_us, uint64_t jobs_waited_us,
                      uint64_t short_us) {
  if (now_us_ != 0 && now_us > now_us_) {
    const auto passed = static_cast<double>(now_us - now_us_);
    const double work = static_cast<double>(worked_us - worked_us_) / passed;
    // The time of threads that have ended is not in it any more.
    const uint64_t waited_us = jobs_waited_us - std::min(jobs_waited_us, jobs_waited_us_);
    const double waiting = std::min(static_cast<double>(waited_us) / passed, 1.0);
    waiting_ = kNewest * waiting + (1 - kNewest) * waiting_;
    rests_ = waiting_ >= kWaitingMin && work >= kWorkMin;
  }
  short_us_ = short_us;
  now_us_ = now_us;
  worked_us_ = worked_us;
  jobs_waited_us_ = jobs_waited_us;
}

uint64_t LoopRest::AfterTurnUs(uint64_t turn_us) const {
  if (!rests_) return 0;
  const uint64_t most_us = std::clamp(turn_us / 2, short_us_, kLongRest * short_us_);
  return static_cast<uint64_t>(waiting_ * static_cast<double>(most_us));
}

}  // namespace varve
