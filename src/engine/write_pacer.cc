// engine/write_pacer.cc: a leaky bucket for writers.
#include "engine/write_pacer.h"

#include <algorithm>
#include <cmath>

namespace varve {

namespace {
// Of the flushes' rate: as much gets through at the worst, for nothing may stand still.
constexpr double kFactorMin = 1.0 / 64;
constexpr double kBytesPerUsMin = 0.25;
// A flush counts by the time it took, against what was known from so much time. The small ones, of a checkpoint or after a
// FLUSHDB, are syncs and little else: they say nothing of how fast bytes go.
constexpr double kMemoryUs = 4e6;

double Factor(double debt) { return std::max((1 - debt) / debt, kFactorMin); }
}  // namespace

void WritePacer::Flushed(uint64_t bytes, uint64_t took_us) {
  if (bytes == 0) return;
  const double found =
      static_cast<double>(bytes) / static_cast<double>(std::max<uint64_t>(took_us, 1));
  const double weight = 1 - std::exp(-static_cast<double>(took_us) / kMemoryUs);
  bytes_per_us_ = std::max(bytes_per_us_ + weight * (found - bytes_per_us_), kBytesPerUsMin);
}

void WritePacer::Wrote(uint64_t bytes, double debt, uint64_t now_us) {
  if (debt <= 0) {
    paid_at_us_ = 0;
    return;
  }
  const auto us =
      static_cast<uint64_t>(static_cast<double>(bytes) / (bytes_per_us_ * Factor(debt)));
  paid_at_us_ = std::min(std::max(paid_at_us_, now_us) + us, now_us + kDelayUsMax);
}

uint64_t WritePacer::Rate(double debt) const {
  return debt <= 0 ? 0 : static_cast<uint64_t>(bytes_per_us_ * Factor(debt) * 1e6);
}

}  // namespace varve
