// tests/unit/engine/engine_test.cc: the engine through its front door, against a map.
#include "engine/engine.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/heap.h"
#include "base/random.h"
#include "engine/check/table_parts.h"
#include "engine/file_names.h"
#include "env/sim_env.h"
#include "tests/support/map_scan.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr char kDirectory[] = "/db";

// Small enough that a few hundred writes freeze, flush and compact.
Options SmallOptions() {
  Options options;
  options.directory = kDirectory;
  options.memory_limit_bytes = 1 << 20;
  options.generation_bytes = 4096;
  options.segment_bytes = 2048;
  options.log_bytes_per_generation = 8192;
  options.block_bytes = 512;
  options.table_bytes = 4096;
  options.level1_bytes = 16384;
  options.level0_tables_compact = 2;
  // The first byte is what keys are counted by.
  options.counted_prefix_size = [](Slice key) -> size_t { return key.empty() ? 0 : 1; };
  return options;
}

std::string KeyOf(uint64_t n) {
  return std::string(1, static_cast<char>('a' + n % 3)) + "key" + std::to_string(n);
}

struct World {
  explicit World(uint64_t seed) : env(seed), random(seed ^ 0x5eed) {}
  // A test that failed may have left jobs that are held back: the engine would wait for them.
  ~World() { env.DropJobs(); }

  void Open(const Options& options = SmallOptions()) {
    Result<std::unique_ptr<Engine>> opened = Engine::Open(options, env);
    REQUIRE_MESSAGE(opened.ok(), opened.status().ToString());
    engine = std::move(*opened);
  }
  void Close() {
    const Status closed = engine->Close();
    REQUIRE_MESSAGE(closed.ok(), closed.ToString());
    engine.reset();
  }
  void Commit(Batch& batch) {
    engine->Commit(batch);
    engine->EndTurn();
  }
  void Put(Slice key, Slice value) {
    Batch batch;
    batch.Put(key, 0, 0, value);
    Commit(batch);
    model[std::string(key)] = value;
  }
  void Delete(Slice key) {
    if (model.erase(std::string(key)) == 0) return;
    Batch batch;
    batch.Delete(key);
    Commit(batch);
  }
  // Runs the read until it is no longer pending.
  std::optional<std::string> Get(Slice key) {
    ReadScope scope;
    for (;;) {
      Value value;
      const Status s = engine->Get(key, scope, &value);
      if (s.ok()) return std::string(value.bytes);
      if (s.is_not_found()) return std::nullopt;
      REQUIRE_MESSAGE(s.is_pending(), s.ToString());
      Wait(scope);
    }
  }
  void Wait(ReadScope& scope) {
    bool ready = false;
    scope.WhenReady([&] { ready = true; });
    env.RunUntil([&] { return ready; });
  }
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  // The puts of [lower, upper), as they come.
  Pairs Scan(Direction direction, Slice lower, Slice upper) {
    ReadScope scope;
    for (;;) {
      Pairs all;
      const std::unique_ptr<EntryIterator> it = direction == Direction::kForward
                                                    ? engine->Scan(lower, upper, scope)
                                                    : engine->ScanBackward(lower, upper, scope);
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        const Entry& entry = it->entry();
        if (entry.in_value_file) FAIL("no value here is as large");
        if (entry.kind == EntryKind::kPut) all.emplace_back(entry.key, entry.value);
      }
      if (it->status().ok()) return all;
      REQUIRE_MESSAGE(it->status().is_pending(), it->status().ToString());
      Wait(scope);
    }
  }
  std::map<std::string, std::string> ScanAll(Slice lower = {}, Slice upper = {}) {
    const Pairs all = Scan(Direction::kForward, lower, upper);
    return {all.begin(), all.end()};
  }
  void CheckScan(Direction direction, Slice lower, Slice upper) {
    CAPTURE(lower);
    CAPTURE(upper);
    CAPTURE(direction == Direction::kBackward);
    Pairs want;
    MapScan walk(model, direction, lower, upper);
    for (walk.SeekToFirst(); walk.Valid(); walk.Next()) want.push_back(walk.item());
    REQUIRE(Scan(direction, lower, upper) == want);
  }
  // Either way, between any two keys or from an end.
  void CheckRandomScan(uint64_t keys) {
    const auto bound = [&] {
      return random.OneIn(3) ? std::string() : KeyOf(random.Uniform(keys));
    };
    const Direction direction = random.OneIn(2) ? Direction::kForward : Direction::kBackward;
    CheckScan(direction, bound(), bound());
  }
  void Flush() {
    bool done = false;
    engine->Flush([&](Status s) { done = s.ok(); });
    env.RunUntil([&] { return done; });
  }
  void Compact(Slice lower = {}, Slice upper = {}) {
    bool done = false;
    engine->Compact(lower, upper, [&](Status s) { done = s.ok(); });
    env.RunUntil([&] { return done; });
  }
  std::map<char, int64_t> ModelCounts() const {
    std::map<char, int64_t> counts;
    for (const auto& [key, value] : model) ++counts[key[0]];
    return counts;
  }

  SimEnv env;
  Random random;
  std::unique_ptr<Engine> engine;
  std::map<std::string, std::string> model;
};

