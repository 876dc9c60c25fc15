// tests/sim/engine_range_test.cc: ranges of keys that someone asked to have compacted.
//
// What crashes and faults do to that is in the histories (engine_random_test.cc, engine_faults_test.cc), which ask for
// ranges by chance.
#include <set>

#include "engine/compaction/policy.h"
#include "engine/file_names.h"
#include "engine/version/manifest.h"
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

constexpr int kKeys = 600;

std::string KeyOf(int n) { return "s00" + std::to_string(1000 + n); }

// Nothing is compacted unless it is asked for, and a job reads two or three tables.
Options AskedOnly() {
  Options options = TinyOptions();
  options.automatic_compaction = false;
  options.compaction_bytes_max = 10'000;
  return options;
}

struct RangeWorld : EngineWorld {
  explicit RangeWorld(uint64_t seed, const Options& options_in = AskedOnly())
      : EngineWorld(seed, options_in) {
    check_before_open = true;
    Must(Open());
  }

  void Put(int n, size_t size) {
    std::string value = std::to_string(++values) + ":";
    value.resize(size, static_cast<char>('a' + values % 26));
    Commit({PutOf(KeyOf(n), std::move(value))});
    engine->EndTurn();
    RunSome(6);
  }
  void Fill(size_t size = 100) {
    for (int n = 0; n < kKeys; ++n) Put(n, size);
    Must(Flush());
  }
  void Delete(int begin, int end) {
    for (int n = begin; n < end; ++n) {
      Commit({DeleteOf(KeyOf(n))});
      engine->EndTurn();
      RunSome(6);
    }
  }

  std::shared_ptr<const Version> version() {
    Result<ManifestContents> manifest = ReadManifest(env, "/db");
    REQUIRE_MESSAGE(manifest.ok(), manifest.status().ToString());
    return manifest->state.version;
  }
  FileList Tables(const std::function<bool(const FileMeta&)>& wanted) {
    FileList found;
    const std::shared_ptr<const Version> now = version();
    for (int level = 0; level < kLevels; ++level) {
      for (const FileRef& file : now->level(level)) {
        if (wanted(*file)) found.push_back(file);
      }
    }
    return found;
  }
  // By number, as the order may be another one.
  std::set<uint64_t> TablesBeside(const std::string& lower, const std::string& upper) {
    std::set<uint64_t> numbers;
    for (const FileRef& file : Tables([&](const FileMeta& f) {
           return f.level > 0 && (f.largest < lower || f.smallest >= upper);
         })) {
      numbers.insert(file->number);
    }
    return numbers;
  }

  void Ask(const std::string& lower, const std::string& upper) {
    outcomes.emplace_back();
    engine->Compact(lower, upper, [this, n = outcomes.size() - 1](const Status& status) {
      outcomes[n] = status;
      ended.push_back(n);
    });
  }

  int values = 0;
  std::vector<std::optional<Status>> outcomes;  // in the order in which they were asked for
  std::vector<size_t> ended;                    // in which they ended
};

