// tests/unit/base/histogram_test.cc: percentiles, and how exact they are.
#include "base/histogram.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

TEST_CASE("histogram: small numbers are told exactly") {
  for (uint64_t value = 0; value < 64; ++value) {
    Histogram histogram;
    histogram.Add(value);
    histogram.Add(1000);
    CHECK(histogram.Percentile(50) == value);
  }
}

TEST_CASE("histogram: a percentile is never too low, and at most a part in 32 too high") {
  Random random(1);
  for (int round = 0; round < 100; ++round) {
    Histogram histogram;
    std::vector<uint64_t> values;
    for (int i = 0; i < 1000; ++i) {
      values.push_back(random.Next() >> (24 + random.Uniform(40)));
      histogram.Add(values.back());
    }
    std::sort(values.begin(), values.end());
    for (const size_t rank : {1, 500, 990, 999, 1000}) {
      const uint64_t exact = values[rank - 1];
      const uint64_t told = histogram.Percentile(static_cast<double>(rank) / 10);
      CAPTURE(exact);
      CAPTURE(told);
      CHECK(told >= exact);
      CHECK(told <= exact + exact / 32);
    }
    CHECK(histogram.max() == values.back());
  }
}

TEST_CASE("histogram: what is too large for its buckets still counts, and is the maximum") {
  Histogram histogram;
  histogram.Add(1, 999);
  histogram.Add(UINT64_MAX);
  CHECK(histogram.total() == 1000);
  CHECK(histogram.max() == UINT64_MAX);
  CHECK(histogram.Percentile(99.9) == 1);
  CHECK(histogram.Percentile(100) >= (uint64_t{1} << 39));
}

TEST_CASE("histogram: what is below a power of two is counted exactly") {
  Random random(2);
  Histogram histogram;
  std::vector<uint64_t> values;
  for (int i = 0; i < 10'000; ++i) {
    values.push_back(random.Next() >> (26 + random.Uniform(38)));
    histogram.Add(values.back());
  }
  for (unsigned bits = 0; bits < 40; ++bits) {
    const uint64_t power = uint64_t{1} << bits;
    CAPTURE(power);
    const auto below = std::count_if(values.begin(), values.end(),
                                     [power](uint64_t value) { return value < power; });
    CHECK(histogram.CountBelow(power) == static_cast<uint64_t>(below));
  }
}

TEST_CASE("histogram: an empty one says 0, and two add up") {
  Histogram one;
  CHECK(one.Percentile(99) == 0);
  CHECK(one.max() == 0);
  Histogram other;
  one.Add(10, 50);
  other.Add(20, 50);
  one.Merge(other);
  CHECK(one.total() == 100);
  CHECK(one.Percentile(50) == 10);
  CHECK(one.Percentile(51) == 20);
  CHECK(one.max() == 20);
}

}  // namespace
}  // namespace varve
