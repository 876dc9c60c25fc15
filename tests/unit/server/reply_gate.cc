// tests/unit/server/reply_gate.cc: which bytes may leave, and when.
#include "server/reply_gate.h"

#include <doctest/doctest.h>

namespace varve {

TEST_CASE("reply_gate: without marks everything may leave") {
  ReplyGate gate;
  CHECK(!gate.holding());
  CHECK(gate.Limit(0, 100) == 100);
}

TEST_CASE("reply_gate: bytes from a mark on wait for its group, those before do not") {
  ReplyGate gate;
  gate.Hold(10, 7);
  CHECK(gate.Limit(6, 100) == 10);
  CHECK(gate.holding());
  CHECK(gate.first_group() == 7);
  CHECK(gate.Limit(7, 100) == 100);
  CHECK(!gate.holding());
}

TEST_CASE("reply_gate: later marks hold on when earlier ones are lifted") {
  ReplyGate gate;
  gate.Hold(10, 7);
  gate.Hold(20, 9);
  CHECK(gate.Limit(8, 100) == 20);
  CHECK(gate.first_group() == 9);
  CHECK(gate.Limit(9, 100) == 100);
}

TEST_CASE("reply_gate: a reply that needs an older group waits behind the one before it") {
  ReplyGate gate;
  gate.Hold(10, 7);
  gate.Hold(20, 3);
  CHECK(gate.Limit(6, 100) == 10);
  CHECK(gate.Limit(7, 100) == 100);
}

TEST_CASE("reply_gate: a writer that always has something held does not pile up marks") {
  ReplyGate gate;
  for (uint64_t group = 1; group < 100'000; ++group) {
    gate.Hold(group * 10, group);
    // The newest group is never reported before the next one has begun.
    CHECK(gate.Limit(group - 1, group * 10 + 10) == group * 10);
  }
  CHECK(gate.Limit(100'000, 5'000'000) == 5'000'000);
}

}  // namespace varve
