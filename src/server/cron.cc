// server/cron.cc: the tick.
#include "server/cron.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace varve {

namespace {

// At least so many clients a tick, so that a few are looked at every tick and many once a second.
constexpr size_t kClientsPerTickMin = 10;

constexpr int64_t kClockJumpMs = 1000;

// What the allocator holds beyond what was asked of it counts against the limit, but no more than
// this share: otherwise evicting records, which leaves holes before it leaves empty pages, would
// call for more evicting.
constexpr uint64_t kSlackShareMax = 4;

}  // namespace

Cron::Cron(Parts parts)
    : env_(parts.env),
      engine_(parts.engine),
      clients_(parts.clients),
      expiry_(parts.expiry),
      stats_(parts.stats),
      latency_(parts.latency),
      measure_memory_(std::move(parts.measure_memory)),
      on_tick_(std::move(parts.on_tick)) {
  clock_offset_ms_ = env_.WallMs() - static_cast<int64_t>(env_.MonotonicUs() / 1000);
  Arm();
}

Cron::~Cron() { env_.CancelTimer(timer_); }

void Cron::Arm() {
  timer_ = env_.RunAfter(kTickMs, [this] {
    Tick();
    Arm();
  });
}

void Cron::Tick() {
  const uint64_t now_us = env_.MonotonicUs();
  stats_.commands_rate.Sample(stats_.commands_processed, now_us);
  stats_.input_rate.Sample(stats_.input_bytes, now_us);
  stats_.output_rate.Sample(stats_.output_bytes, now_us);
  expiry_.Tick();
  clients_.Look(std::max(kClientsPerTickMin, clients_.size() / kTicksPerSecond + 1));
  TellOfMemory();
  on_tick_();
  if (++ticks_ % kTicksPerSecond == 0) EverySecond();
}

// In a second of fast writes memory would get far beyond its limit before anyone knew.
void Cron::TellOfMemory() {
  const ProcessMemory memory = measure_memory_();
  const uint64_t used = memory.allocated_bytes != 0 ? memory.allocated_bytes : memory.rss_bytes;
  stats_.memory_peak_bytes = std::max(stats_.memory_peak_bytes, used);
  const uint64_t slack =
      memory.active_bytes - std::min(memory.active_bytes, memory.allocated_bytes);
  engine_.SetOutsideMemory(clients_.memory_bytes() + env_.job_memory_bytes() +
                           std::min(slack, memory_limit_bytes_ / kSlackShareMax));
  engine_.SetHeapSlack(slack);
}

// Keys expire by the wall clock: when it jumps, an operator may wonder where they are.
void Cron::CompareClocks() {
  const int64_t offset_ms = env_.WallMs() - static_cast<int64_t>(env_.MonotonicUs() / 1000);
  const int64_t jump_ms = offset_ms - std::exchange(clock_offset_ms_, offset_ms);
  if (jump_ms > -kClockJumpMs && jump_ms < kClockJumpMs) return;
  Log(LogLevel::kWarning, "clock: the wall clock jumped by %lld ms; keys expire by it",
      static_cast<long long>(jump_ms));
}

void Cron::EverySecond() {
  CompareClocks();
  if (slow_turns_ == 0) return;
  Log(LogLevel::kNotice, "loop: slow turns: %llu, the longest took %llu ms",
      static_cast<unsigned long long>(slow_turns_),
      static_cast<unsigned long long>(slowest_turn_us_ / 1000));
  slow_turns_ = slowest_turn_us_ = 0;
}

}  // namespace varve
