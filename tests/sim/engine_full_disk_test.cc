// tests/sim/engine_full_disk_test.cc: the disk fills up, by our own doing or by another's.
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

struct FullDiskWorld : EngineWorld {
  explicit FullDiskWorld(uint64_t seed = 1, Durability durability = Durability::kEverySecond)
      : EngineWorld(seed, WithDurability(durability)) {
    faulty = true;
  }
  static Options WithDurability(Durability durability) {
    Options options = TinyOptions();
    options.durability = durability;
    options.generation_bytes = 32768;
    options.segment_bytes = 4096;
    options.log_bytes_per_generation = 65536;
    options.table_bytes = 32768;
    options.value_file_bytes =
        32768;  // with many small ones the manifest would be a part of the data
    return options;
  }

  uint64_t Write(std::vector<Change> changes) {
    const uint64_t group = Commit(std::move(changes));
    engine->EndTurn();
    RunSome(20);
    return group;
  }
  // Writes to two spaces until writes are refused and flushes bring back no more room; returns how
  // many keys each has.
  int Fill() {
    int keys = 0;
    while (engine->writable().ok()) {
      REQUIRE(keys < 10'000);
      Write({PutOf("s01key" + std::to_string(keys), std::string(600, 'a')),
             PutOf("s02key" + std::to_string(keys), std::string(30, 'b'))});
      ++keys;
      if (!engine->writable().ok()) PassSeconds(10);
    }
    REQUIRE(engine->writable().code() == StatusCode::kNoSpace);
    REQUIRE(engine->stats().disk_full);
    return keys;
  }
  void PassSeconds(int seconds) {
    for (; seconds > 0; --seconds) {
      RunUntilIdle();
      env.AdvanceMs(1000);
    }
    RunUntilIdle();
  }
};

constexpr uint64_t kCapacityBytes = 1'000'000;

TEST_CASE("full disk: deletes go on and are reported; a flushed space brings the writes back") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    FullDiskWorld world(seed, seed % 2 == 0 ? Durability::kAlways : Durability::kEverySecond);
    world.env.SetCapacity(kCapacityBytes);
    Must(world.Open());
    const uint64_t kept = world.engine->stats().disk_reserve_bytes;
    const int keys = world.Fill();
    REQUIRE(keys > 50);
    CHECK(world.engine->stats().disk_reserve_bytes < kept);
    for (int i = 0; i < 5; ++i) {
      const uint64_t group = world.Write({DeleteOf("s02key" + std::to_string(i))});
      world.PassSeconds(1);
      CHECK(world.engine->reported_group() >= group);
    }
    Must(world.CheckGet("s02key1"));
    Must(world.CheckGet("s02key7"));

    world.Write({KillOf("s01")});
    world.PassSeconds(10);
    CHECK(world.engine->writable().ok());
    CHECK(world.engine->stats().disk_reserve_bytes == kept);
    world.Write({PutOf("s02new", "again")});
    Must(world.Sync());
    world.CrashAndCheck(CrashMode::kDropUnsynced);
    Must(world.CheckSettled());
  }
}

TEST_CASE("full disk: what a flushed space would write needs no room any more") {
  FullDiskWorld world;
  Must(world.Open());
  world.env.HoldLane(Lane::kFlush, true);
  // More than one generation, so that the death comes in a later one than the data.
  for (int i = 0; i < 80; ++i) {
    world.Write({PutOf("s01key" + std::to_string(i), std::string(600, 'a'))});
  }
  world.RunUntilIdle();
  REQUIRE(world.engine->stats().frozen_generations == 1);
  const DiskSpace all = *world.env.Space("/db");
  constexpr uint64_t kRoomBytes = 2000;
  world.env.SetCapacity(all.total_bytes - all.available_bytes -
                        world.engine->stats().disk_reserve_bytes + kRoomBytes);
  world.env.HoldLane(Lane::kFlush, false);
  world.PassSeconds(5);
  REQUIRE(!world.engine->writable().ok());
  REQUIRE(world.engine->stats().frozen_generations == 1);
  world.Write({KillOf("s01")});
  world.PassSeconds(10);
  CHECK(world.engine->stats().frozen_generations == 0);
  world.Heal();
  Must(world.AwaitWritable());
  world.CrashAndCheck(CrashMode::kDropUnsynced);
  Must(world.CheckSettled());
}

TEST_CASE("full disk: a restart finds room, and all that was promised") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    FullDiskWorld world(seed);
    world.env.SetCapacity(kCapacityBytes);
    Must(world.Open());
    world.Fill();
    world.Write({DeleteOf("s01key1")});
    for (int i = 0; i < 3; ++i) {
      world.Restart(
          CrashMode::kKeepAll);  // others may bring back more files than there is room for
      const Status opened = world.TryOpen();
      REQUIRE_MESSAGE(opened.ok(), opened.ToString());
      world.CheckRecovered();
      world.PassSeconds(static_cast<int>(seed % 4));
    }
    world.Heal();
    Must(world.AwaitWritable());
    Must(world.CheckSettled());
  }
}

TEST_CASE("full disk: what finds no room at all waits, and is there when there is room") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    FullDiskWorld world(seed);
    Must(world.Open());
    for (int i = 0; i < 20; ++i) world.Write({PutOf("s01key" + std::to_string(i), "value")});
    Must(world.Sync());
    world.env.SetCapacity(0);  // someone else has it all
    uint64_t group = 0;
    while (world.engine->writable().ok()) {
      group = world.Write({PutOf("s01large", std::string(5000, 'x'))});
    }
    group = world.Write({DeleteOf("s01key1")});
    world.PassSeconds(3);
    CHECK(world.engine->reported_group() < group);
    CHECK(!world.engine->writable().ok());
    Must(world.CheckGet("s01key1"));
    Must(world.CheckGet("s01key3"));
    switch (seed % 3) {
      case 0:
        world.env.SetCapacity(UINT64_MAX);
        world.PassSeconds(3);
        CHECK(world.engine->writable().ok());
        CHECK(world.engine->reported_group() >= group);
        break;
      case 1:  // a stop does not wait for room
        CHECK(!world.engine->Close().ok());
        break;
      case 2: break;
    }
    world.CrashAndCheck(seed % 2 == 0 ? CrashMode::kTorn : CrashMode::kKeepAll);
    world.Heal();
    Must(world.CheckSettled());
  }
}

TEST_CASE("full disk: room comes and goes") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    FullDiskWorld world(seed, static_cast<Durability>(seed % 3));
    world.env.SetCapacity(kCapacityBytes);
    Must(world.Open());
    for (int step = 0; step < 300; ++step) {
      const std::string key = std::to_string(world.random.Uniform(200));
      if (world.engine->writable().ok()) {
        world.Write({PutOf("s01key" + key, std::string(world.random.Uniform(2000), 'p'))});
      } else {
        world.Write({DeleteOf("s01key" + key)});
      }
      if (world.random.OneIn(20)) world.env.SetCapacity(world.random.Uniform(kCapacityBytes));
      if (world.random.OneIn(10)) world.env.AdvanceMs(world.random.Uniform(1500));
    }
    world.Heal();
    Must(world.AwaitWritable());
    Must(world.Sync());
    world.CrashAndCheck(CrashMode::kDropUnsynced);
    Must(world.CheckSettled());
  }
}

}  // namespace
}  // namespace varve
