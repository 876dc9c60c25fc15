// server/busy_poll.cc: from how the last looks went.
#include "server/busy_poll.h"

#include <algorithm>

namespace varve {

namespace {
constexpr uint32_t kGrowth = 8;
constexpr uint32_t kShrink = 2;
constexpr uint32_t kSleepsMax = 1024;
}  // namespace

bool BusyPoll::Try() {
  if (sleeps_left_ == 0) return true;
  --sleeps_left_;
  return false;
}

void BusyPoll::Did(bool found) {
  if (found) {
    sleeps_after_failure_ /= kShrink;
    return;
  }
  sleeps_after_failure_ = std::clamp(sleeps_after_failure_ * kGrowth, 1U, kSleepsMax);
  sleeps_left_ = sleeps_after_failure_;
}

}  // namespace varve
