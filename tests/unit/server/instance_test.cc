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

TEST_CASE(
    "instance: a slow disk and a slow turn are latency events, by the threshold of the "
    "configuration") {
  SetLogLevel(LogLevel::kNothing);
  SimEnv env(1);
  Config config = DefaultConfig();
  config.dir = "/db";
  config.memory_limit_bytes = 64 << 20;
  config.maxclients = 10;
  config.appendfsync = "always";
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
  std::vector<std::string> names;
  for (const auto& event : instance.LatencyEvents()) names.emplace_back(event.name);
  CHECK(names == std::vector<std::string>{"event-loop", "log-sync"});
  CHECK(instance.Close().ok());
}

}  // namespace
}  // namespace varve
