// tests/sim/engine_compaction_test.cc: policies in a running engine.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "engine/compaction/policy.h"
#include "engine/file_names.h"
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

Options TinyTiers() {
  Options options = TinyOptions();
  options.compaction_policy = PolicyKind::kTiered;
  options.tier_runs = 2;
  options.compaction_bytes_max = 8192;
  return options;
}

void WriteSome(EngineWorld& world) {
  std::vector<Change> changes;
  for (int i = 0; i < 10; ++i) {
    changes.push_back(PutOf("s00" + std::to_string(world.random.Uniform(500)),
                            std::string(200, static_cast<char>('a' + i))));
  }
  world.Commit(std::move(changes));
  world.engine->EndTurn();
}

// Writes, flushes and lets all compactions run.
void FillAndSettle(EngineWorld& world) {
  for (int i = 0; i < 100; ++i) {
    WriteSome(world);
    REQUIRE(world.Flush());
  }
  world.RunUntilIdle();
}

std::vector<std::string> TablesOf(EngineWorld& world) {
  std::vector<std::string> tables;
  for (const std::string& name : world.env.Names("/db")) {
    if (name.ends_with(".table")) tables.push_back(JoinPath("/db", name));
  }
  return tables;
}

// Damages those that are still there; the second time that is undone.
void FlipBits(EngineWorld& world, const std::vector<std::string>& tables) {
  for (const std::string& table : tables) {
    if (world.env.Exists(table)) world.env.FlipBit(table, 100, 3);
  }
}

int LevelsInUse(const EngineStats& stats) {
  int levels = 0;
  for (const EngineStats::Level& level : stats.levels) levels += level.tables > 0 ? 1 : 0;
  return levels;
}

TEST_CASE("engine compactions: level 0 does not wait for the merge of a large tier") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    EngineWorld world(seed, TinyTiers());
    REQUIRE(world.Open());
    bool beside = false;
    for (int i = 0; i < 300; ++i) {
      WriteSome(world);
      world.engine->Flush([](const Status&) {});
      for (int steps = 0; steps < 12 && world.env.RunOneJob(); ++steps) {
        beside = beside || world.engine->stats().compactions_running == 2;
      }
    }
    CHECK(beside);
    world.RunUntilIdle();
    CHECK(world.engine->stats().compactions_running == 0);
    world.CheckExactly(world.ScanAll());
    world.CrashAndCheck(CrashMode::kDropUnsynced);
    REQUIRE(world.CheckSettled());
  }
}

TEST_CASE(
    "engine compactions: another policy goes on from what is there, and rewrites nothing for it") {
  EngineWorld world(1, TinyTiers());
  REQUIRE(world.Open());
  world.SetCompactionPolicy(PolicyKind::kLeveled);
  FillAndSettle(world);
  const uint64_t written = world.engine->stats().compaction_bytes_written;
  world.SetCompactionPolicy(PolicyKind::kTiered);
  world.RunUntilIdle();
  CHECK(world.engine->stats().compaction_bytes_written == written);

  // Tiers, then, and all of them found again after a restart under every other policy.
  FillAndSettle(world);
  const int runs = LevelsInUse(world.engine->stats());
  for (const PolicyKind policy : PolicyKinds()) {
    CAPTURE(ToString(policy));
    world.SetCompactionPolicy(policy);
    world.CheckExactly(world.ScanAll());
    world.CrashAndCheck(CrashMode::kDropUnsynced);
    world.RunUntilIdle();
    world.CheckExactly(world.ScanAll());
  }
  CHECK(LevelsInUse(world.engine->stats()) <= runs);
  REQUIRE(world.CheckSettled());
  CHECK(LevelsInUse(world.engine->stats()) == 1);
}

