// env/background.cc: nice values and yields.
#include "env/background.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>

namespace varve {

namespace {

using Clock = std::chrono::steady_clock;

// Between jobs of the same priority each yield is a change of threads, some microseconds and what the caches held: a
// flush and a compaction that gave way to each other after every block spent a fifth of their core on it.
constexpr std::chrono::microseconds kYieldEvery(200);

thread_local bool is_background = false;
thread_local Clock::time_point yielded_at;

}  // namespace

void BecomeBackground(int nice) {
  // Linux keeps the nice value per thread. Failing to yield is not worth an error.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice);
  is_background = true;
}

bool IsBackground() { return is_background; }

void OfferCpu() {
  if (!is_background || Clock::now() - yielded_at < kYieldEvery) return;
  sched_yield();
  yielded_at = Clock::now();
}

}  // namespace varve
