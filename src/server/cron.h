// server/cron.h: what has to be done from time to time.
//
// One timer, ten times a second and never faster. Each tick does a bounded piece of work: looks at
// a tenth of the clients, takes samples; once a second it measures memory and tells the engine how
// much of the limit others use, and says whether turns of the loop were slow or the wall clock jumped.
//
// Threads: loop.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "engine/engine.h"
#include "env/env.h"
#include "server/clients.h"
#include "server/expiry_cycle.h"
#include "server/latency_monitor.h"
#include "server/machine.h"
#include "server/stats.h"

namespace varve {

class Cron {
 public:
  static constexpr uint64_t kTickMs = 100;
  static constexpr int kTicksPerSecond = 10;
  // Turns longer than this are told of.
  static constexpr uint64_t kSlowTurnUs = 50'000;

  struct Parts {
    Env& env;
    Engine& engine;
    Clients& clients;
    ExpiryCycle& expiry;
    ServerStats& stats;
    LatencyMonitor& latency;
    std::function<ProcessMemory()> measure_memory;
    std::function<void()> on_tick;
  };
  explicit Cron(Parts parts);
  ~Cron();
  Cron(const Cron&) = delete;
  Cron& operator=(const Cron&) = delete;

  void SetMemoryLimit(uint64_t bytes) { memory_limit_bytes_ = bytes; }

  // A turn of the loop has ended that took so long.
  void CountTurn(uint64_t us) {
    stats_.turns_us.Add(us);
    latency_.CountTurn(us);
    if (us >= kSlowTurnUs) {
      ++slow_turns_;
      if (us > slowest_turn_us_) slowest_turn_us_ = us;
    }
  }

 private:
  void Tick();
  void TellOfMemory();
  void EverySecond();
  void CompareClocks();
  void Arm();

  Env& env_;
  Engine& engine_;
  Clients& clients_;
  ExpiryCycle& expiry_;
  ServerStats& stats_;
  LatencyMonitor& latency_;
  const std::function<ProcessMemory()> measure_memory_;
  const std::function<void()> on_tick_;
  Env::TimerId timer_ = 0;
  int ticks_ = 0;
  int64_t clock_offset_ms_;  // wall clock minus monotonic clock
  uint64_t memory_limit_bytes_ = 0;
  uint64_t slow_turns_ = 0;  // since they were last told of
  uint64_t slowest_turn_us_ = 0;
};

}  // namespace varve
