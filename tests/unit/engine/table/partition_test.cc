// tests/unit/engine/table/partition_test.cc: filter and index of a stretch of blocks.
#include "engine/table/partition.h"

#include "engine/entry.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr uint64_t kBegin = 1000;
constexpr uint64_t kBlockBytes = 100;

std::string KeyOf(uint64_t i) { return "key" + std::to_string(1000 + i); }

// `blocks` blocks of ten keys each.
std::string BuildPartition(size_t blocks) {
  PartitionBuilder builder(10, kBegin);
  for (size_t b = 0; b < blocks; ++b) {
    builder.BeginBlock(KeyOf(10 * b));
    for (size_t i = 0; i < 10; ++i) builder.AddKey(FilterHash(KeyOf(10 * b + i)));
    builder.EndBlock(kBegin + (b + 1) * kBlockBytes);
  }
  return builder.Finish();
}

}  // namespace

TEST_CASE("partition: it leads to the block of each of its keys, wherever it begins") {
  const auto partition = Partition::Make(BuildPartition(20), kBegin + 20 * kBlockBytes);
  REQUIRE(partition != nullptr);
  CHECK(partition->blocks() == 20);
  CHECK(partition->end() == kBegin + 20 * kBlockBytes);
  for (uint64_t i = 0; i < 200; ++i) {
    CHECK(partition->MayContain(FilterHash(KeyOf(i))));
    CHECK(partition->Find(KeyOf(i)).offset == kBegin + i / 10 * kBlockBytes);
  }
  int passed = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    passed += static_cast<int>(partition->MayContain(FilterHash("other" + std::to_string(i))));
  }
  CHECK(passed < 50);
}

TEST_CASE("partition: what makes no sense, or leads out of the data, is refused") {
  const std::string sound = BuildPartition(4);
  const uint64_t end = kBegin + 4 * kBlockBytes;
  REQUIRE(Partition::Make(sound, end) != nullptr);
  CHECK(Partition::Make(sound, end - 1) == nullptr);
  CHECK(Partition::Make(BuildPartition(kPartitionBlocks), UINT64_MAX) != nullptr);
  CHECK(Partition::Make(BuildPartition(kPartitionBlocks + 1), UINT64_MAX) == nullptr);
  for (size_t size = 0; size < sound.size(); ++size) {
    CHECK(Partition::Make(Slice(sound).substr(0, size), end) == nullptr);
  }
  for (size_t at = 0; at < sound.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string damaged = sound;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      // No checksum caught it: whatever it says must stay within the data.
      const auto partition = Partition::Make(damaged, end);
      if (!partition) continue;
      CHECK(partition->FindIndex("key1015") < partition->blocks());
      CHECK(partition->Find("key1015").end() <= end);
    }
  }
}

}  // namespace varve
