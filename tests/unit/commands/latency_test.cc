// LATENCY. See also tests/scripts/server/latency.script.
#include "tests/unit/commands/harness.h"

namespace varve {

namespace {

using Kind = Services::LatencyKind;

constexpr int64_t kNow = 1'700'000'000;

}  // namespace

TEST_CASE("latency commands: LATEST, HISTORY and RESET") {
  Harness harness;
  harness.latency_events = {{Kind::kCommand, 900, {{kNow - 60, 120}, {kNow - 2, 100}}},
                            {Kind::kEventLoop, 31, {{kNow - 1, 31}}}};
  static constexpr Exchange kExchanges[] = {
      {"LATENCY LATEST", "[[\"command\" 1699999998 100 900] [\"event-loop\" 1699999999 31 31]]"},
      {"LATENCY HISTORY command", "[[1699999940 120] [1699999998 100]]"},
      {"LATENCY HISTORY Command", "[]"},
      {"LATENCY HISTORY nosuch", "[]"},
      {"LATENCY HISTORY", "-ERR wrong number of arguments for 'latency|history' command"},
      {"LATENCY RESET nosuch", "0"},
      {"LATENCY RESET nosuch event-loop event-loop", "1"},
      {"LATENCY LATEST", "[[\"command\" 1699999998 100 900]]"},
      {"LATENCY RESET", "1"},
      {"LATENCY RESET", "0"},
      {"LATENCY LATEST", "[]"},
      {"LATENCY LATEST x", "-ERR wrong number of arguments for 'latency|latest' command"},
      {"LATENCY NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try LATENCY HELP."},
  };
  CheckOnce(harness, kExchanges);
}

TEST_CASE("latency commands: GRAPH draws what HISTORY has, with its age below") {
  Harness harness;
  harness.latency_events = {{Kind::kCommand,
                             900,
                             {{kNow - 3 * 86'400, 100},
                              {kNow - 7200, 400},
                              {kNow - 60, 300},
                              {kNow - 59, 199},
                              {kNow + 5, 200}}},
                            {Kind::kLogSync, 50, {{kNow, 50}}}};
  static constexpr Exchange kExchanges[] = {
      {"LATENCY GRAPH command",
       "\"command: 100 to 400 ms, at most 900 ms\\n"
       "----------------------------------------\\n"
       " #\\n"
       " ##\\n"
       " ## #\\n"
       "#####\\n"
       "\\n"
       "32150\\n"
       "dhm9s\\n"
       "   s\\n\""},
      {"LATENCY GRAPH log-sync",
       "\"log-sync: 50 to 50 ms, at most 50 ms\\n"
       "----------------------------------------\\n"
       "#\\n"
       "\\n"
       "0\\n"
       "s\\n\""},
      {"LATENCY GRAPH nosuch", "-ERR No samples available for event 'nosuch'"},
  };
  CheckOnce(harness, kExchanges);
}

TEST_CASE("latency commands: DOCTOR says what is known, and that the monitor is off") {
  Harness harness;
  const auto doctor = [&harness] { return harness.Do("LATENCY DOCTOR"); };
  CHECK(doctor().find("CONFIG SET latency-monitor-threshold <milliseconds>") != std::string::npos);
  harness.latency_monitor_is_on = true;
  CHECK(doctor() == "\"Nothing has taken as long as latency-monitor-threshold.\\n\"");
  harness.latency_events = {{Kind::kLogSync, 900, {{kNow - 7200, 100}, {kNow - 2, 201}}},
                            {Kind::kCommand, 31, {{kNow - 1, 31}}}};
  const std::string text = doctor();
  CHECK(text.find("is off") == std::string::npos);
  CHECK(text.find("log-sync: in 2 different seconds, 2h to 2s ago; 150 ms on average, 201 ms the "
                  "longest, 900 ms since it was last reset.") != std::string::npos);
  CHECK(text.find("command: in 1 second, 1s to 1s ago; 31 ms on average") != std::string::npos);
}

TEST_CASE("latency commands: HISTOGRAM counts up to powers of two") {
  Harness harness;
  Histogram& get = harness.command_times["get"];
  get.Add(0, 5);
  get.Add(1023);
  get.Add(1024);
  get.Add(30'000, 3);
  harness.command_times["set"].Add(uint64_t{1} << 50);
  harness.command_times["client|id"].Add(8'000'000);
  harness.command_times["client|list"].Add(5000);
  static constexpr Exchange kExchanges[] = {
      {"LATENCY HISTOGRAM get", "[\"get\" [\"calls\" 10 \"histogram_usec\" [1 6 2 7 33 10]]]"},
      // Longer than its buckets reach: in the last.
      {"LATENCY HISTOGRAM SET", "[\"set\" [\"calls\" 1 \"histogram_usec\" [1108101562 1]]]"},
      {"LATENCY HISTOGRAM nosuch mget", "[]"},
      {"LATENCY HISTOGRAM client|nosuch nosuch|id", "[]"},
      {"LATENCY HISTOGRAM Client|ID", "[\"client|id\" [\"calls\" 1 \"histogram_usec\" [8454 1]]]"},
      {"LATENCY HISTOGRAM client",
       "[\"client|id\" [\"calls\" 1 \"histogram_usec\" [8454 1]] "
       "\"client|list\" [\"calls\" 1 \"histogram_usec\" [8 1]]]"},
      {"HELLO 3", "*"},
      {"LATENCY HISTOGRAM client|list nosuch",
       "{\"client|list\" {\"calls\" 1 \"histogram_usec\" {8 1}}}"},
  };
  CheckOnce(harness, kExchanges);
  CHECK(harness.Do("LATENCY HISTOGRAM").size() > 100);
}

}  // namespace varve
