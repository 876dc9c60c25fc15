// server/loop_rest.h: how long the loop rests between two turns.
//
// A turn costs system calls, wake-ups and cache misses of its own, however little there is to do in it, and a loop that keeps
// up with its clients finds one or two of them in each. That is as it should be while nobody else wants the core: it is
// the shortest wait. But where flushes and compactions wait for a CPU, which is to say share the loop's, they fall behind for
// it until writers have to be held. Then requests gather for a moment, and the same requests cost about half. After a long
// turn, with many requests or keys that expire in it, the rest is longer: jobs get their part of the core.
//
// Threads: loop.
#pragma once

#include <cstdint>

namespace varve {

class LoopRest {
 public:
  // To be called several times a second. Totals since the start: how long the loop has worked, and how long jobs have been
  // ready to run without a CPU (Env::job_cpu_wait_us). `short_us`: what the rest is after a short turn, if they wait all
  // the time.
  void Sample(uint64_t now_us, uint64_t worked_us, uint64_t jobs_waited_us, uint64_t short_us);

  // 0 while jobs have CPUs enough, or the loop has little to do.
  uint64_t us() const { return AfterTurnUs(0); }
  // After a turn of that length.
  uint64_t AfterTurnUs(uint64_t turn_us) const;

 private:
  uint64_t now_us_ = 0;
  uint64_t worked_us_ = 0;
  uint64_t jobs_waited_us_ = 0;
  double waiting_ = 0;  // part of the time that jobs waited, of late
  bool rests_ = false;
  uint64_t short_us_ = 0;
};

}  // namespace varve
