// tests/bench/records.cc: the record table, in cache and far beyond it.
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/shared_bytes.h"
#include "engine/entry.h"
#include "engine/records/record.h"
#include "engine/records/record_table.h"
#include "tests/bench/keys.h"
#include "tests/bench/measure.h"

namespace varve {
namespace {

constexpr int64_t kHot = 1000;      // records and slots fit the second-level cache
constexpr int64_t kCold = 1000000;  // and here nothing fits any
constexpr uint64_t kSeed = 42;
constexpr size_t kPipeline = 16;

Record* NewRecord(Slice key, Slice value) {
  return Record::New({.key = key, .value = value}, SharedBytes(),
                     static_cast<uint8_t>(EntryKind::kPut));
}

struct FilledTable {
  explicit FilledTable(size_t count)
      : keys(BenchKeys(count)), order(RandomOrder(count)), table(kSeed) {
    const std::string value(kBenchValueBytes, 'x');
    for (const uint32_t i : order) {
      table.Insert(NewRecord(keys[i], value), table.HashOf(keys[i]));
    }
  }
  ~FilledTable() {
    table.ForEach([](Record* record) { Record::Delete(record); });
  }
  FilledTable(const FilledTable&) = delete;
  FilledTable& operator=(const FilledTable&) = delete;

  // Another key at every call, in an order of its own.
  Slice NextKey() {
    if (at == order.size()) at = 0;
    return keys[order[at++]];
  }

  std::vector<std::string> keys;
  std::vector<uint32_t> order;
  size_t at = 0;
  RecordTable table;
};

void TableFind(benchmark::State& state) {
  FilledTable filled(static_cast<size_t>(state.range(0)));
  Measure(state, 1, [&] {
    const Slice key = filled.NextKey();
    const Record* record = filled.table.Find(key, filled.table.HashOf(key));
    if (record == nullptr) std::abort();
    benchmark::DoNotOptimize(record->value().front());
  });
}
BENCHMARK(TableFind)->Arg(kHot)->Arg(kCold);

// As a pipeline of GETs does it: all slots are asked for, then all records, then used.
void TableFindPrefetched(benchmark::State& state) {
  FilledTable filled(static_cast<size_t>(state.range(0)));
  const RecordTable& table = filled.table;
  Slice keys[kPipeline];
  uint64_t hashes[kPipeline];
  Measure(state, kPipeline, [&] {
    for (size_t i = 0; i < kPipeline; ++i) {
      keys[i] = filled.NextKey();
      hashes[i] = table.HashOf(keys[i]);
      table.PrefetchSlot(hashes[i]);
    }
    for (const uint64_t hash : hashes) table.PrefetchRecord(hash);
    for (size_t i = 0; i < kPipeline; ++i) {
      const Record* record = table.Find(keys[i], hashes[i]);
      if (record == nullptr) std::abort();
      benchmark::DoNotOptimize(record->value().front());
    }
  });
}
BENCHMARK(TableFindPrefetched)->Arg(kHot)->Arg(kCold);

void TableFindAbsent(benchmark::State& state) {
  FilledTable filled(static_cast<size_t>(state.range(0)));
  std::string key;
  Measure(state, 1, [&] {
    key.assign(filled.NextKey()).front() = 'K';
    benchmark::DoNotOptimize(filled.table.Find(key, filled.table.HashOf(key)));
  });
}
BENCHMARK(TableFindAbsent)->Arg(kHot)->Arg(kCold);

void TableOverwrite(benchmark::State& state) {
  FilledTable filled(static_cast<size_t>(state.range(0)));
  const std::string value(kBenchValueBytes, 'y');
  Measure(state, 1, [&] {
    const Slice key = filled.NextKey();
    Record* record = filled.table.Find(key, filled.table.HashOf(key));
    const Entry entry{.key = key, .value = value};
    if (!record->Assign(entry, SharedBytes(), static_cast<uint8_t>(EntryKind::kPut))) std::abort();
  });
}
BENCHMARK(TableOverwrite)->Arg(kHot)->Arg(kCold);

// A table from empty to range(0) records, the allocation of each and all splits included.
void TableInsert(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.range(0));
  const std::vector<std::string> keys = BenchKeys(count);
  const std::vector<uint32_t> order = RandomOrder(count);
  const std::string value(kBenchValueBytes, 'x');
  for (auto _ : state) {
    auto filled = std::make_unique<FilledTable>(0);
    for (const uint32_t i : order) {
      filled->table.Insert(NewRecord(keys[i], value), filled->table.HashOf(keys[i]));
    }
    state.PauseTiming();
    filled.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(TableInsert)->Arg(kCold)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace varve
