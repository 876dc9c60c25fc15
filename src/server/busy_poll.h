// server/busy_poll.h: whether the loop looks for events for a moment before it sleeps.
//
// A thread that sleeps has to be woken: it costs whoever sends it something, in the middle of that one's system call,
// more than the sending; and it costs the thread the way into sleep and out of it. Between requests that come every few
// microseconds it is cheaper for both not to sleep. Where nothing comes, looking takes a core for nothing, or keeps the very client
// from it that is waited for. So a look that found nothing is followed by sleeps without one, eight times as many
// after each that was in vain, and a look that found something makes them half as many: where nine looks of ten find
// something half of the sleeps have one, where every other does hardly any has, and where none does one in a thousand.
// (After halt polling: Linux, Documentation/virt/kvm/halt-polling.rst, which grows and shrinks the time instead.)
//
// Threads: loop.
#pragma once

#include <cstdint>

namespace varve {

class BusyPoll {
 public:
  // To be called before each sleep. True: look first, and tell.
  bool Try();
  void Did(bool found);

 private:
  uint32_t debt_ = 0;         // grows with each look in vain, shrinks with the others
  uint32_t sleeps_left_ = 0;  // until the next look
};

}  // namespace varve
