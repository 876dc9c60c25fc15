// env/background.cc: nice values and yields.
#include "env/background.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

namespace varve {

namespace {
thread_local bool is_background = false;
}  // namespace

void BecomeBackground(int nice) {
  // Linux keeps the nice value per thread. Failing to yield is not worth an error.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice);
  is_background = true;
}

bool IsBackground() { return is_background; }

void OfferCpu() {
  if (is_background) sched_yield();
}

}  // namespace varve
