// tests/unit/engine/check/check_table_test.cc: tables that lie although their checksums match.
//
// Flipped bits are found by checksums (tests/sim/engine_check_test.cc). Here a part is changed and its checksum
// made anew, as by a fault in whoever wrote it; only the sense of it gives it away.
#include "engine/check/check_table.h"

#include <functional>
#include <memory>

#include "base/coding.h"
#include "engine/file_names.h"
#include "tests/unit/engine/table/table_fixture.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr uint64_t kNumber = 7;

// Ten keys of five bytes, in two data blocks and one block of the expiry index, nothing compressed.
struct CheckedTable {
  CheckedTable() {
    SimEnv env(1);
    REQUIRE(env.CreateDirectory("db").ok());
    Result<std::unique_ptr<File>> file = env.Open(Path(), OpenMode::kCreate);
    REQUIRE(file.ok());
    TableOptions options;
    options.block_bytes = 128;
    options.compression_level = 0;
    TableBuilder builder(options, **file, kNumber, kDatabase);
    for (int i = 0; i < 10; ++i) {
      const std::string key = "key0" + std::to_string(i);
      Row row;
      row.value = "value" + std::to_string(i);
      if (i == 3) row = {EntryKind::kTombstone, false, 0, 0, ""};
      if (i % 4 == 1) row.expire_at_ms = 100'000 + 1000 * i;
      REQUIRE(builder.Add(ToEntry(key, row)).ok());
    }
    const Result<TableProperties> built = builder.Finish();
    REQUIRE(built.ok());
    bytes = env.Contents(Path());
    std::memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer), sizeof(footer));
    meta = {.number = kNumber,
            .level = 0,
            .size_bytes = built->file_bytes,
            .smallest = built->smallest_key,
            .largest = built->largest_key,
            .entries = built->entries,
            .tombstones = built->tombstones,
            .expiring = built->expiring,
            .first_expiry_ms = built->first_expiry_ms,
            .last_expiry_ms = built->last_expiry_ms,
            .value_uses = built->value_uses};
  }

  static std::string Path() { return JoinPath("db", TableFileName(kNumber)); }

  // Of one partition, all of it but the trailer.
  BlockHandle partition() const {
    return {footer.partitions, footer.index.offset - footer.partitions - kTrailerBytes};
  }
  BlockHandle expiry_block() const {
    return {footer.data_end, footer.partitions - footer.data_end - kTrailerBytes};
  }
  BlockHandle first_block() const {
    const BlockHandle part = partition();
    const auto made = Partition::Make(Slice(bytes).substr(part.offset, part.size), footer.data_end);
    REQUIRE(made != nullptr);
    return made->BlockAt(0);
  }

  // Replaces the only or last occurrence of `old` in a part, and makes the checksum anew.
  void Change(BlockHandle part, Slice old, Slice with) {
    REQUIRE(old.size() == with.size());
    const size_t at = Slice(bytes).substr(0, part.offset + part.size).rfind(old);
    REQUIRE(at != std::string::npos);
    REQUIRE(at >= part.offset);
    bytes.replace(at, old.size(), with);
    Reseal(part);
  }
  void Reseal(BlockHandle part) {
    const Slice covered = Slice(bytes).substr(part.offset, part.size + kTypeBytes);
    const uint64_t seed = PartSeed(FileSeed(kDatabase, kNumber), part.offset);
    StoreFixed64(bytes.data() + part.offset + covered.size(), Hash(covered, seed));
  }

  CheckReport Check() const {
    SimEnv env(1);
    REQUIRE(env.CreateDirectory("db").ok());
    env.SetContents(Path(), bytes);
    CheckReport report;
    CheckTable(env, {"db", kNumber, kDatabase, &meta, &dead_prefixes}, &report);
    return report;
  }
  // Whether that, perhaps among other things, is found.
  bool Finds(Slice text) const {
    const CheckReport report = Check();
    for (const CheckFinding& problem : report.problems()) {
      if (problem.text.find(text) != std::string::npos) return true;
    }
    for (const CheckFinding& problem : report.problems()) MESSAGE(problem.ToString());
    return false;
  }

  std::string bytes;
  TableFooter footer;
  FileMeta meta;
  DeadPrefixes dead_prefixes;
};

TEST_CASE("check of a table: a sound one is sound") {
  CheckedTable table;
  const CheckReport report = table.Check();
  CHECK(report.sound());
  CHECK(report.totals().entries == 10);
  CHECK(report.totals().blocks >= 3);
}

