// tools/bench_database.h: a database to be measured, with the loop that it needs.
//
// What a server does around the engine is done here in the same way: a turn of the loop ends with EndTurn,
// a writer waits as long as the engine asks it to, and a read that is pending is run again when its blocks have come.
//
// The directory is one that a bench made: a file tells so. Any other that is not empty is refused, for
// most workloads begin by throwing away what is there.
//
// Threads    The one that constructs it is the loop's.
// Errors     As the engine's. After one nothing more is to be measured.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "env/posix_env.h"
#include "server/net/loop.h"
#include "tools/bench_options.h"

namespace varve {

// What all engines of one run have counted: a fresh database begins at zero.
struct BenchTotals {
  uint64_t user_bytes_written = 0;
  uint64_t log_bytes_written = 0;
  uint64_t table_bytes_written = 0;    // by flushes and compactions, value files included
  uint64_t value_bytes_relocated = 0;  // of these
  uint64_t block_hits = 0;
  uint64_t block_reads = 0;  // from the page cache or from the disk
  uint64_t filter_negatives = 0;
  uint64_t filter_false_positives = 0;

  void Add(const EngineStats& stats);
};

// What a walk over the whole database found.
struct BenchLiveData {
  uint64_t keys = 0;
  uint64_t bytes = 0;  // of keys and values
};

class BenchDatabase {
 public:
  explicit BenchDatabase(const BenchOptions& options);
  // Removes a temporary directory.
  ~BenchDatabase();

  // Opens what is there under use_existing_db, else an empty database.
  Status Open();
  // Throws away what there is, if anything was ever written.
  Status OpenFresh();
  Status Close();

  // --- The loop ---
  // Ends a turn and begins the next one, without sleeping.
  void Turn();
  // Waits as the engine wants a writer to, after a turn in which it wrote.
  void HoldWriter();
  // Waits until all that was committed may be told, or writes are refused.
  Status WaitForGroup(uint64_t group);
  // After kPending. The read is to be run again.
  void WaitFor(ReadScope& scope);
  void Sleep(uint64_t ms);

  // --- Upkeep ---
  // Waits until no flush and no compaction is running or wanted.
  Status Settle();
  Status Flush();
  Result<BenchLiveData> WalkAll();
  BenchTotals totals() const;
  // Of all files of the database.
  Result<uint64_t> DiskBytes();

  Engine& engine() { return *engine_; }
  Env& env() { return env_; }

 private:
  Status OpenEngine();
  Status ClaimDirectory();
  Status RemoveFiles();

  const BenchOptions& options_;
  Loop loop_;
  PosixEnv env_;
  std::string directory_;
  const bool temporary_;
  std::unique_ptr<Engine> engine_;
  BenchTotals totals_;  // of engines closed before
};

}  // namespace varve
