// tests/unit/server/dispatch_times_test.cc: how long commands take, as the dispatcher counts it.
#include <cstdint>
#include <string>

#include "tests/unit/server/dispatch_fixture.h"

namespace varve {

namespace {

struct TimedFixture : DispatchFixture {
  const CommandStats& StatsOf(Slice name) {
    return stats.commands[static_cast<size_t>(CommandIndex(*FindByFullName(name)))];
  }
  // How often it was timed.
  uint64_t TimesOf(Slice name) {
    const CommandStats& of = StatsOf(name);
    const uint64_t times = of.times_ns ? of.times_ns->total() : 0;
    CHECK(times == of.calls);
    return times;
  }
  uint64_t LongestNs(Slice name) { return StatsOf(name).times_ns->max(); }
};

}  // namespace

TEST_CASE("dispatch: every command is timed, once") {
  TimedFixture f;
  Client& client = f.Connect();
  std::string many;
  for (int i = 0; i < 20; ++i) many += "SET a 1\r\n";
  f.Ask(client, many + "GET a\r\nPING\r\nGET a\r\n");
  CHECK(f.TimesOf("set") == 20);
  CHECK(f.TimesOf("get") == 2);
  CHECK(f.TimesOf("ping") == 1);
}

TEST_CASE("dispatch: a command that waits is timed as a whole, when it is through") {
  for (const char* before : {"", "GET b\r\n", "PING\r\n"}) {
    CAPTURE(before);
    TimedFixture f;
    Client& client = f.Connect();
    f.Ask(client, "SET a 1\r\nSET b 1\r\n");
    f.env.set_tick_us(1000);  // every look at the clock
    f.engine.MakeCold(f.KeyOf("a"));
    f.Ask(client, std::string(before) + "GET a\r\n");
    const uint64_t earlier = f.TimesOf("get");
    f.engine.MakeCold(f.KeyOf("a"));
    f.turn->End();
    f.engine.Arrive();
    f.turn->End();
    CHECK(f.TimesOf("get") == earlier + 1);
    CHECK(f.LongestNs("get") * earlier + f.LongestNs("get") >= 2'000'000);
    if (earlier == 0) CHECK(f.LongestNs("get") == f.StatsOf("get").us * 1000);
  }
}

TEST_CASE("dispatch: what is queued or refused is not billed to a command") {
  TimedFixture f;
  Client& client = f.Connect();
  f.dispatcher->OnRan([&f](const Dispatcher::Ran&) { f.env.AdvanceMs(1); });
  std::string refused, queued;
  for (int i = 0; i < 20; ++i) {
    refused += "NOSUCH\r\n";
    queued += "SET a 1\r\n";
  }
  f.Send(client, "PING\r\n" + refused + "PING\r\nMULTI\r\n" + queued + "EXEC\r\n");
  for (int turns = 0; turns < 100; ++turns)
    f.turn->End();  // a client is served about a millisecond at a time
  CHECK(f.LongestNs("ping") == 1'000'000);
  CHECK(f.LongestNs("multi") == 1'000'000);
  CHECK(f.LongestNs("exec") == 1'000'000);
  CHECK(f.StatsOf("ping").us == 2000);
}

TEST_CASE("dispatch: a command that takes long is told of, by itself") {
  TimedFixture f;
  Client& client = f.Connect();
  f.services.sleep = [&f](uint64_t us) { f.env.AdvanceMs(us / 1000); };
  f.Ask(client, "DEBUG SLEEP 0.1\r\n");
  CHECK(f.latency.events().empty());
  f.latency.SetThreshold(100);
  // Eight of these are not timed together now: that would make one of 160 ms.
  f.Ask(client, "DEBUG SLEEP 0.04\r\nDEBUG SLEEP 0.04\r\nDEBUG SLEEP 0.04\r\nDEBUG SLEEP 0.04\r\n");
  CHECK(f.latency.events().empty());
  f.Ask(client, "PING\r\nDEBUG SLEEP 0.12\r\nPING\r\n");
  REQUIRE(f.latency.events().size() == 1);
  CHECK(f.latency.events()[0].kind == Services::LatencyKind::kCommand);
  CHECK(f.latency.events()[0].max_ms == 120);
  CHECK(f.TimesOf("debug") == 6);
}

}  // namespace varve