TEST_CASE("engine: what was put is found, before and after reopening") {
  World world(1);
  world.Open();
  world.Put("a1", "one");
  world.Put("a2", "two");
  world.Delete("a1");
  CHECK(world.Get("a1") == std::nullopt);
  CHECK(world.Get("a2") == "two");
  CHECK(world.engine->CountKeys("a") == 1);
  world.Close();
  world.Open();
  CHECK(world.Get("a1") == std::nullopt);
  CHECK(world.Get("a2") == "two");
  CHECK(world.engine->CountKeys("a") == 1);
  world.Close();
}

TEST_CASE("engine: a miss is remembered if finding out took more than filters in memory") {
  World world(1);
  world.Open();
  for (uint64_t n = 0; n < 100; ++n) world.Put(KeyOf(2 * n), "value");
  world.Flush();
  world.Close();
  world.Open();
  const auto records = [&] { return world.engine->stats().records; };

  CHECK(world.Get(KeyOf(101)) == std::nullopt);  // the table had to be opened
  CHECK(records() == 1);
  uint64_t asked = 0;
  for (uint64_t n = 0; n < 100; ++n) {
    const EngineStats before = world.engine->stats();
    CHECK(world.Get(KeyOf(2 * n + 1)) == std::nullopt);
    const EngineStats after = world.engine->stats();
    const bool looked = after.block_hits + after.block_reads_nowait + after.block_reads_waited !=
                        before.block_hits + before.block_reads_nowait + before.block_reads_waited;
    const bool hit = after.record_hits != before.record_hits;
    if (!looked && !hit) ++asked;
    if (!looked) CHECK(after.records == before.records);
  }
  CHECK(asked > 50);
  const uint64_t remembered = records();
  CHECK(world.Get(KeyOf(101)) == std::nullopt);
  CHECK(records() == remembered);
  world.Close();
}

TEST_CASE("engine: the block cache has what nobody else uses, and gives it back to records") {
  World world(1);
  world.Open();
  const std::string value(500, 'v');
  for (uint64_t n = 0; n < 1000; ++n) world.Put(KeyOf(n), value);
  world.Flush();
  world.Close();
  world.Open();
  const auto stats = [&] { return world.engine->stats(); };
  CHECK(world.ScanAll() == world.model);
  const uint64_t share = SmallOptions().memory_limit_bytes / 8;
  CHECK(stats().block_cache_bytes > 3 * share);

  for (uint64_t n = 1000; n < 3000; ++n) world.Put(KeyOf(n), value);
  world.Flush();
  world.env.RunUntilIdle();
  CHECK(stats().block_cache_bytes <= share + share / 8);
  CHECK(stats().record_bytes > 3 * share);
  CHECK(world.ScanAll() == world.model);
  world.Close();
}