TEST_CASE("engine ranges: a deleted range gives its space back, and nothing else is touched") {
  for (const PolicyKind policy : PolicyKinds()) {
    CAPTURE(ToString(policy));
    RangeWorld world(1);
    world.SetCompactionPolicy(policy);
    world.Fill();
    REQUIRE(world.Compact());
    const uint64_t full_bytes = world.version()->table_bytes();
    world.Delete(200, 400);
    REQUIRE(world.Flush());
    REQUIRE(world.version()->table_bytes() > full_bytes);
    const std::string lower = KeyOf(200);
    const std::string upper = KeyOf(400);
    const std::set<uint64_t> beside = world.TablesBeside(lower, upper);
    CHECK(beside.size() > 8);

    const EngineStats before = world.engine->stats();
    REQUIRE(world.Compact(lower, upper));
    const EngineStats after = world.engine->stats();
    CHECK(world.TablesBeside(lower, upper) == beside);
    CHECK(world.Tables([&](const FileMeta& f) { return f.tombstones > 0; }).empty());
    CHECK(world.version()->table_bytes() < full_bytes * 70 / 100);
    const uint64_t jobs = after.compactions - before.compactions;
    CHECK(jobs >= 2);
    CHECK(after.compaction_bytes_read - before.compaction_bytes_read < jobs * 20'000);
    CHECK(after.range_compactions == before.range_compactions + 1);
    CHECK(after.range_compactions_running == 0);
    CHECK(after.range_compaction_bytes_left == 0);
    world.CheckExactly(world.ScanAll());
    // It is through: there is nothing more to do.
    REQUIRE(world.Compact(lower, upper));
    CHECK(world.engine->stats().compactions == after.compactions);
    world.CrashAndCheck(CrashMode::kDropUnsynced);
    REQUIRE(world.CheckSettled());
  }
}

TEST_CASE("engine ranges: values that were overwritten there leave little garbage behind") {
  for (const PolicyKind policy : PolicyKinds()) {
    CAPTURE(ToString(policy));
    RangeWorld world(2);
    world.SetCompactionPolicy(policy);
    world.Fill(400);
    for (int i = 0; i < 500; ++i) {
      world.Put(static_cast<int>(world.random.Uniform(200)), 400);
    }
    REQUIRE(world.Flush());
    const auto garbage_percent = [&world] {
      const EngineStats stats = world.engine->stats();
      return 100 - 100 * stats.live_value_bytes / stats.value_bytes;
    };
    CHECK(garbage_percent() <= 5);  // as far as is known before they are merged
    REQUIRE(world.Compact(KeyOf(300), KeyOf(400)));
    const uint64_t relocated = world.engine->stats().value_bytes_relocated;
    REQUIRE(world.Compact("", KeyOf(200)));
    CHECK(world.engine->stats().value_bytes_relocated > relocated);
    CHECK(garbage_percent() <= 15);  // headers are counted too
    world.CheckExactly(world.ScanAll());
    REQUIRE(world.CheckSettled());
  }
}

TEST_CASE("engine ranges: each ends when it is through, and a small one does not wait for all") {
  RangeWorld world(3);
  world.Fill();
  REQUIRE(world.Compact());
  for (int round = 0; round < 5; ++round) {
    for (int n = round; n < kKeys; n += 6) world.Commit({DeleteOf(KeyOf(n))});
    REQUIRE(world.Flush());
  }
  world.Ask("", "");
  world.Ask(KeyOf(300), KeyOf(310));
  world.Ask(KeyOf(500), KeyOf(510));
  world.Ask("x", "");
  world.Ask("b", "a");
  CHECK(world.ended == std::vector<size_t>{3, 4});  // where nothing is
  CHECK(world.engine->stats().range_compactions_running == 3);
  REQUIRE(world.Await([&] { return world.ended.size() == 5; }));
  CHECK(world.ended.back() == 0);
  for (const auto& outcome : world.outcomes) CHECK(outcome->ok());
  CHECK(world.Tables([](const FileMeta& f) { return f.tombstones > 0; }).empty());
  world.CheckExactly(world.ScanAll());
}

TEST_CASE("engine ranges: one ends however much is written into it meanwhile") {
  for (const PolicyKind policy : PolicyKinds()) {
    CAPTURE(ToString(policy));
    RangeWorld world(4);
    world.SetCompactionPolicy(policy);
    world.Fill();
    world.Ask(KeyOf(100), KeyOf(500));
    const uint64_t compactions = world.engine->stats().compactions;
    for (int writes = 0; world.ended.empty(); ++writes) {
      REQUIRE(writes < 20'000);
      REQUIRE(world.AwaitWritable());
      world.Put(static_cast<int>(world.random.Uniform(kKeys)), 100);
    }
    CHECK(world.outcomes[0]->ok());
    CHECK(world.engine->stats().compactions > compactions);
    world.CheckExactly(world.ScanAll());
    REQUIRE(world.CheckSettled());
  }
}

TEST_CASE("engine ranges: the policy and a range have turns") {
  Options options = AskedOnly();
  options.automatic_compaction = true;
  options.compaction_policy = PolicyKind::kTiered;
  options.tier_runs = 8;
  RangeWorld world(5, options);
  for (int i = 0; i < 5 * kKeys; ++i) {
    world.Put(static_cast<int>(world.random.Uniform(kKeys)), 100);
  }
  REQUIRE(world.Flush());
  world.RunUntilIdle();
  // Another policy now has much to do.
  world.options.level1_bytes = 2048;
  world.options.compaction_policy = PolicyKind::kLeveled;
  REQUIRE(world.Close());
  world.Kill();
  REQUIRE(world.Open());
  world.Ask(KeyOf(100), KeyOf(120));
  for (int steps = 0; world.ended.empty() && steps < 100'000; ++steps) world.env.RunOneJob();
  REQUIRE(world.ended.size() == 1);
  const uint64_t compactions = world.engine->stats().compactions;
  world.RunUntilIdle();
  CHECK(world.engine->stats().compactions > 2 * compactions);

  // And while it has, it keeps level 0 short.
  world.Ask("", "");
  for (int n = 0; world.ended.size() < 2; ++n) {
    REQUIRE(n < 20'000);
    world.Put(n % kKeys, 100);
    CHECK(world.engine->stats().levels[0].tables < 12);
  }
  world.CheckExactly(world.ScanAll());
}

TEST_CASE("engine ranges: closing ends them") {
  for (const bool flushed : {false, true}) {
    CAPTURE(flushed);
    RangeWorld world(6);
    world.Fill();
    REQUIRE(world.Compact());
    world.Delete(0, 300);
    if (flushed) REQUIRE(world.Flush());
    world.Ask("", "");
    world.Ask(KeyOf(1), KeyOf(2));
    if (flushed) world.env.HoldLane(Lane::kCompaction, true);
    world.RunSome(flushed ? 50 : 0);
    CHECK(world.ended.empty());
    world.env.HoldLane(Lane::kCompaction, false);
    REQUIRE(world.Close());
    REQUIRE(world.ended.size() == 2);
    for (const auto& outcome : world.outcomes) CHECK(outcome->code() == StatusCode::kAborted);
    world.Ask("", "");
    CHECK(world.outcomes[2]->code() == StatusCode::kAborted);
    world.Restart(CrashMode::kDropUnsynced);
    REQUIRE(world.Open());
    world.CheckRecovered();
  }
}

TEST_CASE("engine ranges: a job that fails ends its range, and no other one") {
  RangeWorld world(7);
  world.Fill();
  REQUIRE(world.Compact());
  for (const int begin : {100, 400}) {
    world.Delete(begin, begin + 100);
    REQUIRE(world.Flush());
  }
  const FileList damaged =
      world.Tables([](const FileMeta& f) { return f.level > 0 && f.Spans(KeyOf(150)); });
  REQUIRE(damaged.size() == 1);
  world.env.FlipBit(JoinPath("/db", TableFileName(damaged[0]->number)), 10, 1);
  world.faulty = true;
  world.Ask(KeyOf(140), KeyOf(160));
  world.Ask(KeyOf(400), KeyOf(500));
  REQUIRE(world.Await([&] { return world.ended.size() == 2; }));
  CHECK(world.outcomes[0]->code() == StatusCode::kCorruption);
  CHECK(world.outcomes[1]->ok());
  CHECK(world.engine->stats().range_compactions_running == 0);
}

}  // namespace
}  // namespace varve
