// tests/unit/engine/table/table_test.cc: tables written and read back, sound and damaged.
#include <string>

#include "tests/unit/engine/table/table_fixture.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

// The path, and " at " with a number: what an operator needs to look for the damage.
bool NamesPathAndOffset(const Status& status, const std::string& path) {
  const Slice message = status.message();
  const size_t at = message.rfind(" at ");
  return message.starts_with(path + ": ") && at != Slice::npos && at + 4 < message.size() &&
         message.find_first_not_of("0123456789", at + 4) == Slice::npos;
}

// Reads all that can be read. What comes back must be right, and every refusal must name its place.
// Returns how many refusals there were.
size_t CheckDamaged(TableWorld& world, uint64_t number, const Rows& rows) {
  const std::string path = TableWorld::Path(number);
  const auto check_refusal = [&path](const Status& status) {
    CAPTURE(status.ToString());
    CHECK(status.code() == StatusCode::kCorruption);
    CHECK(NamesPathAndOffset(status, path));
  };
  const Result<std::shared_ptr<TableReader>> table = world.TryOpen(number);
  if (!table.ok()) {
    check_refusal(table.status());
    return 1;
  }
  size_t refusals = 0;
  for (const auto& [key, row] : rows) {
    const Result<Row> found = Lookup(**table, key);
    if (found.ok()) {
      CHECK(*found == row);
    } else {
      check_refusal(found.status());
      ++refusals;
    }
  }
  for (size_t i = 0; i < (*table)->expiry_block_count(); ++i) {
    const auto block = (*table)->ReadBlock((*table)->ExpiryBlockAt(i));
    if (block.ok()) continue;
    check_refusal(block.status());
    ++refusals;
  }
  return refusals;
}

}  // namespace

TEST_CASE("table: whatever is put in comes out, block by block and key by key") {
  struct Case {
    const char* why;
    TableOptions options;
    size_t rows;
    size_t value_bytes_max;
  };
  static constexpr Case kCases[] = {
      {"one small block", {}, 5, 10},
      {"many blocks", {.block_bytes = 512}, 800, 60},
      {"several partitions", {.block_bytes = 64}, 2000, 60},
      {"uncompressed", {.block_bytes = 512, .compression_level = 0}, 800, 60},
      {"no filter", {.block_bytes = 512, .filter_bits_per_key = 0}, 800, 60},
      {"values around the block size", {.block_bytes = 256}, 400, 600},
      {"more than a write buffer", {}, 2000, 2000},
  };
  TableWorld world;
  uint64_t number = 0;
  for (const Case& c : kCases) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      CAPTURE(c.why);
      CAPTURE(seed);
      Random random(seed);
      const Rows rows = RandomRows(random, c.rows, c.value_bytes_max);
      const std::shared_ptr<TableReader> table = world.Build(++number, rows, c.options);

      Rows all;
      BlockIterator it;
      for (const BlockHandle& handle : BlocksOf(*table)) {
        const Result<std::shared_ptr<const Block>> block = table->ReadBlock(handle);
        REQUIRE(block.ok());
        it.Reset(*block);
        for (it.SeekToFirst(); it.Valid(); it.Next()) {
          CHECK(*FindBlock(*table, std::string(it.entry().key)) == handle);
          all[std::string(it.entry().key)] = ToRow(it.entry());
        }
      }
      CHECK(all == rows);

      for (const auto& [key, row] : rows) {
        const Result<Row> found = Lookup(*table, key);
        REQUIRE(found.ok());
        CHECK(*found == row);
      }
      for (int i = 0; i < 200; ++i) {
        const std::string key = RandomKey(random);
        CHECK(Lookup(*table, key).ok() == rows.contains(key));
      }
    }
  }
}