TEST_CASE("engine: a long walk over what is on disk waits seldom, a lookup brings one block") {
  Direction direction = Direction::kForward;
  SUBCASE("forward") { direction = Direction::kForward; }
  SUBCASE("backward") { direction = Direction::kBackward; }
  World world(1);
  Options options = SmallOptions();
  options.table_bytes = 1 << 20;
  options.generation_bytes = 256 * 1024;
  options.log_bytes_per_generation = 1 << 20;
  options.compression_level = 0;
  world.Open(options);
  for (uint64_t n = 0; n < 1000; ++n) world.Put(KeyOf(n), std::string(100, 'v'));
  world.Compact();
  world.Close();
  world.env.set_pending_percent(100);
  world.Open(options);
  const auto stats = [&] { return world.engine->stats(); };
  world.Get(KeyOf(500));
  CHECK(stats().block_reads_waited == 1);
  CHECK(stats().block_reads_ahead == 0);
  world.CheckScan(direction, {}, {});
  const EngineStats after = stats();
  CHECK(after.block_reads_waited + after.block_reads_ahead > 200);
  // Partitions end the runs: 64 blocks take 1 + 2 + 4 + 8 + 16 + 16 + 16 + 1.
  CHECK(after.block_reads_waited < 50);
  world.Close();
}

TEST_CASE("engine: scans either way see memory and tables as one, whatever has to be waited for") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    World world(seed);
    Options options = SmallOptions();
    options.memory_limit_bytes = 200 << 10;
    options.generation_bytes = 32 << 10;
    options.log_bytes_per_generation = 128 << 10;
    world.Open(options);
    constexpr uint64_t kKeys = 1000;
    const auto change_some = [&](uint64_t changes) {
      for (; changes > 0; --changes) {
        const std::string key = KeyOf(world.random.Uniform(kKeys));
        if (world.random.OneIn(3)) {
          world.Delete(key);
        } else {
          world.Put(key, std::string(world.random.Uniform(600), 'v'));
        }
      }
    };
    change_some(2 * kKeys);
    world.Compact();
    change_some(100);
    world.Flush();
    world.env.RunUntilIdle();
    // A frozen generation that stays, and an active one.
    world.env.HoldLane(Lane::kFlush, true);
    change_some(50);
    world.engine->Flush([](const Status&) {});
    change_some(50);
    world.env.set_pending_percent(100);
    CHECK(world.engine->stats().evicted_records > 0);
    CHECK(world.engine->stats().frozen_generations > 0);

    world.CheckScan(Direction::kForward, {}, {});
    world.CheckScan(Direction::kBackward, {}, {});
    for (int i = 0; i < 20; ++i) world.CheckRandomScan(kKeys);
    CHECK(world.engine->stats().block_reads_waited > 0);
    world.env.HoldLane(Lane::kFlush, false);
    world.Close();
  }
}

TEST_CASE(
    "engine: writers are held while flushes are far behind, and let go when they have caught up") {
  World world(1);
  world.Open();
  CHECK(world.engine->stats().write_debt_of == std::string("none"));
  world.env.HoldLane(Lane::kFlush, true);
  double debt = 0;
  for (uint64_t n = 0; n < 200; ++n) {
    world.Put(KeyOf(n), std::string(100, 'v'));
    const EngineStats stats = world.engine->stats();
    CHECK(stats.write_debt >= debt);  // smoothly
    CHECK(stats.write_debt <= debt + 0.05);
    debt = stats.write_debt;
    CHECK((stats.write_rate_max == 0) == (debt == 0));
  }
  CHECK(debt == 1);
  CHECK(world.engine->stats().write_debt_of == std::string("flush"));
  CHECK(world.engine->WriterDelayUs() > 0);
  world.env.HoldLane(Lane::kFlush, false);
  world.env.RunUntilIdle();
  CHECK(world.engine->stats().write_debt == 0);
  CHECK(world.engine->WriterDelayUs() == 0);  // for those who wait as well
  world.Put("a", "b");
  CHECK(world.engine->WriterDelayUs() == 0);
  world.Close();
}

TEST_CASE("engine: what a compaction has merged of level 0 is no debt, before it has ended") {
  World world(1);
  world.Open();
  world.env.HoldLane(Lane::kCompaction, true);
  const auto level0 = [&] { return world.engine->stats().levels[0].tables; };
  for (uint64_t n = 0; level0() < 20; ++n) {
    world.Put(KeyOf(n % 500), std::string(100, 'v'));
    world.env.RunUntilIdle();
  }
  CHECK(world.engine->stats().write_debt_of == std::string("level0"));
  CHECK(world.engine->stats().level0_to_merge == static_cast<double>(level0()));

  world.env.HoldLane(Lane::kCompaction, false);
  bool merged_before_its_end = false;
  double to_merge = world.engine->stats().level0_to_merge;
  while (world.env.RunOneJob()) {
    const EngineStats stats = world.engine->stats();
    CHECK(stats.level0_to_merge <= to_merge);
    to_merge = stats.level0_to_merge;
    if (to_merge == 0 && stats.levels[0].tables > 10) {
      merged_before_its_end = true;
      CHECK(stats.write_debt == 0);
    }
  }
  CHECK(merged_before_its_end);
  CHECK(level0() == 0);
  world.Close();
}

