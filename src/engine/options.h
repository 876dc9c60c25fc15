// engine/options.h: every knob of the engine, with its unit and the reason for its default.
//
// Zero means "derived from memory_limit_bytes": see Options::Derive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/slice.h"

namespace varve {

enum class Durability : uint8_t {
  kAlways,       // a commit is reported when it is synced
  kEverySecond,  // reported when written; synced once a second
  kNo,           // reported when written; synced when the kernel likes
};

// How tables are compacted: see compaction/policy.h.
enum class PolicyKind : uint8_t { kLeveled, kTiered, kLazyLeveled };

struct Options {
  std::string directory;
  Durability durability = Durability::kEverySecond;

  // --- Memory ---
  uint64_t memory_limit_bytes = 1ull << 30;
  uint64_t generation_bytes = 0;   // a generation is frozen at this size
  uint64_t block_cache_bytes = 0;  // its share; it may use what nobody else does
  uint64_t table_cache_bytes = 0;  // filters and indexes
  size_t open_tables_max = 4096;   // a file descriptor each
  // Frozen generations waiting for their flush before writers are slowed, then held.
  int frozen_generations_slow = 2;
  int frozen_generations_max = 4;

  // --- Log ---
  uint64_t segment_bytes = 0;  // preallocated; a larger group gets a larger segment
  uint64_t log_bytes_per_generation =
      0;  // frozen at this much log too: overwrites grow only the log
  uint64_t log_pending_bytes_max = 64u << 20;  // not yet written; above it writers are held
  // Segments kept for reuse. A new one has to be filled with zeros first, which doubles what is
  // written, so by default there are as many as a generation fills.
  uint64_t spare_segments_max = 0;

  // --- Tables ---
  uint32_t block_bytes = 16 * 1024;  // before compression
  // For blocks of that size, of JSON-like values, zstd's levels 2 and 3 take more time than 1 and make
  // them larger; 5 saves 1 to 5% in four times the time.
  int compression_level = 1;     // zstd; 0 stores blocks as they are
  int filter_bits_per_key = 10;  // of the largest run: see compaction/filter_bits.h
  uint64_t table_bytes = 0;      // a compaction cuts its output here
  // Of a table's beginning, to train a dictionary from (table/dictionary.h); 0: none. Tables of
  // level 0 go without: they live for a moment, and training would make a flush 3% longer.
  size_t dictionary_sample_bytes = 1u << 20;

  // --- Values ---
  // Values of at least so many bytes go to value files, which compactions do not copy; 0: none do. Below a few
  // kilobytes the second read that each of them costs weighs more than the copying that it spares.
  uint64_t value_file_threshold_bytes = 4096;
  // A file is ended at this size. Smaller files are collected sooner; but each table lists those that it refers to.
  uint64_t value_file_bytes = 64u << 20;

  // --- Levels ---
  PolicyKind compaction_policy = PolicyKind::kLeveled;
  // false: nothing is compacted but what Engine::Compact is asked for. For tools, and not for long.
  bool automatic_compaction = true;
  int level0_tables_compact = 4;  // a compaction of level 0 starts
  int level0_tables_slow = 12;    // writers are slowed
  int level0_tables_max = 24;     // writers are held
  uint64_t level1_bytes = 256u << 20;
  int level_size_ratio = 10;
  // Tiered, lazy-leveled: runs of like size that are merged at once, at least 2. More means fewer bytes written
  // and more runs to read; Cassandra and ScyllaDB, which have long done it so, take four as well.
  int tier_runs = 4;
  int runs_max = 24;  // beside level 0; a terabyte from tables of 64 MiB has 21 at most, 10 usually
  uint64_t compaction_bytes_max = 512u << 20;  // inputs of one job

  // Bytes a second in which tables and value files are read to find damage (scrubber.h); 0: they are not.
  uint64_t scrub_bytes_per_second = 0;

  // How long the leading part of `key` is whose keys are counted together; 0: not counted.
  // For one prefix it must return the same length. The engine knows keys as bytes only.
  size_t (*counted_prefix_size)(Slice key) = [](Slice) -> size_t { return 0; };

  // Fills what is zero.
  void Derive();
};

}  // namespace varve
