// tests/sim/engine_scrub_test.cc: tables and value files at rest are read, slowly, and damage is told.
#include <memory>
#include <utility>
#include <vector>

#include "engine/file_names.h"
#include "engine/table/table_directory.h"
#include "engine/version/manifest.h"
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

constexpr char kDirectory[] = "/db";
constexpr uint64_t kDayMs = 24 * 3600 * 1000;
constexpr uint64_t kRate = 10'000;

struct Scrubbed {
  Scrubbed() : world(1, ScrubOptions()) {
    Must(world.Open());
    for (int i = 0; i < 300; ++i) {
      const size_t size = i % 10 == 0 ? 300 : 30;  // some go to value files
      world.Commit({PutOf("s10key" + std::to_string(1000 + i), std::string(size, 'v'))});
      if (i % 20 == 0) world.engine->EndTurn();
    }
    Must(world.Flush());
    world.RunUntilIdle();
  }

  static Options ScrubOptions() {
    Options options = TinyOptions();
    options.scrub_bytes_per_second = kRate;
    return options;
  }
  ScrubStats stats() const { return world.engine->stats().scrub; }
  uint64_t live_bytes() const {
    const EngineStats all = world.engine->stats();
    return all.table_bytes + all.value_bytes;
  }
  // Returns how many milliseconds went by.
  uint64_t AwaitPass() {
    const uint64_t passes = stats().passes;
    uint64_t ms = 0;
    for (; stats().passes == passes; ms += 10) {
      if (ms > 600'000) FAIL("no pass in ten minutes");
      Pass(10);
    }
    return ms;
  }
  void Pass(uint64_t ms) {
    world.env.AdvanceMs(ms);
    world.RunUntilIdle();
  }
  std::string FileEndingWith(const std::string& suffix) const {
    for (const std::string& name : world.env.Names(kDirectory)) {
      if (name.ends_with(suffix)) return JoinPath(kDirectory, name);
    }
    FAIL("no file " << suffix);
    return "";
  }

  EngineWorld world;
};

TEST_CASE("scrub: a pass reads all there is, no faster than it should") {
  Scrubbed s;
  const uint64_t ms = s.AwaitPass();
  // The ends of tables, which are read when they are opened, are not counted.
  CHECK(s.stats().bytes > s.live_bytes() / 2);
  CHECK(s.stats().bytes <= s.live_bytes());
  CHECK(ms >= s.stats().bytes * 1000 / kRate);
  CHECK(s.stats().damages == 0);
  CHECK(!s.stats().running);
  CHECK(s.stats().last_pass_ms > 0);
}

TEST_CASE("scrub: what is damaged is told with its file, and the rest is read all the same") {
  for (const char* suffix : {".table", ".values"}) {
    CAPTURE(std::string(suffix));
    Scrubbed s;
    const std::string path = s.FileEndingWith(suffix);
    s.world.env.FlipBit(path, s.world.env.Contents(path).size() / 2, 3);
    s.AwaitPass();
    CHECK(s.stats().damages == 1);
    CHECK(s.stats().bytes > s.live_bytes() / 3);
    const std::string error = s.world.engine->stats().last_error;
    CHECK(error.starts_with("scrub: "));
    CHECK(error.find(path) != std::string::npos);
  }
}

// One table with a block for each of its keys: several partitions, and an expiry index.
struct ScrubbedTable {
  ScrubbedTable() : world(1, TableOptions()) {
    Must(world.Open());
    for (int i = 0; i < 200; ++i) {
      world.Commit({PutOf("s10key" + std::to_string(1000 + i), std::string(100, 'v'), kExpiryMs)});
    }
    Must(world.Flush());
    const Result<ManifestContents> manifest = ReadManifest(world.env, kDirectory);
    Must(manifest.ok());
    const FileList& tables = manifest->state.version->level(0);
    Must(tables.size() == 1);
    const TableDirectory files{&world.env, kDirectory, manifest->state.database_id};
    table = *files.Open(tables[0]->number);
    Must(table->partition_count() == 4);
  }

