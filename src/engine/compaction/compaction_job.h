// engine/compaction/compaction_job.h: new tables from a frozen generation or from older tables.
//
// Both jobs walk entries in key order, drop what nobody can see any more, and write what is left
// into tables that are synced, directory included, opened and so verified before they are reported. A job that fails has
// left files behind that no version names; it removes what it can.
//
// Settling counts. An entry without its creates bit was counted as an overwrite. When a merge shows that it
// overwrote nothing - a tombstone lies directly below it, or the last level is reached and there is nothing - the
// count of its prefix is one too low, and the job reports +1. An expired put that is dropped is
// reported as -1; whatever newer entry lies above it and believes in it settles that in its turn.
//
// Threads    FlushGeneration and RunCompaction: worker, on immutable inputs. The rest: a value.
// See also: flush.cc (who schedules them and installs what they report).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
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
  Status status;
  std::vector<Output> outputs;
  CountDeltas settled;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t entries_dropped = 0;
  uint64_t dictionaries = 0;  // outputs that have one
};

// What both kinds of job are given.
struct TableJobContext {
  Options options;  // its filter_bits_per_key are those of what this job writes
  Env* env = nullptr;
  uint64_t database_id = 0;
  DeadPrefixes
      dead_prefixes;  // only such as are durable: a job may not make true what a power cut could take back
  std::vector<uint64_t> file_numbers;  // reserved for outputs
  int64_t now_ms = 0;

  TableDirectory tables() const { return {env, options.directory, database_id}; }
};

// To one table of level 0, or none if nothing is left.
TableJobResult FlushGeneration(const TableJobContext& context, const Generation& generation);

struct CompactionInputs {
  CompactionPlan plan;
  std::shared_ptr<const Version> version;  // tells what lies below
};
TableJobResult RunCompaction(const TableJobContext& context, const CompactionInputs& inputs);

}  // namespace varve
