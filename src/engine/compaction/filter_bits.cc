// engine/compaction/filter_bits.cc: how many bits per key the filters of a new table get.
#include "engine/compaction/filter_bits.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace varve {

namespace {

// Level 0 is not one run, and none of its tables is large beside a level that has gathered many.
uint64_t LargestRunBytes(const Version& version) {
  uint64_t bytes = 0;
  for (int level = 1; level < kLevels; ++level) bytes = std::max(bytes, version.level_bytes(level));
  return bytes;
}

}  // namespace

int FilterBitsOfRun(int bits_of_largest, uint64_t run_bytes, uint64_t largest_run_bytes) {
  if (bits_of_largest == 0 || run_bytes >= largest_run_bytes) return bits_of_largest;
  const double times = static_cast<double>(largest_run_bytes) /
                       static_cast<double>(std::max<uint64_t>(run_bytes, 1));
  const auto more = static_cast<int>(std::lround(std::log2(times) / std::numbers::ln2));
  return std::max(bits_of_largest, std::min(bits_of_largest + more, kSmallRunFilterBitsMax));
}

int FilterBitsOfFlush(const Version& version, const Options& options, uint64_t table_bytes) {
  return FilterBitsOfRun(options.filter_bits_per_key, table_bytes, LargestRunBytes(version));
}

// As if nothing were dropped: a run that turns out smaller has a few bits too few.
int FilterBitsOfPlan(const Version& version, const Options& options, const CompactionPlan& plan) {
  uint64_t run_bytes = version.level_bytes(plan.output_level);
  for (const FileRef& file : plan.inputs) {
    if (file->level != plan.output_level) run_bytes += file->size_bytes;
  }
  return FilterBitsOfRun(options.filter_bits_per_key, run_bytes, LargestRunBytes(version));
}

}  // namespace varve
