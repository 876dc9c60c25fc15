// engine/write_pacer.h: how fast writers may write while the engine is behind.
//
// What is written in a turn is paid for at the rate at which flushes take such bytes out of memory, times a factor that
// falls with the debt: far above one when debt begins, one half way, next to none at its end. So the debt settles where
// writers bring as much as flushes take, and writers that bring less are not held at all however much is left to do.
// What is not yet paid delays all writers alike, however many they are: a leaky bucket (Turner, New Directions in
// Communications, 1986).
//
// Threads: any one.
#pragma once

#include <cstdint>

namespace varve {

class WritePacer {
 public:
  // Nobody is held longer at a time: the rate may have risen since.
  static constexpr uint64_t kDelayUsMax = 1'000'000;

  // A flush that took this long has taken so many bytes of log, as Wrote counts them, out of memory.
  void Flushed(uint64_t bytes, uint64_t took_us);
  // Written in a turn that ends at `now_us`. `debt` is from 0, none, to 1, all that there may be.
  void Wrote(uint64_t bytes, double debt, uint64_t now_us);

  // How long what comes next should wait.
  uint64_t DelayUs(uint64_t now_us) const {
    return paid_at_us_ > now_us ? paid_at_us_ - now_us : 0;
  }
  // Bytes a second; 0: any.
  uint64_t Rate(double debt) const;

 private:
  double bytes_per_us_ = 64;  // of flushes; before the first ones, a guess
  uint64_t paid_at_us_ = 0;
};

}  // namespace varve
