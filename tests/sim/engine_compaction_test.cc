// tests/sim/engine_compaction_test.cc: policies in a running engine.
#include "engine/compaction/policy.h"
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
