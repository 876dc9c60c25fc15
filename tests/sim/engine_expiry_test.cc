// tests/sim/engine_expiry_test.cc: what expires is told in time, wherever it lies.
#include <set>

#include "engine/table/expiry_index.h"
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

struct ExpiryWorld : EngineWorld {
  explicit ExpiryWorld(uint64_t seed) : EngineWorld(seed, SomeOptions(seed)) { Must(Open()); }

  static Options SomeOptions(uint64_t seed) {
    Options options = TinyOptions();
    if (seed % 2 == 0) options.block_bytes = 64;              // expiry indexes of many blocks
    if (seed % 3 == 0) options.memory_limit_bytes = 100'000;  // much is read from tables
    return options;
  }

  // Takes what is due until there is no more, and deletes what the model says has expired. Returns how
  // many keys were told.
  size_t Drain() {
    const int64_t now_ms = env.WallMs();
    size_t told = 0;
    while (true) {
      std::vector<Due> due;
      ReadScope scope;
      Result<bool> more = Status::Pending();
      while (!(more = engine->TakeDue(now_ms, 1 + random.Uniform(20), scope, &due)).ok()) {
        Must(more.status().is_pending());
        Must(Wait(scope));
      }
      if (due.empty() && !*more) break;
      told += due.size();
      std::vector<Change> changes;
      for (const Due& d : due) {
        REQUIRE(d.at_ms <= now_ms);
        const auto found = history.now().entries.find(d.key);
        if (d.newest) {
          REQUIRE(found != history.now().entries.end());
          REQUIRE(found->second.expire_at_ms == d.at_ms);
        }
        if (found == history.now().entries.end()) continue;
        const int64_t at_ms = found->second.expire_at_ms;
        const bool twice = std::any_of(changes.begin(), changes.end(),
                                       [&](const Change& c) { return c.key == d.key; });
        if (at_ms != 0 && at_ms <= now_ms && !twice) changes.push_back(DeleteOf(d.key));
      }
      if (!changes.empty()) Commit(std::move(changes));
      engine->EndTurn();
      RunSome(10);
    }
    CheckNothingWasForgotten(now_ms);
    return told;
  }

  // 50 keys in a table, of which nothing is in memory. They expire from the time returned on.
  int64_t PutFifty() {
    const int64_t at_ms = env.WallMs() + 5000;
    for (int i = 100; i < 150; ++i) Commit({PutOf("s00key" + std::to_string(i), "v", at_ms + i)});
    Must(Flush());
    Restart(CrashMode::kDropUnsynced);
    Must(Open());
    RunUntilIdle();
    return at_ms;
  }

  // Takes what is due, and deletes nothing: one vector a call, the last one empty.
  std::vector<std::vector<Due>> TakeAll(int64_t now_ms, size_t max = 16) {
    std::vector<std::vector<Due>> calls;
    for (bool any = true; any;) {
      std::vector<Due>& due = calls.emplace_back();
      ReadScope scope;
      Result<bool> more = Status::Pending();
      int waits = 0;
      while (!(more = engine->TakeDue(now_ms, max, scope, &due)).ok()) {
        Must(more.status().is_pending());
        before_wait();
        Must(Wait(scope));
        REQUIRE(++waits < 20);  // a scope keeps all that came
      }
      any = *more || !due.empty();
    }
    return calls;
  }
  std::function<void()> before_wait = [] {};

  static std::set<std::string> KeysOf(const std::vector<std::vector<Due>>& calls) {
    std::set<std::string> keys;
    for (const auto& due : calls) {
      for (const Due& d : due) keys.insert(d.key);
    }
    return keys;
  }

  void CheckNothingWasForgotten(int64_t now_ms) {
    for (const auto& [key, stored] : history.now().entries) {
      if (stored.expire_at_ms == 0 || stored.expire_at_ms > now_ms - kLateMsMax) continue;
      FAIL(key << " expired, and nobody was told");
    }
  }

  static constexpr int64_t kLateMsMax = 250;
};