TEST_CASE("engine: one value larger than many generations is no debt") {
  World world(1);
  world.Open();
  world.Put("large", std::string(100'000, 'v'));
  CHECK(world.engine->stats().write_debt == 0);
  CHECK(world.engine->WriterDelayUs() == 0);
  world.env.RunUntilIdle();
  world.Close();
}

TEST_CASE("engine: records are moved out of slabs that are mostly free, and stay what they are") {
  World world(1);
  Options options = SmallOptions();
  options.memory_limit_bytes = 4 << 20;
  options.generation_bytes = 256 * 1024;
  options.segment_bytes = 64 * 1024;
  options.log_bytes_per_generation = 1 << 20;
  world.Open(options);
  // Twice what memory holds: what is evicted leaves holes.
  for (uint64_t n = 0; n < 40'000; ++n) world.Put(KeyOf(n), std::string(100, 'v'));
  world.Flush();
  world.env.RunUntilIdle();
  for (uint64_t n = 0; n < 40'000; n += 2) world.Get(KeyOf(n));  // half of them are wanted
  const EngineStats before = world.engine->stats();
  CHECK(before.evicted_records > 10'000);

  const auto round = [&](uint64_t slack) {
    const uint64_t moved = world.engine->stats().moved_records;
    world.engine->SetHeapSlack(slack);
    for (int ms = 0; ms < 1000; ++ms) {
      world.env.AdvanceMs(1);
      world.env.RunUntilIdle();
    }
    return world.engine->stats().moved_records - moved;
  };
  CHECK(round(options.memory_limit_bytes / 16) == 0);  // not enough to begin
  round(options.memory_limit_bytes / 4);
  const EngineStats after = world.engine->stats();
  SlabUse use;
  const void* place = world.engine.get();
  if (QuerySlabs({&place, 1}, {&use, 1})) {
    CHECK(after.moved_records > 100);
    CHECK(after.moved_records + after.evicted_records - before.evicted_records <= before.records);
    // As much slack as before: it was in vain, and is for a while.
    for (uint64_t n = 40'000; n < 80'000; ++n) world.Put(KeyOf(n), std::string(100, 'v'));
    world.Flush();
    for (uint64_t n = 40'000; n < 80'000; n += 2) world.Get(KeyOf(n));
    CHECK(round(options.memory_limit_bytes / 4) == 0);
    world.env.AdvanceMs(10'000);
    CHECK(round(options.memory_limit_bytes / 4) > 100);
  }
  for (uint64_t n = 0; n < 40'000; n += 7) CHECK(world.Get(KeyOf(n)) == world.model[KeyOf(n)]);
  world.Close();
}

TEST_CASE("engine: a read depends only on groups that are on their way, however many there were") {
  World world(4);
  world.Open();
  world.Put("aold", "one");
  world.env.RunUntilIdle();
  // Records remember sixteen bits of their group: after 65536 more it looks young again.
  for (int i = 0; i < (1 << 16) + 8; ++i) {
    world.Put("bnew", "two");
    world.env.RunUntilIdle();
    ReadScope scope;
    Value value;
    REQUIRE(world.engine->Get("aold", scope, &value).ok());
    REQUIRE(scope.depends_on_group() <= world.engine->reported_group());
  }
  // And one that is on its way is waited for.
  const uint64_t before = world.engine->reported_group();
  world.Put("bnew", "three");
  ReadScope scope;
  Value value;
  REQUIRE(world.engine->Get("bnew", scope, &value).ok());
  CHECK(scope.depends_on_group() > before);
  world.Close();
}

TEST_CASE("engine: a large value travels without being copied, and comes back") {
  World world(2);
  world.Open();
  const std::string large(300'000, 'x');
  Batch batch;
  batch.Put("abig", 3, 0, SharedBytes::CopyOf(large));
  world.Commit(batch);
  world.model["abig"] = large;
  CHECK(world.Get("abig") == large);
  world.Close();
  world.Open();
  CHECK(world.Get("abig") == large);
  world.Flush();
  CHECK(world.Get("abig") == large);
  world.Close();
  world.Open();
  CHECK(world.Get("abig") == large);
  world.Close();
}

TEST_CASE("engine: a dead prefix takes its keys and its space with it") {
  World world(3);
  world.Open();
  for (uint64_t i = 0; i < 600; ++i) world.Put(KeyOf(i), std::string(50, 'v'));
  world.Flush();
  CHECK(world.engine->CountKeys("a") == 200);
  Batch batch;
  batch.DeletePrefix("a");
  world.Commit(batch);
  CHECK(world.engine->CountKeys("a") == 0);
  CHECK(world.engine->CountKeys("b") == 200);
  world.Flush();
  world.Compact();
  world.Close();
  world.Open();
  CHECK(world.ScanAll("a", "b").empty());
  CHECK(world.ScanAll("b", "c").size() == 200);
  CHECK(world.engine->CountKeys("a") == 0);
  world.Close();
}

TEST_CASE("engine: what filters say of absent keys is counted, once a lookup") {
  World world(6);
  world.Open();
  for (uint64_t i = 0; i < 2000; ++i) world.Put(KeyOf(2 * i), "value");
  world.Compact();
  world.Close();
  world.Open();  // nothing is in memory, so lookups wait for the disk
  world.env.set_pending_percent(100);
  const EngineStats before = world.engine->stats();
  constexpr uint64_t kPresent = 200;
  for (uint64_t i = 0; i < kPresent; ++i) CHECK(world.Get(KeyOf(2 * i)) == "value");
  const EngineStats found = world.engine->stats();
  CHECK(found.filter_checks - before.filter_checks == kPresent);
  CHECK(found.filter_negatives == before.filter_negatives);
  CHECK(found.filter_false_positives == before.filter_false_positives);

  // One run, so each is asked for in one table, or in none: between two tables or behind the last.
  constexpr uint64_t kAbsent = 1999;
  for (uint64_t i = 0; i < kAbsent; ++i) CHECK(world.Get(KeyOf(2 * i + 1)) == std::nullopt);
  const EngineStats all = world.engine->stats();
  const uint64_t checks = all.filter_checks - found.filter_checks;
  CHECK(checks <= kAbsent);
  CHECK(checks >= kAbsent * 9 / 10);
  CHECK(all.filter_negatives + all.filter_false_positives == checks);
  CHECK(all.filter_false_positives >= 5);
  CHECK(all.filter_false_positives <= 45);
}

TEST_CASE("engine: small runs have better filters than the largest") {
  World world(7);
  world.Open();
  for (uint64_t i = 0; i < 4000; ++i) world.Put(KeyOf(i), "value");
  world.Compact();
  world.env.RunUntilIdle();  // what was merged is gone
  const std::vector<std::string> old_names = world.env.Names(kDirectory);
  world.Put("aaa", "value");
  world.Flush();
  int tables = 0;
  for (const std::string& name : world.env.Names(kDirectory)) {
    if (!name.ends_with(".table")) continue;
    const bool old = std::count(old_names.begin(), old_names.end(), name) > 0;
    CAPTURE(name);
    const Result<std::unique_ptr<File>> file =
        world.env.Open(JoinPath(kDirectory, name), OpenMode::kRead);
    REQUIRE(file.ok());
    TableParts parts(**file, std::nullopt, std::nullopt,
                     [](uint64_t, const std::string& what) { FAIL(what); });
    parts.Open();
    CHECK(parts.ReadPartition(0)->filter_bits_per_key() == (old ? 10 : 16));
    ++tables;
  }
  CHECK(tables >= 2);
  world.Close();
}

TEST_CASE("engine: the log tells how long each write and each sync took") {
  constexpr uint64_t kWriteMs = 3;
  constexpr uint64_t kSyncMs = 7;
  constexpr int kGroups = 5;
  for (const Durability durability :
       {Durability::kAlways, Durability::kEverySecond, Durability::kNo}) {
    CAPTURE(static_cast<int>(durability));
    World world(1);
    Options options = SmallOptions();
    options.durability = durability;
    options.segment_bytes = 1 << 20;
    options.log_bytes_per_generation = 1 << 20;
    world.Open(options);
    world.env.RunUntilIdle();
    world.env.TraceTo([&world](const std::string& line) {
      if (!line.ends_with(".log")) return;
      if (line.find(" write ") != std::string::npos) world.env.AdvanceMs(kWriteMs);
      if (line.find(" sync ") != std::string::npos) world.env.AdvanceMs(kSyncMs);
    });
    std::vector<uint64_t> writes_us, syncs_us;
    world.engine->OnLogWork([&](LogWork work, uint64_t took_us) {
      (work == LogWork::kWrite ? writes_us : syncs_us).push_back(took_us);
    });
    for (int i = 0; i < kGroups; ++i) {
      world.Put(KeyOf(1), "value");
      world.env.RunUntilIdle();
    }
    if (durability == Durability::kEverySecond) {
      world.env.AdvanceMs(1000);
      world.env.RunUntilIdle();
    }
    const size_t syncs = durability == Durability::kAlways        ? kGroups
                         : durability == Durability::kEverySecond ? 1
                                                                  : 0;
    CHECK(writes_us == std::vector<uint64_t>(kGroups, kWriteMs * 1000));
    CHECK(syncs_us == std::vector<uint64_t>(syncs, kSyncMs * 1000));
    CHECK(world.engine->stats().log_sync_us == syncs * kSyncMs * 1000);
    world.Close();
  }
}

TEST_CASE("engine: log segments kept for reuse go when little is written, and come again") {
  World world(11);
  world.Open();
  const auto write_much = [&] {
    const std::string value(1000, 'v');
    for (int i = 0; i < 2000; ++i) world.Put("k" + std::to_string(i % 100), value);
    world.Flush();
    world.env.RunUntil([&] { return world.env.pending_jobs() == 0; });
  };
  const auto log_bytes = [&] {
    uint64_t bytes = 0;
    const Result<std::vector<std::string>> names = world.env.List(kDirectory);
    for (const std::string& name : *names) {
      if (!name.ends_with(".log")) continue;
      bytes += *(*world.env.Open(kDirectory + ("/" + name), OpenMode::kRead))->Size();
    }
    return bytes;
  };
  const uint64_t segment_bytes = SmallOptions().segment_bytes;
  write_much();
  CHECK(log_bytes() >= 4 * segment_bytes);
  bool over = false;
  world.env.RunAfter(25'000, [&] { over = true; });
  world.env.RunUntil([&] { return over && world.env.pending_jobs() == 0; });
  CHECK(log_bytes() <= 2 * segment_bytes);  // the current one and a spare
  write_much();
  CHECK(log_bytes() >= 4 * segment_bytes);
}

TEST_CASE("engine: random histories agree with a map, across flushes, compactions and restarts") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    World world(seed);
    world.Open();
    for (int step = 0; step < 1500; ++step) {
      const std::string key = KeyOf(world.random.Uniform(200));
      switch (world.random.Uniform(12)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
          world.Put(key,
                    std::string(world.random.Uniform(120), static_cast<char>('a' + step % 26)));
          break;
        case 5:
        case 6:
          // As a command does: it has read the key.
          REQUIRE(world.Get(key).has_value() == world.model.contains(key));
          world.Delete(key);
          break;
        case 7:
        case 8: {
          const auto it = world.model.find(key);
          const std::optional<std::string> got = world.Get(key);
          REQUIRE(got == (it == world.model.end() ? std::nullopt : std::optional(it->second)));
          break;
        }
        case 9:
          for (uint64_t n = world.random.Uniform(20); n > 0 && world.env.RunOneJob(); --n) {
          }
          break;
        case 10:
          if (world.random.OneIn(20)) REQUIRE(world.ScanAll() == world.model);
          if (world.random.OneIn(4)) world.CheckRandomScan(200);
          break;
        case 11:
          if (world.random.OneIn(30)) {
            world.Close();
            world.Open();
          } else if (world.random.OneIn(30)) {
            world.Flush();
          }
          break;
      }
    }
    CHECK(world.ScanAll() == world.model);
    // Once everything has met in the last level, all counts are settled.
    world.Compact();
    for (const auto& [prefix, count] : world.ModelCounts()) {
      CHECK(world.engine->CountKeys(Slice(&prefix, 1)) == count);
    }
    world.Close();
  }
}

}  // namespace
}  // namespace varve
