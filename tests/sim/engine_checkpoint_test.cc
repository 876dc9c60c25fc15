// tests/sim/engine_checkpoint_test.cc: checkpoints of histories by chance, and all that can go wrong with one.
//
// A checkpoint must open as a database and hold exactly what had been committed up to its group, which is no
// older than the question. Whatever happens to it, its source is none the worse, and where it was to be there is a
// whole one or none.
#include "engine/checkpoint/checkpoint_job.h"
#include "engine/checkpoint/copy_database.h"
#include "engine/checkpoint/partial_directory.h"
#include "engine/file_names.h"
#include "engine/version/manifest.h"
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

constexpr char kTarget[] = "/backup/one";
constexpr CrashMode kCrashModes[] = {CrashMode::kDropUnsynced, CrashMode::kKeepAll,
                                     CrashMode::kTorn, CrashMode::kRandomPages};

Entries ReadAll(Engine& engine, SimEnv& env) {
  ReadScope scope;
  for (;;) {
    Entries all;
    const std::unique_ptr<EntryIterator> it = engine.Scan({}, {}, scope);
    Status status;
    for (it->SeekToFirst(); it->Valid() && status.ok(); it->Next()) {
      const Entry& e = it->entry();
      if (e.kind != EntryKind::kPut) continue;
      Stored stored;
      status = StoredOf(engine, e, scope, &stored);
      all.emplace(e.key, std::move(stored));
    }
    if (status.ok()) status = it->status();
    if (status.ok()) return all;
    REQUIRE_MESSAGE(status.is_pending(), status.ToString());
    bool ready = false;
    scope.WhenReady([&ready] { ready = true; });
    while (!ready) REQUIRE(env.RunOneJob());
  }
}

class CheckpointWorld : public EngineWorld {
 public:
  explicit CheckpointWorld(uint64_t seed) : EngineWorld(seed, TinyOptions()) {
    Must(env.CreateDirectory("/backup").ok());
    Must(env.SyncDirectory("/").ok());
    NameHistory(seed);
  }

  // --- A history by chance ---

