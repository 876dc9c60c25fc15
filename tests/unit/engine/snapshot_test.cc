// tests/unit/engine/snapshot_test.cc: workers read snapshots of a real database while its loop goes on.
//
// For the thread sanitizer above all: what a snapshot shares with the engine, and who lets go of it, and where. What it
// holds is compared here as well; everything else is in tests/sim/engine_snapshot_test.cc.
#include "engine/snapshot.h"

#include <uv.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/log.h"
#include "engine/engine.h"
#include "env/posix_env.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

using SnapshotRef = std::shared_ptr<const Snapshot>;
using Contents = std::map<std::string, std::string>;

// A loop, an Env on it, and a directory that goes away with them.
class World {
 public:
  World() {
    char name[] = "/tmp/varve-snapshot-XXXXXX";
    directory_ = mkdtemp(name);
    REQUIRE(uv_loop_init(&loop_) == 0);
    env_.emplace(&loop_);
    SetLogLevel(LogLevel::kWarning);
  }
  ~World() {
    SetLogLevel(log_level_);
    engine.reset();
    env_.reset();
    CHECK(uv_loop_close(&loop_) == 0);
    std::filesystem::remove_all(directory_);
  }

  void Open() {
    Options options;
    options.directory = directory_;
    options.memory_limit_bytes = 4 << 20;
    options.generation_bytes = 32 << 10;
    options.segment_bytes = 16 << 10;
    options.log_bytes_per_generation = 64 << 10;
    options.block_bytes = 1024;
    options.table_bytes = 16 << 10;
    options.level1_bytes = 64 << 10;
    options.level0_tables_compact = 2;
    options.value_file_threshold_bytes = 400;
    options.durability = Durability::kNo;
    Result<std::unique_ptr<Engine>> opened = Engine::Open(options, *env_);
    REQUIRE_MESSAGE(opened.ok(), opened.status().ToString());
    engine = std::move(*opened);
  }
  void Put(uint64_t key, size_t size) {
    std::string value = std::to_string(++values_) + ":";
    value.resize(size, static_cast<char>('a' + values_ % 26));
    const std::string name = "key" + std::to_string(1000 + key);
    Batch batch;
    batch.Put(name, 0, 0, Slice(value));
    engine->Commit(batch);
    model[name] = value;
  }
  void WriteSome(uint64_t turns) {
    for (; turns > 0; --turns) {
      for (uint64_t i = 0; i < 20; ++i) Put((turns * 7919 + i * 104729) % 500, 30 + i * 23);
      engine->EndTurn();
      uv_run(&loop_, UV_RUN_NOWAIT);
    }
  }
  Env& env() { return *env_; }

  std::unique_ptr<Engine> engine;
  Contents model;

 private:
  std::string directory_;
  uv_loop_t loop_;
  std::optional<PosixEnv> env_;
  uint64_t values_ = 0;
  const LogLevel log_level_ = GetLogLevel();
};

Result<Contents> ContentsOf(const Snapshot& snapshot) {
  Contents contents;
  const auto it = snapshot.Scan({}, {});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    contents.emplace(it->entry().key, it->entry().value);
  }
  if (!it->status().ok()) return it->status();
  return contents;
}

TEST_CASE("snapshot: workers read several at once while the loop writes, flushes and compacts") {
  World world;
  world.Open();
  world.WriteSome(30);
  int taken_count = 0;
  int compared = 0;
  constexpr int kSnapshots = 8;
  constexpr int kReaders = 3;  // of each
  for (int i = 0; i < kSnapshots; ++i) {
    world.engine->TakeSnapshot([&, wanted = world.model](const Result<SnapshotRef>& taken) {
      REQUIRE_MESSAGE(taken.ok(), taken.status().ToString());
      ++taken_count;
      for (int reader = 0; reader < kReaders; ++reader) {
        const auto found = std::make_shared<std::optional<Result<Contents>>>();
        // The worker lets go of it as well as the loop does, and nobody knows who is the last.
        world.env().Schedule(
            Lane::kRead,
            [snapshot = *taken, found]() mutable {
              *found = ContentsOf(*snapshot);
              snapshot.reset();
            },
            [&, found, wanted] {
              REQUIRE((*found)->ok());
              CHECK(***found == wanted);
              ++compared;
            });
      }
    });
    // Nothing is committed before it is there, so that it holds what the model holds now.
    world.env().RunUntil([&] { return taken_count == i + 1; });
    world.WriteSome(20);
  }
  bool compacted = false;
  world.engine->Compact({}, {}, [&](const Status& status) { compacted = status.ok(); });
  world.env().RunUntil([&] { return compacted; });
  world.env().RunUntil([&] { return compared == kSnapshots * kReaders; });
  world.engine->EndTurn();
  CHECK(world.engine->stats().snapshots == 0);
  CHECK(world.engine->stats().snapshot_held_bytes == 0);
  REQUIRE(world.engine->Close().ok());
}

TEST_CASE("snapshot: a worker reads on while the database closes and goes") {
  World world;
  world.Open();
  world.WriteSome(30);
  SnapshotRef snapshot;
  world.engine->TakeSnapshot([&](const Result<SnapshotRef>& taken) { snapshot = *taken; });
  world.env().RunUntil([&] { return snapshot != nullptr; });
  const Contents wanted = world.model;
  world.WriteSome(50);
  REQUIRE(world.engine->Close().ok());
  std::optional<Result<Contents>> found;
  bool done = false;
  world.env().Schedule(
      Lane::kRead, [&found, snapshot] { found = ContentsOf(*snapshot); }, [&done] { done = true; });
  world.engine.reset();
  world.env().RunUntil([&done] { return done; });
  REQUIRE(found);
  REQUIRE((*found).ok());
  CHECK(**found == wanted);
}

}  // namespace
}  // namespace varve
