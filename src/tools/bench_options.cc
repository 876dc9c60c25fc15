// tools/bench_options.cc: one row an option.
#include "tools/bench_options.h"

#include <cstdio>
#include <cstdlib>

#include "base/numbers.h"
#include "tools/bench_workloads.h"

namespace varve {

namespace {

// Decimal digits of the largest number that keys are made of, and the stamp in a value.
constexpr uint64_t kKeySizeMin = 8;
constexpr uint64_t kKeySizeMax = 4096;
constexpr uint64_t kValueSizeMax = 1u << 20;
constexpr uint64_t kNumMax = 1'000'000'000'000;
constexpr uint64_t kWritersMax = 100'000;
constexpr uint64_t kPrefetchMax = 64;

struct Row {
  Slice name;
  Slice wants;
  Slice default_text;
  Slice meaning;
  bool (*set)(BenchOptions& options, Slice text);  // false: not what the option wants
};

template <auto kMember, uint64_t kMin = 0, uint64_t kMax = UINT64_MAX>
bool SetNumber(BenchOptions& options, Slice text) {
  const std::optional<uint64_t> number = ParseUint64(text);
  if (!number || *number < kMin || *number > kMax) return false;
  options.*kMember = *number;
  return true;
}

template <auto kMember, uint64_t kMin>
bool SetSize(BenchOptions& options, Slice text) {
  const std::optional<uint64_t> bytes = ParseMemorySize(text);
  if (!bytes || *bytes < kMin) return false;
  options.*kMember = *bytes;
  return true;
}

template <auto kMember>
bool SetFlag(BenchOptions& options, Slice text) {
  if (text != "0" && text != "1" && text != "true" && text != "false") return false;
  options.*kMember = text == "1" || text == "true";
  return true;
}

bool SetRatio(BenchOptions& options, Slice text) {
  const std::optional<long double> ratio = ParseLongDouble(text);
  if (!ratio || *ratio <= 0 || *ratio > 1) return false;
  options.compression_ratio = static_cast<double>(*ratio);
  return true;
}

bool SetDirectory(BenchOptions& options, Slice text) {
  options.db = text;
  return !text.empty();
}

bool SetBenchmarks(BenchOptions& options, Slice text) {
  options.benchmarks.clear();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    options.benchmarks.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return !options.benchmarks.empty();
}

using O = BenchOptions;

// clang-format off
constexpr Row kRows[] = {
    {"benchmarks", "a list", "fillseq,fillrandom,overwrite,readrandom", "workloads, in this order", SetBenchmarks},
    {"num", "a number from 1", "1000000", "keys of the database", SetNumber<&O::num, 1, kNumMax>},
    {"reads", "a number", "num", "operations of the reading workloads", SetNumber<&O::reads>},
    {"key_size", "8 to 4096", "16", "bytes: a decimal number behind zeros", SetNumber<&O::key_size, kKeySizeMin, kKeySizeMax>},
    {"value_size", "a number up to 1048576", "100", "bytes", SetNumber<&O::value_size, 1, kValueSizeMax>},
    {"compression_ratio", "more than 0, at most 1", "0.5", "to which part of its size a value compresses", SetRatio},
    {"db", "a directory", "temporary", "kept afterwards; a temporary one is made here and removed", SetDirectory},
    {"use_existing_db", "0 or 1", "0", "keep what --db holds from before", SetFlag<&O::use_existing_db>},
    {"memory_limit", "a size from 16mb", "1gb", "for records, blocks, filters and indexes", SetSize<&O::memory_limit_bytes, 16u << 20>},
    {"cache_size", "a size", "derived", "of it for blocks", SetSize<&O::cache_size_bytes, 0>},
    {"block_size", "a size", "derived", "of a table's blocks, before compression", SetSize<&O::block_size_bytes, 0>},
    {"write_buffer_size", "a size from 1mb", "derived", "a generation is flushed at this size", SetSize<&O::write_buffer_size_bytes, 1u << 20>},
    {"value_file_threshold", "a size", "4kb", "values at least so large go to value files; 0: none do", SetSize<&O::value_file_threshold_bytes, 0>},
    {"sync", "0 or 1", "0", "every write waits for its sync; of fillsync always", SetFlag<&O::sync>},
    {"writers", "a number from 1", "1", "synced writes in flight", SetNumber<&O::writers, 1, kWritersMax>},
    {"reads_per_write", "a number from 1", "1", "of readwhilewriting", SetNumber<&O::reads_per_write, 1>},
    {"seek_nexts", "a number", "0", "steps behind each seek", SetNumber<&O::seek_nexts>},
    {"idle_seconds", "a number", "60", "how long idle does nothing", SetNumber<&O::idle_seconds>},
    {"prefetch", "a number up to 64", "0", "keys of readrandom known at a time, as in a pipeline", SetNumber<&O::prefetch, 0, kPrefetchMax>},
    {"seed", "a number", "301", "of all choices by chance", SetNumber<&O::seed>},
    {"statistics", "0 or 1", "1", "writes, space and memory, once all has settled", SetFlag<&O::statistics>},
    {"json", "0 or 1", "0", "one JSON object instead of text", SetFlag<&O::json>},
};
// clang-format on

std::string Quoted(Slice text) { return "'" + std::string(text) + "'"; }

Status SetOption(BenchOptions& options, Slice argument) {
  if (!argument.starts_with("--")) {
    return Status::InvalidArgument("what is " + Quoted(argument) + "? Options are --NAME=VALUE");
  }
  const size_t equals = std::min(argument.find('='), argument.size());
  const Slice name = argument.substr(2, equals - 2);
  // As with db_bench, a flag may go without its value.
  const Slice value = equals < argument.size() ? argument.substr(equals + 1) : "1";
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    if (row.set(options, value)) return Status::Ok();
    return Status::InvalidArgument("--" + std::string(name) + " wants " + std::string(row.wants) +
                                   ", not " + Quoted(value));
  }
  return Status::InvalidArgument("no option " + Quoted(argument) + "; --help lists them");
}

Status CheckTogether(const BenchOptions& options) {
  for (const std::string& name : options.benchmarks) {
    if (FindBenchWorkload(name) == nullptr) {
      return Status::InvalidArgument("no workload " + Quoted(name) + "; --help lists them");
    }
  }
  if (Int64ToString(static_cast<int64_t>(options.num - 1)).size() > options.key_size) {
    return Status::InvalidArgument("--key_size is too small for --num different keys");
  }
  if (options.use_existing_db && options.db.empty()) {
    return Status::InvalidArgument("--use_existing_db needs --db");
  }
  return Status::Ok();
}

}  // namespace

Result<BenchOptions> ParseBenchOptions(std::span<const std::string> arguments) {
  BenchOptions options;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      return options;
    }
    if (Status s = SetOption(options, argument); !s.ok()) return s;
  }
  if (Status s = CheckTogether(options); !s.ok()) return s;
  return options;
}

std::string BenchOptionsUsage() {
  std::string usage;
  for (const Row& row : kRows) {
    char line[256];
    std::snprintf(line, sizeof(line), "  --%-18s %s (%s)\n", row.name.data(), row.meaning.data(),
                  row.default_text.data());
    usage += line;
  }
  return usage;
}

}  // namespace varve
