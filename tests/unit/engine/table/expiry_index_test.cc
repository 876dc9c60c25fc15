// tests/unit/engine/table/expiry_index_test.cc: from a time to the keys that expire then.
#include "engine/table/expiry_index.h"

#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "engine/table/table_builder.h"
#include "engine/table/table_reader.h"
#include "env/sim_env.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

Entry EntryOf(Slice key, Slice value) {
  Entry entry;
  entry.key = key;
  entry.value = value;
  return entry;
}

TEST_CASE("expiry index: what is no entry of it is told apart") {
  Expiring expiring;
  const std::string at_1 = ExpiryKeyOf(0) + "key";
  REQUIRE(DecodeExpiring(EntryOf(at_1, "\x01"), &expiring));
  CHECK(expiring == Expiring{1, 0, "key"});
  CHECK(!DecodeExpiring(EntryOf(at_1, Slice("\0", 1)), &expiring));  // 0 is never
  CHECK(!DecodeExpiring(EntryOf(at_1, ""), &expiring));
  CHECK(!DecodeExpiring(EntryOf(at_1, "ab"), &expiring));
  CHECK(!DecodeExpiring(EntryOf(at_1, "\xfa"), &expiring));  // 250
  CHECK(!DecodeExpiring(EntryOf(Slice(at_1).substr(0, 7), "\x01"), &expiring));
  CHECK(!DecodeExpiring(EntryOf(ExpiryKeyOf(UINT64_MAX), "\x01"), &expiring));
  Entry tombstone = EntryOf(at_1, "\x01");
  tombstone.kind = EntryKind::kTombstone;
  CHECK(!DecodeExpiring(tombstone, &expiring));

  const uint64_t last = ExpiryStretchOf(INT64_MAX);
  const char into = static_cast<char>(INT64_MAX % kExpiryStretchMs);
  REQUIRE(DecodeExpiring(EntryOf(ExpiryKeyOf(last), Slice(&into, 1)), &expiring));
  CHECK(expiring.at_ms == INT64_MAX);
  CHECK(!DecodeExpiring(EntryOf(ExpiryKeyOf(last), "\xf9"), &expiring));
  CHECK(!DecodeExpiring(EntryOf(ExpiryKeyOf(last + 1), "\x01"), &expiring));
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

TEST_CASE("expiry index: a table names all that expires, by stretches, then by key") {
  for (const uint32_t block_bytes : {64u, 4096u}) {
    CAPTURE(block_bytes);
    SimEnv env(1);
    Random random(7);
    auto file = env.Open("t", OpenMode::kCreate);
    REQUIRE(file.ok());
    TableOptions options;
    options.block_bytes = block_bytes;
    TableBuilder builder(options, **file, 5, 6);
    using Named = std::tuple<uint64_t, std::string, int64_t, uint8_t>;  // by stretch and key
    std::set<Named> wanted;
    for (int i = 0; i < 2000; ++i) {
      const std::string key = "key" + std::to_string(100'000 + i);
      const int64_t at_ms = random.OneIn(3) ? 0 : static_cast<int64_t>(1 + random.Uniform(100'000));
      Entry entry = EntryOf(key, "value");
      entry.expire_at_ms = at_ms;
      entry.tag = static_cast<uint8_t>(i % 5);
      REQUIRE(builder.Add(entry).ok());
      if (at_ms != 0) wanted.insert({ExpiryStretchOf(at_ms), key, at_ms, entry.tag});
    }
    REQUIRE(builder.Finish().ok());
    auto table = TableReader::Open(std::move(*file), "t", 5, 6);
    REQUIRE_MESSAGE(table.ok(), table.status().ToString());

    std::vector<Named> found;
    for (size_t i = 0; i < (*table)->expiry_block_count(); ++i) {
      const auto block = (*table)->ReadBlock((*table)->ExpiryBlockAt(i));
      REQUIRE(block.ok());
      BlockIterator it;
      it.Reset(*block);
      for (it.SeekToFirst(); it.Valid(); it.Next()) {
        Expiring expiring;
        REQUIRE(DecodeExpiring(it.entry(), &expiring));
        found.emplace_back(ExpiryStretchOf(expiring.at_ms), expiring.key, expiring.at_ms,
                           expiring.tag);
        CHECK((*table)->FindExpiryBlockIndex(it.entry().key) == i);
        CHECK(it.entry().key >= ExpiryKeyOf(ExpiryStretchOf(expiring.at_ms)));
      }
    }
    CHECK(found == std::vector<Named>(wanted.begin(), wanted.end()));
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
