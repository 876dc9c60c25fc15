// tests/sim/tiny_options.h: an engine whose parts are so small that a short history goes through all of them.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "base/random.h"
#include "engine/options.h"

namespace varve {

// A few hundred writes freeze, flush and compact.
inline void MakeTiny(Options& options) {
  options.memory_limit_bytes = 1 << 20;
  options.generation_bytes = 4096;
  options.segment_bytes = 2048;
  options.log_bytes_per_generation = 8192;
  options.block_bytes = 512;
  options.table_bytes = 4096;
  options.level1_bytes = 16384;
  options.level0_tables_compact = 2;
  options.compression_level = 0;  // most of the time would go there
  options.value_file_threshold_bytes = 220;
  options.value_file_bytes = 2048;
}

// Others as small: whatever is drawn, an engine answers the same.
inline void DrawTiny(Random& random, Options& options) {
  const auto one_of = [&random](std::initializer_list<uint64_t> values) {
    return values.begin()[random.Uniform(values.size())];
  };
  MakeTiny(options);
  options.memory_limit_bytes = one_of({200 << 10, 320 << 10, 1 << 20});
  options.generation_bytes = one_of({2048, 4096, 16384});
  options.segment_bytes = one_of({1024, 4096, 16384});
  options.log_bytes_per_generation = 4 * options.generation_bytes;
  options.spare_segments_max = one_of({0, 1, 3});
  options.block_bytes = static_cast<uint32_t>(one_of({256, 512, 4096}));
  options.table_bytes = one_of({2048, 8192});
  options.table_cache_bytes = one_of({1, 4096, 1 << 20});
  options.open_tables_max = one_of({1, 3, 1000});
  options.compression_level = random.OneIn(4) ? 1 : 0;
  options.dictionary_sample_bytes = one_of({0, 1024});
  options.filter_bits_per_key = static_cast<int>(one_of({0, 4, 10}));
  options.value_file_threshold_bytes = one_of({0, 32, 80, 2000, 4096});
  options.value_file_bytes = one_of({1024, 64 << 10});
  options.compaction_policy = static_cast<PolicyKind>(random.Uniform(3));
  options.compaction_bytes_max = one_of({8192, 1 << 20});
  options.level0_tables_compact = static_cast<int>(one_of({2, 4}));
  options.tier_runs = 2 + static_cast<int>(random.Uniform(3));
  options.runs_max = random.OneIn(3) ? 4 : 24;
}

}  // namespace varve
