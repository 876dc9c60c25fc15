#include "data/expiry.h"

#include <doctest/doctest.h>

namespace varve {

TEST_CASE("expiry: times become milliseconds since 1970, or are refused where they would not fit") {
  constexpr TimeFormat kEx{TimeUnit::kSeconds, true}, kPx{TimeUnit::kMilliseconds, true};
  constexpr TimeFormat kExAt{TimeUnit::kSeconds, false}, kPxAt{TimeUnit::kMilliseconds, false};
  constexpr int64_t kNow = 1'000'000;
  struct Case {
    const char* why;
    int64_t amount;
    TimeFormat format;
    std::optional<int64_t> want;
  };
  // clang-format off
  const Case cases[] = {
      {"seconds from now",        10,                     kEx,   kNow + 10'000},
      {"milliseconds from now",   10,                     kPx,   kNow + 10},
      {"a time in seconds",       10,                     kExAt, 10'000},
      {"a time in milliseconds",  10,                     kPxAt, 10},
      {"before now",              -1,                     kEx,   kNow - 1000},
      {"before 1970",             -1,                     kPxAt, -1},
      {"the last millisecond",    INT64_MAX,              kPxAt, INT64_MAX},
      {"the last second",         INT64_MAX / 1000,       kExAt, INT64_MAX / 1000 * 1000},
      {"one second beyond",       INT64_MAX / 1000 + 1,   kExAt, std::nullopt},
      {"far before",              INT64_MIN,              kExAt, std::nullopt},
      {"now on top is too much",  INT64_MAX - kNow + 1,   kPx,   std::nullopt},
      {"just not too much",       INT64_MAX - kNow,       kPx,   INT64_MAX},
      {"seconds and now",         INT64_MAX / 1000,       kEx,   std::nullopt},
  };
  // clang-format on
  for (const Case& c : cases) {
    CAPTURE(c.why);
    CHECK(ToExpireAtMs(c.amount, c.format, kNow) == c.want);
  }
}

TEST_CASE("expiry: seconds are rounded to the nearest") {
  CHECK(MsToSeconds(0) == 0);
  CHECK(MsToSeconds(499) == 0);
  CHECK(MsToSeconds(500) == 1);
  CHECK(MsToSeconds(1499) == 1);
  CHECK(MsToSeconds(INT64_MAX) == INT64_MAX / 1000 + 1);
}

}  // namespace varve
