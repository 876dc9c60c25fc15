// server/latency_monitor.cc: the samples.
#include "server/latency_monitor.h"

#include <iterator>

namespace varve {

void LatencyMonitor::Add(Kind kind, uint64_t us) {
  Services::LatencyEvent& event = events_[static_cast<size_t>(kind)];
  const Services::LatencySample sample = {env_.WallMs() / 1000, us / kUsPerMs};
  event.kind = kind;
  event.max_ms = std::max(event.max_ms, sample.ms);
  std::vector<Services::LatencySample>& samples = event.samples;
  if (!samples.empty() && samples.back().unix_time == sample.unix_time) {
    samples.back().ms = std::max(samples.back().ms, sample.ms);
    return;
  }
  if (samples.size() == kSamplesMax) samples.erase(samples.begin());
  samples.push_back(sample);
}

std::vector<Services::LatencyEvent> LatencyMonitor::events() const {
  std::vector<Services::LatencyEvent> seen;
  std::copy_if(events_.begin(), events_.end(), std::back_inserter(seen),
               [](const Services::LatencyEvent& event) { return !event.samples.empty(); });
  return seen;
}

bool LatencyMonitor::Reset(Kind kind) {
  Services::LatencyEvent& event = events_[static_cast<size_t>(kind)];
  const bool had_samples = !event.samples.empty();
  event = {};
  return had_samples;
}

}  // namespace varve
