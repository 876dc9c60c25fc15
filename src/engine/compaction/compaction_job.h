// engine/compaction/compaction_job.h: new tables from a frozen generation or from older tables.
//
// Both jobs walk entries in key order, drop what nobody can see any more, and write what is left
// into tables that are synced, directory included, opened and so verified before they are reported. A job that fails has
// left files behind that no version names; it removes what it can.
//
// Values. A flush writes large values to a value file and leaves a reference in the table; a compaction passes the
// reference on without reading the value, unless the plan says that the value's file is to be emptied: then
// the value moves to a new one, as it is stored. One that cannot be read stays where it is: the job goes on, and says so. Value files are synced and read back like tables, and none
// is reported before.
//
// Settling counts. An entry without its creates bit was counted as an overwrite. When a merge shows that it
// overwrote nothing - a tombstone lies directly below it, or the last level is reached and there is nothing - the
// count of its prefix is one too low, and the job reports +1. An expired put that is dropped is
// reported as -1; whatever newer entry lies above it and believes in it settles that in its turn.
//
// Threads    FlushGeneration and RunCompaction: worker, on immutable inputs. The rest: a value.
// See also: flush.cc (who schedules them and installs what they report).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/compaction/policy.h"
#include "engine/options.h"
#include "engine/records/generation.h"
#include "engine/table/table_directory.h"
#include "engine/version/dead_prefixes.h"
#include "env/env.h"

namespace varve {

using CountDeltas = std::map<std::string, int64_t, std::less<>>;  // counted prefix -> change

struct TableJobResult {
  struct Output {
    FileRef meta;
    std::shared_ptr<const TableReader> reader;
  };
  struct ValueOutput {
    ValueFileMeta meta;
    std::shared_ptr<const ValueFileReader> reader;
  };
  Status status;
  std::vector<Output> outputs;
  std::vector<ValueOutput> value_outputs;
  CountDeltas settled;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;        // value files included
  uint64_t value_bytes_written = 0;  // of these
  uint64_t entries_dropped = 0;
  uint64_t dictionaries = 0;  // outputs that have one
  // The input that a compaction has failed by; 0: it has not failed, or by something else.
  uint64_t unreadable_table = 0;
  // Value files out of which something could not be moved, and what was said of the last.
  std::set<uint64_t> unreadable_value_files;
  Status unreadable_because;
};

// What both kinds of job are given.
struct TableJobContext {
  Options options;  // its filter_bits_per_key are those of what this job writes
  Env* env = nullptr;
  uint64_t database_id = 0;
  DeadPrefixes
      dead_prefixes;  // only such as are durable: a job may not make true what a power cut could take back
  std::vector<uint64_t> file_numbers;  // reserved for outputs
  // Likewise for value files. REQUIRES: one at least, for a job that may write values.
  std::vector<uint64_t> value_file_numbers;
  int64_t now_ms = 0;

  TableDirectory tables() const { return {env, options.directory, database_id}; }
};

// To one table of level 0, or none if nothing is left.
TableJobResult FlushGeneration(const TableJobContext& context, const Generation& generation);

struct CompactionInputs {
  CompactionPlan plan;
  std::shared_ptr<const Version> version;  // tells what lies below
};
// How far a compaction is. Written by its worker, read by any thread.
struct CompactionProgress {
  std::atomic<uint64_t> entries_merged = 0;  // of the inputs'
};
TableJobResult RunCompaction(const TableJobContext& context, const CompactionInputs& inputs,
                             CompactionProgress* progress);

}  // namespace varve
