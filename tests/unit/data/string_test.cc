#include "data/string.h"

#include <string>

#include "base/random.h"
#include "tests/unit/commands/fake_engine.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

// A longest common subsequence the slow way: only its length.
size_t SlowLength(Slice a, Slice b) {
  std::vector<std::vector<size_t>> length(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      length[i][j] = a[i - 1] == b[j - 1] ? length[i - 1][j - 1] + 1
                                          : std::max(length[i - 1][j], length[i][j - 1]);
    }
  }
  return length[a.size()][b.size()];
}

struct Fixture {
  FakeEngine engine;
  Databases databases{.spaces = std::vector<SpaceId>(2)};
  View view{engine, databases};
  Fixture() { view.Begin(0, 1000); }
};

}  // namespace

TEST_CASE("string: a range is cut to what is there") {
  struct Case {
    int64_t first, last;
    Slice want;
  };
  // clang-format off
  static constexpr Case kCases[] = {
      {0, 2, "abc"},   {0, -1, "abcdef"}, {-2, -1, "ef"},  {2, 2, "c"},   {4, 100, "ef"},
      {6, 10, ""},     {3, 2, ""},        {-1, -2, ""},    {-100, 1, "ab"}, {-100, -99, "a"},
      {-99, -100, ""}, {0, -100, "a"},    {1, -100, ""},   {INT64_MIN, INT64_MAX, "abcdef"},
      {INT64_MAX, INT64_MAX, ""},         {0, INT64_MIN, "a"},
  };
  // clang-format on
  for (const Case& c : kCases) {
    CAPTURE(c.first);
    CAPTURE(c.last);
    CHECK(StringRange("abcdef", c.first, c.last) == c.want);
    CHECK(StringRange("", c.first, c.last) == "");
  }
}

TEST_CASE("string: the encoding is what Redis would choose for such bytes") {
  CHECK(StringEncoding("0") == "int");
  CHECK(StringEncoding("-9223372036854775808") == "int");
  CHECK(StringEncoding("9223372036854775808") == "embstr");
  CHECK(StringEncoding("01") == "embstr");
  CHECK(StringEncoding("") == "embstr");
  CHECK(StringEncoding(std::string(44, 'x')) == "embstr");
  CHECK(StringEncoding(std::string(45, 'x')) == "raw");
}

TEST_CASE("string: a common subsequence is common, longest, and lies where its matches say") {
  Random random(42);
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    std::string a, b;
    const uint64_t letters = 1 + random.Uniform(4);
    for (uint64_t i = random.Uniform(30); i > 0; --i) {
      a.push_back(static_cast<char>('a' + random.Uniform(letters)));
    }
    for (uint64_t i = random.Uniform(30); i > 0; --i) {
      b.push_back(static_cast<char>('a' + random.Uniform(letters)));
    }
    CAPTURE(a);
    CAPTURE(b);
    const CommonSubsequence common(a, b);
    CHECK(common.length() == SlowLength(a, b));
    CHECK(common.Bytes(a).size() == common.length());
    size_t length = 0, a_end = a.size(), b_end = b.size();
    for (const CommonSubsequence::Match& match : common.matches()) {
      CHECK(match.length > 0);
      CHECK(match.a_first + match.length <= a_end);
      CHECK(match.b_first + match.length <= b_end);
      CHECK(a.substr(match.a_first, match.length) == b.substr(match.b_first, match.length));
      a_end = match.a_first;
      b_end = match.b_first;
      length += match.length;
    }
    CHECK(length == common.length());
  }
}

TEST_CASE("string: what does not fit is not compared") {
  const std::string a(20'000, 'x');
  CHECK(CommonSubsequence::Fits(a, std::string(6'000, 'x')));
  CHECK_FALSE(CommonSubsequence::Fits(a, a));
}

TEST_CASE("string: a failed operation has written nothing") {
  Fixture f;
  f.view.Put("text", ValueType::kString, 0, Slice("abc"));
  f.view.Put("max", ValueType::kString, 0, Slice("9223372036854775807"));
  const size_t entries = f.view.batch().entries();

  String text(f.view, "text");
  REQUIRE(text.Load().ok());
  CHECK(text.IncrBy(1).status().code() == StatusCode::kNotAnInteger);
  CHECK(text.IncrByFloat(1).status().code() == StatusCode::kNotAFloat);
  CHECK(text.SetRange(kValueBytesMax, "x").status().code() == StatusCode::kStringTooLong);
  CHECK(text.SetRange(SIZE_MAX - 1, "xyz").status().code() == StatusCode::kStringTooLong);
  CHECK(*text.SetRange(100, "") == 3);
  String max(f.view, "max");
  REQUIRE(max.Load().ok());
  CHECK(max.IncrBy(1).status().code() == StatusCode::kIncrementOverflow);
  CHECK(f.view.batch().entries() == entries);
}

TEST_CASE("string: large values grow like small ones") {
  Fixture f;
  for (const size_t size :
       {size_t{10}, kSharedValueBytesMin - 2, kSharedValueBytesMin, size_t{200'000}}) {
    CAPTURE(size);
    f.view.Put("k", ValueType::kString, 5000, Slice(std::string(size, 'a')));
    String k(f.view, "k");
    REQUIRE(k.Load().ok());
    CHECK(*k.Append("bcd") == size + 3);
    String again(f.view, "k");
    REQUIRE(again.Load().ok());
    CHECK(again.bytes() == std::string(size, 'a') + "bcd");
    CHECK(again.value().expire_at_ms == 5000);
    CHECK(*again.SetRange(size + 4, "!") == size + 5);
    String last(f.view, "k");
    REQUIRE(last.Load().ok());
    CHECK(last.bytes() == std::string(size, 'a') + "bcd" + std::string(1, '\0') + "!");
  }
}

}  // namespace varve
