// server/stats.h: what the server counts about itself. Counted where it happens, printed by
// info.cc.
//
// Threads: loop.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace varve {

struct CommandStats {
  uint64_t calls = 0;
  uint64_t us = 0;        // see the stopwatch in dispatch.h
  uint64_t rejected = 0;  // refused before they ran
  uint64_t failed = 0;    // ran, and answered with an error
};

// How often something took how long: bucket n counts what took [2^(n-1), 2^n) microseconds.
class DurationHistogram {
 public:
  void Add(uint64_t us) {
    const size_t bucket = static_cast<size_t>(std::bit_width(us));
    ++counts_[bucket < kBuckets ? bucket : kBuckets - 1];
    ++total_;
    if (us > max_us_) max_us_ = us;
  }
  // The upper edge of the bucket in which the given share lies; 0 when nothing was added.
  uint64_t PercentileUs(double percent) const {
    const double wanted = static_cast<double>(total_) * percent / 100;
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
      seen += counts_[bucket];
      if (seen > 0 && static_cast<double>(seen) >= wanted) {
        const uint64_t edge = (uint64_t{1} << bucket) - 1;
        return edge < max_us_ ? edge : max_us_;
      }
    }
    return max_us_;
  }
  uint64_t total() const { return total_; }
  uint64_t max_us() const { return max_us_; }

 private:
  static constexpr size_t kBuckets = 32;  // the last one begins at 18 minutes
  std::array<uint64_t, kBuckets> counts_{};
  uint64_t total_ = 0;
  uint64_t max_us_ = 0;
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
  uint64_t memory_peak_bytes = 0;
  DurationHistogram turns;
  Rate commands_rate;
  Rate input_rate;
  Rate output_rate;
  std::vector<CommandStats> commands;  // by CommandIndex
};

}  // namespace varve
