// server/cron.cc: the tick.
#include "server/cron.h"

#include <algorithm>

#include "base/log.h"
#include "server/machine.h"

namespace varve {

namespace {

// At least so many clients a tick, so that a few are looked at every tick and many once a second.
constexpr size_t kClientsPerTickMin = 10;

// What the allocator holds beyond what was asked of it counts against the limit, but no more than
// this share: otherwise evicting records, which leaves holes before it leaves empty pages, would
// call for more evicting.
constexpr uint64_t kSlackShareMax = 8;

}  // namespace

Cron::Cron(Env& env, Engine& engine, Clients& clients, ServerStats& stats)
    : env_(env), engine_(engine), clients_(clients), stats_(stats) {
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
  clients_.Look(std::max(kClientsPerTickMin, clients_.size() / kTicksPerSecond + 1));
  if (++ticks_ % kTicksPerSecond == 0) EverySecond();
}

void Cron::EverySecond() {
  const ProcessMemory memory = MeasureMemory();
  const uint64_t used = memory.allocated_bytes != 0 ? memory.allocated_bytes : memory.rss_bytes;
  stats_.memory_peak_bytes = std::max(stats_.memory_peak_bytes, used);
  const uint64_t slack =
      memory.active_bytes - std::min(memory.active_bytes, memory.allocated_bytes);
  engine_.SetOutsideMemory(clients_.memory_bytes() +
                           std::min(slack, memory_limit_bytes_ / kSlackShareMax));

  if (slow_turns_ == 0) return;
  Log(LogLevel::kNotice, "loop: slow turns: %llu, the longest took %llu ms",
      static_cast<unsigned long long>(slow_turns_),
      static_cast<unsigned long long>(slowest_turn_us_ / 1000));
  slow_turns_ = slowest_turn_us_ = 0;
}

}  // namespace varve
