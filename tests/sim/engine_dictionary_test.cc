// tests/sim/engine_dictionary_test.cc: tables with dictionaries, in a running engine.
#include "engine/check/table_parts.h"
#include "engine/file_names.h"
#include "tests/sim/engine_world.h"
#include "tests/support/json_values.h"

namespace varve {
namespace {

Options TinyDictionaries() {
  Options options = TinyOptions();
  options.compression_level = 1;
  options.dictionary_sample_bytes = 4096;
  options.generation_bytes = 16384;
  options.log_bytes_per_generation = 32768;
  options.table_bytes = 8192;
  return options;
}

// About 50 KB, in tables of all levels.
void WriteUsers(EngineWorld& world) {
  for (int i = 0; i < 25 && world.env.power_is_on() && world.AwaitWritable(); ++i) {
    std::vector<Change> changes;
    for (int n = 0; n < 10; ++n) {
      changes.push_back(
          PutOf("s00user" + std::to_string(world.random.Uniform(1000)), JsonUser(world.random)));
    }
    world.Commit(std::move(changes));
    world.engine->EndTurn();
    world.RunUntilIdle();
  }
}

TEST_CASE("engine dictionaries: what was written is there, whatever the power does") {
  uint64_t dictionaries = 0;
  uint64_t cuts = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    NameHistory(seed);
    EngineWorld world(seed, TinyDictionaries());
    world.check_before_open = true;
    REQUIRE(world.Open());
    WriteUsers(world);
    dictionaries += world.engine->stats().dictionaries_written;
    // In the middle of more of the same.
    world.env.CutPowerAfter(1 + world.random.Uniform(300));
    WriteUsers(world);
    cuts += world.env.power_is_on() ? 0 : 1;
    world.CrashAndCheck(seed % 2 == 0 ? CrashMode::kDropUnsynced : CrashMode::kRandomPages);
    WriteUsers(world);
    REQUIRE(world.Compact());
    world.CrashAndCheck(CrashMode::kKeepAll);
    REQUIRE(world.CheckSettled());
  }
  CHECK(dictionaries > 30);
  CHECK(cuts > 10);
}

TEST_CASE("engine dictionaries: every failing operation is survived") {
  for (uint64_t nth = 1;; nth += 7) {
    CAPTURE(nth);
    EngineWorld world(1, TinyDictionaries());
    REQUIRE(world.Open());
    WriteUsers(world);
    world.faulty = true;
    world.env.FailNth(nth);
    WriteUsers(world);
    const bool untouched = world.env.faults() == 0;
    world.Heal();
    world.RunUntilIdle();
    world.CrashAndCheck(CrashMode::kKeepAll);
    if (untouched) {
      CHECK(nth > 20);
      break;
    }
  }
}

size_t TablesWithDictionary(EngineWorld& world) {
  size_t count = 0;
  for (const std::string& name : world.env.Names(world.options.directory)) {
    if (!name.ends_with(".table")) continue;
    const auto file = world.env.Open(JoinPath(world.options.directory, name), OpenMode::kRead);
    REQUIRE(file.ok());
    TableParts parts(**file, std::nullopt, std::nullopt,
                     [](uint64_t, const std::string& what) { FAIL(what); });
    parts.Open();
    count += parts.dictionary().size > 0 ? 1 : 0;
  }
  return count;
}

TEST_CASE("engine dictionaries: only tables that were merged have them, if they are wanted") {
  for (const bool wanted : {true, false}) {
    CAPTURE(wanted);
    EngineWorld world(1, TinyDictionaries());
    world.options.level0_tables_compact = 100;
    if (!wanted) world.options.dictionary_sample_bytes = 0;
    REQUIRE(world.Open());
    for (int i = 0; i < 4; ++i) WriteUsers(world);
    REQUIRE(world.Flush());
    CHECK(world.engine->stats().levels[0].tables > 4);
    CHECK(TablesWithDictionary(world) == 0);
    REQUIRE(world.Compact());
    CHECK(world.engine->stats().levels[0].tables == 0);
    CHECK((world.engine->stats().dictionaries_written > 1) == wanted);
    CHECK((TablesWithDictionary(world) > 1) == wanted);
  }
}

}  // namespace
}  // namespace varve
