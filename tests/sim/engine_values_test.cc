// tests/sim/engine_values_test.cc: large values, from the flush that writes them to the day their space comes back.
//
// What crashes and faults do to them is in the histories (engine_random_test.cc, engine_faults_test.cc), whose options
// send values to value files as well.
#include "engine/checkpoint/checkpoint_info.h"
#include "engine/compaction/policy.h"
#include "engine/file_names.h"
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

constexpr int kKeys = 100;
constexpr size_t kValueBytes = 1000;

Options LargeValues() {
  Options options = TinyOptions();
  options.generation_bytes = 16 << 10;
  options.segment_bytes = 8 << 10;
  options.log_bytes_per_generation = 32 << 10;
  options.value_file_bytes = 8 << 10;
  options.compaction_bytes_max = 64 << 10;
  return options;
}

std::string KeyOf(uint64_t n) { return "s00" + std::to_string(1000 + n); }

struct ValueWorld : EngineWorld {
  explicit ValueWorld(uint64_t seed, const Options& options_in = LargeValues())
      : EngineWorld(seed, options_in) {
    check_before_open = true;
    Must(Open());
  }

  void Put(uint64_t n, size_t size = kValueBytes) {
    std::string value = std::to_string(++values) + ":";
    value.resize(size, static_cast<char>('a' + values % 26));
    Commit({PutOf(KeyOf(n), std::move(value))});
    engine->EndTurn();
    RunSome(6);
  }
  // Ten seconds are a while, and the disk is as fast as it likes.
  void LetTimePass() {
    for (int i = 0; i < 8; ++i) {
      env.AdvanceMs(5'000);
      RunUntilIdle();
    }
  }
  uint64_t LiveBytes() const {
    uint64_t bytes = 0;
    for (const auto& [key, stored] : history.now().entries) bytes += stored.value->size();
    return bytes;
  }
  std::vector<std::string> ValueFiles() {
    std::vector<std::string> names = env.Names("/db");
    std::erase_if(names, [](const std::string& name) { return !name.ends_with(".values"); });
    return names;
  }
  uint64_t BytesOf(const std::vector<std::string>& names) {
    uint64_t bytes = 0;
    for (const std::string& name : names) bytes += env.Contents(JoinPath("/db", name)).size();
    return bytes;
  }

  int values = 0;
};

TEST_CASE("engine values: a flush moves them out of the tables, and compactions leave them there") {
  ValueWorld world(1);
  for (uint64_t n = 0; n < kKeys; ++n) world.Put(n, n % 2 == 0 ? kValueBytes : 100);
  REQUIRE(world.Flush());
  world.RunUntilIdle();
  const EngineStats stats = world.engine->stats();
  CHECK(stats.live_value_bytes > kKeys / 2 * kValueBytes);
  CHECK(stats.live_value_bytes < kKeys / 2 * (kValueBytes + 100));
  CHECK(stats.table_bytes < kKeys / 2 * 300 + 10'000);
  const std::vector<std::string> files = world.ValueFiles();
  CHECK(files.size() == stats.value_files);
  CHECK(world.BytesOf(files) == stats.value_bytes);

  REQUIRE(world.Compact());
  CHECK(world.engine->stats().value_bytes_relocated == 0);
  CHECK(world.ValueFiles() == files);
  world.CheckExactly(world.ScanAll());
  // From the disk.
  world.CrashAndCheck(CrashMode::kDropUnsynced);
  for (uint64_t n = 0; n < kKeys; ++n) REQUIRE(world.CheckGet(KeyOf(n)));
  CHECK(world.engine->stats().value_bytes == stats.value_bytes);
  REQUIRE(world.CheckSettled());
}

TEST_CASE("engine values: the space of what was overwritten comes back by itself") {
  for (const PolicyKind policy : PolicyKinds()) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      CAPTURE(ToString(policy));
      CAPTURE(seed);
      ValueWorld world(seed);
      world.SetCompactionPolicy(policy);
      for (uint64_t n = 0; n < kKeys; ++n) world.Put(n);
      for (int i = 0; i < 10 * kKeys; ++i) world.Put(world.random.Uniform(kKeys));
      const EngineStats loaded = world.engine->stats();
      CHECK(loaded.value_bytes_relocated < loaded.user_bytes_written / 2);
      REQUIRE(world.Flush());
      world.LetTimePass();
      const EngineStats quiet = world.engine->stats();
      CHECK(quiet.value_bytes * 100 <= world.LiveBytes() * 120);
      CHECK(world.BytesOf(world.ValueFiles()) == quiet.value_bytes);

      // And what was deleted.
      for (uint64_t n = 0; n < kKeys; ++n) {
        if (n % 4 != 0) world.Commit({DeleteOf(KeyOf(n))});
      }
      REQUIRE(world.Flush());
      world.LetTimePass();
      CHECK(world.engine->stats().value_bytes * 100 <= world.LiveBytes() * 125);
      world.CheckExactly(world.ScanAll());
      world.CrashAndCheck(CrashMode::kDropUnsynced);
      // Nothing goes on for ever, and nothing is left to do.
      const uint64_t relocated = world.engine->stats().value_bytes_relocated;
      world.LetTimePass();
      CHECK(world.engine->stats().value_bytes_relocated == relocated);
      REQUIRE(world.CheckSettled());
    }
  }
}