TEST_CASE("table: its properties tell what it holds") {
  Rows rows;
  rows["a"] = {EntryKind::kPut, true, 3, 0, "four"};
  rows["bb"] = {EntryKind::kPut, false, 0, 2000, "x"};
  rows["bc"] = {EntryKind::kPut, false, 0, 1000, ""};
  rows["ccc"] = {EntryKind::kTombstone, false, 0, 0, ""};
  TableWorld world;
  const Result<TableProperties> built = world.TryBuild(1, rows);
  REQUIRE(built.ok());
  CHECK(built->entries == 4);
  CHECK(built->tombstones == 1);
  CHECK(built->expiring == 2);
  CHECK(built->first_expiry_ms == 1000);
  CHECK(built->last_expiry_ms == 2000);
  CHECK(built->key_bytes == 8);
  CHECK(built->value_bytes == 5);
  CHECK(built->smallest_key == "a");
  CHECK(built->largest_key == "ccc");
  CHECK(built->file_bytes == world.env.Contents(TableWorld::Path(1)).size());

  const Result<std::shared_ptr<TableReader>> table = world.TryOpen(1);
  REQUIRE(table.ok());
  CHECK((*table)->properties() == *built);
  CHECK((*table)->partition_count() == 1);
  CHECK(BlocksOf(**table).size() == 1);
  CHECK(built->data_bytes == BlocksOf(**table).back().end());
}

TEST_CASE("table: properties that are not known are skipped, broken ones are refused") {
  TableProperties want;
  want.entries = 300;
  want.smallest_key = "key";
  const std::string bytes = EncodeProperties(want);
  TableProperties got;
  CHECK(DecodeProperties(bytes + "\x63\x03new", &got));
  CHECK(got == want);
  CHECK_FALSE(DecodeProperties(bytes + "\x63\x04new", &got));
  CHECK_FALSE(DecodeProperties(bytes + "\x01", &got));
  CHECK_FALSE(DecodeProperties(Slice("\x01\x02\x05\x05"), &got));
}

TEST_CASE("table: keys that do not rise are refused") {
  struct Case {
    const char* why;
    Slice first;
    Slice second;
  };
  static constexpr Case kCases[] = {
      {"the same key twice", "k", "k"},
      {"a smaller key", "kb", "ka"},
      {"the beginning of the last key", "kb", "k"},
      {"bytes compare unsigned", "\xff", "a"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    TableWorld world;
    Result<std::unique_ptr<File>> file = world.env.Open("db/1", OpenMode::kCreate);
    REQUIRE(file.ok());
    TableBuilder builder({}, **file, 1, kDatabase);
    REQUIRE(builder.Add(ToEntry(std::string(c.first), {})).ok());
    CHECK(builder.Add(ToEntry(std::string(c.second), {})).code() == StatusCode::kCorruption);
  }
}

TEST_CASE("table: the empty key is a key") {
  TableWorld world;
  const Rows rows = {{"", {EntryKind::kPut, false, 0, 0, "of nothing"}}, {"a", {}}};
  CHECK(Lookup(*world.Build(1, rows), "")->value == "of nothing");
  const std::shared_ptr<TableReader> alone = world.Build(2, {*rows.begin()});
  CHECK(Lookup(*alone, "")->value == "of nothing");
  CHECK(Lookup(*alone, "a").status().is_not_found());
}

TEST_CASE("table: a huge value has a block of its own, compressed or not") {
  Random random(3);
  Rows rows;
  rows["a"].value = "small";
  rows["huge, random"].value = RandomBytes(random, 9 << 20);
  rows["huge, text"].value.assign(30u << 20, 't');
  rows["z"].value = "small";
  TableWorld world;
  const std::shared_ptr<TableReader> table = world.Build(1, rows);
  CHECK(BlocksOf(*table).size() == 4);
  CHECK(table->properties().file_bytes < (10u << 20));
  for (const auto& [key, row] : rows) {
    const Result<Row> found = Lookup(*table, key);
    REQUIRE(found.ok());
    CHECK(*found == row);
  }

  // The loop leaves it to a reader thread even if it need not wait for the disk.
  CHECK(table->TryReadBlock(*FindBlock(*table, "huge, random")).status().is_pending());
  CHECK(table->TryReadBlock(*FindBlock(*table, "a")).ok());
  CHECK(table->Verify().ok());
  world.env.FlipBit(TableWorld::Path(1), FindBlock(*table, "huge, random")->offset + 1'000'000, 0);
  CHECK(table->Verify().code() == StatusCode::kCorruption);
}

TEST_CASE("table: a part that is not in memory is pending, and nothing else") {
  TableWorld world;
  const std::shared_ptr<TableReader> table = world.Build(1, {{"a", {}}});
  const BlockHandle block = BlocksOf(*table)[0];
  world.env.set_pending_percent(100);
  CHECK(table->TryReadPartition(0).status().is_pending());
  CHECK(table->ReadPartition(0).ok());
  CHECK(table->TryReadBlock(block).status().is_pending());
  CHECK(table->ReadBlock(block).ok());
  world.env.set_pending_percent(0);
  CHECK(table->TryReadPartition(0).ok());
  CHECK(table->TryReadBlock(block).ok());
}

TEST_CASE("table: what stays in memory of a large one is little") {
  TableWorld world;
  Rows rows;
  for (int i = 0; i < 20'000; ++i) rows["user:" + std::to_string(100'000 + i)].value = "value";
  const std::shared_ptr<TableReader> table = world.Build(1, rows, {.block_bytes = 128});
  CHECK(table->partition_count() >= 40);
  CHECK(BlocksOf(*table).size() > 60 * table->partition_count());
  CHECK(table->memory_bytes() < 100 * table->partition_count());
}

