// server/expiry_cycle.h: keys go when their time has come, whether or not anyone looks at them.
//
// At every tick the engine is asked what is due; where it cannot tell whether a key was written since, the key is read; and
// what has indeed expired is deleted, some dozens in one commit. Slices of about a millisecond alternate with the
// clients' turns until nothing is due any more, so a million keys that expire in one second delay nobody
// for long; and with pauses as long, until keys are half a second late, and longer ones while writers are held: flushes and
// compactions, which have what the loop leaves of its core, must keep up with what is deleted. What has to come from
// the disk is waited for, like a command does; what cannot be read for now has another try every second.
//
// Nothing is deleted while the engine refuses deletes; it stays absent for readers all the same.
//
// Threads: loop.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/databases.h"
#include "data/view.h"
#include "engine/engine.h"
#include "env/env.h"
#include "server/stats.h"
#include "server/watch.h"

namespace varve {

class ExpiryCycle {
 public:
  struct Parts {
    Engine& engine;
    Env& env;
    Databases& databases;
    WatchRegistry& watches;
    ServerStats& stats;
  };
  explicit ExpiryCycle(const Parts& parts);

  // Begins a cycle, unless one is under way.
  void Tick();

 private:
  enum class Step : uint8_t { kMore, kDone, kWaits };

  void RunSlice();
  Step DeleteSome();
  void TryLater(Due due);
  void Commit();

  Engine& engine_;
  Env& env_;
  Databases& databases_;
  WatchRegistry& watches_;
  ServerStats& stats_;

  View view_;
  std::vector<Due> due_;    // taken, and not yet dealt with: what has to be read first
  std::vector<Due> later_;  // could not be read, or the clock was set back
  uint64_t retry_at_us_ = 0;
  uint64_t lag_ms_ = 0;  // of the latest key that went
  bool under_way_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace varve
