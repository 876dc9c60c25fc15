// tests/unit/engine/table/expiry_index_test.cc: from a time to the blocks of what expires then.
#include "engine/table/expiry_index.h"

#include <memory>
#include <set>

#include "base/random.h"
#include "engine/table/table_builder.h"
#include "engine/table/table_reader.h"
#include "env/sim_env.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

TEST_CASE("expiry index: keys sort by time, then by block") {
  const ExpiryPlace places[] = {{0, 0},   {0, 1},   {1, 0},         {1, 256},
                                {255, 0}, {256, 0}, {1ull << 40, 7}};
  for (size_t i = 0; i < std::size(places); ++i) {
    CAPTURE(i);
    ExpiryPlace decoded;
    const std::string key = EncodeExpiryKey(places[i]);
    REQUIRE(DecodeExpiryKey(key, &decoded));
    CHECK(decoded == places[i]);
    if (i > 0) CHECK(EncodeExpiryKey(places[i - 1]) < key);
    CHECK(!DecodeExpiryKey(Slice(key).substr(1), &decoded));
  }
}

TEST_CASE("expiry index: a stretch ends behind all of its times, up to the end of time") {
  for (const int64_t at_ms : {int64_t{1}, int64_t{249}, int64_t{250}, INT64_MAX / 2,
                              INT64_MAX - 500, INT64_MAX - 250, INT64_MAX - 1, INT64_MAX}) {
    CAPTURE(at_ms);
    CHECK(ExpiryStretchEndMs(ExpiryStretchOf(at_ms)) >= at_ms);
    CHECK(ExpiryStretchEndMs(ExpiryStretchOf(at_ms)) - at_ms <= kExpiryStretchMs);
  }
  CHECK(ExpiryStretchEndMs(UINT64_MAX) == INT64_MAX);  // from a damaged table
}

TEST_CASE("expiry index: a table names every block and stretch in which something expires") {
  for (const uint32_t block_bytes : {64u, 4096u}) {
    CAPTURE(block_bytes);
    SimEnv env(1);
    Random random(7);
    auto file = env.Open("t", OpenMode::kCreate);
    REQUIRE(file.ok());
    TableOptions options;
    options.block_bytes = block_bytes;
    TableBuilder builder(options, **file, 5, 6);
    std::set<ExpiryPlace> wanted;
    std::vector<std::pair<std::string, int64_t>> entries;
    for (int i = 0; i < 2000; ++i) {
      const std::string key = "key" + std::to_string(100'000 + i);
      const int64_t at_ms = random.OneIn(3) ? 0 : static_cast<int64_t>(1 + random.Uniform(100'000));
      Entry entry;
      entry.key = key;
      entry.expire_at_ms = at_ms;
      entry.value = "value";
      REQUIRE(builder.Add(entry).ok());
      entries.emplace_back(key, at_ms);
    }
    const auto properties = builder.Finish();
    REQUIRE(properties.ok());
    auto table = TableReader::Open(std::move(*file), "t", 5, 6);
    REQUIRE_MESSAGE(table.ok(), table.status().ToString());
    for (const auto& [key, at_ms] : entries) {
      if (at_ms == 0) continue;
      const size_t p = (*table)->FindPartition(key);
      const auto partition = (*table)->ReadPartition(p);
      REQUIRE(partition.ok());
      const auto block = static_cast<uint32_t>(p * kPartitionBlocks + (*partition)->FindIndex(key));
      wanted.insert({ExpiryStretchOf(at_ms), block});
    }
    std::vector<ExpiryPlace> found;
    for (size_t i = 0; i < (*table)->expiry_block_count(); ++i) {
      const auto block = (*table)->ReadBlock((*table)->ExpiryBlockAt(i));
      REQUIRE(block.ok());
      BlockIterator it;
      it.Reset(*block);
      for (it.SeekToFirst(); it.Valid(); it.Next()) {
        REQUIRE(DecodeExpiryKey(it.entry().key, &found.emplace_back()));
        CHECK((*table)->FindExpiryBlockIndex(it.entry().key) == i);
      }
    }
    CHECK(found == std::vector<ExpiryPlace>(wanted.begin(), wanted.end()));
  }
}

TEST_CASE("expiry index: a table in which nothing expires has none") {
  SimEnv env(1);
  auto file = env.Open("t", OpenMode::kCreate);
  REQUIRE(file.ok());
  TableBuilder builder(TableOptions(), **file, 5, 6);
  Entry entry;
  entry.key = "key";
  REQUIRE(builder.Add(entry).ok());
  REQUIRE(builder.Finish().ok());
  auto table = TableReader::Open(std::move(*file), "t", 5, 6);
  REQUIRE(table.ok());
  CHECK((*table)->expiry_block_count() == 0);
}

}  // namespace
}  // namespace varve
