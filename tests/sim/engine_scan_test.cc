// tests/sim/engine_scan_test.cc: scans over more than can be sorted on the loop.
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

Options LargeGenerations() {
  Options options = TinyOptions();
  options.memory_limit_bytes = 64 << 20;
  options.generation_bytes = 16 << 20;
  options.log_bytes_per_generation = 64 << 20;
  options.segment_bytes = 1 << 20;
  return options;
}

// More than OrderedIndex::kSortOnLoopMax.
constexpr int kManyKeys = 2500;

void WriteMany(EngineWorld& world, int first) {
  std::vector<Change> changes;
  for (int i = first; i < first + kManyKeys; ++i) {
    changes.push_back(PutOf("s00" + std::to_string(i * 7919 % 100'003), "v"));
  }
  world.Commit(std::move(changes));
  world.engine->EndTurn();
}

struct Scanner {
  Direction direction = Direction::kForward;
  ReadScope scope;
  bool done = false;
  int64_t met = 0;

  void Run(EngineWorld& world) {
    met = 0;
    const auto it = direction == Direction::kForward ? world.engine->Scan({}, {}, scope)
                                                     : world.engine->ScanBackward({}, {}, scope);
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++met;
    if (it->status().is_pending()) {
      scope.WhenReady([this, &world] { Run(world); });
    } else {
      done = it->status().ok();
    }
  }
};

TEST_CASE("engine scans: every key is met, in however many generations it must be sorted first") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    EngineWorld world(seed, LargeGenerations());
    REQUIRE(world.Open());
    world.env.HoldLane(Lane::kFlush, true);
    WriteMany(world, 0);
    world.engine->Flush([](const Status&) {});  // freezes
    WriteMany(world, kManyKeys);
    world.engine->Flush([](const Status&) {});
    WriteMany(world, 2 * kManyKeys);
    // The second one comes while the worker sorts for the first, and has more to see.
    Scanner first;
    Scanner second;
    (seed % 2 == 0 ? first : second).direction = Direction::kBackward;
    first.Run(world);
    WriteMany(world, 3 * kManyKeys);
    second.Run(world);
    world.RunUntilIdle();
    REQUIRE(first.done);
    REQUIRE(second.done);
    CHECK(first.met >= 3 * kManyKeys);
    CHECK(second.met == 4 * kManyKeys);
    world.env.HoldLane(Lane::kFlush, false);
    world.RunUntilIdle();
    CHECK(world.engine->stats().dirty_bytes < 16 << 20);
  }
}

}  // namespace
}  // namespace varve
