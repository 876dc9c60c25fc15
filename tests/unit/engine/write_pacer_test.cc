// tests/unit/engine/write_pacer_test.cc: writers pay at the rate of flushes.
#include "engine/write_pacer.h"

#include <algorithm>
#include <cstdint>

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr uint64_t kSecond = 1'000'000;

// A pacer that has seen flushes of `bytes` a second for long.
WritePacer PacerAt(uint64_t bytes) {
  WritePacer pacer;
  for (int i = 0; i < 100; ++i) pacer.Flushed(bytes, kSecond);
  return pacer;
}

// Writes `bytes` a millisecond for as long as the pacer lets it, at one debt, for a second; returns how many.
uint64_t WriteForASecond(WritePacer& pacer, uint64_t bytes, double debt, uint64_t* now_us) {
  uint64_t written = 0;
  for (const uint64_t end_us = *now_us + kSecond; *now_us < end_us;) {
    pacer.Wrote(bytes, debt, *now_us);
    written += bytes;
    *now_us += std::max<uint64_t>(pacer.DelayUs(*now_us), 1000);
  }
  return written;
}

TEST_CASE("write pacer: without debt nobody waits") {
  WritePacer pacer = PacerAt(1 << 20);
  pacer.Wrote(100 << 20, 0, 5);
  CHECK(pacer.DelayUs(5) == 0);
  CHECK(pacer.Rate(0) == 0);
}

TEST_CASE("write pacer: half way to the limit writers write as much as flushes take") {
  WritePacer pacer = PacerAt(10 << 20);
  CHECK(pacer.Rate(0.5) == doctest::Approx(10 << 20));
  uint64_t now_us = 1;
  const uint64_t written = WriteForASecond(pacer, 64 << 10, 0.5, &now_us);
  CHECK(written >= 10u << 20);
  CHECK(written <= (10u << 20) + (64u << 10));
}

TEST_CASE("write pacer: who brings less than is allowed is not held, however great the debt") {
  WritePacer pacer = PacerAt(10 << 20);
  for (uint64_t ms = 0; ms < 1000; ++ms) {
    CHECK(pacer.DelayUs(1000 * ms) == 0);
    pacer.Wrote(pacer.Rate(0.6) / 1100, 0.6, 1000 * ms);
  }
}

TEST_CASE("write pacer: the rate falls with the debt, smoothly, and never to nothing") {
  WritePacer pacer = PacerAt(64 << 20);
  uint64_t last = UINT64_MAX;
  for (double debt = 0.01; debt < 0.98; debt += 0.01) {
    const uint64_t rate = pacer.Rate(debt);
    CHECK(rate < last);
    CHECK((last == UINT64_MAX || debt < 0.1 || rate > last / 2));
    last = rate;
  }
  CHECK(pacer.Rate(1) == doctest::Approx(1 << 20));
}

TEST_CASE("write pacer: nobody is held for longer than a second at a time") {
  WritePacer pacer = PacerAt(1 << 20);
  for (int i = 0; i < 3; ++i) {
    pacer.Wrote(1 << 30, 0.9, 7);
    CHECK(pacer.DelayUs(7) == WritePacer::kDelayUsMax);
  }
  pacer.Wrote(1, 0, 8);  // and the debt may be gone before
  CHECK(pacer.DelayUs(8) == 0);
}

TEST_CASE("write pacer: the rate follows the flushes, and nothing flushed says nothing") {
  WritePacer pacer = PacerAt(10 << 20);
  const uint64_t before = pacer.Rate(0.5);
  pacer.Flushed(0, kSecond);
  CHECK(pacer.Rate(0.5) == before);
  for (int i = 0; i < 30; ++i) pacer.Flushed(40 << 20, kSecond);
  CHECK(pacer.Rate(0.5) > before * 39 / 10);
  for (int i = 0; i < 100; ++i) pacer.Flushed(1, 100 * kSecond);
  CHECK(pacer.Rate(1) > 0);
}

TEST_CASE("write pacer: flushes of next to nothing, as checkpoints make them, slow nobody") {
  WritePacer pacer = PacerAt(64 << 20);
  const uint64_t before = pacer.Rate(0.5);
  for (int i = 0; i < 20; ++i) pacer.Flushed(100, 5'000);
  CHECK(pacer.Rate(0.5) > before * 95 / 100);
}

}  // namespace
}  // namespace varve