TEST_CASE("engine values: a dead prefix takes its values along") {
  ValueWorld world(1);
  for (uint64_t n = 0; n < 20; ++n) world.Put(n);
  world.Commit({PutOf("s01key", std::string(kValueBytes, 'x'))});
  REQUIRE(world.Flush());
  world.Commit({KillOf("s00")});
  REQUIRE(world.Flush());
  world.LetTimePass();
  CHECK(world.engine->stats().value_files == 1);
  CHECK(world.engine->stats().live_value_bytes < 2 * kValueBytes);
  world.CheckExactly(world.ScanAll());
}

TEST_CASE("engine values: one that cannot be read is named, and others are served") {
  ValueWorld world(1);
  for (uint64_t n = 0; n < 5; ++n) world.Put(n);
  REQUIRE(world.Flush());
  Must(world.Close());
  world.Kill();
  // The third record: each has a header of 17 bytes, a key of 7, and the value.
  const std::string path = JoinPath("/db", world.ValueFiles().front());
  const uint64_t record = 40 + 2 * (17 + 7 + kValueBytes);
  world.env.FlipBit(path, record + 500, 3);
  world.check_before_open = false;
  Must(world.Open());
  for (uint64_t n = 0; n < 5; ++n) {
    CAPTURE(n);
    if (n != 2) {
      REQUIRE(world.CheckGet(KeyOf(n)));
      continue;
    }
    ReadScope scope;
    Value value;
    Status status = world.engine->Get(KeyOf(n), scope, &value);
    while (status.is_pending()) {
      REQUIRE(world.Wait(scope));
      status = world.engine->Get(KeyOf(n), scope, &value);
    }
    CHECK(status.code() == StatusCode::kCorruption);
    CHECK(status.message() == path + ": bad checksum at " + std::to_string(record));
    // Who does not want the bytes does not read them.
    CHECK(world.engine->Peek(KeyOf(n), scope, &value).ok());
    CHECK(value.bytes.empty());
  }
  CHECK(world.engine->stats().block_errors > 0);
  // Nor is it moved. Compactions go on, what lies beside it leaves, and the file stays.
  for (const uint64_t n : {0, 1, 3}) world.Put(n);
  REQUIRE(world.Flush());
  world.LetTimePass();
  const EngineStats stats = world.engine->stats();
  CHECK(stats.last_error.find(path + ": bad checksum at ") != std::string::npos);
  CHECK(stats.value_bytes_relocated > 0);
  CHECK(stats.levels[0].tables == 0);
  CHECK(world.env.Exists(path));
  world.LetTimePass();
  CHECK(world.engine->stats().value_bytes_relocated == stats.value_bytes_relocated);
  for (const uint64_t n : {0, 1, 3, 4}) REQUIRE(world.CheckGet(KeyOf(n)));
}

// Everything again and again, in any order.
void Overwrite(ValueWorld& world, int rounds) {
  for (int i = 0; i < rounds * kKeys; ++i) world.Put(world.random.Uniform(kKeys));
  REQUIRE(world.Flush());
  world.LetTimePass();
}

