// tools/bench_workloads.h: the workloads, named and shaped as those of db_bench.
//
// The engine is driven as a server drives it: some operations, each a commit or a read of its own, and then the
// turn of the loop ends. A write counts as done when its group is reported, so every workload ends
// by waiting for the last one.
//
// Keys are numbers below --num, in decimal behind zeros. A value begins with its key's number, and every
// value that is read is looked at: its size, and that number.
//
// Threads    Loop.
// See also: bench_database.h (turns, waiting), bench.cc (what is printed)
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/random.h"
#include "tools/bench_database.h"
#include "tools/bench_options.h"

namespace varve {

// What one workload came to.
struct BenchResult {
  Slice name;
  uint64_t operations = 0;  // of readwhilewriting, the reads
  double seconds = 0;
  uint64_t bytes = 0;   // of keys and values, written or found
  uint64_t reads = 0;   // gets and seeks
  uint64_t found = 0;   // of them
  uint64_t writes = 0;  // beside the reads of readwhilewriting
};

// Values of which a part compresses away, cut from a megabyte of prepared pieces.
class ValueSource {
 public:
  ValueSource(size_t value_size, double compression_ratio, uint64_t seed);

  // The next value, stamped with `number`. Valid until the next call.
  Slice Next(uint64_t number);
  // Whether `value` is one that was made for `number`, as far as size and stamp tell.
  bool Fits(uint64_t number, Slice value) const;

 private:
  const size_t value_size_;
  std::string pieces_;
  size_t at_ = 0;
  std::string value_;
};

// A number as a key, behind zeros.
class KeyBuffer {
 public:
  explicit KeyBuffer(size_t key_size) : key_(key_size, '0') {}

  // Valid until the next call.
  Slice Set(uint64_t number);
  // As Set, and a key that no workload writes.
  Slice SetMissing(uint64_t number);

 private:
  std::string key_;
  std::string missing_;
};

class BenchRunner;

struct BenchWorkload {
  Slice name;
  Slice summary;
  bool fresh;  // begins with an empty database
  Status (BenchRunner::*run)(BenchResult* result);
};

std::span<const BenchWorkload> BenchWorkloads();
// Null if there is none.
const BenchWorkload* FindBenchWorkload(Slice name);

class BenchRunner {
 public:
  BenchRunner(const BenchOptions& options, BenchDatabase& db);

  // Runs one workload and times it.
  Result<BenchResult> Run(const BenchWorkload& workload);

  // One each, for the table.
  Status FillSeq(BenchResult* result);
  Status FillRandom(BenchResult* result);  // and overwrite
  Status FillSync(BenchResult* result);
  Status ReadRandom(BenchResult* result);
  Status ReadMissing(BenchResult* result);
  Status ReadSeq(BenchResult* result);
  Status ReadReverse(BenchResult* result);
  Status SeekRandom(BenchResult* result);
  Status ReadWhileWriting(BenchResult* result);
  Status WaitForCompaction(BenchResult* result);
  Status Idle(BenchResult* result);

 private:
  uint64_t RandomNumber() { return random_.Uniform(options_.num); }
  // Commits one write and returns its group.
  uint64_t Put(uint64_t number);
  // `next_number(i)` is the key of the i-th write.
  template <typename NextNumber>
  Status Write(uint64_t count, NextNumber next_number, BenchResult* result);
  template <typename NextNumber>
  Status WriteSynced(uint64_t count, NextNumber next_number);
  // Does all reads of a workload, in turns; `operation(n)` does n of them, at most `step`.
  template <typename Operation>
  Status Read(uint64_t step, Operation operation, BenchResult* result);
  // Gets a key and checks its value; waits if it must.
  Status Get(Slice key, uint64_t number, BenchResult* result);
  Status Seek(uint64_t number, BenchResult* result);
  // Meets as many keys as there are reads, if there are so many.
  Status Walk(Direction direction, BenchResult* result);
  // The bytes of a scan's entry and its value, which is checked; kPending: `scope_` waits for it.
  Result<uint64_t> Look(const Entry& entry);

  const BenchOptions& options_;
  BenchDatabase& db_;
  Random random_;
  KeyBuffer key_;
  ValueSource values_;
  Batch batch_;
  ReadScope scope_;
};

}  // namespace varve