TEST_CASE("check of a table: a lie under a sound checksum is found") {
  struct Case {
    const char* why;
    std::function<void(CheckedTable&)> lie;
    Slice want;
  };
  const auto data = [](CheckedTable& t) { return t.first_block(); };
  const Case kCases[] = {
      {"a key that no filter knows", [&](CheckedTable& t) { t.Change(data(t), "key00", "kex00"); },
       "the filter denies a key"},
      {"a first key that the manifest does not know",
       [&](CheckedTable& t) { t.Change(data(t), "key00", "kex00"); },
       "another smallest key than the table"},
      {"keys out of order", [&](CheckedTable& t) { t.Change(data(t), "key00", "kez00"); },
       "keys out of order"},
      {"a key in a block where the index does not look for it",
       [&](CheckedTable& t) { t.Change(data(t), "key00", "zey00"); }, "in another one"},
      {"an expiry that is not in the expiry index",
       [&](CheckedTable& t) {
         char old[8];
         char with[8];
         StoreFixed64(old, 101'000);
         StoreFixed64(with, 901'000);
         t.Change(data(t), Slice(old, 8), Slice(with, 8));
       },
       "the expiry index names a key that does not expire then"},
      {"an expiry index that lacks a key",
       [&](CheckedTable& t) {
         char old[8];
         char with[8];
         StoreFixed64(old, 101'000);
         StoreFixed64(with, 901'000);
         t.Change(data(t), Slice(old, 8), Slice(with, 8));
       },
       "the expiry index has 2 of 3 keys"},
      {"a filter of nobody",
       [](CheckedTable& t) {
         // Behind the partition's header, and the filter's.
         const uint64_t lines = t.partition().offset + 16 + 8;
         std::fill_n(t.bytes.begin() + static_cast<std::ptrdiff_t>(lines), 64, '\0');
         t.Reseal(t.partition());
       },
       "the filter denies a key"},
      {"a partition that leaves out the first block",
       [](CheckedTable& t) {
         const uint64_t second = t.first_block().end();
         StoreFixed64(t.bytes.data() + t.partition().offset, second);
         const uint64_t filter_bytes = LoadFixed64(t.bytes.data() + t.partition().offset + 8);
         char* const ends = t.bytes.data() + t.partition().offset + 16 + filter_bytes + 8;
         for (int i = 0; i < 2; ++i) StoreFixed64(ends + 8 * i, 20 + 20 * static_cast<uint64_t>(i));
         t.Reseal(t.partition());
       },
       "does not begin where the one before ends"},
      {"properties that count one entry too many",
       [](CheckedTable& t) {
         REQUIRE(Slice(t.bytes).substr(t.footer.properties.offset, 3) == "\x01\x01\x0a");
         ++t.bytes[t.footer.properties.offset + 2];
         t.Reseal(t.footer.properties);
       },
       "the properties block says entries 11, found 10"},
      {"properties that say another size before compression",
       [](CheckedTable& t) {
         const size_t at = t.bytes.find("\x0c\x02", t.footer.properties.offset);
         REQUIRE(at != std::string::npos);
         t.bytes[at + 2] ^= 1;
         t.Reseal(t.footer.properties);
       },
       "the properties block says raw bytes"},
      {"properties that name a dictionary where there is none",
       [](CheckedTable& t) {
         const size_t at = t.bytes.find(std::string("\x0e\x01\x00", 3), t.footer.properties.offset);
         REQUIRE(at != std::string::npos);
         t.bytes[at + 2] = 1;
         t.Reseal(t.footer.properties);
       },
       "dictionary of a wrong size"},
      {"an expiry index with another key",
       [](CheckedTable& t) { t.Change(t.expiry_block(), "key09", "key08"); },
       "the expiry index names a key that does not expire then"},
      {"an expiry index that tells of another time",
       [](CheckedTable& t) { t.Change(t.expiry_block(), Slice("key09\0", 6), "key09\x4d"); },
       "the expiry index names a key that does not expire then"},
      {"an expiry index with times that are none",
       [](CheckedTable& t) { t.Change(t.expiry_block(), Slice("key09\0", 6), "key09\xfa"); },
       "an entry of the expiry index that is none"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    CheckedTable table;
    c.lie(table);
    CHECK(table.Finds(c.want));
  }
}

TEST_CASE("check of a table: what the manifest says of it is compared") {
  struct Case {
    std::function<void(FileMeta&)> lie;
    Slice want;
  };
  const Case kCases[] = {
      {[](FileMeta& meta) { ++meta.size_bytes; }, "the manifest says size"},
      {[](FileMeta& meta) { ++meta.entries; }, "the manifest says entries 11, found 10"},
      {[](FileMeta& meta) { meta.tombstones = 0; }, "the manifest says tombstones 0, found 1"},
      {[](FileMeta& meta) { meta.expiring = 5; }, "the manifest says expiring 5, found 3"},
      {[](FileMeta& meta) { meta.first_expiry_ms = 1; }, "the manifest says first expiry 1"},
      {[](FileMeta& meta) { meta.last_expiry_ms = 1; }, "the manifest says last expiry 1"},
      {[](FileMeta& meta) { meta.smallest = "a"; }, "the manifest has another smallest key"},
      {[](FileMeta& meta) { meta.largest = "z"; }, "the manifest has another largest key"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.want);
    CheckedTable table;
    c.lie(table.meta);
    CHECK(table.Finds(c.want));
  }
}

TEST_CASE("check of a table: it comes to an end, whatever stands under sound checksums") {
  Random random(1);
  const CheckedTable sound;
  const std::vector<BlockHandle> parts = {sound.first_block(), sound.expiry_block(),
                                          sound.partition(), sound.footer.index,
                                          sound.footer.properties};
  for (int i = 0; i < 5000; ++i) {
    CheckedTable table = sound;
    const BlockHandle part = parts[random.Uniform(parts.size())];
    for (uint64_t n = 1 + random.Uniform(4); n > 0; --n) {
      const uint64_t offset = part.offset + random.Uniform(part.size + kTypeBytes);
      table.bytes[offset] = static_cast<char>(random.Next());
    }
    table.Reseal(part);
    (void)table.Check();
  }
}

TEST_CASE("check of a table: nothing in it may have been dead when it was written") {
  CheckedTable table;
  table.dead_prefixes.Add("key0", kNumber + 1);  // died later
  CHECK(table.Check().sound());
  table.dead_prefixes.Add("key0", kNumber);
  CHECK(table.Finds("under a prefix that was dead"));
}

}  // namespace
}  // namespace varve
