// tests/sim/engine_snapshot_test.cc: snapshots of histories by chance, and all that may become of one.
//
// A snapshot holds exactly what had been committed up to its group, which is no older than the question, however long
// it is kept and whatever is written, flushed and compacted meanwhile. What it keeps on the disk goes when it goes.
// Crashes and faults are in the histories of engine_random_test.cc.
#include "engine/compaction/policy.h"
#include "engine/file_names.h"
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

using SnapshotRef = std::shared_ptr<const Snapshot>;

struct SnapshotWorld : EngineWorld {
  explicit SnapshotWorld(uint64_t seed) : EngineWorld(seed, TinyOptions()) {
    NameHistory(seed);
    Must(Open());
  }

  // --- A history by chance ---

  void WriteSome(uint64_t turns) {
    for (; turns > 0; --turns) {
      std::vector<Change> changes;
      for (uint64_t n = 1 + random.Uniform(4); n > 0; --n) changes.push_back(RandomChange());
      Commit(std::move(changes));
      if (random.OneIn(30)) Commit({KillOf(LivePrefix())});
      if (!random.OneIn(3)) engine->EndTurn();
      RunSome(8);
      if (random.OneIn(10)) env.AdvanceMs(random.Uniform(1200));
      if (random.OneIn(15)) engine->Flush([](const Status&) {});
      if (random.OneIn(25)) engine->Compact({}, {}, [](const Status&) {});
    }
  }

  void Put(const std::string& key, const std::string& value) {
    Commit({PutOf(key, value)});
    engine->EndTurn();
  }

  // --- Snapshots ---

  struct Taken {
    SnapshotRef snapshot;
    HistoryState wanted;
    bool has(const std::string& key) const { return wanted.entries.contains(key); }
  };

  // It comes when it comes.
  void Ask() {
    const uint64_t asked_group = engine->last_commit_group();
    engine->TakeSnapshot([this, asked_group](const Result<SnapshotRef>& taken) {
      REQUIRE_MESSAGE(taken.ok(), taken.status().ToString());
      const uint64_t group = (*taken)->group();
      CHECK(group >= asked_group);
      all.push_back({*taken, history.StateAt(group)});
    });
  }
  Taken Take() {
    const size_t before = all.size();
    Ask();
    RunUntilIdle();
    REQUIRE(all.size() == before + 1);
    const Taken taken = all.back();
    all.pop_back();
    return taken;
  }
  void Check(const Taken& taken) {
    const Result<Entries> found = EntriesOf(*taken.snapshot);
    REQUIRE_MESSAGE(found.ok(), found.status().ToString());
    RequireHolds(*found, taken.wanted, latest_wall_ms());
  }

  // --- Files ---

  std::vector<std::string> Files() {
    std::vector<std::string> names = env.Names("/db");
    std::erase_if(names, [](const std::string& name) {
      return !name.ends_with(".table") && !name.ends_with(".values");
    });
    return names;
  }
  size_t LiveFiles() const { return engine->stats().tables + engine->stats().value_files; }
  void EndTurnAndWait() {
    engine->EndTurn();
    RunUntilIdle();
  }

  std::vector<Taken> all;

 private:
  std::string LivePrefix() {
    uint64_t skip = random.Uniform(3);
    const bool space = !random.OneIn(4);
    for (int number = 10;; ++number) {
      std::string prefix = (space ? "s" : "c") + std::to_string(number);
      if (number == 96) FAIL("out of prefixes");
      if (!history.now().dead.contains(prefix) && skip-- == 0) return prefix;
    }
  }

