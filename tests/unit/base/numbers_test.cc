// tests/unit/base/numbers_test.cc: what clients may write, and what they get back.
#include "base/numbers.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

TEST_CASE("numbers: ParseInt64 reads what a client may write, and nothing more") {
  using namespace std::string_view_literals;
  struct Case {
    const char* why;
    Slice text;
    std::optional<int64_t> want;
  };
  static constexpr Case kCases[] = {
      {"zero", "0", 0},
      {"one digit", "7", 7},
      {"negative", "-12", -12},
      {"largest", "9223372036854775807", INT64_MAX},
      {"one past the largest", "9223372036854775808", std::nullopt},
      {"smallest", "-9223372036854775808", INT64_MIN},
      {"one past the smallest", "-9223372036854775809", std::nullopt},
      {"more than 64 bits", "18446744073709551617", std::nullopt},
      {"twenty nines", "99999999999999999999", std::nullopt},
      {"empty", "", std::nullopt},
      {"sign only", "-", std::nullopt},
      {"two signs", "--1", std::nullopt},
      {"plus", "+1", std::nullopt},
      {"minus zero", "-0", std::nullopt},
      {"leading zero", "01", std::nullopt},
      {"negative with leading zero", "-01", std::nullopt},
      {"blank in front", " 1", std::nullopt},
      {"blank behind", "1 ", std::nullopt},
      {"letters", "1a", std::nullopt},
      {"a letter as twentieth digit", "1234567890123456789a", std::nullopt},
      {"NUL behind", "1\0"sv, std::nullopt},
      {"fraction", "1.0", std::nullopt},
      {"exponent", "1e2", std::nullopt},
      {"hex", "0x1", std::nullopt},
      {"very long", "100000000000000000000000000000000000", std::nullopt},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    CHECK(ParseInt64(c.text) == c.want);
  }
}

TEST_CASE("numbers: ParseUint64 reaches one bit further") {
  CHECK(ParseUint64("0") == 0u);
  CHECK(ParseUint64("9223372036854775808") == 9223372036854775808u);
  CHECK(ParseUint64("18446744073709551615") == UINT64_MAX);
  CHECK(ParseUint64("18446744073709551616") == std::nullopt);
  CHECK(ParseUint64("18446744073709551620") == std::nullopt);
  CHECK(ParseUint64("28446744073709551615") == std::nullopt);
  CHECK(ParseUint64("-1") == std::nullopt);
  CHECK(ParseUint64("") == std::nullopt);
  CHECK(ParseUint64("00") == std::nullopt);
}

TEST_CASE(
    "numbers: integers of every length are written as the standard library does, and read back") {
  Random random(1);
  const auto check = [](int64_t value) {
    const std::string text = Int64ToString(value);
    if (text != std::to_string(value) || ParseInt64(text) != value ||
        text.size() > kInt64CharsMax) {
      CAPTURE(value);
      CHECK(text == std::to_string(value));
      CHECK(ParseInt64(text) == value);
    }
  };
  check(INT64_MAX);
  check(INT64_MIN);
  uint64_t power = 1;
  for (int digits = 0; digits < 19; ++digits, power *= 10) {
    for (int64_t delta = -2; delta <= 2; ++delta) {
      check(static_cast<int64_t>(power) + delta);
      check(-static_cast<int64_t>(power) + delta);
    }
  }
  for (int bit = 0; bit < 64; ++bit) {
    for (int i = 0; i < 200; ++i) check(static_cast<int64_t>(random.Next() >> bit));
  }
}

TEST_CASE("numbers: ParseLongDouble reads what Redis reads as a float") {
  using namespace std::string_view_literals;
  struct Case {
    Slice text;
    std::optional<long double> want;
  };
  const Case kCases[] = {
      {"0", 0.0L},
      {"3.0e3", 3000.0L},
      {"+1", 1.0L},
      {".5", 0.5L},
      {"5.", 5.0L},
      {"-0", 0.0L},
      {"0x1p3", 8.0L},
      {"inf", std::numeric_limits<long double>::infinity()},
      {"-INFINITY", -std::numeric_limits<long double>::infinity()},
      {"1e4932", 1e4932L},
      {"1e-4940", 1e-4940L},  // denormal
      {"1e4933", std::nullopt},
      {"1e-5000", std::nullopt},
      {"nan", std::nullopt},
      {"", std::nullopt},
      {" 1", std::nullopt},
      {"\t1", std::nullopt},
      {"1 ", std::nullopt},
      {"1\0"sv, std::nullopt},
      {"1,5", std::nullopt},
      {"x", std::nullopt},
      {"1e", std::nullopt},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.text);
    CHECK(ParseLongDouble(c.text) == c.want);
  }
  CHECK(ParseLongDouble("0." + std::string(5000, '1')).has_value());
  CHECK(!ParseLongDouble("0." + std::string(5200, '1')).has_value());
}

TEST_CASE("numbers: FormatLongDouble is Redis' human friendly form") {
  struct Case {
    long double value;
    Slice want;
  };
  const Case kCases[] = {
      {0.0L, "0"},
      {-0.0L, "0"},
      {-1e-30L, "0"},
      {3.0L, "3"},
      {100.0L, "100"},
      {-5009.5L, "-5009.5"},
      {0.1L, "0.1"},
      {0.1L + 1e-17L, "0.10000000000000001"},
      {1e-17L, "0.00000000000000001"},
      {1e20L, "100000000000000000000"},
      {10.6L, "10.6"},
      {std::numeric_limits<long double>::infinity(), "inf"},
      {-std::numeric_limits<long double>::infinity(), "-inf"},
  };
  for (const Case& c : kCases) CHECK(FormatLongDouble(c.value) == c.want);
  const std::string largest = FormatLongDouble(std::numeric_limits<long double>::max());
  CHECK(largest.size() == 4933);
  CHECK(ParseLongDouble(largest) == std::numeric_limits<long double>::max());
}

TEST_CASE("numbers: ParseMemorySize knows Redis' units") {
  struct Case {
    Slice text;
    std::optional<uint64_t> want;
  };
  static constexpr Case kCases[] = {
      {"0", 0u},
      {"100", 100u},
      {"007b", 7u},
      {"1B", 1u},
      {"1k", 1000u},
      {"1kb", 1024u},
      {"1Kb", 1024u},
      {"2m", 2'000'000u},
      {"2MB", 2u * 1024 * 1024},
      {"3g", 3'000'000'000u},
      {"3gb", 3ull * 1024 * 1024 * 1024},
      {"18446744073709551615", UINT64_MAX},
      {"18446744073709551616", std::nullopt},
      {"18446744073709551615k", std::nullopt},
      {"", std::nullopt},
      {"kb", std::nullopt},  // 0 to Redis, but hardly meant
      {"-1", std::nullopt},
      {"1 kb", std::nullopt},
      {"1.5gb", std::nullopt},
      {"1tb", std::nullopt},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.text);
    CHECK(ParseMemorySize(c.text) == c.want);
  }
}

}  // namespace
}  // namespace varve