  void WriteSome(uint64_t turns) {
    for (; turns > 0 && AwaitWritable(); --turns) {
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

  // --- A checkpoint ---

  void Ask(const std::string& directory = kTarget) {
    outcome.reset();
    asked_group = engine->last_commit_group();
    engine->Checkpoint(directory, [this](const Result<CheckpointInfo>& made) {
      outcome.emplace(made);
      if (made.ok()) wanted = history.StateAt(made->group);
    });
  }
  bool Done() const { return outcome && outcome->ok(); }

  // Until there is an outcome, with writes going on. False if the power failed.
  bool AwaitOutcome() {
    for (int steps = 0; !outcome; ++steps) {
      REQUIRE(steps < 10'000);
      if (random.OneIn(4)) WriteSome(1);
      RunSome(4);
      if (steps % 50 == 49) env.AdvanceMs(500);
      if (steps == 2000) Heal();
      if (!env.power_is_on()) return false;
    }
    return true;
  }

  void MakeCheckpoint(const std::string& directory = kTarget) {
    Ask(directory);
    Must(AwaitOutcome());
    REQUIRE_MESSAGE(outcome->ok(), outcome->status().ToString());
    CHECK((*outcome)->group >= asked_group);
  }

  std::unique_ptr<Engine> OpenCopy(const std::string& directory) {
    Options copy = options;
    copy.directory = directory;
    Result<std::unique_ptr<Engine>> opened = Engine::Open(copy, env);
    REQUIRE_MESSAGE(opened.ok(), opened.status().ToString());
    return std::move(*opened);
  }

  void CheckHolds(Engine& copy, const HistoryState& state) {
    const Entries found = ReadAll(copy, env);
    if (!state.Agrees(found, latest_wall_ms())) FAIL(Differences(state, found));
  }

  // Opens it, compares it, lives in it, and goes.
  void CheckCheckpoint(const HistoryState& state, const std::string& directory = kTarget) {
    std::unique_ptr<Engine> copy = OpenCopy(directory);
    CheckHolds(*copy, state);
    HistoryState later = state;
    for (int i = 0; i < 30; ++i) {
      const Change change = PutOf("s97key" + std::to_string(i), std::string(300, 'n'));
      Batch batch;
      batch.Put(change.key, 0, 0, Slice(*change.stored.value));
      copy->Commit(batch);
      copy->EndTurn();
      later.Apply(change);
    }
    bool compacted = false;
    copy->Compact({}, {}, [&compacted](const Status&) { compacted = true; });
    env.RunUntil([&compacted] { return compacted; });
    CheckHolds(*copy, later);
    const Status closed = copy->Close();
    REQUIRE_MESSAGE(closed.ok(), closed.ToString());
  }

  // Whether nothing is there, or an empty directory.
  bool IsAbsent(const std::string& directory = kTarget) {
    const Result<std::vector<std::string>> names = env.List(directory);
    if (!names.ok()) REQUIRE(names.status().is_not_found());
    return !names.ok() || names->empty();
  }
  bool PartialIsLeft() { return env.Exists(std::string(kTarget) + ".partial"); }

  std::vector<std::string> Tables(const std::string& directory) {
    Result<std::vector<std::string>> names = env.List(directory);
    REQUIRE(names.ok());
    std::erase_if(*names, [](const std::string& name) { return !name.ends_with(".table"); });
    return std::move(*names);
  }

  uint64_t asked_group = 0;
  std::optional<Result<CheckpointInfo>> outcome;
  HistoryState wanted;  // of the checkpoint, once it is done

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
    value.resize(value.size() + random.Uniform(200), 'v');
    if (random.OneIn(60)) value.resize(70'000, 'l');
    int64_t expire_at_ms = 0;
    if (random.OneIn(8)) expire_at_ms = env.WallMs() + static_cast<int64_t>(random.Uniform(60'000));
    return PutOf(std::move(key), std::move(value), expire_at_ms);
  }

  uint64_t values_ = 0;
};

TEST_CASE("checkpoint: it holds what was there at its group, whatever goes on meanwhile") {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    CheckpointWorld world(seed);
    world.options.durability = static_cast<Durability>(seed % 3);
    Must(world.Open());
    world.WriteSome(world.random.Uniform(80));
    world.MakeCheckpoint();
    CHECK_FALSE(world.PartialIsLeft());
    CHECK((*world.outcome)->tables_copied == 0);
    world.WriteSome(world.random.Uniform(40));
    world.CheckCheckpoint(world.wanted);
    Must(world.AwaitWritable());
    world.CheckExactly(world.ScanAll());
    if (seed % 4 == 0) {
      world.MakeCheckpoint("/backup/two");
      world.CheckCheckpoint(world.wanted, "/backup/two");
    }
    if (seed % 8 == 0) Must(world.CheckSettled());
    Must(world.Close());
  }
}

TEST_CASE("checkpoint: it shares its tables with the source, and outlives it") {
  CheckpointWorld world(1);
  Must(world.Open());
  world.WriteSome(60);
  Must(world.AwaitWritable());
  Must(world.Flush());
  world.RunUntilIdle();
  world.Ask();
  world.RunUntilIdle();
  REQUIRE(world.Done());
  const std::vector<std::string> tables = world.Tables(kTarget);
  REQUIRE(tables.size() > 1);
  CHECK(tables == world.Tables("/db"));
  for (const std::string& name : tables) {
    CHECK(world.env.SameFile(JoinPath("/db", name), JoinPath(kTarget, name)));
  }
  CHECK((*world.outcome)->tables_linked == tables.size());
  CHECK((*world.outcome)->bytes_copied == 0);
  CHECK(world.engine->stats().checkpoints == 1);

  const Result<ManifestContents> manifest = ReadManifest(world.env, kTarget);
  REQUIRE(manifest.ok());
  CHECK(manifest->number < manifest->state.next_file_number);
  CHECK(manifest->state.first_log_segment == 0);
  CHECK(manifest->state.log_ends.empty());
  CHECK(manifest->state.flushed_group == (*world.outcome)->group);

  const HistoryState wanted = world.wanted;
  Must(world.CheckSettled());
  world.RunUntilIdle();
  CHECK(world.Tables(kTarget) == tables);
  world.Restart(CrashMode::kDropUnsynced);
  const Result<std::vector<std::string>> names = world.env.List("/db");
  for (const std::string& name : *names) REQUIRE(world.env.Remove(JoinPath("/db", name)).ok());
  world.CheckCheckpoint(wanted);
}

TEST_CASE("checkpoint: what is replaced before it is linked stays until then, and no longer") {
  CheckpointWorld world(2);
  Must(world.Open());
  world.WriteSome(60);
  Must(world.AwaitWritable());
  world.RunUntilIdle();
  world.env.HoldLane(Lane::kCheckpoint, true);
  world.Ask();
  world.RunUntilIdle();
  REQUIRE(!world.outcome);
  for (int i = 0; i < 20; ++i) {
    world.Commit({PutOf("s98key" + std::to_string(i), std::string(400, 'x'))});
    world.engine->EndTurn();
  }
  Must(world.Compact());
  world.RunUntilIdle();
  CHECK(world.engine->stats().snapshot_held_bytes > 0);
  CHECK(world.Tables("/db").size() > world.engine->stats().tables);
  world.env.HoldLane(Lane::kCheckpoint, false);
  world.RunUntilIdle();
  REQUIRE(world.Done());
  CHECK(world.Tables("/db").size() == world.engine->stats().tables);
  CHECK(world.engine->stats().snapshot_held_bytes == 0);
  world.CheckCheckpoint(world.wanted);
}

TEST_CASE("checkpoint: what dies after it was asked for lives in it") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    CheckpointWorld world(seed);
    Must(world.Open());
    world.env.HoldLane(Lane::kFlush, true);
    world.Commit({PutOf("s10first", "of the generation that is being flushed")});
    world.engine->Flush([](const Status&) {});
    world.Commit({PutOf("s10second", "of the next one"), PutOf("s11other", "value")});
    world.engine->EndTurn();
    world.Ask();
    world.Commit({KillOf("s10")});
    world.engine->EndTurn();
    Must(world.Sync());  // now a flush may rely on the log for it
    world.env.HoldLane(Lane::kFlush, false);
    world.RunUntilIdle();
    REQUIRE(world.Done());
    CHECK((*world.outcome)->group == world.asked_group);
    CHECK(world.wanted.entries.size() == 3);
    world.CheckCheckpoint(world.wanted);
  }
}

TEST_CASE("checkpoint: what cannot be is refused, and changes nothing") {
  CheckpointWorld world(3);
  Must(world.Open());
  world.WriteSome(20);
  Must(world.AwaitWritable());
  const auto refused_with = [&world](const std::string& directory) {
    world.Ask(directory);
    world.RunUntilIdle();
    REQUIRE(world.outcome);
    return world.outcome->status().code();
  };
  CHECK(refused_with("/db") == StatusCode::kInvalidArgument);  // not empty
  CHECK(refused_with("/backup/000001.table") == StatusCode::kInvalidArgument);
  CHECK(refused_with("/backup/new.tmp/") == StatusCode::kInvalidArgument);
  CHECK(refused_with("/nowhere/new") == StatusCode::kIoError);
  CHECK(world.env.List("/backup")->empty());
  REQUIRE(world.env.CreateDirectory("/backup/empty").ok());
  CHECK(refused_with("/backup/empty/") == StatusCode::kOk);
  CHECK(refused_with("/backup/empty") == StatusCode::kInvalidArgument);

  // One at a time.
  world.Ask();
  std::optional<Status> second;
  world.engine->Checkpoint("/backup/second",
                           [&](const Result<CheckpointInfo>& made) { second = made.status(); });
  REQUIRE(second);
  CHECK(second->code() == StatusCode::kUnavailable);
  world.RunUntilIdle();
  CHECK(world.Done());
  world.CheckExactly(world.ScanAll());
}

TEST_CASE("checkpoint: a stop of the database ends it, and leaves nothing or a whole one") {
  int aborted = 0;
  int made = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    CheckpointWorld world(seed);
    Must(world.Open());
    world.WriteSome(40);
    Must(world.AwaitWritable());
    world.Ask();
    world.RunSome(seed);
    Must(world.Close());
    REQUIRE(world.outcome);
    CHECK_FALSE(world.PartialIsLeft());
    if (world.Done()) {
      ++made;
    } else {
      ++aborted;
      CHECK(world.outcome->status().code() == StatusCode::kAborted);
      CHECK(world.IsAbsent());
    }
    world.CrashAndCheck(CrashMode::kDropUnsynced);
    if (world.Done()) world.CheckCheckpoint(world.wanted);
  }
  CHECK(aborted > 0);
  CHECK(made > 0);
}

TEST_CASE("checkpoint: a stop does not wait for tables to be linked or copied") {
  CheckpointWorld world(10);
  Must(world.Open());
  world.WriteSome(40);
  Must(world.AwaitWritable());
  world.env.HoldLane(Lane::kCheckpoint, true);
  world.Ask();
  Must(world.Sync());
  REQUIRE(!world.outcome);
  world.env.HoldLane(Lane::kCheckpoint, false);
  Must(world.Close());
  REQUIRE(world.outcome);
  CHECK(world.outcome->status().code() == StatusCode::kAborted);
  CHECK(world.env.List("/backup")->empty());

  world.Restart(CrashMode::kKeepAll);
  CheckpointControl control;
  control.on_progress = [&control](uint64_t, uint64_t, const std::string&) {
    control.cancelled = true;
  };
  CheckpointInfo info;
  CHECK(CopyDatabase(world.env, "/db", kTarget, control, &info).code() == StatusCode::kAborted);
  CHECK(info.tables_linked == 1);
  CHECK(world.env.List("/backup")->empty());
}

// After a crash or an error: a whole one or none, and the next attempt succeeds.
void CheckTarget(CheckpointWorld& world, const History& before) {
  if (world.IsAbsent()) {
    world.MakeCheckpoint();
    CHECK_FALSE(world.PartialIsLeft());
    world.CheckCheckpoint(world.wanted);
    return;
  }
  std::unique_ptr<Engine> copy = world.OpenCopy(kTarget);
  CHECK(copy->reported_group() >= world.asked_group);
  world.CheckHolds(*copy, before.StateAt(copy->reported_group()));
  REQUIRE(copy->Close().ok());
  copy.reset();
  world.Ask();
  Must(world.AwaitOutcome());
  CHECK(world.outcome->status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("checkpoint: the power may fail at any operation of it") {
  for (const CrashMode mode : kCrashModes) {
    CAPTURE(static_cast<int>(mode));
    int absent = 0;
    int whole = 0;
    uint64_t n = 0;
    for (bool untouched = false; !untouched;) {
      ++n;
      CAPTURE(n);
      CheckpointWorld world(1000 + n % 3);
      if (n % 2 == 0) {  // an empty directory to be replaced
        REQUIRE(world.env.CreateDirectory(kTarget).ok());
        REQUIRE(world.env.SyncDirectory("/backup").ok());
      }
      Must(world.Open());
      world.WriteSome(30);
      Must(world.AwaitWritable());
      world.Ask();
      world.env.CutPowerAfter(n);
      untouched = world.AwaitOutcome();
      const bool done = world.Done();
      const History before = world.history;
      const uint64_t asked_group = world.asked_group;
      world.CrashAndCheck(mode);
      world.asked_group = asked_group;
      if (done) CHECK_FALSE(world.IsAbsent());
      ++(world.IsAbsent() ? absent : whole);
      CheckTarget(world, before);
      world.LiveOnAndCheck();
    }
    CHECK(absent > 10);
    CHECK(whole > 0);
  }
}

void FailEach(StatusCode code, bool and_after) {
  CAPTURE(static_cast<int>(code));
  CAPTURE(and_after);
  uint64_t n = 0;
  for (bool untouched = false; !untouched;) {
    ++n;
    CAPTURE(n);
    CheckpointWorld world(2000 + n % 3);
    world.faulty = true;
    Must(world.Open());
    world.WriteSome(30);
    Must(world.AwaitWritable());
    world.env.FailNth(n, code, and_after);
    world.Ask();
    Must(world.AwaitOutcome());
    untouched = world.env.faults() == 0;
    if (!world.outcome->ok()) {
      CHECK(!world.outcome->status().message().empty());
      CHECK(code != StatusCode::kNotSupported);
      if (!and_after) CHECK_FALSE(world.PartialIsLeft());
    } else if (code == StatusCode::kNotSupported && !untouched) {
      CHECK((*world.outcome)->bytes_copied > 0);  // a table, or a value file
    }
    world.Heal();
    world.RunUntilIdle();  // a flush that had failed would be told to the next checkpoint
    Must(world.AwaitWritable());
    Must(world.Sync());
    world.faulty = false;
    world.CheckExactly(world.ScanAll());
    CheckTarget(world, world.history);
    world.CrashAndCheck(n % 2 == 0 ? CrashMode::kDropUnsynced : CrashMode::kKeepAll);
    Must(world.Close());
  }
}

TEST_CASE("checkpoint: any operation of it may fail") {
  FailEach(StatusCode::kIoError, false);
  FailEach(StatusCode::kIoError, true);
}

TEST_CASE("checkpoint: any operation of it may find the disk full") {
  FailEach(StatusCode::kNoSpace, false);
  FailEach(StatusCode::kNoSpace, true);
}

TEST_CASE("checkpoint: a flush that fails is told, though it is tried again for ever") {
  for (const Lane lane : {Lane::kFlush, Lane::kManifest}) {
    CheckpointWorld world(4);
    world.faulty = true;
    Must(world.Open());
    world.RunUntilIdle();
    world.Commit({PutOf("s10key", "value")});
    Must(world.Sync());
    world.env.HoldLane(lane, true);
    world.Ask();
    world.RunUntilIdle();
    REQUIRE(!world.outcome);
    world.env.FailNth(1, StatusCode::kIoError, true);
    world.env.HoldLane(lane, false);
    world.RunUntilIdle();
    REQUIRE(world.outcome);
    CHECK(world.outcome->status().code() == StatusCode::kIoError);
    CHECK_FALSE(world.engine->stats().checkpoint_running);
    world.Heal();
    Must(world.Flush());
    world.MakeCheckpoint();
    world.CheckCheckpoint(world.wanted);
  }
}

TEST_CASE("checkpoint: where links are impossible, tables are copied") {
  FailEach(StatusCode::kNotSupported, false);
  FailEach(StatusCode::kNotSupported, true);
}

TEST_CASE("checkpoint: a copy that does not fit leaves its room to the database") {
  CheckpointWorld world(5);
  world.faulty = true;
  Must(world.Open());
  world.WriteSome(60);
  Must(world.AwaitWritable());
  Must(world.Flush());
  world.RunUntilIdle();
  const DiskSpace space = *world.env.Space("/db");
  const uint64_t used = space.total_bytes - space.available_bytes;
  world.env.SetCapacity(used + world.engine->stats().table_bytes / 2);
  world.env.FailNth(1, StatusCode::kNotSupported, true);
  world.Ask();
  world.RunUntilIdle();
  REQUIRE(world.outcome);
  CHECK(world.outcome->status().code() == StatusCode::kNoSpace);
  CHECK(world.env.List("/backup")->empty());
  CHECK(world.engine->writable().ok());
  CHECK_FALSE(world.engine->stats().disk_full);
  CHECK(world.engine->stats().last_error.empty());
  world.CheckExactly(world.ScanAll());
}

TEST_CASE("checkpoint: on a full disk it is refused") {
  CheckpointWorld world(6);
  world.faulty = true;
  Must(world.Open());
  world.env.SetCapacity(0);
  while (world.engine->writable().ok()) {
    world.Commit({PutOf("s10key", std::string(5000, 'x'))});
    world.engine->EndTurn();
    world.RunUntilIdle();
    world.env.AdvanceMs(200);
  }
  REQUIRE(world.engine->writable().code() == StatusCode::kNoSpace);
  world.Ask();
  REQUIRE(world.outcome);
  CHECK(world.outcome->status().code() == StatusCode::kNoSpace);
}

TEST_CASE("checkpoint: removing one, the power may fail at any operation") {
  for (const CrashMode mode : kCrashModes) {
    for (uint64_t n = 1;; ++n) {
      CAPTURE(n);
      CheckpointWorld world(7);
      Must(world.Open());
      world.WriteSome(40);
      Must(world.AwaitWritable());
      world.MakeCheckpoint();
      const HistoryState wanted = world.wanted;
      world.env.CutPowerAfter(n);
      const Status removed = RemoveWhole(world.env, kTarget);
      const bool untouched = world.env.power_is_on();
      CHECK(removed.ok() == untouched);
      world.Restart(mode);
      if (world.env.Exists(kTarget)) {
        CHECK_FALSE(untouched);
        world.CheckCheckpoint(wanted);
      }
      if (untouched) break;
    }
  }
}

TEST_CASE("checkpoint: a removal that failed is finished later, and then the power may fail") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    bool removed = false;
    for (uint64_t failing = 1; !removed; ++failing) {
      bool finished = false;
      for (uint64_t last = 1; !finished; ++last) {
        CAPTURE(seed);
        CAPTURE(failing);
        CAPTURE(last);
        CheckpointWorld world(seed);
        Must(world.Open());
        world.WriteSome(10);
        Must(world.AwaitWritable());
        world.MakeCheckpoint();
        const HistoryState wanted = world.wanted;
        world.env.FailNth(failing);
        removed = RemoveWhole(world.env, kTarget).ok();
        world.Heal();
        world.env.CutPowerAfter(last);
        (void)RemovePartial(world.env, kTarget);
        finished = world.env.power_is_on();
        world.Restart(CrashMode::kRandomPages);
        if (world.env.Exists(kTarget)) world.CheckCheckpoint(wanted);
      }
    }
  }
}

// --- Of a closed database ------------------------------------------------------------------------

TEST_CASE("copy database: it recovers to what its source recovers to") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    CheckpointWorld world(seed);
    Must(world.Open());
    world.WriteSome(world.random.Uniform(60));
    Must(world.AwaitWritable());
    CheckpointControl control;
    CheckpointInfo info;
    CHECK(CopyDatabase(world.env, "/db", kTarget, control, &info).code() == StatusCode::kLocked);
    if (seed % 2 == 0) Must(world.Close());
    world.Restart(seed % 3 == 0 ? CrashMode::kRandomPages : CrashMode::kKeepAll);
    uint64_t told = 0;
    control.on_progress = [&told](uint64_t done, uint64_t total, const std::string&) {
      CHECK(done >= told);
      CHECK(done <= total);
      told = done;
    };
    const Status copied = CopyDatabase(world.env, "/db", kTarget, control, &info);
    REQUIRE_MESSAGE(copied.ok(), copied.ToString());
    CHECK(told == info.bytes);
    REQUIRE(CopyDatabase(world.env, "/db", "/backup/two", {}, &info).ok());

