// tools/bench.cc: runs workloads one after the other and prints a line for each, as db_bench does.
//
// At the end, once flushes and compactions have settled:
//
//   log, tables   bytes written to them, all in all and for each byte of keys and values; value files count as
//                 tables, and what was moved in them to free space is told
//   device        bytes that the process made the kernel write, the zeros of new log segments included
//   blocks        of tables, looked at and read, for each get or seek
//   space         bytes of tables and value files for each byte of keys and values that a walk finds alive
//   disk          bytes of all files, log and reserve included, likewise
//   memory        the most that the process ever held
//
// Threads: loop.
#include "tools/bench.h"

#include <sys/resource.h>

#include <cstdio>
#include <vector>

#include "base/log.h"
#include "server/version.h"
#include "tools/bench_database.h"
#include "tools/bench_options.h"
#include "tools/bench_workloads.h"

namespace varve {

namespace {

constexpr double kMegabyte = 1 << 20;

struct Statistics {
  BenchTotals totals;
  uint64_t reads = 0;
  uint64_t device_bytes_written = 0;  // 0: the kernel does not tell
  uint64_t table_bytes = 0;
  uint64_t value_bytes = 0;  // of value files
  uint64_t disk_bytes = 0;
  BenchLiveData live;
  double settle_seconds = 0;
  uint64_t peak_rss_bytes = 0;
};

double Ratio(uint64_t a, uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

double PerSecond(uint64_t count, const BenchResult& result) {
  return static_cast<double>(count) / result.seconds;
}

// What the kernel counts against this process as it dirties pages.
uint64_t DeviceBytesWritten() {
  std::FILE* const file = std::fopen("/proc/self/io", "r");
  if (file == nullptr) return 0;
  unsigned long long bytes = 0;
  char line[64];
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    if (std::sscanf(line, "write_bytes: %llu", &bytes) == 1) break;
  }
  std::fclose(file);
  return bytes;
}

// --- Text ---

void PrintResult(const BenchResult& result) {
  std::printf("%-16s : %11.3f micros/op %.0f ops/sec;", result.name.data(),
              result.seconds * 1e6 / static_cast<double>(result.operations),
              PerSecond(result.operations, result));
  if (result.bytes > 0) std::printf(" %6.1f MB/s", PerSecond(result.bytes, result) / kMegabyte);
  if (result.reads > 0) {
    std::printf(" (%llu of %llu found)", static_cast<unsigned long long>(result.found),
                static_cast<unsigned long long>(result.reads));
  }
  if (result.writes > 0) std::printf(" beside %.0f writes/sec", PerSecond(result.writes, result));
  std::printf("\n");
  std::fflush(stdout);
}

void PrintStatistics(const Statistics& s) {
  const BenchTotals& t = s.totals;
  std::printf("------------------------------------------------\n");
  if (t.user_bytes_written > 0) {
    std::printf("log    : %s, %.2f per byte of user data\n",
                FormatBytes(t.log_bytes_written).c_str(),
                Ratio(t.log_bytes_written, t.user_bytes_written));
    std::printf("tables : %s, %.2f per byte of user data\n",
                FormatBytes(t.table_bytes_written).c_str(),
                Ratio(t.table_bytes_written, t.user_bytes_written));
    if (t.value_bytes_relocated > 0) {
      std::printf("values : %s moved, %.2f per byte of user data\n",
                  FormatBytes(t.value_bytes_relocated).c_str(),
                  Ratio(t.value_bytes_relocated, t.user_bytes_written));
    }
    if (s.device_bytes_written > 0) {
      std::printf("device : %s, %.2f per byte of user data\n",
                  FormatBytes(s.device_bytes_written).c_str(),
                  Ratio(s.device_bytes_written, t.user_bytes_written));
    }
  }
  if (s.reads > 0) {
    std::printf("blocks : %.3f looked at, %.3f read, per get or seek\n",
                Ratio(t.block_hits + t.block_reads, s.reads), Ratio(t.block_reads, s.reads));
  }
  if (t.filter_negatives > 0) {
    std::printf("filters: %.3f said no per get, %.4f said maybe of an absent key\n",
                Ratio(t.filter_negatives, s.reads), Ratio(t.filter_false_positives, s.reads));
  }
  std::printf("space  : %s of tables for %s in %llu keys, %.2f (settled after %.1f s)\n",
              FormatBytes(s.table_bytes + s.value_bytes).c_str(), FormatBytes(s.live.bytes).c_str(),
              static_cast<unsigned long long>(s.live.keys),
              Ratio(s.table_bytes + s.value_bytes, s.live.bytes), s.settle_seconds);
  std::printf("disk   : %s in all files, %.2f\n", FormatBytes(s.disk_bytes).c_str(),
              Ratio(s.disk_bytes, s.live.bytes));
  std::printf("memory : %s at most\n", FormatBytes(s.peak_rss_bytes).c_str());
}

// --- JSON ---

void PrintField(const char* name, uint64_t value) {
  std::printf(", \"%s\": %llu", name, static_cast<unsigned long long>(value));
}

void PrintJson(const std::vector<BenchResult>& results, const Statistics* statistics) {
  std::printf("{\"version\": \"%s\", \"workloads\": [", kVersion.data());
  const char* separator = "";
  for (const BenchResult& r : results) {
    std::printf("%s\n {\"name\": \"%s\", \"seconds\": %.6f, \"ops_per_sec\": %.1f", separator,
                r.name.data(), r.seconds, PerSecond(r.operations, r));
    PrintField("operations", r.operations);
    PrintField("bytes", r.bytes);
    PrintField("reads", r.reads);
    PrintField("found", r.found);
    PrintField("writes", r.writes);
    std::printf("}");
    separator = ",";
  }
  std::printf("]");
  if (statistics != nullptr) {
    std::printf(",\n \"statistics\": {\"settle_seconds\": %.3f", statistics->settle_seconds);
    PrintField("user_bytes_written", statistics->totals.user_bytes_written);
    PrintField("log_bytes_written", statistics->totals.log_bytes_written);
    PrintField("table_bytes_written", statistics->totals.table_bytes_written);
    PrintField("value_bytes_relocated", statistics->totals.value_bytes_relocated);
    PrintField("device_bytes_written", statistics->device_bytes_written);
    PrintField("reads", statistics->reads);
    PrintField("block_hits", statistics->totals.block_hits);
    PrintField("block_reads", statistics->totals.block_reads);
    PrintField("filter_negatives", statistics->totals.filter_negatives);
    PrintField("filter_false_positives", statistics->totals.filter_false_positives);
    PrintField("table_bytes", statistics->table_bytes);
    PrintField("value_bytes", statistics->value_bytes);
    PrintField("disk_bytes", statistics->disk_bytes);
    PrintField("live_bytes", statistics->live.bytes);
    PrintField("live_keys", statistics->live.keys);
    PrintField("peak_rss_bytes", statistics->peak_rss_bytes);
    std::printf("}");
  }
  std::printf("}\n");
}

// --- The run ---

Status CollectStatistics(BenchDatabase& db, Statistics* s) {
  // What the workloads did: the blocks that the walk below needs are not theirs.
  s->totals = db.totals();
  const uint64_t start_us = db.env().MonotonicUs();
  RETURN_IF_ERROR(db.Flush());
  RETURN_IF_ERROR(db.Settle());
  s->settle_seconds = static_cast<double>(db.env().MonotonicUs() - start_us) / 1e6;
  const BenchTotals settled = db.totals();
  s->totals.log_bytes_written = settled.log_bytes_written;
  s->totals.table_bytes_written = settled.table_bytes_written;
  s->totals.value_bytes_relocated = settled.value_bytes_relocated;
  s->device_bytes_written = DeviceBytesWritten();
  s->table_bytes = db.engine().stats().table_bytes;
  s->value_bytes = db.engine().stats().value_bytes;
  const Result<uint64_t> disk_bytes = db.DiskBytes();
  if (!disk_bytes.ok()) return disk_bytes.status();
  s->disk_bytes = *disk_bytes;
  const Result<BenchLiveData> live = db.WalkAll();
  if (!live.ok()) return live.status();
  s->live = *live;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  s->peak_rss_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  return Status::Ok();
}

Status RunAll(const BenchOptions& options) {
  BenchDatabase db(options);
  RETURN_IF_ERROR(db.Open());
  BenchRunner runner(options, db);
  std::vector<BenchResult> results;
  Statistics statistics;
  for (const std::string& name : options.benchmarks) {
    const BenchWorkload& workload = *FindBenchWorkload(name);
    if (workload.fresh && options.use_existing_db) {
      // Where db_bench would skip it too.
      std::fprintf(stderr, "%-16s : skipped, for --use_existing_db\n", name.c_str());
      continue;
    }
    if (workload.fresh) RETURN_IF_ERROR(db.OpenFresh());
    const Result<BenchResult> result = runner.Run(workload);
    if (!result.ok()) return result.status();
    results.push_back(*result);
    statistics.reads += result->reads;
    if (!options.json) PrintResult(*result);
  }
  if (options.statistics) {
    RETURN_IF_ERROR(CollectStatistics(db, &statistics));
    if (!options.json) PrintStatistics(statistics);
  }
  if (options.json) PrintJson(results, options.statistics ? &statistics : nullptr);
  return db.Close();
}

void PrintUsage() {
  std::printf(
      "varve-tool bench [--NAME=VALUE]...\n"
      "\n"
      "Drives the engine, without a server, with workloads named and shaped as those of db_bench.\n"
      "\n"
      "Workloads, for --benchmarks:\n");
  for (const BenchWorkload& workload : BenchWorkloads()) {
    std::printf("  %-20s %s\n", workload.name.data(), workload.summary.data());
  }
  std::printf("\nOptions, with their defaults:\n%s", BenchOptionsUsage().c_str());
}

}  // namespace

int RunBench(std::span<const std::string> arguments) {
  // Standard output is for figures; where there is no other, what the engine says stands among them.
  SetLogLevel(LogLevel::kWarning);
  (void)SetLogFile("/dev/stderr");
  const Result<BenchOptions> options = ParseBenchOptions(arguments);
  if (options.ok() && options->help) {
    PrintUsage();
    return 0;
  }
  const Status status = options.ok() ? RunAll(*options) : options.status();
  if (status.ok()) return 0;
  std::fprintf(stderr, "varve-tool bench: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace varve