// All that could not be read can be read again: nothing may have been lost, nor come back, while it could not.
void RequireNothingLost(EngineWorld& world) {
  world.env.AdvanceMs(11 * 60'000);
  world.RunUntilIdle();
  CHECK(world.engine->stats().unreadable_files == 0);
  world.CheckExactly(world.ScanAll());
  Must(world.Compact());
  CHECK(LevelsInUse(world.engine->stats()) == 1);
  world.CheckExactly(world.ScanAll());
  world.CrashAndCheck(CrashMode::kDropUnsynced);
  REQUIRE(world.CheckSettled());
}

struct Detour {
  bool there_was_one = false;  // a table to be damaged
  bool was_needed = false;
};
Detour RequireDetour(PolicyKind policy, size_t damaged_table) {
  Options options = TinyOptions();
  options.compaction_policy = policy;
  options.table_bytes = 2048;
  options.level1_bytes = 4096;
  EngineWorld world(1, options);
  Must(world.Open());
  FillAndSettle(world);
  // Some more, so that level 0 holds something too.
  for (int i = 0; i < options.level0_tables_compact - 1; ++i) {
    WriteSome(world);
    Must(world.Flush());
  }
  world.RunUntilIdle();
  world.Restart(CrashMode::kKeepAll);
  const std::vector<std::string> tables = TablesOf(world);
  if (damaged_table >= tables.size()) return {};
  const std::string& damaged = tables[damaged_table];
  CAPTURE(damaged);
  world.env.FlipBit(damaged, 100, 3);
  Must(world.Open());

  uint64_t unreadable = 0;
  for (int i = 0; i < 100; ++i) {
    WriteSome(world);
    Must(world.Flush());
    world.RunUntilIdle();
    world.env.AdvanceMs(100);
    world.RunUntilIdle();
    const EngineStats stats = world.engine->stats();
    unreadable = std::max(unreadable, stats.unreadable_files);
    CHECK(stats.levels[0].tables <= static_cast<uint64_t>(options.level0_tables_compact) + 1);
    CHECK(stats.writer_delay_us == 0);
  }
  CHECK(unreadable <= 1);

  world.env.FlipBit(damaged, 100, 3);
  RequireNothingLost(world);
  return {.there_was_one = true, .was_needed = unreadable > 0};
}

TEST_CASE(
    "engine compactions: a table that cannot be read holds up nobody, and nothing is lost over "
    "it") {
  for (const PolicyKind policy : PolicyKinds()) {
    CAPTURE(ToString(policy));
    size_t tables = 0;
    size_t needed = 0;
    for (;; ++tables) {
      const Detour detour = RequireDetour(policy, tables);
      if (!detour.there_was_one) break;
      if (detour.was_needed) ++needed;
    }
    CHECK(needed > tables / 3);
  }
}

// Levels of a few tables each, the first of them full with little: so jobs of all levels read whatever there is.
Options SteepLevels(PolicyKind policy) {
  Options options = TinyOptions();
  options.compaction_policy = policy;
  options.table_bytes = 2048;
  options.level1_bytes = 4096;
  options.level_size_ratio = 2;
  return options;
}

// A second of a client that writes little, each of it flushed. Nobody has to wait.
void WriteForASecond(EngineWorld& world) {
  WriteSome(world);
  Must(world.Flush());
  world.RunUntilIdle();
  world.env.AdvanceMs(1000);
  world.RunUntilIdle();
  const EngineStats stats = world.engine->stats();
  CHECK(stats.levels[0].tables <= static_cast<uint64_t>(world.options.level0_tables_compact) + 1);
  CHECK(stats.writer_delay_us == 0);
}

TEST_CASE("engine compactions: writers do not feel tables that could not be read for a moment") {
  for (const PolicyKind policy : PolicyKinds()) {
    CAPTURE(ToString(policy));
    EngineWorld world(7, SteepLevels(policy));
    REQUIRE(world.Open());
    FillAndSettle(world);
    int met = 0;
    for (int moment = 0; moment < 60; ++moment) {
      CAPTURE(moment);
      std::vector<std::string> tables = TablesOf(world);
      std::erase_if(tables, [&world](const std::string&) { return !world.random.OneIn(5); });
      FlipBits(world, tables);
      bool was_met = false;
      for (uint64_t i = world.random.Uniform(3); i < 3; ++i) {
        WriteForASecond(world);
        was_met = was_met || world.engine->stats().unreadable_files > 0;
      }
      if (was_met) ++met;
      FlipBits(world, tables);
      for (uint64_t i = world.random.Uniform(3); i < 3; ++i) WriteForASecond(world);
    }
    CHECK(met > 10);
    RequireNothingLost(world);
  }
}

TEST_CASE("engine compactions: writers do not feel that no table can be read that was there") {
  for (const PolicyKind policy : PolicyKinds()) {
    CAPTURE(ToString(policy));
    EngineWorld world(8, SteepLevels(policy));
    REQUIRE(world.Open());
    FillAndSettle(world);
    const std::vector<std::string> tables = TablesOf(world);
    CHECK(tables.size() > 20);
    FlipBits(world, tables);
    for (int i = 0; i < 200; ++i) WriteForASecond(world);
    CHECK(world.engine->stats().unreadable_files > 1);
    FlipBits(world, tables);
    RequireNothingLost(world);
  }
}

TEST_CASE("engine compactions: what is asked for ends where it cannot be read") {
  EngineWorld world(1, TinyTiers());
  REQUIRE(world.Open());
  FillAndSettle(world);
  world.Restart(CrashMode::kKeepAll);
  FlipBits(world, TablesOf(world));
  REQUIRE(world.Open());
  // Nor the second time, when it is known.
  for (int i = 0; i < 2; ++i) {
    std::optional<Status> outcome;
    world.engine->Compact({}, {}, [&outcome](const Status& status) { outcome = status; });
    world.RunUntilIdle();
    REQUIRE(outcome.has_value());
    CHECK(outcome->code() == StatusCode::kCorruption);
    CHECK(outcome->message().find(".table") != Slice::npos);
  }
}

TEST_CASE("engine compactions: runs at rest do not slow writers") {
  EngineWorld world(1, TinyTiers());
  world.options.tier_runs = 8;
  world.options.level0_tables_slow = 3;
  REQUIRE(world.Open());
  FillAndSettle(world);
  CHECK(LevelsInUse(world.engine->stats()) >= 8);
  CHECK(world.engine->WriterDelayUs() == 0);
}

}  // namespace
}  // namespace varve