TEST_CASE("engine expiry: what is due is told, wherever it lies and whatever became of it") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    NameHistory(seed);
    ExpiryWorld world(seed);
    size_t told = 0;
    for (int step = 0; step < 400; ++step) {
      const uint64_t dice = world.random.Uniform(100);
      const std::string key = "s00key" + std::to_string(world.random.Uniform(300));
      if (dice < 60) {
        const auto in_ms = static_cast<int64_t>(world.random.Uniform(20'000)) + 1;
        world.Commit({PutOf(key, std::string(world.random.Uniform(200), 'v'),
                            world.random.OneIn(4) ? 0 : world.env.WallMs() + in_ms)});
      } else if (dice < 65) {
        if (world.history.now().entries.contains(key)) world.Commit({DeleteOf(key)});
      } else if (dice < 75) {
        world.env.AdvanceMs(world.random.Uniform(2000));
      } else if (dice < 90) {
        told += world.Drain();
      } else if (dice < 94) {
        Must(world.Flush());
      } else if (dice < 95) {
        Must(world.Compact());
      } else if (dice < 97) {
        Must(world.Sync());
        world.CrashAndCheck(CrashMode::kDropUnsynced);
      }
      world.engine->EndTurn();
      world.RunSome(8);
    }
    world.env.AdvanceMs(30'000);
    told += world.Drain();
    CHECK(told > 20);
    Must(world.CheckSettled());
  }
}

TEST_CASE(
    "engine expiry: one call looks at a bounded number of keys, also where nothing is left to "
    "tell") {
  ExpiryWorld world(1);
  const int64_t at_ms = world.env.WallMs() + 5000;
  for (int i = 0; i < 3000; ++i) {
    world.Commit({PutOf("s00key" + std::to_string(i), "v", at_ms + i % 7 * 300)});
  }
  Must(world.Compact());
  for (int i = 0; i < 3000; ++i) world.Commit({DeleteOf("s00key" + std::to_string(i))});
  world.env.SetWallMs(at_ms + 10'000);
  const auto looks = [&] {
    const EngineStats stats = world.engine->stats();
    return stats.block_hits + stats.block_reads_nowait + stats.block_reads_waited;
  };
  int calls = 0;
  for (bool more = true; more; ++calls) {
    std::vector<Due> due;
    ReadScope scope;
    const uint64_t before = looks();
    const Result<bool> taken = world.engine->TakeDue(at_ms + 10'000, 64, scope, &due);
    CHECK(looks() - before < 40);
    if (!taken.ok()) Must(world.Wait(scope));
    more = !taken.ok() || *taken;
  }
  CHECK(calls > 8);
}

TEST_CASE("engine expiry: of long keys one call tells few, and each of them") {
  ExpiryWorld world(1);
  const int64_t at_ms = world.env.WallMs() + 5000;
  const auto key = [](int i) { return "s00" + std::to_string(i) + std::string(300'000, 'k'); };
  for (int i = 0; i < 20; ++i) world.Commit({PutOf(key(i), "v", at_ms)});
  world.Commit({PutOf("s00", "an empty key", at_ms)});
  for (const bool in_tables : {false, true}) {
    CAPTURE(in_tables);
    if (in_tables) {
      for (int i = 0; i < 20; ++i) world.Commit({PutOf(key(i), "v", at_ms + 1000)});
      world.Commit({PutOf("s00", "an empty key", at_ms + 1000)});
      Must(world.Compact());
    }
    std::set<std::string> told;
    for (const auto& due : world.TakeAll(at_ms + (in_tables ? 2000 : 500), 64)) {
      size_t bytes = 0;
      for (const Due& d : due) bytes += d.key.size();
      CHECK(bytes < 2'000'000);
      for (const Due& d : due) CHECK(told.insert(d.key).second);
    }
    CHECK(told.size() == 21);
  }
}

TEST_CASE("engine expiry: where the telling of a long key had come to is passed on") {
  ExpiryWorld world(1);
  const int64_t at_ms = world.env.WallMs() + 5000;
  const auto key = [](int i) { return "s00" + std::string(3000, 'k') + std::to_string(i); };
  for (int i = 100; i < 150; ++i) world.Commit({PutOf(key(i), "v", at_ms)});
  Must(world.Flush());
  std::set<std::string> told;
  std::vector<Due> due;
  ReadScope scope;
  while (!world.engine->TakeDue(at_ms + 1000, 16, scope, &due).ok()) Must(world.Wait(scope));
  for (const Due& d : due) told.insert(d.key);
  CHECK(!told.empty());
  CHECK(told.size() < 50);
  for (int i = 100; i < 150; i += 10) world.Commit({PutOf(key(i) + "x", "v")});
  Must(world.Flush());
  Must(world.Compact());
  told.merge(ExpiryWorld::KeysOf(world.TakeAll(at_ms + 1000)));
  CHECK(told.size() == 50);
}

TEST_CASE("engine expiry: of many sources what is due first is told first") {
  ExpiryWorld world(2);
  const int64_t now_ms = world.env.WallMs();
  for (int i = 0; i < 600; ++i) {
    const auto in_ms = static_cast<int64_t>(world.random.Uniform(20'000)) + 1;
    world.Commit({PutOf("s00key" + std::to_string(i), "v", now_ms + in_ms)});
    if (i % 100 == 99 && i < 500) Must(world.Flush());
  }
  CHECK(world.engine->stats().tables > 2);
  world.env.SetWallMs(now_ms + 30'000);
  int64_t latest_ms = 0;
  size_t told = 0;
  for (const auto& due : world.TakeAll(now_ms + 30'000)) {
    for (const Due& d : due) {
      CHECK(d.at_ms >= latest_ms - 2 * kExpiryStretchMs);
      latest_ms = std::max(latest_ms, d.at_ms);
    }
    told += due.size();
  }
  CHECK(told == 600);
}

TEST_CASE("engine expiry: what was told is not told again when it has come to another table") {
  ExpiryWorld world(2);
  const int64_t now_ms = world.env.WallMs();
  constexpr int kKeys = 1000;
  const auto tell = [&](int64_t until_ms) {
    size_t told = 0;
    for (const auto& due : world.TakeAll(now_ms + until_ms)) told += due.size();
    return told;
  };
  for (int i = 0; i < kKeys; ++i) {
    // Tables overlap, so that they are merged.
    const std::string key = "s00key" + std::to_string(i * 7919 % kKeys);
    world.Commit({PutOf(key, "v", now_ms + 1 + 10 * i)});
    if (i % 300 == 299) Must(world.Flush());
  }
  size_t told = tell(3000);
  CHECK(told >= 275);
  // 25 keys expire in a stretch.
  Must(world.Flush());
  told += tell(6000);
  CHECK(told >= 575);
  CHECK(told <= 625);
  Must(world.Compact());
  told += tell(20'000);
  CHECK(told >= kKeys);
  CHECK(told <= kKeys + 50);
}

TEST_CASE("engine expiry: what could not be read is told later, also from another table") {
  for (const bool rewritten : {false, true}) {
    for (int failing = 1; failing <= 6; ++failing) {
      CAPTURE(rewritten);
      CAPTURE(failing);
      ExpiryWorld world(2);
      const int64_t at_ms = world.PutFifty();
      world.env.set_pending_percent(100);
      world.env.SetWallMs(at_ms + 1000);
      int waits = 0;
      world.before_wait = [&] {
        if (++waits == failing) world.env.FailNth(1);
      };
      std::set<std::string> told = ExpiryWorld::KeysOf(world.TakeAll(at_ms + 1000));
      CHECK(world.env.faults() == 1);
      CHECK(told.size() < 50);
      world.Heal();
      if (rewritten) {
        world.Commit({PutOf("s00key1", "v"), PutOf("s00key2", "v")});
        Must(world.Flush());
        Must(world.Compact());
      }
      told.merge(ExpiryWorld::KeysOf(world.TakeAll(at_ms + 3000)));
      CHECK(told.size() == 50);
    }
  }
}

TEST_CASE(
    "engine expiry: what was damaged is told by the table that is made of it once it is not") {
  size_t late = 0;
  for (uint64_t offset = 0, size = 1; offset < size; offset += 5) {
    CAPTURE(offset);
    ExpiryWorld world(2);
    const int64_t at_ms = world.PutFifty();
    std::vector<std::string> names = world.env.Names(TinyOptions().directory);
    std::erase_if(names, [](const std::string& name) { return !name.ends_with(".table"); });
    REQUIRE(names.size() == 1);
    const std::string path = JoinPath(TinyOptions().directory, names[0]);
    size = world.env.Contents(path).size();
    world.env.FlipBit(path, offset, 3);
    world.env.SetWallMs(at_ms + 1000);
    std::set<std::string> told = ExpiryWorld::KeysOf(world.TakeAll(at_ms + 1000));
    late += 50 - told.size();
    world.env.FlipBit(path, offset, 3);
    world.Commit({PutOf("s00key1", "v"), PutOf("s00key2", "v")});
    Must(world.Flush());
    Must(world.Compact());
    told.merge(ExpiryWorld::KeysOf(world.TakeAll(at_ms + 1000)));
    CHECK(told.size() == 50);
  }
  CHECK(late > 0);
}

TEST_CASE("engine expiry: a table of what was written again is read in calls of their own") {
  ExpiryWorld world(2);
  world.engine->SetMemoryLimit(64 << 20);
  const int64_t at_ms = world.env.WallMs() + 5000;
  const auto key = [](int i) { return "s00key" + std::to_string(10'000 + i); };
  for (int i = 0; i < 1000; ++i) world.Commit({PutOf(key(i), "v", at_ms + i)});
  Must(world.Flush());
  for (int i = 0; i < 1000; ++i) world.Commit({PutOf(key(i), "w", at_ms + 1'000'000)});
  world.env.set_pending_percent(100);
  world.env.SetWallMs(at_ms + 10'000);
  int waits = 0;
  world.before_wait = [&] { ++waits; };
  CHECK(ExpiryWorld::KeysOf(world.TakeAll(at_ms + 10'000)).empty());
  CHECK(waits > 20);
}

TEST_CASE("engine expiry: each is told once") {
  ExpiryWorld world(2);
  const int64_t at_ms = world.env.WallMs() + 5000;
  for (int i = 0; i < 200; ++i) {
    world.Commit({PutOf("s00key" + std::to_string(i), "v", at_ms + i * 10)});
  }
  for (int round = 0; round < 3; ++round) {
    if (round == 1) Must(world.Flush());
    if (round == 2) Must(world.Compact());
    CHECK(world.Drain() == 0);
  }
  world.env.SetWallMs(at_ms + 1000);
  const auto take = [&] {
    std::vector<Due> all;
    for (;;) {
      std::vector<Due> due;
      ReadScope scope;
      const Result<bool> more = world.engine->TakeDue(at_ms + 1000, 1000, scope, &due);
      if (!more.ok()) {
        Must(world.Wait(scope));
        continue;
      }
      if (due.empty() && !*more) return all.size();
      all.insert(all.end(), due.begin(), due.end());
    }
  };
  const size_t first = take();
  CHECK(first >= 70);
  CHECK(first <= 101);
  CHECK(take() == 0);
}

TEST_CASE("engine expiry: what tables hold is known to be the newest without a read of it") {
  EngineWorld world(1, [] {
    Options options = TinyOptions();
    options.memory_limit_bytes = 100'000;
    options.table_cache_bytes = 1'000'000;  // filters stay
    return options;
  }());
  Must(world.Open());
  const int64_t at_ms = world.env.WallMs() + 60'000;
  const std::string value(100, 'v');
  const auto key = [](int i) { return "s00key" + std::to_string(i); };
  for (int i = 0; i < 2000; ++i) {
    world.Commit({PutOf(key(i), value, at_ms)});
    if (i % 50 == 0) world.RunSome(20);
  }
  Must(world.Compact());
  // Every fifth one is overwritten, in a table above.
  for (int i = 0; i < 2000; i += 5) world.Commit({PutOf(key(i), value)});
  Must(world.Flush());
  Must(world.Sync());
  world.CrashAndCheck(CrashMode::kDropUnsynced);  // nothing in memory any more
  world.env.SetWallMs(at_ms + 1000);

  size_t newest = 0;
  size_t unsure = 0;
  std::vector<Due> due;
  for (bool more = true; more; due.clear()) {
    ReadScope scope;
    const Result<bool> taken = world.engine->TakeDue(at_ms + 1000, 64, scope, &due);
    if (!taken.ok()) Must(world.Wait(scope));
    more = !taken.ok() || *taken || !due.empty();
    for (const Due& d : due) {
      const int64_t found_ms = world.history.now().entries.at(d.key).expire_at_ms;
      if (d.newest) REQUIRE(found_ms == d.at_ms);
      ++(d.newest ? newest : unsure);
    }
  }
  CHECK(newest + unsure == 2000);
  CHECK(newest >= 1500);  // a filter errs now and then, or is not at hand yet
  CHECK(unsure >= 400);
}

TEST_CASE(
    "engine expiry: what expires at the end of time is not due before, in memory or in a table") {
  ExpiryWorld world(1);
  world.Commit({PutOf("s00last", "v", INT64_MAX), PutOf("s00", "an empty key", INT64_MAX - 1)});
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    world.env.AdvanceMs(60'000);
    CHECK(world.Drain() == 0);
    Must(world.Flush());
  }
  Must(world.CheckSettled());
}

}  // namespace
}  // namespace varve