    Must(world.Open());
    world.CheckRecovered();
    const uint64_t group = world.engine->reported_group();
    const HistoryState state = world.history.now();
    world.WriteSome(30);  // over segments that were recycled, too
    Must(world.AwaitWritable());
    Must(world.Close());

    std::unique_ptr<Engine> copy = world.OpenCopy(kTarget);
    CHECK(copy->reported_group() == group);
    world.CheckHolds(*copy, state);
    REQUIRE(copy->Close().ok());
    copy.reset();
    // A copy is durable before anyone opens it.
    world.Restart(CrashMode::kDropUnsynced);
    world.CheckCheckpoint(state, "/backup/two");
  }
}

TEST_CASE(
    "copy database: who lives in a copy keeps what was promised, whenever the copying was killed") {
  int lived = 0;
  bool untouched = false;
  for (uint64_t n = 1; !untouched; ++n) {
    CAPTURE(n);
    CheckpointWorld world(3);
    Must(world.Open());
    world.WriteSome(20);
    Must(world.AwaitWritable());
    Must(world.Close());
    world.env.CutPowerAfter(n);
    CheckpointInfo info;
    CheckpointControl control;
    (void)CopyDatabase(world.env, "/db", kTarget, control, &info);
    untouched = world.env.power_is_on();
    world.env.Restart(CrashMode::kKeepAll);  // only the process has died
    if (!world.env.Exists(JoinPath(kTarget, kCurrentFileName))) continue;
    ++lived;
    world.options.durability = Durability::kAlways;
    {
      const std::unique_ptr<Engine> copy = world.OpenCopy(kTarget);
      Batch batch;
      batch.Put("s1promised", 0, 0, "value");
      const uint64_t group = copy->Commit(batch);
      copy->EndTurn();
      world.env.RunUntil([&] { return copy->reported_group() >= group; });
      world.env.CutPower();
      world.env.DropJobs();
    }
    world.env.Restart(CrashMode::kDropUnsynced);
    const std::unique_ptr<Engine> copy = world.OpenCopy(kTarget);
    CHECK(ReadAll(*copy, world.env).contains("s1promised"));
    Must(copy->Close().ok());
  }
  CHECK(lived >= 2);
}

