// server/stats.h: what the server counts about itself. Counted where it happens, printed by
// info.cc.
//
// Threads: loop.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/histogram.h"

namespace varve {

struct CommandStats {
  uint64_t calls = 0;
  uint64_t us = 0;                      // see the stopwatch in dispatch.h
  uint64_t rejected = 0;                // refused before they ran
  uint64_t failed = 0;                  // ran, and answered with an error
  std::unique_ptr<Histogram> times_ns;  // of each call; null before the first

  void CountTimes(uint64_t ns, uint64_t times) {
    if (!times_ns) times_ns = std::make_unique<Histogram>();
    times_ns->Add(ns, times);
  }
};

// A counter's rate over the last kSamples samples.
class Rate {
 public:
  void Sample(uint64_t count, uint64_t now_us) {
    if (last_us_ != 0 && now_us > last_us_) {
      per_second_[next_] = (count - last_count_) * 1'000'000 / (now_us - last_us_);
      next_ = (next_ + 1) % kSamples;
    }
    last_count_ = count;
    last_us_ = now_us;
  }
  uint64_t per_second() const {
    uint64_t sum = 0;
    for (const uint64_t rate : per_second_) sum += rate;
    return sum / kSamples;
  }
  // The count was set back to 0.
  void Restart() { *this = Rate(); }

 private:
  static constexpr size_t kSamples = 16;
  std::array<uint64_t, kSamples> per_second_{};
  size_t next_ = 0;
  uint64_t last_count_ = 0;
  uint64_t last_us_ = 0;
};

// What CONFIG RESETSTAT sets to zero.
struct ServerStats {
  uint64_t connections_received = 0;
  uint64_t connections_rejected = 0;
  uint64_t clients_dropped = 0;  // for their limits: output, queries
  uint64_t commands_processed = 0;
  uint64_t error_replies = 0;
  uint64_t reads = 0;   // from sockets
  uint64_t writes = 0;  // to sockets
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t waits = 0;           // commands that had to wait for data, runs that ended so
  uint64_t writers_paused = 0;  // for the engine's debt
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t expired_keys = 0;
  uint64_t expiry_lag_ms = 0;  // of the latest key that went by itself in the last cycle
  Histogram expiry_lags_ms;    // of every key that went by itself
  uint64_t memory_peak_bytes = 0;
  Histogram turns_us;  // of the loop, from one end to the next, without sleep, rest and looks
  uint64_t loop_rest_us = 0;  // between turns, as of now: see loop_rest.h
  uint64_t busy_polls = 0;    // looks for events before a sleep: see busy_poll.h
  uint64_t busy_polls_found = 0;
  uint64_t busy_polled_us = 0;
  Rate commands_rate;
  Rate input_rate;
  Rate output_rate;
  std::vector<CommandStats> commands;  // by CommandIndex
};

}  // namespace varve
