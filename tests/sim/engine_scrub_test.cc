// tests/sim/engine_scrub_test.cc: tables and value files at rest are read, slowly, and damage is told.
#include "engine/file_names.h"
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

constexpr char kDirectory[] = "/db";
constexpr uint64_t kDayMs = 24 * 3600 * 1000;
constexpr uint64_t kRate = 10'000;

struct Scrubbed {
  Scrubbed() : world(1, ScrubOptions()) {
    Must(world.Open());
    for (int i = 0; i < 300; ++i) {
      const size_t size = i % 10 == 0 ? 300 : 30;  // some go to value files
      world.Commit({PutOf("s10key" + std::to_string(1000 + i), std::string(size, 'v'))});
      if (i % 20 == 0) world.engine->EndTurn();
    }
    Must(world.Flush());
    world.RunUntilIdle();
  }

  static Options ScrubOptions() {
    Options options = TinyOptions();
    options.scrub_bytes_per_second = kRate;
    return options;
  }
  ScrubStats stats() const { return world.engine->stats().scrub; }
  uint64_t live_bytes() const {
    const EngineStats all = world.engine->stats();
    return all.table_bytes + all.value_bytes;
  }
  // Returns how many milliseconds went by.
  uint64_t AwaitPass() {
    const uint64_t passes = stats().passes;
    uint64_t ms = 0;
    for (; stats().passes == passes; ms += 10) {
      if (ms > 600'000) FAIL("no pass in ten minutes");
      Pass(10);
    }
    return ms;
  }
  void Pass(uint64_t ms) {
    world.env.AdvanceMs(ms);
    world.RunUntilIdle();
  }
  std::string FileEndingWith(const std::string& suffix) const {
    for (const std::string& name : world.env.Names(kDirectory)) {
      if (name.ends_with(suffix)) return JoinPath(kDirectory, name);
    }
    FAIL("no file " << suffix);
    return "";
  }

  EngineWorld world;
};

TEST_CASE("scrub: a pass reads all there is, no faster than it should") {
  Scrubbed s;
  const uint64_t ms = s.AwaitPass();
  // The ends of tables, which are read when they are opened, are not counted.
  CHECK(s.stats().bytes > s.live_bytes() / 2);
  CHECK(s.stats().bytes <= s.live_bytes());
  CHECK(ms >= s.stats().bytes * 1000 / kRate);
  CHECK(s.stats().damages == 0);
  CHECK(!s.stats().running);
  CHECK(s.stats().last_pass_ms > 0);
}

TEST_CASE("scrub: what is damaged is told with its file, and the rest is read all the same") {
  for (const char* suffix : {".table", ".values"}) {
    CAPTURE(std::string(suffix));
    Scrubbed s;
    const std::string path = s.FileEndingWith(suffix);
    s.world.env.FlipBit(path, s.world.env.Contents(path).size() / 2, 3);
    s.AwaitPass();
    CHECK(s.stats().damages == 1);
    CHECK(s.stats().bytes > s.live_bytes() / 3);
    const std::string error = s.world.engine->stats().last_error;
    CHECK(error.starts_with("scrub: "));
    CHECK(error.find(path) != std::string::npos);
  }
}

TEST_CASE("scrub: a pass begins a day after the one before") {
  Scrubbed s;
  s.AwaitPass();
  s.Pass(kDayMs / 2);
  CHECK(!s.stats().running);
  s.Pass(kDayMs / 2);
  s.AwaitPass();
  CHECK(s.stats().passes == 2);
}

TEST_CASE("scrub: at a rate of 0 it rests, and then goes on where it was") {
  Scrubbed s;
  s.Pass(1000);
  const uint64_t bytes = s.stats().bytes;
  CHECK(bytes > 0);
  CHECK(s.stats().running);
  s.world.engine->SetScrubRate(0);
  for (int i = 0; i < 1000; ++i) s.Pass(1000);
  CHECK(s.stats().bytes == bytes);
  s.world.engine->SetScrubRate(100 * kRate);
  s.AwaitPass();
  CHECK(s.stats().passes == 1);
  CHECK(s.stats().bytes > s.live_bytes() / 2);
}

TEST_CASE("scrub: files that go while it reads them are no damage") {
  Scrubbed s;
  s.world.engine->SetScrubRate(1 << 20);
  for (int round = 0; round < 100; ++round) {
    s.world.env.AdvanceMs(150);
    s.world.RunSome(3);
    for (int i = 0; i < 40; ++i) {
      s.world.Commit({PutOf("s10key" + std::to_string(1000 + i), std::to_string(round))});
    }
    s.world.engine->EndTurn();
    Must(s.world.Compact());
    if (s.stats().passes > 0) s.Pass(kDayMs);
  }
  CHECK(s.stats().bytes > 0);
  CHECK(s.stats().damages == 0);
}

}  // namespace
}  // namespace varve
