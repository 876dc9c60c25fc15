// tests/bench/blocks.cc: what a read beyond memory, a flush and a compaction are made of.
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "engine/entry.h"
#include "engine/table/block_builder.h"
#include "engine/table/block_reader.h"
#include "engine/table/compressor.h"
#include "engine/table/filter.h"
#include "engine/table/key_bytes.h"
#include "tests/bench/keys.h"
#include "tests/bench/measure.h"

namespace varve {
namespace {

constexpr size_t kEntries = 70;  // of 116 bytes: a block of 8 KB, roughly
constexpr size_t kFilterKeys = 1000000;
constexpr int kFilterBitsPerKey = 10;
constexpr int kCompressionLevel = 1;

// Half of it compresses.
std::string HalfRandomValue(Random& random) {
  std::string value(kBenchValueBytes, '.');
  for (size_t i = 0; i < value.size() / 2; ++i) value[i] = static_cast<char>(random.Uniform(256));
  return value;
}

struct Input {
  Input() {
    Random random(1);
    for (size_t i = 0; i < kEntries; ++i) values.push_back(HalfRandomValue(random));
    for (size_t i = 1; i < kEntries; ++i) shared.push_back(CommonPrefixSize(keys[i - 1], keys[i]));
  }

  Slice Build(BlockBuilder& builder) const {
    builder.Reset();
    for (size_t i = 0; i < kEntries; ++i) {
      builder.Add({.key = keys[i], .value = values[i]}, shared[i]);
    }
    return builder.Finish();
  }

  std::vector<std::string> keys = BenchKeys(kEntries);
  std::vector<std::string> values;
  std::vector<size_t> shared = {0};
};

std::shared_ptr<const Block> MakeBlock(Slice bytes) {
  auto copy = std::make_unique<char[]>(bytes.size());
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  return Block::Make(std::move(copy), bytes.size());
}

void BlockBuild(benchmark::State& state) {
  const Input input;
  BlockBuilder builder;
  Measure(state, kEntries, [&] { benchmark::DoNotOptimize(input.Build(builder)); });
}
BENCHMARK(BlockBuild);

// From bytes whose checksum is right to a block: once for every block that is read.
void BlockMake(benchmark::State& state) {
  BlockBuilder builder;
  const std::string bytes(Input().Build(builder));
  Measure(state, 1, [&] { benchmark::DoNotOptimize(MakeBlock(bytes)); });
}
BENCHMARK(BlockMake);

void BlockFind(benchmark::State& state) {
  const Input input;
  BlockBuilder builder;
  const std::shared_ptr<const Block> block = MakeBlock(input.Build(builder));
  const std::vector<uint32_t> order = RandomOrder(kEntries);
  size_t i = 0;
  Entry entry;
  Measure(state, 1, [&] {
    if (!block->Find(input.keys[order[i++ % kEntries]], &entry)) std::abort();
    benchmark::DoNotOptimize(entry);
  });
}
BENCHMARK(BlockFind);

template <typename Iterator>
void Walk(benchmark::State& state) {
  BlockBuilder builder;
  Iterator it;
  it.Reset(MakeBlock(Input().Build(builder)));
  Measure(state, kEntries, [&] {
    for (it.SeekToFirst(); it.Valid(); it.Next()) benchmark::DoNotOptimize(it.entry());
  });
}
void BlockWalk(benchmark::State& state) { Walk<BlockIterator>(state); }
BENCHMARK(BlockWalk);
void BlockWalkBackward(benchmark::State& state) { Walk<BackwardBlockIterator>(state); }
BENCHMARK(BlockWalkBackward);

std::string CompressWhole(Slice bytes) {
  std::string to(CompressedBytesMax(bytes.size()), '\0');
  to.resize(Compress(std::array{bytes}, bytes.size(), kCompressionLevel, to.data()));
  if (to.empty()) std::abort();
  return to;
}

void BlockCompress(benchmark::State& state) {
  BlockBuilder builder;
  const std::string bytes(Input().Build(builder));
  for (auto _ : state) benchmark::DoNotOptimize(CompressWhole(bytes));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(BlockCompress);

void BlockDecompress(benchmark::State& state) {
  BlockBuilder builder;
  std::string bytes(Input().Build(builder));
  const std::string frame = CompressWhole(bytes);
  for (auto _ : state) {
    if (!Decompress(frame, bytes.data(), bytes.size())) std::abort();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(BlockDecompress);

void BlockChecksum(benchmark::State& state) {
  BlockBuilder builder;
  const std::string bytes(Input().Build(builder));
  for (auto _ : state) benchmark::DoNotOptimize(Checksum(bytes));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(BlockChecksum);

// Of keys that are there: all bits are looked at. The filter of 1.2 MB is larger than the
// second-level cache of most processors.
void FilterProbe(benchmark::State& state) {
  FilterBuilder builder(kFilterBitsPerKey);
  std::vector<uint64_t> hashes;
  hashes.reserve(kFilterKeys);
  for (const std::string& key : BenchKeys(kFilterKeys)) hashes.push_back(FilterHash(key));
  for (const uint64_t hash : hashes) builder.Add(hash);
  const auto filter = Filter::Make(builder.Finish());
  if (!filter) std::abort();
  size_t i = 0;
  Measure(state, 1, [&] {
    if (!filter->MayContain(hashes[i++ % kFilterKeys])) std::abort();
  });
}
BENCHMARK(FilterProbe);

}  // namespace
}  // namespace varve
