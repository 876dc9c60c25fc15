// engine/engine_stats.h: what INFO and tools want to know of the engine. Counters only grow.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace varve {

// Level 0, and as many as one sorted run each may need: leveling uses six, tiering a few for each tier.
inline constexpr int kLevels = 32;

// See scrubber.h.
struct ScrubStats {
  bool running = false;  // a pass is under way
  uint64_t passes = 0;   // that have ended, since start
  uint64_t bytes = 0;    // read in this pass, or the last one
  uint64_t damages =
      0;  // found since start: of blocks and partitions of tables, and of value files
  int64_t last_pass_ms = 0;  // wall clock, when the last one ended; 0: none has
};

// What the log's threads do.
enum class LogWork : uint8_t { kWrite, kSync };

struct EngineStats {
  struct Level {
    uint64_t tables = 0;
    uint64_t bytes = 0;
  };

  // --- Reading ---
  uint64_t record_hits = 0;    // answered by the record table
  uint64_t record_misses = 0;  // went on to the tables
  // Of lookups that went through. An absent key is a negative, or a false positive: a block was read for
  // nothing.
  uint64_t filter_checks = 0;
  uint64_t filter_negatives = 0;
  uint64_t filter_false_positives = 0;
  uint64_t block_hits = 0;
  // Values from value files count as blocks do.
  uint64_t block_reads_nowait = 0;  // came from the page cache, on the loop
  uint64_t block_reads_waited = 0;  // came from the disk, or through a reader thread
  uint64_t block_reads_ahead = 0;   // came along with one of these, for a scan
  uint64_t block_errors = 0;
  ScrubStats scrub;
  bool io_uring = false;  // Env::has_io_uring()

  // --- Writing ---
  uint64_t commits = 0;
  uint64_t entries_written = 0;
  uint64_t user_bytes_written = 0;
  uint64_t log_bytes_written = 0;
  uint64_t log_groups = 0;
  uint64_t log_syncs = 0;
  uint64_t log_sync_us = 0;
  uint64_t log_pending_bytes = 0;
  uint64_t log_segments = 0;
  uint64_t flushes = 0;
  uint64_t flush_bytes_written = 0;
  uint64_t compactions = 0;
  uint64_t compaction_bytes_read = 0;
  uint64_t compaction_bytes_written = 0;
  uint64_t dictionaries_written = 0;   // tables for which one paid
  uint64_t value_bytes_relocated = 0;  // of these: to empty value files with garbage
  bool flush_running = false;
  uint64_t compactions_running = 0;  // two, if one of them is large
  uint64_t unreadable_files = 0;     // that compactions leave alone for now
  uint64_t range_compactions = 0;    // that someone asked for, and are through
  uint64_t range_compactions_running = 0;
  uint64_t range_compaction_bytes_left = 0;  // of tables that these have yet to merge, roughly
  uint64_t checkpoints = 0;
  bool checkpoint_running = false;
  uint64_t snapshots = 0;              // that are held by somebody; a running checkpoint has one
  uint64_t snapshot_oldest_ms = 0;     // its age
  uint64_t snapshot_held_bytes = 0;    // of files that are on the disk for nothing but snapshots
  double write_debt = 0;               // from 0 to 1: see write_pacer.h
  const char* write_debt_of = "none";  // flush, level0, log
  double level0_to_merge = 0;   // tables, without what a running compaction has merged of them
  uint64_t write_rate_max = 0;  // bytes of log a second that writers may write now; 0: any
  uint64_t writer_delay_us = 0;
  bool disk_full = false;  // see disk_reserve.h
  uint64_t disk_reserve_bytes = 0;
  std::string write_refusal;  // empty, or why commits are refused
  // ok; full: the disk is; failed: a write or a sync of the log was, until all that was in memory is in tables
  const char* log_state = "ok";
  int64_t log_state_since_ms = 0;  // wall clock, like the next
  std::string last_error;
  int64_t last_error_ms = 0;  // 0: there was none

  // --- What there is ---
  std::array<Level, kLevels> levels;
  uint64_t table_bytes = 0;
  uint64_t tables = 0;
  uint64_t open_tables = 0;  // value files included
  uint64_t value_files = 0;
  uint64_t value_bytes = 0;       // of these files
  uint64_t live_value_bytes = 0;  // of the records in them that tables refer to
  uint64_t records = 0;           // in memory
  uint64_t dirty_records = 0;
  uint64_t frozen_generations = 0;
  uint64_t unsettled_keys = 0;  // blind writes counted as overwrites since start, not yet settled

  // --- Memory, in bytes ---
  uint64_t memory_limit = 0;
  uint64_t record_bytes = 0;
  uint64_t dirty_bytes = 0;
  uint64_t slot_bytes = 0;
  uint64_t list_bytes = 0;  // of records by generation, and of what expires
  uint64_t block_cache_bytes = 0;
  uint64_t index_and_filter_bytes = 0;
  uint64_t job_bytes = 0;  // what flushes, compactions, reads and the rest hold while they run
  uint64_t evicted_records = 0;
  uint64_t moved_records = 0;  // so that pages come free

  // --- Opening ---
  uint64_t replayed_bytes = 0;
  uint64_t replayed_records = 0;
  uint64_t replay_us = 0;
  uint64_t manifest_number = 0;
  int64_t last_flush_wall_ms = 0;
};

}  // namespace varve