TEST_CASE("table: its size is foreseen, never too small and not much too large") {
  TableWorld world;
  Random random(5);
  Rows rows;
  for (int i = 0; i < 3000; ++i) {
    rows["user:" + std::to_string(random.Next())].value = RandomBytes(random, 100);
  }
  Result<std::unique_ptr<File>> file = world.env.Open("db/1", OpenMode::kCreate);
  REQUIRE(file.ok());
  TableBuilder builder({}, **file, 1, kDatabase);
  for (const auto& [key, row] : rows) REQUIRE(builder.Add(ToEntry(key, row)).ok());
  const uint64_t estimate = builder.EstimatedFileBytes();
  const Result<TableProperties> built = builder.Finish();
  REQUIRE(built.ok());
  CHECK(estimate + 200 >= built->file_bytes);
  CHECK(estimate <= built->file_bytes + 20'000);
}

TEST_CASE("table: a failing write anywhere fails the build") {
  Random random(6);
  const Rows rows = RandomRows(random, 1500, 3000);
  for (uint64_t nth = 1;; ++nth) {
    CAPTURE(nth);
    TableWorld world;
    world.env.FailNth(nth);
    const Result<TableProperties> built = world.TryBuild(1, rows);
    if (world.env.faults() == 0) {
      CHECK(built.ok());
      CHECK(nth > 4);
      break;
    }
    CHECK(built.status().code() == StatusCode::kIoError);
  }
}

TEST_CASE("table: a failing read fails the open or the lookup, and is no corruption") {
  Rows rows;
  rows["key"].value = "value";
  TableWorld world;
  REQUIRE(world.TryBuild(1, rows).ok());
  for (uint64_t nth = 1;; ++nth) {
    CAPTURE(nth);
    world.env.FailNth(nth);
    const uint64_t faults_before = world.env.faults();
    const Result<std::shared_ptr<TableReader>> table = world.TryOpen(1);
    const Result<Row> found = table.ok() ? Lookup(**table, "key") : Result<Row>(table.status());
    if (world.env.faults() == faults_before) {
      CHECK(found.ok());
      break;
    }
    CHECK(found.status().code() == StatusCode::kIoError);
  }
}

TEST_CASE("table: a flipped bit in any byte is detected, and never changes a value") {
  Random random(8);
  for (const int level : {0, 1}) {
    CAPTURE(level);
    const Rows rows = RandomRows(random, 40, 60);
    TableWorld world;
    REQUIRE(world.TryBuild(1, rows, {.block_bytes = 512, .compression_level = level}).ok());
    const std::string path = TableWorld::Path(1);
    const std::string sound = world.env.Contents(path);
    REQUIRE(CheckDamaged(world, 1, rows) == 0);
    REQUIRE((*world.TryOpen(1))->Verify().ok());
    for (size_t at = 0; at < sound.size(); ++at) {
      CAPTURE(at);
      const auto bit = static_cast<unsigned>(random.Uniform(8));
      world.env.FlipBit(path, at, bit);
      CHECK(CheckDamaged(world, 1, rows) > 0);
      const Result<std::shared_ptr<TableReader>> table = world.TryOpen(1);
      CHECK((!table.ok() || !(*table)->Verify().ok()));
      world.env.SetContents(path, sound);
    }
  }
}

TEST_CASE("table: cut short at any length, or longer than it was, it does not open") {
  Random random(9);
  const Rows rows = RandomRows(random, 20, 40);
  TableWorld world;
  REQUIRE(world.TryBuild(1, rows).ok());
  const std::string path = TableWorld::Path(1);
  const std::string sound = world.env.Contents(path);
  for (size_t size = 0; size < sound.size(); ++size) {
    CAPTURE(size);
    world.env.SetContents(path, Slice(sound).substr(0, size));
    CHECK_FALSE(world.TryOpen(1).ok());
    CHECK(CheckDamaged(world, 1, rows) == 1);
  }
  for (const std::string& more : {std::string(1, '\0'), std::string(4096, '\0'), sound}) {
    world.env.SetContents(path, more + sound);
    CHECK_FALSE(world.TryOpen(1).ok());
    world.env.SetContents(path, sound + more);
    CHECK_FALSE(world.TryOpen(1).ok());
  }
}

TEST_CASE("table: under another number or in another database it does not open") {
  TableWorld world;
  REQUIRE(world.TryBuild(1, {{"k", {}}}).ok());
  REQUIRE(world.TryBuild(2, {{"k", {}}}).ok());
  CHECK(world.TryOpen(1, kDatabase + 1).status().code() == StatusCode::kCorruption);
  const std::string one = world.env.Contents(TableWorld::Path(1));
  world.env.SetContents(TableWorld::Path(1), world.env.Contents(TableWorld::Path(2)));
  world.env.SetContents(TableWorld::Path(2), one);
  CHECK(world.TryOpen(1).status().code() == StatusCode::kCorruption);
  CHECK(world.TryOpen(2).status().code() == StatusCode::kCorruption);
}

TEST_CASE("table: a sound block in the place of another is detected") {
  Rows rows;
  for (char c = 'a'; c <= 'd'; ++c) rows[std::string(1, c)].value.assign(300, c);
  TableWorld world;
  const TableOptions options = {.block_bytes = 256, .compression_level = 0};
  const std::shared_ptr<TableReader> table = world.Build(1, rows, options);
  const std::shared_ptr<TableReader> other = world.Build(2, rows, options);
  const std::vector<BlockHandle> blocks = BlocksOf(*table);
  REQUIRE(blocks.size() == 4);
  const BlockHandle b = blocks[1];
  const BlockHandle c = blocks[2];
  REQUIRE(b.size == c.size);
  const size_t size = static_cast<size_t>(b.end() - b.offset);
  const std::string sound = world.env.Contents(TableWorld::Path(1));

  std::string swapped = sound;
  swapped.replace(b.offset, size, sound, c.offset, size);
  world.env.SetContents(TableWorld::Path(1), swapped);
  CHECK(CheckDamaged(world, 1, rows) == 1);

  std::string foreign = sound;
  foreign.replace(b.offset, size, world.env.Contents(TableWorld::Path(2)), b.offset, size);
  world.env.SetContents(TableWorld::Path(1), foreign);
  CHECK(CheckDamaged(world, 1, rows) == 1);
}

TEST_CASE("table: a later format is named, not called damage") {
  TableWorld world;
  REQUIRE(world.TryBuild(1, {{"k", {}}}).ok());
  std::string bytes = world.env.Contents(TableWorld::Path(1));
  TableFooter footer;
  char* const at = bytes.data() + bytes.size() - sizeof(footer);
  std::memcpy(&footer, at, sizeof(footer));
  footer.version = 9;
  footer.checksum = FooterChecksum(footer);
  std::memcpy(at, &footer, sizeof(footer));
  world.env.SetContents(TableWorld::Path(1), bytes);
  const Status status = world.TryOpen(1).status();
  CHECK(status.message().find("table format 9") != Slice::npos);
}

}  // namespace varve