  Change RandomChange() {
    std::string key = LivePrefix() + std::to_string(random.Uniform(40));
    if (random.OneIn(3) && history.now().entries.contains(key)) return DeleteOf(std::move(key));
    std::string value = std::to_string(++values_) + ":";
    value.resize(value.size() + random.Uniform(300), 'v');
    int64_t expire_at_ms = 0;
    if (random.OneIn(8)) expire_at_ms = env.WallMs() + static_cast<int64_t>(random.Uniform(60'000));
    return PutOf(std::move(key), std::move(value), expire_at_ms,
                 static_cast<uint8_t>(random.Uniform(kTagMax + 1)));
  }

  uint64_t values_ = 0;
};

TEST_CASE("snapshot: it holds what was there at its group, however long it is kept") {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    SnapshotWorld world(seed);
    world.SetDurability(static_cast<Durability>(seed % 3));
    world.SetCompactionPolicy(PolicyKinds()[seed % PolicyKinds().size()]);
    for (uint64_t round = 4 + world.random.Uniform(8); round > 0; --round) {
      world.WriteSome(world.random.Uniform(40));
      if (!world.random.OneIn(3)) world.Ask();
      if (world.random.OneIn(3)) world.Ask();
      while (!world.all.empty() && world.random.OneIn(2)) {
        const uint64_t one = world.random.Uniform(world.all.size());
        world.Check(world.all[one]);
        if (world.random.OneIn(2)) {
          world.all.erase(world.all.begin() + static_cast<ptrdiff_t>(one));
        }
      }
    }
    // Nothing waits for those that are left, not even the merge of everything.
    Must(world.CheckSettled());
    for (const auto& taken : world.all) world.Check(taken);
    CHECK(world.engine->stats().snapshots == world.all.size());
    world.all.clear();
    world.EndTurnAndWait();
    CHECK(world.Files().size() == world.LiveFiles());
    CHECK(world.engine->stats().snapshot_held_bytes == 0);
    Must(world.Close());
  }
}

TEST_CASE("snapshot: what it keeps on the disk goes when nobody holds it any more") {
  SnapshotWorld world(1);
  const auto stats = [&world] { return world.engine->stats(); };
  world.WriteSome(60);
  Must(world.Flush());
  world.RunUntilIdle();
  CHECK(stats().snapshots == 0);
  CHECK(stats().snapshot_oldest_ms == 0);
  auto first = world.Take();
  world.env.AdvanceMs(5000);
  world.WriteSome(30);
  auto second = world.Take();
  world.env.AdvanceMs(2000);
  auto another = second.snapshot;
  Must(world.CheckSettled());
  world.RunUntilIdle();
  CHECK(stats().snapshots == 2);
  CHECK(stats().snapshot_oldest_ms >= 7000);
  CHECK(stats().snapshot_oldest_ms < 60'000);
  const uint64_t both = stats().snapshot_held_bytes;
  CHECK(both > 0);
  uint64_t on_disk = 0;
  for (const std::string& name : world.Files()) {
    on_disk += world.env.Contents(JoinPath("/db", name)).size();
  }
  CHECK(on_disk == stats().table_bytes + stats().value_bytes + both);

  first.snapshot.reset();
  world.EndTurnAndWait();
  CHECK(stats().snapshots == 1);
  CHECK(stats().snapshot_oldest_ms < 60'000);
  CHECK(stats().snapshot_held_bytes < both);
  CHECK(stats().snapshot_held_bytes > 0);
  world.Check(second);
  second.snapshot.reset();
  world.EndTurnAndWait();
  CHECK(stats().snapshots == 1);
  CHECK(stats().snapshot_held_bytes > 0);

  // An iterator is enough.
  std::unique_ptr<EntryIterator> it = another->Scan({}, {});
  another.reset();
  world.EndTurnAndWait();
  Entries found;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const Entry& e = it->entry();
    found.emplace(e.key,
                  Stored{e.tag, e.expire_at_ms, std::make_shared<const std::string>(e.value)});
  }
  REQUIRE(it->status().ok());
  RequireHolds(found, second.wanted, world.latest_wall_ms());
  it.reset();
  world.EndTurnAndWait();
  CHECK(stats().snapshots == 0);
  CHECK(stats().snapshot_held_bytes == 0);
  CHECK(world.Files().size() == world.LiveFiles());
}

TEST_CASE("snapshot: a job may hold it, and let go of it") {
  SnapshotWorld world(2);
  world.WriteSome(60);
  const auto wanted = std::make_shared<HistoryState>();
  const auto found = std::make_shared<std::optional<Result<Entries>>>();
  world.engine->TakeSnapshot([&world, wanted, found](Result<SnapshotRef> taken) {
    REQUIRE(taken.ok());
    *wanted = world.history.StateAt((*taken)->group());
    world.env.Schedule(
        Lane::kRead, [snapshot = std::move(*taken), found] { *found = EntriesOf(*snapshot); },
        [] {});
  });
  world.env.HoldLane(Lane::kRead, true);
  world.WriteSome(60);
  Must(world.Compact());
  CHECK(world.engine->stats().snapshots == 1);
  CHECK(world.engine->stats().snapshot_held_bytes > 0);
  world.env.HoldLane(Lane::kRead, false);
  Must(world.Close());  // which waits for jobs
  REQUIRE(*found);
  REQUIRE((*found)->ok());
  RequireHolds(***found, *wanted, world.latest_wall_ms());
  CHECK(world.engine->stats().snapshots == 0);
  CHECK(world.Files().size() == world.LiveFiles());
}

TEST_CASE("snapshot: it is read from anywhere to anywhere, without tombstones, with large values") {
  SnapshotWorld world(3);
  for (const char* key : {"s10a", "s10c", "s10e", "s10g"}) world.Put(key, std::string(key) + "1");
  world.Put("s10large", std::string(2000, 'l'));
  Must(world.Flush());
  world.Commit({DeleteOf("s10c"), PutOf("s10e", "overwritten"), DeleteOf("s10x")});
  world.Put("s10huge", std::string(70'000, 'h'));
  const auto taken = world.Take();
  CHECK(world.engine->stats().value_files > 0);
  const auto keys_of = [&](Slice lower, Slice upper) {
    const Result<Entries> entries = EntriesOf(*taken.snapshot, lower, upper);
    REQUIRE(entries.ok());
    std::string keys;
    for (const auto& [key, stored] : *entries) keys += key.substr(3) + " ";
    return keys;
  };
  CHECK(keys_of({}, {}) == "a e g huge large ");
  CHECK(keys_of("s10b", "s10g") == "e ");
  CHECK(keys_of("s10e", "s10large") == "e g huge ");
  CHECK(keys_of("s10huge", {}) == "huge large ");
  CHECK(keys_of("s11", {}).empty());
  CHECK(keys_of({}, "s1").empty());

  const auto it = taken.snapshot->Scan("s10b", "s10h");
  it->Seek("s10f");
  REQUIRE(it->Valid());
  CHECK(it->entry().key == "s10g");
  it->Seek("s10a");  // never before the lower bound
  REQUIRE(it->Valid());
  CHECK(it->entry().value == "overwritten");
  it->Seek("s10h");
  CHECK_FALSE(it->Valid());
  CHECK(it->status().ok());
}

TEST_CASE("snapshot: what died before it is not there, what dies after it is") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    SnapshotWorld world(seed);
    // Compactions would bury what is dead.
    world.env.HoldLane(Lane::kCompaction, true);
    // Deserts to be stepped through and jumped over, at either end of a prefix's neighbours.
    for (int i = 0; i < 40 + static_cast<int>(seed) * 5; ++i) {
      world.Put("s11" + std::to_string(100 + i), "dead");
      world.Put("c99" + std::to_string(100 + i), "dead");
    }
    world.Commit({PutOf("s10z", "1"), PutOf("s120", "2"), PutOf("s13one", "3")});
    world.Commit({PutOf("zz\xff", "dead, and nothing comes behind it")});
    Must(world.Flush());
    world.Commit({KillOf("s11"), KillOf("c99"), KillOf("zz\xff")});
    Must(world.Flush());
    const auto before = world.Take();
    CHECK(before.wanted.entries.size() == 3);
    world.Check(before);

    // Of two generations, the first of which is being flushed when somebody asks; and then comes a death that a
    // flush might rely on the log for.
    world.env.HoldLane(Lane::kFlush, true);
    world.Put("s14first", "of the generation that is being flushed");
    world.engine->Flush([](const Status&) {});
    world.Commit({PutOf("s14second", "of the next one")});
    world.engine->EndTurn();
    world.Ask();
    const uint64_t asked_group = world.engine->last_commit_group();
    world.Commit({KillOf("s14"), KillOf("s13")});
    world.engine->EndTurn();
    Must(world.Sync());
    world.env.HoldLane(Lane::kFlush, false);
    world.RunUntilIdle();
    REQUIRE(world.all.size() == 1);
    const auto after = world.all.back();
    CHECK(after.snapshot->group() == asked_group);
    CHECK(after.wanted.entries.size() == 5);
    world.Check(after);
    world.env.HoldLane(Lane::kCompaction, false);
    Must(world.CheckSettled());
    CHECK(world.history.now().entries.size() == 2);
    world.Check(before);
    world.Check(after);
  }
}

TEST_CASE("snapshot: long stretches of what is dead are jumped over") {
  SnapshotWorld world(4);
  for (int i = 0; i < 40; ++i) {
    std::vector<Change> changes;
    for (int j = 0; j < 100; ++j) {
      changes.push_back(PutOf("s11" + std::to_string(10'000 + 100 * i + j), std::string(100, 'd')));
    }
    world.Commit(std::move(changes));
    world.engine->EndTurn();
    world.RunUntilIdle();
  }
  Must(world.Compact());
  CHECK(world.engine->stats().tables >= 40);
  // The death is durable before any table is dropped for it, and so is the snapshot.
  world.Commit({PutOf("s10key", "alive"), PutOf("s12key", "alive"), KillOf("s11")});
  const auto taken = world.Take();
  const uint64_t before = world.env.operations();
  world.Check(taken);
  CHECK(world.env.operations() - before < 40);
}

TEST_CASE("snapshot: it may be read on when the database is closed, or gone") {
  for (const bool close : {true, false}) {
    CAPTURE(close);
    SnapshotWorld world(5);
    world.WriteSome(60);
    auto taken = world.Take();
    world.WriteSome(60);
    Must(world.CheckSettled());
    const size_t live = world.LiveFiles();
    if (close) Must(world.Close());
    world.Check(taken);
    world.Kill();
    world.Check(taken);
    CHECK(world.Files().size() > live);

    // Nobody opens the database under it. Then nothing is left behind.
    CHECK(world.TryOpen().code() == StatusCode::kLocked);
    world.Check(taken);
    taken.snapshot.reset();
    Must(world.Open());
    world.RunUntilIdle();
    CHECK(world.Files().size() == world.LiveFiles());
    world.CheckRecovered();
    Must(world.CheckSettled());
    world.check_before_open = true;
    world.CrashAndCheck(CrashMode::kDropUnsynced);
  }
}

TEST_CASE("snapshot: a stop of the database ends the wait for one") {
  SnapshotWorld world(6);
  world.WriteSome(20);
  world.RunUntilIdle();
  world.Put("s10key", "value");
  std::vector<StatusCode> outcomes;
  const auto note = [&](const Result<SnapshotRef>& taken) {
    outcomes.push_back(taken.status().code());
  };
  world.env.HoldLane(Lane::kFlush, true);
  world.engine->TakeSnapshot(note);
  world.engine->TakeSnapshot(note);
  Must(world.Sync());
  CHECK(outcomes.empty());
  world.env.HoldLane(Lane::kFlush, false);
  Must(world.Close());
  world.engine->TakeSnapshot(note);
  CHECK(outcomes == std::vector<StatusCode>(3, StatusCode::kAborted));
}

TEST_CASE("snapshot: a flush that fails is told, though it is tried again for ever") {
  for (const Lane lane : {Lane::kFlush, Lane::kManifest}) {
    SnapshotWorld world(7);
    world.faulty = true;
    world.RunUntilIdle();
    world.Put("s10key", "value");
    Must(world.Sync());
    world.env.HoldLane(lane, true);
    std::vector<StatusCode> outcomes;
    const auto note = [&](const Result<SnapshotRef>& taken) {
      outcomes.push_back(taken.status().code());
    };
    world.engine->TakeSnapshot(note);
    world.engine->TakeSnapshot(note);
    world.RunUntilIdle();
    CHECK(outcomes.empty());
    world.env.FailNth(1, StatusCode::kIoError, true);
    world.env.HoldLane(lane, false);
    world.RunUntilIdle();
    CHECK(outcomes == std::vector<StatusCode>(2, StatusCode::kIoError));
    world.Heal();
    Must(world.Flush());
    world.Check(world.Take());
  }
}

TEST_CASE("snapshot: on a full disk it is refused") {
  SnapshotWorld world(8);
  world.faulty = true;
  world.env.SetCapacity(0);
  while (world.engine->writable().ok()) {
    world.Put("s10key", std::string(5000, 'x'));
    world.RunUntilIdle();
    world.env.AdvanceMs(200);
  }
  REQUIRE(world.engine->writable().code() == StatusCode::kNoSpace);
  std::optional<StatusCode> outcome;
  world.engine->TakeSnapshot(
      [&](const Result<SnapshotRef>& taken) { outcome = taken.status().code(); });
  REQUIRE(outcome);
  CHECK(*outcome == StatusCode::kNoSpace);
}

TEST_CASE("snapshot: any read of it may fail, and is told; a second try has all of it") {
  SnapshotWorld world(9);
  world.WriteSome(60);
  const auto taken = world.Take();
  uint64_t n = 0;
  for (bool untouched = false; !untouched;) {
    const uint64_t faults = world.env.faults();
    world.env.FailNth(++n);
    const Result<Entries> found = EntriesOf(*taken.snapshot);
    untouched = world.env.faults() == faults;
    CHECK(found.ok() == untouched);
    if (!found.ok()) CHECK(found.status().code() == StatusCode::kIoError);
    world.env.FailNth(0);
    world.Check(taken);
  }
  CHECK(n > 20);
}

TEST_CASE("snapshot: what is damaged is named") {
  for (const char* ending : {".table", ".values"}) {
    CAPTURE(ending);
    SnapshotWorld world(10);
    for (int i = 0; i < 20; ++i) world.Put("s10key" + std::to_string(i), std::string(300, 'v'));
    const auto taken = world.Take();
    const std::vector<std::string> names = world.Files();
    const auto name = std::find_if(names.begin(), names.end(),
                                   [&](const std::string& n) { return n.ends_with(ending); });
    REQUIRE(name != names.end());
    world.env.FlipBit(JoinPath("/db", *name), 100, 3);
    const Result<Entries> found = EntriesOf(*taken.snapshot);
    CHECK(found.status().code() == StatusCode::kCorruption);
    CHECK(found.status().message().find(*name) != std::string::npos);
  }
}

TEST_CASE("snapshot: many files are removed a few at a time, so that edits need not wait") {
  SnapshotWorld world(11);
  world.env.HoldLane(Lane::kCompaction, true);
  for (int i = 0; i < 60; ++i) {
    world.Put("s10key", std::to_string(i));
    Must(world.Flush());
  }
  auto taken = world.Take();
  world.env.HoldLane(Lane::kCompaction, false);
  Must(world.Compact());
  world.RunUntilIdle();
  const size_t held = world.Files().size() - world.LiveFiles();
  CHECK(held > 50);
  taken.snapshot.reset();
  std::vector<std::string> removals;  // of one job of the lane each
  world.env.TraceTo([&](const std::string& line) {
    if (line.find("remove") != std::string::npos) {
      removals.back() += 'r';
    } else if (removals.empty() || !removals.back().empty()) {
      removals.emplace_back();
    }
  });
  world.engine->EndTurn();
  world.RunUntilIdle();
  world.env.TraceTo({});
  size_t removed = 0;
  for (const std::string& one : removals) {
    CHECK(one.size() <= 16);
    removed += one.size();
  }
  CHECK(removed == held);
  CHECK(world.Files().size() == world.LiveFiles());
}

}  // namespace
}  // namespace varve
