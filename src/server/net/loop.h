// server/net/loop.h: the event loop, as the rest of the server sees it.
//
// One turn of the loop:
//
//   timers -> before the sleep -> sleep until something comes ->
//   sockets, finished jobs, posts -> after events
//
// At the two points between the arrows, what many events began is finished once: the log's group is
// handed over, replies are written.
//
// Threads: the one that constructs. Only server/net and env/posix_env.cc see <uv.h>.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

struct uv_loop_s;

namespace varve {

class Loop {
 public:
  Loop();
  // Closes what is left on the loop and waits for libuv to let go of it.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // For PosixEnv, which runs the loop.
  uv_loop_s* handle() const;

  // Replaces what runs at the two points; nullptr for nothing.
  void OnTurn(std::function<void()> after_events, std::function<void()> before_sleep);
  // While busy, the loop looks for events but does not sleep: something is left for the next turn.
  void SetBusy(bool busy);
  // Whether it sleeps in this turn unless events are there; to be asked before the sleep.
  bool WillSleep() const;
  // Until there are events, or for `us`. True: there are some.
  bool LookForEvents(uint64_t us) const;
  void OnSignal(int signal_number, std::function<void()> handler);

  // Time since construction that the loop was awake.
  uint64_t AwakeUs() const;

 private:
  struct Handles;
  std::unique_ptr<Handles> handles_;
};

}  // namespace varve
