// engine/compaction/simulation.h: what a policy costs under a load, without a disk, in seconds.
//
// Some hundred thousand keys stand for all of the data: an entry is as large as the data divided by
// their number, and everything else - generations, tables, limits of levels - has its real size. So
// there are as many generations, tables and levels as there would be, and what is merged, shadowed
// and dropped is exact; only that a table has a few hundred large entries instead of many small
// ones.
//
//   write   bytes of tables written, by flushes and compactions, for each byte that the user wrote;
//           the log is not counted. A generation holds each key once, so it may be less than one
//   runs    tables of level 0 and other levels in use: what a scan merges
//   tables  whose range holds a key that exists, up to the one that has it. The filters spare a get
//           all but a hundredth of those that do not have it
//   space   bytes of tables for each byte alive
//
// All of them are averages over the load, looked at after every flush, when compactions have done
// all they want to do: that they keep up is taken for granted.
//
// Threads: any. See also: simulated_tree.h, tools/simulate.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "base/slice.h"
#include "engine/options.h"

namespace varve {

enum class SimulatedLoad : uint8_t {
  kUniform,  // overwrites, every key as likely as any other
  kZipfian,  // overwrites, the n-th most popular key 1/n^0.99 as likely as the first; not neighbours
  kInOrder,  // inserts, every key greater than those before: a time series
  kDeletes,  // every other operation deletes a key, the others write one
};
std::span<const SimulatedLoad> SimulatedLoads();
const char* ToString(SimulatedLoad load);
std::optional<SimulatedLoad> ParseSimulatedLoad(Slice name);

struct SimulationOptions {
  // Policy, sizes and limits, as the engine has them.
  Options engine;
  SimulatedLoad load = SimulatedLoad::kUniform;
  uint64_t data_bytes = 16ull << 30;
  uint64_t keys = 1u << 18;  // that stand for the data
  // So many times the data is written while it is measured, when it has been written twice before.
  // (Not in order: that is measured from the first key to the last.)
  uint64_t rounds = 4;
  uint64_t seed = 1;
};

struct SimulationResult {
  double write = 0;
  double runs = 0;
  double tables = 0;
  double space = 0;
  uint64_t runs_max = 0;
  double space_max = 0;
  uint64_t largest_job_bytes = 0;  // written by one compaction
};

// kInvalidArgument if the keys are too few for the generations, so that nothing would be like it
// is. Checks in the end that every key has its last value; kCorruption if not.
Result<SimulationResult> Simulate(const SimulationOptions& options);

}  // namespace varve
