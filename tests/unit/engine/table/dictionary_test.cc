// tests/unit/engine/table/dictionary_test.cc: when a dictionary pays, and tables that have one.
#include "engine/table/dictionary.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/check/check_table.h"
#include "engine/check/table_parts.h"
#include "engine/table/compressor.h"
#include "tests/support/json_values.h"
#include "tests/unit/engine/table/table_fixture.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

constexpr int kLevel = 1;

std::string CompressAlone(Slice block, const CompressionDictionary* dictionary = nullptr) {
  std::string to(CompressedBytesMax(block.size()), '\0');
  to.resize(Compress({&block, 1}, block.size(), kLevel, to.data(), dictionary));
  return to;
}

// Of blocks that `next` makes, 64 KiB of them.
template <typename Next>
std::string TrainOn(Next next) {
  DictionaryTrainer trainer(64 << 10, kLevel);
  while (!trainer.full()) {
    const std::string block = next();
    const std::string compressed = CompressAlone(block);
    trainer.Add(block, compressed.empty() ? block.size() : compressed.size());
  }
  return trainer.Train();
}

std::string JsonBlock(Random& random, size_t bytes) {
  std::string block;
  while (block.size() < bytes) block += JsonUser(random);
  return block;
}

Rows JsonRows(size_t count) {
  Random random(11);
  Rows rows;
  for (size_t i = 0; i < count; ++i) {
    rows["user:" + std::to_string(100'000 + i)].value = JsonUser(random);
  }
  return rows;
}

constexpr TableOptions kSmallWithDictionary = {.block_bytes = 1024,
                                               .dictionary_sample_bytes = 16 << 10};

BlockHandle DictionaryOf(TableWorld& world, uint64_t number) {
  const Result<std::unique_ptr<File>> file =
      world.env.Open(TableWorld::Path(number), OpenMode::kRead);
  REQUIRE(file.ok());
  TableParts parts(**file, number, kDatabase,
                   [](uint64_t, const std::string& what) { FAIL(what); });
  parts.Open();
  return parts.dictionary();
}

// The part's contents replaced by others of the same size, under a checksum that is right.
void Reseal(TableWorld& world, uint64_t number, BlockHandle part, const std::string& contents) {
  REQUIRE(contents.size() == part.size);
  std::string bytes = world.env.Contents(TableWorld::Path(number));
  bytes.replace(part.offset, part.size, contents);
  const Slice covered = Slice(bytes).substr(part.offset, part.size + kTypeBytes);
  const uint64_t seed = PartSeed(FileSeed(kDatabase, number), part.offset);
  StoreFixed64(bytes.data() + part.offset + covered.size(), Hash(covered, seed));
  world.env.SetContents(TableWorld::Path(number), bytes);
}

}  // namespace

TEST_CASE("dictionary: it is made where blocks have much in common, and only there") {
  Random random(1);
  CHECK_FALSE(TrainOn([&] { return JsonBlock(random, 2048); }).empty());
  CHECK(TrainOn([&] { return RandomBytes(random, 2048); }).empty());
  // Half of each compresses, to nothing: the other half is what is stored.
  CHECK(TrainOn([&] { return RandomBytes(random, 1024) + std::string(1024, 'x'); }).empty());
  // Large blocks of small values have it all in themselves.
  CHECK(TrainOn([&] {
          std::string block;
          while (block.size() < 16'000) block += JsonPayment(random);
          return block;
        }).empty());
  CHECK(DictionaryTrainer(1, kLevel).Train().empty());
}

TEST_CASE("dictionary: the same sample gives the same bytes") {
  const auto train = [] {
    Random random(1);
    return TrainOn([&] { return JsonBlock(random, 2048); });
  };
  CHECK(train() == train());
}

TEST_CASE("dictionary: what is compressed with it comes back with it, and is smaller") {
  Random random(2);
  const std::string bytes = TrainOn([&] { return JsonBlock(random, 2048); });
  const auto writing = CompressionDictionary::Make(bytes, kLevel);
  const auto reading = Dictionary::Make(bytes);
  REQUIRE(writing);
  REQUIRE(reading);
  CHECK(reading->memory_bytes() >= bytes.size());
  const std::string block = JsonBlock(random, 2048);
  const std::string alone = CompressAlone(block);
  const std::string with = CompressAlone(block, writing.get());
  CHECK(with.size() * 10 < alone.size() * 8);
  std::string back(block.size(), '\0');
  REQUIRE(Decompress(with, back.data(), back.size(), reading.get()));
  CHECK(back == block);
  CHECK_FALSE(Decompress(with, back.data(), back.size()));
  // Nobody's context remembers it.
  CHECK(CompressAlone(block) == alone);
  REQUIRE(Decompress(alone, back.data(), back.size()));
  CHECK(back == block);
}

TEST_CASE("dictionary: bytes that are none are refused") {
  CHECK_FALSE(Dictionary::Make(""));
  CHECK_FALSE(Dictionary::Make(std::string(1000, 'x')));
}

TEST_CASE("dictionary: a table that has one holds what it was given, and is smaller for it") {
  TableWorld world;
  const Rows rows = JsonRows(2000);
  const auto without = world.Build(1, rows, {.block_bytes = 1024});
  const auto with = world.Build(2, rows, kSmallWithDictionary);
  CHECK(without->properties().dictionary_bytes == 0);
  CHECK(with->properties().dictionary_bytes > 0);
  CHECK(with->properties().raw_bytes == without->properties().raw_bytes);
  CHECK(with->properties().file_bytes * 10 < without->properties().file_bytes * 7);
  CHECK(with->memory_bytes() >
        without->memory_bytes() + static_cast<size_t>(with->properties().dictionary_bytes));
  CHECK(with->Verify().ok());
  for (const auto& [key, row] : rows) {
    const Result<Row> found = Lookup(*with, key);
    REQUIRE(found.ok());
    CHECK(*found == row);
  }
}

TEST_CASE("dictionary: a table is raw_bytes long before compression, large values included") {
  TableWorld world;
  Random random(3);
  const Rows rows = RandomRows(random, 500, 3000);
  const auto table = world.Build(1, rows, {.block_bytes = 1024});
  uint64_t raw_bytes = 0;
  for (const BlockHandle& handle : BlocksOf(*table)) {
    const auto block = table->ReadBlock(handle);
    REQUIRE(block.ok());
    raw_bytes += (*block)->size_bytes();
  }
  CHECK(table->properties().raw_bytes == raw_bytes);
}

TEST_CASE(
    "dictionary: a table without enough to train on, or that stores blocks as they are, has none") {
  TableWorld world;
  CHECK(world.Build(1, JsonRows(20), kSmallWithDictionary)->properties().dictionary_bytes == 0);
  TableOptions stored = kSmallWithDictionary;
  stored.compression_level = 0;
  CHECK(world.Build(2, JsonRows(2000), stored)->properties().dictionary_bytes == 0);
}

TEST_CASE("dictionary: the size of a table that has one is foreseen") {
  TableWorld world;
  const Rows rows = JsonRows(2000);
  const auto file = world.env.Open("db/1", OpenMode::kCreate);
  REQUIRE(file.ok());
  TableBuilder builder(kSmallWithDictionary, **file, 1, kDatabase);
  for (const auto& [key, row] : rows) REQUIRE(builder.Add(ToEntry(key, row)).ok());
  const uint64_t estimate = builder.EstimatedFileBytes();
  const Result<TableProperties> built = builder.Finish();
  REQUIRE(built.ok());
  CHECK_FALSE(builder.dictionary_is_useless());
  CHECK(built->dictionary_bytes > 0);
  CHECK(estimate + 200 >= built->file_bytes);
  CHECK(estimate <= built->file_bytes + 2000);
}

TEST_CASE("dictionary: that one was trained for nothing is told") {
  TableWorld world;
  Random random(4);
  const auto file = world.env.Open("db/1", OpenMode::kCreate);
  REQUIRE(file.ok());
  TableBuilder builder(kSmallWithDictionary, **file, 1, kDatabase);
  for (int i = 0; i < 500; ++i) {
    Row row;
    row.value = RandomBytes(random, 100);
    REQUIRE(builder.Add(ToEntry("user:" + std::to_string(1000 + i), row)).ok());
  }
  REQUIRE(builder.Finish().ok());
  CHECK(builder.dictionary_is_useless());
}

TEST_CASE("dictionary: damage to it keeps the table from opening, and names the place") {
  TableWorld world;
  const Rows rows = JsonRows(300);
  world.Build(1, rows, kSmallWithDictionary);
  const BlockHandle part = DictionaryOf(world, 1);
  REQUIRE(part.size > 0);
  const std::string path = TableWorld::Path(1);
  const std::string place = path + ": bad checksum at " + std::to_string(part.offset);
  for (uint64_t at = part.offset; at < part.end(); ++at) {
    CAPTURE(at);
    world.env.FlipBit(path, at, at % 8);
    CHECK(world.TryOpen(1).status().message() == place);
    world.env.FlipBit(path, at, at % 8);
  }
  REQUIRE(world.TryOpen(1).ok());
  Reseal(world, 1, part, std::string(part.size, 'x'));
  CHECK(world.TryOpen(1).status().message() ==
        path + ": malformed dictionary at " + std::to_string(part.offset));

  // Whoever looks for damage finds it, and what it costs: all blocks but the first ones.
  CheckReport report;
  CheckTable(world.env, {"db", 1, kDatabase, nullptr, nullptr}, &report);
  REQUIRE(report.problems().size() > 10);
  CHECK(report.problems()[0].ToString().find("malformed dictionary") != std::string::npos);
  CHECK(report.problems()[1].ToString().find("needs the table's dictionary") != std::string::npos);
  CHECK(report.totals().blocks >= 17);
  CHECK(report.totals().blocks < 30);
}

TEST_CASE("dictionary: a table that has one is found sound") {
  TableWorld world;
  world.Build(1, JsonRows(300), kSmallWithDictionary);
  CheckReport report;
  CheckTable(world.env, {"db", 1, kDatabase, nullptr, nullptr}, &report);
  CHECK(report.sound());
  CHECK(report.totals().entries == 300);
}

TEST_CASE("dictionary: a read that fails keeps the table from opening, and is no damage") {
  TableWorld world;
  world.Build(1, JsonRows(300), kSmallWithDictionary);
  int failed = 0;
  for (uint64_t nth = 1;; ++nth) {
    world.env.FailNth(nth);
    const uint64_t before = world.env.faults();
    const Status status = world.TryOpen(1).status();
    if (world.env.faults() == before) {
      CHECK(status.ok());
      break;
    }
    CHECK(status.code() == StatusCode::kIoError);
    ++failed;
  }
  CHECK(failed == 3);  // opening the file, its end, the dictionary
}

TEST_CASE("dictionary: a block that wants one in a table without is damage") {
  TableWorld world;
  const auto table = world.Build(1, {{"key", {.value = std::string(500, 'v')}}});
  const BlockHandle block = BlocksOf(*table)[0];
  std::string bytes = world.env.Contents(TableWorld::Path(1));
  bytes[block.offset + block.size] = static_cast<char>(CompressionType::kZstdWithDictionary);
  world.env.SetContents(TableWorld::Path(1), bytes);
  Reseal(world, 1, block, bytes.substr(block.offset, block.size));
  CHECK(Lookup(*table, "key").status().message() ==
        TableWorld::Path(1) + ": unknown compression at " + std::to_string(block.offset));
}

TEST_CASE("dictionary: the place that the properties give it must be the one that is left") {
  TableFooter footer;
  footer.index.offset = 1000;
  TableProperties properties;
  CHECK(DictionaryPart(footer, properties, 1000) == BlockHandle{1000, 0});
  CHECK_FALSE(DictionaryPart(footer, properties, 999));
  CHECK_FALSE(DictionaryPart(footer, properties, 1000 - kTrailerBytes));
  properties.dictionary_bytes = 50;
  CHECK(DictionaryPart(footer, properties, 950 - kTrailerBytes) ==
        BlockHandle{950 - kTrailerBytes, 50});
  CHECK_FALSE(DictionaryPart(footer, properties, 951 - kTrailerBytes));
  CHECK_FALSE(DictionaryPart(footer, properties, 1000));
}

}  // namespace varve