void RequireAllComesBack(ValueWorld& world) {
  world.env.AdvanceMs(11 * 60'000);
  world.LetTimePass();
  CHECK(world.engine->stats().unreadable_files == 0);
  CHECK(world.engine->stats().value_bytes * 100 <= world.LiveBytes() * 120);
  world.CheckExactly(world.ScanAll());
  REQUIRE(world.CheckSettled());
}

TEST_CASE("engine values: a file that cannot be opened stays, and the space of others comes back") {
  ValueWorld world(1);
  Overwrite(world, 1);
  const std::string path = JoinPath("/db", world.ValueFiles().front());
  const std::string away = path + ".away";
  REQUIRE(world.env.Rename(path, away).ok());
  Overwrite(world, 10);
  const EngineStats stats = world.engine->stats();
  CHECK(stats.last_error.find(path) != std::string::npos);
  CHECK(stats.levels[0].tables == 0);
  CHECK(stats.value_bytes * 100 <= (world.LiveBytes() + world.env.Contents(away).size()) * 120);
  REQUIRE(world.env.Rename(away, path).ok());
  RequireAllComesBack(world);
}

TEST_CASE(
    "engine values: what a damaged table refers to stays, and the space of others comes back") {
  for (const PolicyKind policy : PolicyKinds()) {
    CAPTURE(ToString(policy));
    Options options = LargeValues();
    options.table_bytes = 1024;
    options.value_file_bytes = 2048;  // many
    options.compaction_policy = policy;
    ValueWorld world(1, options);
    world.check_before_open = false;
    Overwrite(world, 2);
    REQUIRE(world.Compact());
    const uint64_t value_bytes = world.engine->stats().value_bytes;
    std::vector<std::string> tables = world.env.Names("/db");
    std::erase_if(tables, [](const std::string& name) { return !name.ends_with(".table"); });
    CHECK(tables.size() > 1);
    const std::string damaged = JoinPath("/db", tables[1]);
    world.env.FlipBit(damaged, 100, 3);
    Overwrite(world, 40);
    const EngineStats stats = world.engine->stats();
    CHECK(stats.last_error.find(damaged) != std::string::npos);
    CHECK(stats.value_bytes < 2 * (world.LiveBytes() + value_bytes));
    world.env.FlipBit(damaged, 100, 3);
    RequireAllComesBack(world);
  }
}

TEST_CASE("engine values: large ones are read from the disk once, and then cached") {
  Options options = LargeValues();
  options.block_cache_bytes = 4 << 20;
  ValueWorld world(1, options);
  world.Put(1, kSharedValueBytesMin + 1000);
  REQUIRE(world.Flush());
  world.CrashAndCheck(CrashMode::kKeepAll);
  const auto reads = [&] {
    const EngineStats stats = world.engine->stats();
    return stats.block_reads_nowait + stats.block_reads_waited;
  };
  REQUIRE(world.CheckGet(KeyOf(1)));
  const uint64_t before = reads();
  for (int i = 0; i < 5; ++i) REQUIRE(world.CheckGet(KeyOf(1)));
  CHECK(reads() == before);
}

TEST_CASE("engine values: a checkpoint keeps its value files while others go") {
  ValueWorld world(1);
  Must(world.env.CreateDirectory("/backup").ok());
  for (uint64_t n = 0; n < 30; ++n) world.Put(n);
  REQUIRE(world.Flush());
  world.env.HoldLane(Lane::kCheckpoint, true);
  std::optional<Result<CheckpointInfo>> made;
  world.engine->Checkpoint("/backup/one",
                           [&](const Result<CheckpointInfo>& info) { made.emplace(info); });
  world.RunUntilIdle();
  const HistoryState wanted = world.history.now();
  const std::vector<std::string> files = world.ValueFiles();
  for (int round = 0; round < 3; ++round) {
    for (uint64_t n = 0; n < 30; ++n) world.Put(n);
  }
  REQUIRE(world.Flush());
  world.LetTimePass();
  CHECK(world.engine->stats().snapshot_held_bytes >= world.BytesOf(files));
  CHECK(world.ValueFiles().size() > world.engine->stats().value_files);
  world.env.HoldLane(Lane::kCheckpoint, false);
  world.RunUntilIdle();
  REQUIRE(made);
  REQUIRE_MESSAGE(made->ok(), made->status().ToString());
  CHECK((*made)->value_files == files.size());
  CHECK(world.ValueFiles().size() == world.engine->stats().value_files);
  CheckReport report;
  REQUIRE(CheckDatabase(world.env, "/backup/one", &report).ok());
  CHECK_MESSAGE(report.sound(), ToString(report));

  Options copy = world.options;
  copy.directory = "/backup/one";
  Result<std::unique_ptr<Engine>> opened = Engine::Open(copy, world.env);
  REQUIRE_MESSAGE(opened.ok(), opened.status().ToString());
  for (const auto& [key, stored] : wanted.entries) {
    ReadScope scope;
    Value value;
    Status status = (*opened)->Get(key, scope, &value);
    while (status.is_pending()) {
      REQUIRE(world.Wait(scope));
      status = (*opened)->Get(key, scope, &value);
    }
    REQUIRE_MESSAGE(status.ok(), status.ToString());
    CHECK(value.bytes == *stored.value);
  }
  CHECK((*opened)->Close().ok());
}

}  // namespace
}  // namespace varve
