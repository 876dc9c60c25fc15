// server/busy_poll.cc: from how the last looks went.
#include "server/busy_poll.h"

#include <algorithm>

namespace varve {

namespace {
// In powers of two of sleeps.
constexpr uint32_t kInVain = 3;
constexpr uint32_t kDebtMax = kInVain + 10;
}  // namespace

bool BusyPoll::Try() {
  if (sleeps_left_ == 0) return true;
  --sleeps_left_;
  return false;
}

void BusyPoll::Did(bool found) {
  if (found) {
    if (debt_ > 0) --debt_;
    return;
  }
  debt_ = std::min(debt_ + kInVain, kDebtMax);
  sleeps_left_ = uint32_t{1} << (debt_ - kInVain);
}

}  // namespace varve
