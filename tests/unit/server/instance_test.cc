// tests/unit/server/instance_test.cc: that the parts of an instance are told of each other.
#include "server/instance.h"

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "env/sim_env.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

Instance::Host QuietHost() {
  Instance::Host host;
  host.open_connection = [](int, Connection::Owner&) { return nullptr; };
  host.set_busy = [](bool) {};
  host.tick = [] {};
  host.stop = [] {};
  host.configured = [](const Config&) {};
  host.sleep = [](uint64_t) {};
  host.measure_memory = [] { return ProcessMemory(); };
  host.clients_max = 10;
  host.open_tables_max = 10;
  return host;
}

Config SmallConfig() {
  Config config = DefaultConfig();
  config.dir = "/db";
  config.memory_limit_bytes = 64 << 20;
  config.maxclients = 10;
  config.appendfsync = "always";
  return config;
}

TEST_CASE(
    "instance: a slow disk and a slow turn are latency events, by the threshold of the "
    "configuration") {
  SetLogLevel(LogLevel::kNothing);
  SimEnv env(1);
  Config config = SmallConfig();
  Instance instance(config, env, QuietHost());
  REQUIRE(instance.Open().ok());
  env.TraceTo([&env](const std::string& line) {
    if (line.ends_with(".log") && line.find(" sync ") != std::string::npos) env.AdvanceMs(50);
  });
  const auto write_slowly = [&] {
    Batch batch;
    batch.Put("key", 0, 0, "value");
    instance.engine().Commit(batch);
    instance.EndTurn();
    env.RunUntilIdle();
    instance.CountTurn(60'000);
  };
  write_slowly();
  CHECK(instance.LatencyEvents().empty());

  config.latency_monitor_threshold_ms = 50;
  instance.Apply(config);
  write_slowly();
  const std::vector<Services::LatencyEvent> events = instance.LatencyEvents();
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == Services::LatencyKind::kEventLoop);
  CHECK(events[1].kind == Services::LatencyKind::kLogSync);
  CHECK(instance.Close().ok());
}

TEST_CASE(
    "instance: a BGSAVE that was told to be there survives a power cut, whatever failed in the one "
    "before") {
  SetLogLevel(LogLevel::kNothing);
  int saved = 0;
  bool untouched = false;
  for (uint64_t n = 1; !untouched; ++n) {
    CAPTURE(n);
    SimEnv env(1);
    REQUIRE(env.CreateDirectory("/db").ok());
    auto instance = std::make_unique<Instance>(SmallConfig(), env, QuietHost());
    REQUIRE(instance->Open().ok());
    const auto save = [&] {
      env.AdvanceMs(1000);  // names are times
      CHECK(instance->BackgroundSave().ok());
      for (int steps = 0; steps < 2000 && env.RunOneJob(); ++steps) {
      }
      return instance->Info({}).find("rdb_last_bgsave_status:ok") != std::string::npos;
    };
    env.FailNth(n);
    (void)save();
    untouched = env.faults() == 0;
    env.FailNth(0);
    if (save()) {
      ++saved;
      const std::vector<std::string> names = env.DirectoryNames("/db/checkpoints");
      env.CutPower();
      env.DropJobs();
      instance.reset();
      env.Restart(CrashMode::kDropUnsynced);
      const std::vector<std::string> left = env.DirectoryNames("/db/checkpoints");
      REQUIRE(!left.empty());
      CHECK(left.back() == names.back());
    }
    env.CutPower();
    env.DropJobs();
  }
  CHECK(saved > 10);
}

}  // namespace
}  // namespace varve