TEST_CASE("copy database: any operation may fail, and then nothing is there") {
  for (const StatusCode code : {StatusCode::kIoError, StatusCode::kNoSpace}) {
    int spared = 0;
    for (uint64_t n = 1;; ++n) {
      CAPTURE(n);
      CheckpointWorld world(8);
      Must(world.Open());
      world.WriteSome(40);
      Must(world.Close());
      world.Restart(CrashMode::kKeepAll);
      world.env.FailNth(n, code);
      CheckpointInfo info;
      const Status copied = CopyDatabase(world.env, "/db", kTarget, {}, &info);
      const bool untouched = world.env.faults() == 0;
      if (untouched) CHECK(copied.ok());
      if (copied.ok() && !untouched) ++spared;
      CHECK_FALSE(world.PartialIsLeft());
      // Unless it was the very last sync that failed.
      if (!untouched && !world.IsAbsent()) CHECK_FALSE(world.env.List(kTarget)->empty());
      world.env.FailNth(0);
      world.CrashAndCheck(CrashMode::kDropUnsynced);
      Must(world.Close());
      if (untouched) break;
    }
    // A manifest that cannot be read has a copy, and there are two: each is opened, measured and read.
    CHECK(spared <= 8);
  }
}

TEST_CASE("copy database: what is no sound database is not copied") {
  CheckpointWorld world(9);
  CheckpointInfo info;
  const auto copy = [&] { return CopyDatabase(world.env, "/db", kTarget, {}, &info).code(); };
  CHECK(copy() == StatusCode::kNotFound);
  Must(world.Open());
  world.WriteSome(60);
  Must(world.AwaitWritable());
  Must(world.Flush());
  Must(world.Close());
  world.Restart(CrashMode::kKeepAll);
  const std::string table = JoinPath("/db", world.Tables("/db").front());
  const std::string bytes = world.env.Contents(table);
  world.env.SetContents(table, bytes + "x");
  CHECK(copy() == StatusCode::kCorruption);
  REQUIRE(world.env.Remove(table).ok());
  CHECK(copy() == StatusCode::kCorruption);
  CHECK(world.env.List("/backup")->empty());
  world.env.SetContents(table, bytes);
  CHECK(copy() == StatusCode::kOk);
}

}  // namespace
}  // namespace varve
