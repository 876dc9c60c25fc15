// tests/unit/server/loop_rest_test.cc: the loop rests while jobs wait for its core, and only then.
#include "server/loop_rest.h"

#include <cstdint>

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr uint64_t kTickUs = 100'000;
constexpr uint64_t kShortUs = 200;

// The loop works, and jobs wait, for such parts of the time; returns the rest after `ticks`.
uint64_t RestAfter(LoopRest& rest, int ticks, double work, double waiting) {
  static uint64_t now_us = 1, worked_us = 0, waited_us = 0;
  for (int i = 0; i < ticks; ++i) {
    now_us += kTickUs;
    worked_us += static_cast<uint64_t>(work * kTickUs);
    waited_us += static_cast<uint64_t>(waiting * kTickUs);
    rest.Sample(now_us, worked_us, waited_us, kShortUs);
  }
  return rest.us();
}

TEST_CASE("loop rest: none while jobs have a CPU, however busy the loop is") {
  LoopRest rest;
  CHECK(RestAfter(rest, 20, 1, 0) == 0);
  CHECK(RestAfter(rest, 20, 1, 0.2) == 0);
}

TEST_CASE("loop rest: none of a loop with little to do") {
  LoopRest rest;
  CHECK(RestAfter(rest, 20, 0.1, 1) == 0);
}

TEST_CASE("loop rest: the longer the more jobs wait, and never longer than its bound") {
  LoopRest rest;
  const uint64_t some = RestAfter(rest, 20, 0.8, 0.5);
  CHECK(some >= kShortUs * 4 / 10);
  CHECK(some <= kShortUs * 6 / 10);
  // Two jobs that wait all the time wait twice as long as it takes.
  const uint64_t most = RestAfter(rest, 20, 0.8, 2);
  CHECK(most > some);
  CHECK(most <= kShortUs);
}

TEST_CASE("loop rest: after a long turn it is half as long, within bounds") {
  LoopRest rest;
  CHECK(rest.AfterTurnUs(10 * kShortUs) == 0);
  const uint64_t after_short = RestAfter(rest, 20, 0.8, 1);
  CHECK(rest.AfterTurnUs(kShortUs) == after_short);
  const uint64_t after_long = rest.AfterTurnUs(4 * kShortUs);
  CHECK(after_long >= 2 * after_short - 2);
  CHECK(after_long <= 2 * kShortUs);
  CHECK(rest.AfterTurnUs(1000 * kShortUs) <= 5 * kShortUs);
}

TEST_CASE("loop rest: ends soon after the jobs") {
  LoopRest rest;
  CHECK(RestAfter(rest, 20, 0.8, 1) > 0);
  CHECK(RestAfter(rest, 3, 0.8, 0) == 0);
}

TEST_CASE("loop rest: the time of a thread that has ended is not missed") {
  LoopRest rest;
  rest.Sample(1, 0, 10'000'000, kShortUs);
  rest.Sample(1 + kTickUs, kTickUs, 0, kShortUs);
  CHECK(rest.us() == 0);
}

}  // namespace
}  // namespace varve
