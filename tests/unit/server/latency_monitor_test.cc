// tests/unit/server/latency_monitor_test.cc: what is recorded, what is kept, and that nothing is told of twice.
#include "server/latency_monitor.h"

#include <algorithm>

#include "env/sim_env.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

using Event = Services::LatencyEvent;
using Kind = Services::LatencyKind;

constexpr uint64_t kMs = 1000;  // in microseconds

struct Fixture {
  SimEnv env{1};
  LatencyMonitor monitor{env};

  Fixture() { monitor.SetThreshold(10); }

  // Without samples: there is none of that kind.
  Event Find(Kind kind) const {
    const std::vector<Event> events = monitor.events();
    const auto found = std::find_if(events.begin(), events.end(),
                                    [kind](const Event& event) { return event.kind == kind; });
    return found == events.end() ? Event() : *found;
  }
};

TEST_CASE("latency monitor: what takes at least the threshold is an event of its kind") {
  struct Case {
    Kind kind;
    void (*count)(LatencyMonitor& monitor, uint64_t us);
  };
  static constexpr Case kCases[] = {
      {Kind::kCommand, [](LatencyMonitor& m, uint64_t us) { m.CountCommand(false, us); }},
      {Kind::kFastCommand, [](LatencyMonitor& m, uint64_t us) { m.CountCommand(true, us); }},
      {Kind::kEventLoop, [](LatencyMonitor& m, uint64_t us) { m.CountTurn(us); }},
      {Kind::kLogWrite,
       [](LatencyMonitor& m, uint64_t us) { m.CountLogWork(LogWork::kWrite, us); }},
      {Kind::kLogSync, [](LatencyMonitor& m, uint64_t us) { m.CountLogWork(LogWork::kSync, us); }},
  };
  for (const Case& c : kCases) {
    CAPTURE(static_cast<int>(c.kind));
    Fixture f;
    c.count(f.monitor, 10 * kMs - 1);
    CHECK(f.monitor.events().empty());
    c.count(f.monitor, 10 * kMs);
    REQUIRE(f.monitor.events().size() == 1);
    const Event event = f.Find(c.kind);
    REQUIRE(event.samples.size() == 1);
    CHECK(event.samples[0].ms == 10);
    CHECK(event.samples[0].unix_time == f.env.WallMs() / 1000);
    CHECK(event.max_ms == 10);
  }
}

TEST_CASE("latency monitor: while it is off nothing is recorded, and what was stays") {
  Fixture f;
  f.monitor.CountCommand(false, 20 * kMs);
  f.monitor.SetThreshold(0);
  CHECK_FALSE(f.monitor.on());
  f.monitor.CountCommand(true, 3600 * 1000 * kMs);
  f.monitor.CountTurn(3600 * 1000 * kMs);
  CHECK(f.monitor.events().size() == 1);
  CHECK(f.Find(Kind::kCommand).max_ms == 20);
  f.monitor.SetThreshold(INT64_MAX);  // more than there is, in microseconds
  f.monitor.CountTurn(3600 * 1000 * kMs);
  CHECK(f.monitor.on());
  CHECK(f.monitor.events().size() == 1);
}

TEST_CASE(
    "latency monitor: a second's longest is kept, of the latest seconds, and the longest of all") {
  Fixture f;
  const int64_t start = f.env.WallMs() / 1000;
  for (uint64_t second = 0; second < 200; ++second) {
    for (const uint64_t ms : {11, 500, 12}) f.monitor.CountCommand(false, (ms + second % 2) * kMs);
    if (second == 5) f.monitor.CountCommand(false, 700 * kMs);
    f.env.AdvanceMs(1000);
  }
  const Event event = f.Find(Kind::kCommand);
  REQUIRE(event.samples.size() == LatencyMonitor::kSamplesMax);
  CHECK(event.max_ms == 700);
  for (size_t i = 0; i < event.samples.size(); ++i) {
    const size_t second = 200 - LatencyMonitor::kSamplesMax + i;
    CHECK(event.samples[i].unix_time == start + static_cast<int64_t>(second));
    CHECK(event.samples[i].ms == 500 + second % 2);
  }
}

TEST_CASE("latency monitor: a turn is told of for what its slow commands did not take") {
  struct Case {
    uint64_t commands_ms[2];
    uint64_t turn_ms;
    uint64_t want_ms;  // 0: no event
  };
  static constexpr Case kCases[] = {
      {{50, 0}, 55, 0}, {{50, 0}, 61, 11}, {{50, 40}, 95, 0},
      {{9, 9}, 18, 18}, {{50, 9}, 60, 10}, {{50, 0}, 40, 0},  // both are rounded
  };
  for (const Case& c : kCases) {
    CAPTURE(c.turn_ms);
    Fixture f;
    for (const uint64_t ms : c.commands_ms) f.monitor.CountCommand(false, ms * kMs);
    f.monitor.CountTurn(c.turn_ms * kMs);
    CHECK(f.Find(Kind::kEventLoop).max_ms == c.want_ms);
    // And the next turn is its own.
    f.monitor.CountTurn(99 * kMs);
    CHECK(f.Find(Kind::kEventLoop).max_ms == 99);
  }
}

TEST_CASE("latency monitor: an event that is reset starts anew") {
  Fixture f;
  CHECK_FALSE(f.monitor.Reset(Kind::kCommand));
  f.monitor.CountCommand(false, 50 * kMs);
  f.monitor.CountCommand(true, 50 * kMs);
  CHECK(f.monitor.Reset(Kind::kCommand));
  CHECK_FALSE(f.monitor.Reset(Kind::kCommand));
  CHECK(f.Find(Kind::kCommand).samples.empty());
  CHECK(f.Find(Kind::kFastCommand).max_ms == 50);
  f.monitor.CountCommand(false, 20 * kMs);
  CHECK(f.Find(Kind::kCommand).max_ms == 20);
}

}  // namespace
}  // namespace varve
