// tests/bench/tables.cc: what a dictionary does to tables of small JSON-like values.
//
//   TableOfUsers/2048/1   blocks of 2048 bytes, with a dictionary
//
// The time is that of building the table, training included. The counters say what came out: bytes of
// the file and of its parts, and how many bytes of keys and values one of the file holds.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "engine/table/table_builder.h"
#include "env/sim_env.h"
#include "tests/support/json_values.h"

namespace varve {
namespace {

constexpr size_t kUserBytes = 32u << 20;  // of keys and values
constexpr size_t kSampleBytes = 1u << 20;

std::vector<std::pair<std::string, std::string>> Rows(std::string (*value)(Random&)) {
  Random random(1);
  std::vector<std::pair<std::string, std::string>> rows;
  for (size_t bytes = 0; bytes < kUserBytes;) {
    char key[40];
    std::snprintf(key, sizeof(key), "user:%010zu", rows.size() * 7);
    rows.emplace_back(key, value(random));
    bytes += rows.back().first.size() + rows.back().second.size();
  }
  return rows;
}

TableProperties Build(const std::vector<std::pair<std::string, std::string>>& rows,
                      const TableOptions& options) {
  SimEnv env(1);
  Result<std::unique_ptr<File>> file = env.Open("table", OpenMode::kCreate);
  if (!file.ok()) std::abort();
  TableBuilder builder(options, **file, 1, 1);
  for (const auto& [key, value] : rows) {
    if (!builder.Add({.key = key, .creates = true, .value = value}).ok()) std::abort();
  }
  const Result<TableProperties> built = builder.Finish();
  if (!built.ok()) std::abort();
  return *built;
}

void BuildTable(benchmark::State& state, std::string (*value)(Random&)) {
  const auto rows = Rows(value);
  TableOptions options;
  options.block_bytes = static_cast<uint32_t>(state.range(0));
  options.dictionary_sample_bytes = state.range(1) != 0 ? kSampleBytes : 0;
  TableProperties built;
  for (auto _ : state) built = Build(rows, options);
  const auto user_bytes = static_cast<double>(built.key_bytes + built.value_bytes);
  state.counters["file"] = static_cast<double>(built.file_bytes);
  state.counters["data"] = static_cast<double>(built.data_bytes);
  state.counters["dictionary"] = static_cast<double>(built.dictionary_bytes);
  state.counters["rest"] =
      static_cast<double>(built.file_bytes - built.data_bytes - built.dictionary_bytes);
  state.counters["ratio"] = user_bytes / static_cast<double>(built.file_bytes);
}

void TableOfUsers(benchmark::State& state) { BuildTable(state, JsonUser); }
void TableOfPayments(benchmark::State& state) { BuildTable(state, JsonPayment); }

void Blocks(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgsProduct({{2048, 4096, 8192, 16384}, {0, 1}})->Unit(benchmark::kMillisecond);
}
BENCHMARK(TableOfUsers)->Apply(Blocks);
BENCHMARK(TableOfPayments)->Apply(Blocks);

}  // namespace
}  // namespace varve
