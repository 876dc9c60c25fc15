// tests/unit/engine/cache/block_cache_test.cc: what is kept, and who goes first.
#include "engine/cache/block_cache.h"

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/table/block_builder.h"
#include "tests/unit/engine/table/table_fixture.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

std::shared_ptr<const Block> BlockOf(size_t value_bytes) {
  BlockBuilder builder;
  Row row;
  row.value.assign(value_bytes, 'v');
  builder.Add(ToEntry("key", row), 0);
  const Slice bytes = builder.Finish();
  auto copy = std::make_unique<char[]>(bytes.size());
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  return Block::Make(std::move(copy), bytes.size());
}

}  // namespace

TEST_CASE("block cache: a block is found under its file and offset only") {
  BlockCache cache(1 << 20);
  const std::shared_ptr<const Block> block = BlockOf(100);
  CHECK(cache.Insert(1, 4096, block) == block);
  CHECK(cache.Lookup(1, 4096) == block);
  CHECK(cache.Lookup(2, 4096) == nullptr);
  CHECK(cache.Lookup(1, 0) == nullptr);
  CHECK(cache.stats().hits == 1);
  CHECK(cache.stats().misses == 2);
  CHECK(cache.blocks() == 1);
  CHECK(cache.charge_bytes() > block->charge_bytes());
}

TEST_CASE("block cache: of two arrivals of one block the first stays") {
  BlockCache cache(1 << 20);
  const std::shared_ptr<const Block> first = BlockOf(100);
  cache.Insert(1, 0, first);
  CHECK(cache.Insert(1, 0, BlockOf(100)) == first);
  CHECK(cache.blocks() == 1);
}

TEST_CASE("block cache: it never holds more than its capacity") {
  constexpr size_t kCapacity = 100'000;
  BlockCache cache(kCapacity);
  Random random(1);
  for (uint64_t i = 0; i < 2000; ++i) {
    const uint64_t file = random.Uniform(20);
    cache.Insert(file, i, BlockOf(random.Uniform(10'000)));
    REQUIRE(cache.charge_bytes() <= kCapacity);
  }
  CHECK(cache.blocks() > 5);
  CHECK(cache.stats().evictions > 1000);

  cache.SetCapacity(kCapacity / 4);
  CHECK(cache.charge_bytes() <= kCapacity / 4);
  CHECK(cache.blocks() > 0);
  cache.SetCapacity(0);
  CHECK(cache.blocks() == 0);
  CHECK(cache.charge_bytes() == 0);
}

TEST_CASE("block cache: a block too large to keep is handed back uncached") {
  BlockCache cache(80'000);
  const std::shared_ptr<const Block> small = BlockOf(100);
  const std::shared_ptr<const Block> large = BlockOf(20'000);
  cache.Insert(1, 0, small);
  CHECK(cache.Insert(1, 1, large) == large);
  CHECK(cache.Lookup(1, 1) == nullptr);
  CHECK(cache.Lookup(1, 0) == small);
  CHECK(BlockCache(0).Insert(1, 0, small) == small);
}

TEST_CASE("block cache: what is used stays through a scan of what is not") {
  BlockCache cache(100'000);
  for (uint64_t i = 0; i < 10; ++i) cache.Insert(1, i, BlockOf(1000));
  for (uint64_t scanned = 0; scanned < 1000; ++scanned) {
    if (scanned % 20 == 0) {
      for (uint64_t i = 0; i < 10; ++i) REQUIRE(cache.Lookup(1, i) != nullptr);
    }
    cache.Insert(2, scanned, BlockOf(1000));
  }
}

TEST_CASE("block cache: a file's blocks go with it, pinned ones live on") {
  BlockCache cache(1 << 20);
  std::shared_ptr<const CachedPart> pinned;
  for (uint64_t i = 0; i < 100; ++i) {
    for (const uint64_t file : {7u, 8u}) pinned = cache.Insert(file, i, BlockOf(10));
  }
  cache.EraseFile(8);
  cache.EraseFile(9);
  CHECK(cache.blocks() == 100);
  CHECK(cache.Lookup(8, 99) == nullptr);
  CHECK(cache.Lookup(7, 99) != nullptr);
  CHECK(pinned.use_count() == 1);
  Entry entry;
  CHECK(static_cast<const Block&>(*pinned).Find("key", &entry));
  cache.EraseFile(7);
  CHECK(cache.charge_bytes() == 0);
}

TEST_CASE("block cache: any history agrees with a map, in what is there and what it weighs") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    BlockCache cache(60'000);
    std::map<std::pair<uint64_t, uint64_t>, std::shared_ptr<const CachedPart>> inserted;
    for (int step = 0; step < 3000; ++step) {
      const uint64_t file = random.Uniform(4);
      const uint64_t offset = random.Uniform(50) * 16'384;
      if (random.OneIn(500)) {
        cache.EraseFile(file);
        std::erase_if(inserted, [file](const auto& item) { return item.first.first == file; });
      } else if (random.OneIn(300)) {
        cache.SetCapacity(1 + random.Uniform(3'000'000));
      } else if (random.OneIn(300)) {
        cache.SetBuckets(random.Uniform(3'000'000));
      } else if (random.OneIn(2)) {
        const std::shared_ptr<const CachedPart>& found = cache.Lookup(file, offset);
        if (found) CHECK(found == inserted[{file, offset}]);
      } else {
        inserted[{file, offset}] = cache.Insert(file, offset, BlockOf(random.Uniform(3000)));
      }
    }
    size_t blocks = 0;
    for (const auto& [place, block] : inserted) {
      blocks += cache.Lookup(place.first, place.second) != nullptr;
    }
    CHECK(blocks == cache.blocks());
  }
}

}  // namespace varve
