// tools/bench_options.h: what `varve-tool bench` is told.
//
// Names and meanings are those of db_bench, which comes with LevelDB and RocksDB, so that one command
// line can be held against the other.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace varve {

struct BenchOptions {
  std::vector<std::string> benchmarks = {"fillseq", "fillrandom", "overwrite", "readrandom"};
  uint64_t num = 1'000'000;
  uint64_t reads = 0;  // 0: num
  uint64_t key_size = 16;
  uint64_t value_size = 100;
  double compression_ratio = 0.5;
  std::string db;  // empty: a temporary directory
  bool use_existing_db = false;

  uint64_t memory_limit_bytes = 1ull << 30;
  uint64_t block_size_bytes = 0;  // these three: 0 leaves it to the engine
  uint64_t cache_size_bytes = 0;
  uint64_t write_buffer_size_bytes = 0;  // of one generation
  uint64_t value_file_threshold_bytes = 4096;

  bool sync = false;
  uint64_t writers = 1;
  uint64_t reads_per_write = 1;
  uint64_t seek_nexts = 0;
  uint64_t idle_seconds = 60;
  uint64_t prefetch = 0;
  uint64_t seed = 301;
  bool statistics = true;
  bool json = false;
  bool help = false;

  uint64_t read_operations() const { return reads == 0 ? num : reads; }
};

// Arguments are --NAME=VALUE. The error is one line that names the argument.
Result<BenchOptions> ParseBenchOptions(std::span<const std::string> arguments);

// The options, one a line, each with its default.
std::string BenchOptionsUsage();

}  // namespace varve
