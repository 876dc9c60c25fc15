// tests/unit/engine/table/filter_test.cc: what a filter lets pass.
#include "engine/table/filter.h"

#include <string>

#include "base/hash.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

std::string KeyOf(uint64_t i) { return "user:" + std::to_string(i); }

Filter FilterOf(uint64_t keys, int bits_per_key) {
  FilterBuilder builder(bits_per_key);
  for (uint64_t i = 0; i < keys; ++i) builder.Add(FilterHash(KeyOf(i)));
  CHECK(builder.size_bytes() == builder.Finish().size());
  std::optional<Filter> filter = Filter::Make(builder.Finish());
  REQUIRE(filter);
  return *std::move(filter);
}

double FalsePositives(const Filter& filter, uint64_t keys) {
  constexpr uint64_t kTries = 200'000;
  uint64_t passed = 0;
  for (uint64_t i = 0; i < kTries; ++i) passed += filter.MayContain(FilterHash(KeyOf(keys + i)));
  return static_cast<double>(passed) / kTries;
}

}  // namespace

TEST_CASE("filter: it never denies a key it was given") {
  for (const uint64_t keys : {1u, 2u, 51u, 52u, 1000u, 40'000u}) {
    for (const int bits : {1, 5, 10, 16, 30}) {
      CAPTURE(keys);
      CAPTURE(bits);
      const Filter filter = FilterOf(keys, bits);
      bool all = true;
      for (uint64_t i = 0; i < keys; ++i) all = all && filter.MayContain(FilterHash(KeyOf(i)));
      CHECK(all);
    }
  }
}

TEST_CASE("filter: it errs for about as many absent keys as it should") {
  struct Case {
    int bits_per_key;
    double least;
    double most;
  };
  static constexpr Case kCases[] = {
      {5, 0.090, 0.098},
      {10, 0.0090, 0.0105},
      {16, 0.0008, 0.0013},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.bits_per_key);
    const double rate = FalsePositives(FilterOf(300'000, c.bits_per_key), 300'000);
    MESSAGE(c.bits_per_key, " bits per key: ", 100 * rate, "% false positives");
    CHECK(rate >= c.least);
    CHECK(rate <= c.most);
  }
}

TEST_CASE("filter: it says how many bits it was made with") {
  CHECK(FilterOf(100, 10).bits_per_key() == 10);
  CHECK(FilterOf(100, 16).bits_per_key() == 16);
  CHECK(FilterOf(1, 300).bits_per_key() == 255);
  CHECK_FALSE(FilterOf(1, 1).empty());
  CHECK(FilterOf(1, 0).empty());
}

TEST_CASE("filter: without keys or bits, everything passes") {
  for (const Filter& filter : {Filter(), FilterOf(0, 10), FilterOf(100, 0)}) {
    CHECK(filter.MayContain(0));
    CHECK(filter.MayContain(FilterHash("anything")));
    CHECK(filter.memory_bytes() == 0);
  }
}

TEST_CASE("filter: what is not a filter is refused") {
  const std::string line(64, '\1');
  CHECK_FALSE(Filter::Make(std::string(8, '\1')));
  CHECK_FALSE(Filter::Make(std::string(8, '\1') + line.substr(1)));
  CHECK_FALSE(Filter::Make(std::string(8, '\0') + line));
  CHECK_FALSE(Filter::Make(std::string(8, '\x08') + line));
  CHECK(Filter::Make(std::string(8, '\x07') + line));
}

}  // namespace varve
