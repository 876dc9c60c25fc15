// server/latency_monitor.h: what took long, and when. LATENCY shows it.
//
// While it is on, whatever takes at least the threshold is an event: a command, the rest of a turn of the loop, a
// write or a sync of the log. For each kind the latest samples are kept, of one second only the longest.
//
// A turn that was long for a command is told of once, as that command.
//
// Threads: loop.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "commands/services.h"
#include "engine/engine_stats.h"
#include "env/env.h"

namespace varve {

class LatencyMonitor {
 public:
  using Kind = Services::LatencyKind;
  static constexpr size_t kSamplesMax = 160;

  explicit LatencyMonitor(Env& env) : env_(env) {}

  // 0: off. What was recorded stays.
  void SetThreshold(uint64_t ms) {
    threshold_us_ = ms == 0 ? kOff : std::min(ms, (kOff - 1) / kUsPerMs) * kUsPerMs;
  }
  bool on() const { return threshold_us_ != kOff; }

  void CountCommand(bool is_fast, uint64_t us) {
    if (us < threshold_us_) return;
    told_us_ += us;
    Add(is_fast ? Kind::kFastCommand : Kind::kCommand, us);
  }
  // A turn has ended, which had all that was counted since the last one.
  void CountTurn(uint64_t us) {
    const uint64_t told_us = std::exchange(told_us_, 0);
    if (us < threshold_us_) return;
    if (const uint64_t rest_us = us - std::min(us, told_us); rest_us >= threshold_us_) {
      Add(Kind::kEventLoop, rest_us);
    }
  }
  void CountLogWork(LogWork work, uint64_t us) {
    if (us >= threshold_us_) Add(work == LogWork::kSync ? Kind::kLogSync : Kind::kLogWrite, us);
  }

  // Of each kind that has samples.
  std::vector<Services::LatencyEvent> events() const;
  // False: there was nothing of it.
  bool Reset(Kind kind);

 private:
  static constexpr uint64_t kUsPerMs = 1000;
  static constexpr uint64_t kOff = std::numeric_limits<uint64_t>::max();

  void Add(Kind kind, uint64_t us);

  Env& env_;
  uint64_t threshold_us_ = kOff;
  uint64_t told_us_ = 0;  // of this turn, as commands
  std::array<Services::LatencyEvent, Services::kLatencyKinds> events_{};  // by kind
};

}  // namespace varve
