// tests/unit/server/expiry_cycle_test.cc: what is due goes, in slices, over a scripted engine.
#include "server/expiry_cycle.h"

#include <string>

#include "data/key_format.h"
#include "env/sim_env.h"
#include "tests/unit/server/scripted_engine.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr SpaceId kSpace = 7;

struct Fixture {
  SimEnv env{1};
  ScriptedEngine engine;
  Databases databases;
  WatchRegistry watches;
  ServerStats stats;
  ExpiryCycle cycle{ExpiryCycle::Parts{engine, env, databases, watches, stats}};

  Fixture() { databases.spaces = {kSpace, 0}; }

  static std::string KeyOf(int i) {
    std::string key;
    AppendPrefix(&key, KeyKind::kKey, kSpace);
    return key + "key" + std::to_string(i);
  }
  void Put(int i, int64_t expire_at_ms) {
    Batch batch;
    batch.Put(KeyOf(i), 0, expire_at_ms, "value");
    engine.Commit(batch);
  }
  void Pass(uint64_t ms) {
    env.AdvanceMs(ms);
    env.RunUntilIdle();
  }
  int64_t keys() const { return engine.CountKeys(""); }
  int64_t AgoMs(int64_t ms) { return env.WallMs() - ms; }
};

TEST_CASE("expiry cycle: what has expired goes, and nothing else") {
  Fixture f;
  for (int i = 0; i < 200; ++i) f.Put(i, i % 2 == 0 ? f.AgoMs(40) : f.env.WallMs() + 1000);
  f.cycle.Tick();
  f.env.RunUntilIdle();
  CHECK(f.keys() == 100);
  CHECK(f.stats.expired_keys == 100);
  CHECK(f.stats.expiry_lags_ms.max() >= 40);
}

TEST_CASE("expiry cycle: a key that is told of twice at once goes once") {
  for (const bool cold : {false, true}) {
    CAPTURE(cold);
    Fixture f;
    f.engine.tells = 2;
    for (int i = 0; i < 20; ++i) {
      f.Put(i, f.AgoMs(10));
      if (cold) f.engine.MakeCold(Fixture::KeyOf(i));
    }
    f.cycle.Tick();
    f.env.RunUntilIdle();
    f.engine.Arrive();
    f.env.RunUntilIdle();
    CHECK(f.keys() == 0);
    CHECK(f.stats.expired_keys == 20);
  }
}

TEST_CASE("expiry cycle: what must be read is waited for, what is known goes at once") {
  Fixture f;
  for (int i = 0; i < 20; ++i) {
    f.Put(i, f.AgoMs(10));
    if (i < 5) f.engine.MakeCold(Fixture::KeyOf(i));
  }
  f.cycle.Tick();
  f.env.RunUntilIdle();
  CHECK(f.keys() == 5);
  CHECK(f.engine.waits() > 0);

  // While one is waited for, it is written again.
  f.Put(3, f.env.WallMs() + 60'000);
  f.engine.Arrive();
  f.env.RunUntilIdle();
  CHECK(f.keys() == 1);
  CHECK(f.stats.expired_keys == 19);
}

TEST_CASE("expiry cycle: a wait gets it further, also where no cache keeps what came") {
  Fixture f;
  for (int i = 0; i < 300; ++i) f.Put(i, f.AgoMs(10));
  f.engine.due_is_cold = true;
  f.cycle.Tick();
  for (int waits = 0; waits < 10; ++waits) {
    f.env.RunUntilIdle();
    f.engine.Arrive();
  }
  CHECK(f.keys() == 0);
}

TEST_CASE("expiry cycle: what was due goes when it is due again, after the clock was set back") {
  Fixture f;
  for (int i = 0; i < 2; ++i) {
    f.Put(i, f.AgoMs(10));
    f.engine.MakeCold(Fixture::KeyOf(i));
  }
  f.engine.tells_once = true;
  f.cycle.Tick();
  f.env.SetWallMs(f.AgoMs(5000));
  f.Put(1, f.env.WallMs() + 60'000);  // it is alive, and shall be for a while
  f.engine.Arrive();
  f.env.RunUntilIdle();
  CHECK(f.keys() == 2);
  for (int s = 0; s < 6; ++s) {
    f.Pass(1000);
    f.cycle.Tick();
    f.env.RunUntilIdle();
  }
  CHECK(f.keys() == 1);
  CHECK(f.stats.expired_keys == 1);
}

TEST_CASE("expiry cycle: what cannot be read has another try, unless it is damaged") {
  for (const bool damaged : {false, true}) {
    CAPTURE(damaged);
    Fixture f;
    for (int i = 0; i < 20; ++i) {
      f.Put(i, f.AgoMs(10));
      if (i < 5) f.engine.MakeCold(Fixture::KeyOf(i));
    }
    f.engine.tells_once = true;
    f.cycle.Tick();
    f.engine.read_error = damaged ? Status::Corruption("bad") : Status::IoError("bad");
    f.engine.Arrive();
    f.env.RunUntilIdle();
    CHECK(f.keys() == 5);
    f.cycle.Tick();
    f.engine.read_error = Status();
    CHECK(f.keys() == 5);
    f.Pass(1000);
    f.cycle.Tick();
    f.env.RunUntilIdle();
    CHECK(f.keys() == (damaged ? 5 : 0));
  }
}

TEST_CASE("expiry cycle: slices have pauses, as long as nobody is late") {
  for (const bool late : {false, true}) {
    CAPTURE(late);
    Fixture f;
    for (int i = 0; i < 5000; ++i) f.Put(i, f.AgoMs(late ? 600 : 10));
    f.env.set_tick_us(100);  // a slice has some looks at the clock
    f.cycle.Tick();
    CHECK(f.keys() > 0);
    CHECK(f.keys() < 5000);
    f.env.RunUntilIdle();
    CHECK((f.keys() == 0) == late);
    for (int i = 0; i < 100; ++i) f.Pass(2);
    CHECK(f.keys() == 0);
  }
}

TEST_CASE("expiry cycle: while writers are held, deletions have longer pauses, and go on") {
  Fixture f;
  for (int i = 0; i < 5000; ++i) f.Put(i, f.AgoMs(10'000));
  f.env.set_tick_us(100);
  f.engine.delay_us = 300'000;
  f.cycle.Tick();
  const int64_t left = f.keys();
  CHECK(left > 0);
  CHECK(left < 5000);
  f.Pass(8);
  CHECK(f.keys() == left);
  f.Pass(8);
  CHECK(f.keys() < left);
  CHECK(f.keys() > 0);

  f.engine.delay_us = 0;
  f.Pass(200);
  CHECK(f.keys() == 0);
}

}  // namespace
}  // namespace varve