  static Options TableOptions() {
    Options options = TinyOptions();
    options.block_bytes = 100;
    options.generation_bytes = options.table_bytes = options.log_bytes_per_generation = 1 << 20;
    return options;
  }
  void Damage(BlockHandle part) { world.env.FlipBit(table->path(), part.offset + 10, 3); }
  // Returns the bytes that were read.
  uint64_t Pass() {
    world.engine->SetScrubRate(1 << 20);
    for (int i = 0; i < 100 && world.engine->stats().scrub.passes == 0; ++i) {
      world.env.AdvanceMs(100);
      world.RunUntilIdle();
    }
    Must(world.engine->stats().scrub.passes == 1);
    return world.engine->stats().scrub.bytes;
  }

  static constexpr int64_t kExpiryMs = int64_t{1} << 50;
  EngineWorld world;
  std::shared_ptr<const TableReader> table;
};

TEST_CASE(
    "scrub: each damage to a table is counted once, and the rest of it is read all the same") {
  const uint64_t sound_bytes = ScrubbedTable().Pass();
  struct Case {
    const char* why;
    std::vector<size_t> partitions;
    std::vector<std::pair<size_t, size_t>> blocks;  // of a partition
    bool expiry_block = false;
  };
  const Case cases[] = {
      {"nothing", {}, {}},
      {"the first partition", {0}, {}},
      {"one in between", {1}, {}},
      {"the last one", {3}, {}},
      {"a block", {}, {{1, 5}}},
      {"a partition, and the first block behind it", {1}, {{2, 0}}},
      {"a partition, and the last block before it", {2}, {{1, 63}}},
      {"two partitions side by side", {1, 2}, {}},
      {"two blocks of a partition", {}, {{2, 3}, {2, 40}}},
      {"all partitions", {0, 1, 2, 3}, {}},
      {"the last partition, and the expiry index", {3}, {}, true},
      {"a block of the last partition, and the expiry index", {}, {{3, 0}}, true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.why);
    ScrubbedTable s;
    uint64_t hidden_bytes = 0;
    for (const auto& [partition, block] : c.blocks) {
      s.Damage((*s.table->ReadPartition(partition))->BlockAt(block));
    }
    for (const size_t i : c.partitions) {
      const auto partition = *s.table->ReadPartition(i);
      hidden_bytes += partition->end() - partition->BlockAt(0).offset;
      s.Damage(s.table->PartitionAt(i));
    }
    if (c.expiry_block) s.Damage(s.table->ExpiryBlockAt(0));
    CHECK(s.Pass() == sound_bytes - hidden_bytes);
    CHECK(s.world.engine->stats().scrub.damages ==
          c.partitions.size() + c.blocks.size() + (c.expiry_block ? 1 : 0));
  }
}

TEST_CASE("scrub: a pass begins a day after the one before") {
  Scrubbed s;
  s.AwaitPass();
  s.Pass(kDayMs / 2);
  CHECK(!s.stats().running);
  s.Pass(kDayMs / 2);
  s.AwaitPass();
  CHECK(s.stats().passes == 2);
}

TEST_CASE("scrub: at a rate of 0 it rests, and then goes on where it was") {
  Scrubbed s;
  s.Pass(1000);
  const uint64_t bytes = s.stats().bytes;
  CHECK(bytes > 0);
  CHECK(s.stats().running);
  s.world.engine->SetScrubRate(0);
  for (int i = 0; i < 1000; ++i) s.Pass(1000);
  CHECK(s.stats().bytes == bytes);
  s.world.engine->SetScrubRate(100 * kRate);
  s.AwaitPass();
  CHECK(s.stats().passes == 1);
  CHECK(s.stats().bytes > s.live_bytes() / 2);
}

TEST_CASE("scrub: files that go while it reads them are no damage") {
  Scrubbed s;
  s.world.engine->SetScrubRate(1 << 20);
  for (int round = 0; round < 100; ++round) {
    s.world.env.AdvanceMs(150);
    s.world.RunSome(3);
    for (int i = 0; i < 40; ++i) {
      s.world.Commit({PutOf("s10key" + std::to_string(1000 + i), std::to_string(round))});
    }
    s.world.engine->EndTurn();
    Must(s.world.Compact());
    if (s.stats().passes > 0) s.Pass(kDayMs);
  }
  CHECK(s.stats().bytes > 0);
  CHECK(s.stats().damages == 0);
}

}  // namespace
}  // namespace varve
