// tests/unit/resp/output_buffer_test.cc: a buffer against a string.
#include "resp/output_buffer.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

std::string Drain(OutputBuffer& out) {
  std::string all;
  while (!out.empty()) {
    Slice slices[4];
    const size_t n = out.Gather(out.position(), slices);
    REQUIRE(n > 0);
    size_t bytes = 0;
    for (size_t i = 0; i < n; ++i) {
      all.append(slices[i]);
      bytes += slices[i].size();
    }
    out.Consume(bytes);
  }
  return all;
}

SharedBytes Shared(Random& random, size_t size) {
  return SharedBytes::CopyOf(std::string(size, static_cast<char>('a' + random.Uniform(26))));
}

TEST_CASE("output buffer: a pipeline's small replies leave as one slice") {
  OutputBuffer out;
  for (int i = 0; i < 100; ++i) out.Append("+OK\r\n");
  Slice slices[8];
  REQUIRE(out.Gather(out.position(), slices) == 1);
  CHECK(slices[0].size() == 500);
}

TEST_CASE("output buffer: large values are held by reference, small ones copied") {
  OutputBuffer out;
  const SharedBytes large = SharedBytes::CopyOf(std::string(100'000, 'x'));
  const SharedBytes small = SharedBytes::CopyOf("small");
  out.Append("a");
  out.AppendShared(large);
  out.Append("b");
  out.AppendShared(small);
  Slice slices[8];
  REQUIRE(out.Gather(out.position(), slices) == 3);
  CHECK(slices[0] == "a");
  CHECK(slices[1].data() == large.slice().data());
  CHECK(slices[2] == "bsmall");
  CHECK(out.memory_bytes() >= 100'000);
  CHECK(out.memory_bytes() < 110'000);
}

TEST_CASE("output buffer: Gather stops at the position it was given") {
  OutputBuffer out;
  out.Append("held");
  const uint64_t limit = out.position();
  out.Append("back");
  Slice slices[8];
  REQUIRE(out.Gather(limit, slices) == 1);
  CHECK(slices[0] == "held");
  out.Consume(2);
  REQUIRE(out.Gather(limit, slices) == 1);
  CHECK(slices[0] == "ld");
  out.Consume(2);
  CHECK(out.Gather(limit, slices) == 0);
  CHECK(out.Gather(0, slices) == 0);
  CHECK(out.consumed() == 4);
  CHECK(Drain(out) == "back");
}

TEST_CASE("output buffer: what was gathered stays in place while more is appended") {
  OutputBuffer out;
  out.Append("first");
  Slice slices[1];
  REQUIRE(out.Gather(out.position(), slices) == 1);
  for (int i = 0; i < 10'000; ++i) out.Append("more and more");
  out.TruncateTo(5);
  out.Append("again");
  CHECK(slices[0] == "first");
  CHECK(Drain(out) == "firstagain");
}

TEST_CASE(
    "output buffer: an emptied buffer is written from its start again, and gives memory back") {
  OutputBuffer out;
  CHECK(out.memory_bytes() == 0);
  size_t memory = 0;
  for (int i = 0; i < 1000; ++i) {
    for (int j = 0; j < 100; ++j) out.Append("+OK\r\n");
    out.Consume(out.size());
    if (i == 0) memory = out.memory_bytes();
    CHECK(out.memory_bytes() == memory);
  }
  out.Append(std::string(10'000'000, 'x'));
  out.Consume(out.size());
  CHECK(out.memory_bytes() < 100'000);
  out.ShrinkIfEmpty();
  CHECK(out.memory_bytes() == 0);
  out.Append("x");
  out.ShrinkIfEmpty();
  CHECK(Drain(out) == "x");
  CHECK(out.position() == 500'000 + 10'000'000 + 1);
}

TEST_CASE(
    "output buffer: random appends, writes, truncations and consumption agree with a string") {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    OutputBuffer out;
    std::string model;  // all that was ever appended and not truncated
    size_t consumed = 0;
    for (int step = 0; step < 300; ++step) {
      switch (random.Uniform(8)) {
        case 0:
        case 1: {
          const std::string bytes(random.Uniform(random.OneIn(10) ? 20'000 : 40),
                                  static_cast<char>('A' + random.Uniform(26)));
          out.Append(bytes);
          model += bytes;
          break;
        }
        case 2: {
          const SharedBytes bytes = Shared(random, random.Uniform(random.OneIn(2) ? 100 : 40'000));
          out.AppendShared(bytes);
          model += bytes.slice();
          break;
        }
        case 3:
        case 4: {
          const size_t size = 1 + random.Uniform(random.OneIn(10) ? 5000 : 50);
          const size_t used = random.Uniform(size + 1);
          char* const to = out.Reserve(size);
          std::memset(to, '0' + static_cast<int>(random.Uniform(10)), size);
          model.append(to, used);
          out.Wrote(to + used);
          break;
        }
        case 5: {
          const size_t to = consumed + random.Uniform(model.size() - consumed + 1);
          out.TruncateTo(random.OneIn(3) ? to : model.size());
          if (out.position() != model.size()) model.resize(to);
          break;
        }
        default: {
          std::vector<Slice> slices(1 + random.Uniform(5));
          const size_t limit = random.Uniform(model.size() + 2);
          const size_t n = out.Gather(limit, slices);
          std::string got;
          for (size_t i = 0; i < n; ++i) {
            REQUIRE(!slices[i].empty());
            got.append(slices[i]);
          }
          const size_t wanted = std::min(limit, model.size());
          REQUIRE(got == model.substr(consumed, got.size()));
          REQUIRE((n == slices.size() || consumed + got.size() == std::max(wanted, consumed)));
          REQUIRE(consumed + got.size() <= std::max(wanted, consumed));
          const size_t taken = random.OneIn(2) ? got.size() : random.Uniform(got.size() + 1);
          out.Consume(taken);
          consumed += taken;
        }
      }
      REQUIRE(out.position() == model.size());
      REQUIRE(out.consumed() == consumed);
      REQUIRE(out.size() == model.size() - consumed);
      REQUIRE(out.empty() == (consumed == model.size()));
    }
    CHECK(Drain(out) == model.substr(consumed));
  }
}

}  // namespace
}  // namespace varve
