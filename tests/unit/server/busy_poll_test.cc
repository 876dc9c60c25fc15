// tests/unit/server/busy_poll_test.cc: looks go on where they find something, and nearly end where they do not.
#include "server/busy_poll.h"

#include <initializer_list>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

// How many of `sleeps` have a look before them, where `found(look)` tells how each goes.
template <typename Found>
int LooksIn(BusyPoll& poll, int sleeps, Found found) {
  int looks = 0;
  for (int i = 0; i < sleeps; ++i) {
    if (poll.Try()) poll.Did(found(looks++));
  }
  return looks;
}

constexpr auto kAlways = [](int) { return true; };
constexpr auto kNever = [](int) { return false; };

TEST_CASE("busy poll: every sleep has a look while looks find something") {
  BusyPoll poll;
  CHECK(LooksIn(poll, 1000, kAlways) == 1000);
}

TEST_CASE("busy poll: where nothing is found, one sleep in a thousand has a look") {
  BusyPoll poll;
  LooksIn(poll, 2000, kNever);
  CHECK(LooksIn(poll, 100'000, kNever) <= 100);
  CHECK(LooksIn(poll, 100'000, kNever) >= 90);
}

TEST_CASE("busy poll: one look in vain costs one sleep without") {
  BusyPoll poll;
  LooksIn(poll, 1000, kAlways);
  CHECK(LooksIn(poll, 100, [](int look) { return look != 50; }) == 99);
}

TEST_CASE("busy poll: nine in ten that find something are enough, one in two is not") {
  Random random(1);
  BusyPoll nine;
  CHECK(LooksIn(nine, 100'000, [&](int) { return random.Uniform(10) != 0; }) > 40'000);
  for (const int first : {0, 1}) {
    BusyPoll every_other;
    CHECK(LooksIn(every_other, 100'000, [&](int look) { return look % 2 == first; }) < 1000);
  }
  BusyPoll one_in_two;
  CHECK(LooksIn(one_in_two, 100'000, [&](int) { return random.Uniform(2) != 0; }) < 1000);
}

TEST_CASE("busy poll: it comes back within thousands of sleeps") {
  BusyPoll poll;
  LooksIn(poll, 100'000, kNever);
  LooksIn(poll, 2000, kAlways);
  CHECK(LooksIn(poll, 1000, kAlways) == 1000);
}

}  // namespace
}  // namespace varve
