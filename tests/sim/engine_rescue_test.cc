// tests/sim/engine_rescue_test.cc: the log fails at a chosen moment, with chosen jobs under way.
//
// engine_faults_test.cc fails everything in one order of events; these are orders that chance rarely makes.
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

struct RescueWorld : EngineWorld {
  explicit RescueWorld(Durability durability = Durability::kEverySecond, uint64_t seed = 1)
      : EngineWorld(seed, WithDurability(durability)) {
    Must(Open());
    faulty = true;
  }
  static Options WithDurability(Durability durability) {
    Options options = TinyOptions();
    options.durability = durability;
    return options;
  }

  uint64_t Put(const std::string& key) {
    const uint64_t group = Commit({PutOf("s00" + key, "value of " + key)});
    engine->EndTurn();
    return group;
  }
  void Hold(Lane lane) { env.HoldLane(lane, true); }
  void Release(Lane lane) { env.HoldLane(lane, false); }
  void FinishAndCheck() {
    Must(Sync());
    CrashAndCheck(CrashMode::kDropUnsynced);
    LiveOnAndCheck();
    Must(CheckSettled());
  }
};

TEST_CASE("engine rescue: a write that was under way when the log failed counts for nothing") {
  RescueWorld world;
  world.Put("written, not synced");
  world.RunUntilIdle();
  world.Hold(Lane::kSync);
  world.SetDurability(Durability::kAlways);  // which asks for a sync
  world.Hold(Lane::kLog);
  world.Put("under way");
  const uint64_t last = world.Put("gathering");
  world.env.FailNth(1);
  world.Release(Lane::kSync);
  world.RunUntilIdle();
  REQUIRE(world.env.faults() == 1);
  REQUIRE(world.engine->writable().ok());  // all of it is in tables
  REQUIRE(world.engine->reported_group() == last);
  world.Release(Lane::kLog);
  world.RunUntilIdle();
  CHECK(world.engine->reported_group() == last);
  world.FinishAndCheck();
}

TEST_CASE("engine rescue: a sync that was under way when the log failed holds up no report") {
  RescueWorld world;
  world.Put("written, not synced");
  world.RunUntilIdle();
  world.Hold(Lane::kSync);
  world.env.AdvanceMs(1000);
  world.RunUntilIdle();  // the sync is asked for
  world.env.FailNth(1);
  world.Put("fails");
  world.RunUntilIdle();
  REQUIRE(world.env.faults() == 1);
  REQUIRE(world.engine->writable().ok());
  world.SetDurability(Durability::kAlways);
  const uint64_t last = world.Put("synced with its write");
  world.RunUntilIdle();
  world.Release(Lane::kSync);
  world.RunUntilIdle();
  CHECK(world.engine->reported_group() == last);
  world.FinishAndCheck();
}

TEST_CASE("engine rescue: who writes when told that the log goes on has written") {
  RescueWorld world;
  world.env.FailNth(1);
  const uint64_t last = world.Put("fails");
  bool wrote = false;
  world.on_reported = [&] {
    if (wrote || world.engine->reported_group() < last) return;
    wrote = true;
    world.Put("more");
  };
  world.RunUntilIdle();
  REQUIRE(world.env.faults() == 1);
  REQUIRE(wrote);
  world.Put("and more");
  Must(world.Flush());
  world.FinishAndCheck();
}

TEST_CASE("engine rescue: a log that cannot begin again is asked once a second, not all the time") {
  RescueWorld world;
  world.Hold(Lane::kFiles);  // no spare segment
  world.Put("flushed");
  world.RunUntilIdle();
  world.Hold(Lane::kLog);
  world.engine->Flush([](const Status&) {});
  world.RunUntilIdle();
  REQUIRE(world.engine->stats().dirty_records == 0);
  world.env.FailNth(1, StatusCode::kIoError, true);
  world.Release(Lane::kLog);
  world.RunUntilIdle();
  CHECK(!world.engine->writable().ok());
  const EngineStats failed = world.engine->stats();
  CHECK(Slice(failed.log_state) == "failed");
  CHECK(failed.log_state_since_ms == world.env.WallMs());
  CHECK(failed.last_error.starts_with("log: "));
  CHECK(failed.last_error_ms == world.env.WallMs());
  const uint64_t operations = world.env.operations();
  for (int i = 0; i < 10; ++i) {
    world.env.AdvanceMs(1000);
    world.RunUntilIdle();
  }
  CHECK(world.env.operations() - operations < 100);
  world.Release(Lane::kFiles);
  world.Heal();
  Must(world.AwaitWritable());
  CHECK(Slice(world.engine->stats().log_state) == "ok");
  CHECK(world.engine->stats().log_state_since_ms > failed.log_state_since_ms);
  world.FinishAndCheck();
}

TEST_CASE("engine rescue: closing while the disk fails ends, and loses nothing that was reported") {
  for (uint64_t n = 1; n <= 30; ++n) {
    CAPTURE(n);
    RescueWorld world(n % 2 == 0 ? Durability::kAlways : Durability::kEverySecond, n);
    world.Hold(Lane::kFiles);  // no spare segment
    world.Put("a");
    world.RunUntilIdle();
    world.Hold(Lane::kLog);
    world.engine->Flush([](const Status&) {});  // freezes, and a segment is asked for
    world.Release(Lane::kLog);
    world.Release(Lane::kFiles);
    world.env.FailNth(1 + n / 2, StatusCode::kIoError, n % 3 == 0);
    (void)world.Close();
    world.CrashAndCheck(n % 5 == 0 ? CrashMode::kKeepAll : CrashMode::kDropUnsynced);
    world.FinishAndCheck();
  }
}

}  // namespace
}  // namespace varve
