// tests/unit/base/glob_test.cc: patterns, the odd ones as Redis takes them, against a recursive
// matcher.
#include "base/glob.h"

#include <algorithm>
#include <string>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

TEST_CASE("glob: patterns match what they say") {
  struct Case {
    Slice pattern, text;
    bool want;
  };
  static constexpr Case kCases[] = {
      {"", "", true},
      {"", "a", false},
      {"a", "", false},
      {"*", "", true},
      {"**", "", true},
      {"*", "anything", true},
      {"?", "", false},
      {"?", "a", true},
      {"?", "ab", false},
      {"h?llo", "hello", true},
      {"h*llo", "heeeello", true},
      {"h*llo", "hllo", true},
      {"h*llo", "hell", false},
      {"*a*b*", "xxaxxbxx", true},
      {"*a*b*", "xxbxxaxx", false},
      {"a*a*a", "aa", false},
      {"a*a*a", "aaa", true},
      {"h[ae]llo", "hallo", true},
      {"h[ae]llo", "hillo", false},
      {"h[^e]llo", "hallo", true},
      {"h[^e]llo", "hello", false},
      {"h[a-c]llo", "hbllo", true},
      {"h[a-c]llo", "hdllo", false},
      {"h\\?llo", "h?llo", true},
      {"h\\?llo", "hello", false},
      {"\\*", "*", true},
      {"*\\**", "a*b", true},
      {"*\\**", "ab", false},
      {"[\\]]", "]", true},
      {"[\\-x]", "-", true},
      {"a b", "a b", true},
      {"[\x80-\xff]", "\xc3", true},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.pattern);
    CAPTURE(c.text);
    CHECK(GlobMatch(c.pattern, c.text) == c.want);
  }
}

TEST_CASE("glob: odd patterns mean what they mean to Redis") {
  struct Case {
    Slice pattern, text;
    bool want;
  };
  static constexpr Case kCases[] = {
      {"[", "[", false},    {"[", "a", false},      {"[a", "a", true},      {"[a", "b", false},
      {"[ab", "b", true},   {"[^", "x", true},      {"[^a", "a", false},    {"[^a", "b", true},
      {"[]", "]", false},   {"[]a]", "a", false},   {"[]a]", "a]", false},  {"[^]", "x", true},
      {"[^]", "", false},   {"[z-a]", "m", true},   {"[a-", "-", true},     {"[a-", "a", true},
      {"[a-", "b", false},  {"[a-]", "-", false},   {"[a-]", "^", true},    {"[--a]", "0", true},
      {"\\", "\\", true},   {"a\\", "a\\", true},   {"a\\", "a", false},    {"[\\", "\\", true},
      {"[a\\", "\\", true}, {"[\\a-b]", "-", true}, {"[\\a-b]", "b", true}, {"*[", "[", false},
      {"*[^", "abc", true},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.pattern);
    CAPTURE(c.text);
    CHECK(GlobMatch(c.pattern, c.text) == c.want);
  }
}

TEST_CASE("glob: case is ignored on demand, but not in escapes within a class") {
  struct Case {
    Slice pattern, text;
    bool want;
  };
  static constexpr Case kCases[] = {
      {"MAX*", "maxmemory", true}, {"max*", "MAXMEMORY", true}, {"[A-C]x", "bX", true},
      {"[c-A]x", "BX", true},      {"[^a]", "A", false},        {"[\\A]", "a", false},
      {"[\\A]", "A", true},        {"\\A", "a", true},          {"[xyZ]", "z", true},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.pattern);
    CAPTURE(c.text);
    CHECK(GlobMatch(c.pattern, c.text, true) == c.want);
  }
  CHECK(!GlobMatch("MAX*", "maxmemory"));
}

TEST_CASE("glob: many stars cost no more than pattern times text") {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "a*";
  const std::string text(20'000, 'a');
  CHECK(GlobMatch(pattern, text));
  CHECK(!GlobMatch(pattern + "b", text));
  CHECK(!GlobMatch("*?*?*?*?*?*?*?*?*?*[b]", text));
}

// Everything tried, on a pattern read afresh at each step.
bool NaiveMatch(Slice pattern, Slice text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    return NaiveMatch(pattern.substr(1), text) ||
           (!text.empty() && NaiveMatch(pattern, text.substr(1)));
  }
  if (text.empty()) return false;
  if (pattern[0] == '?') return NaiveMatch(pattern.substr(1), text.substr(1));
  if (pattern[0] == '\\' && pattern.size() > 1)
    pattern.remove_prefix(1);
  else if (pattern[0] == '[') {
    pattern.remove_prefix(1);
    const bool negated = pattern.starts_with('^');
    if (negated) pattern.remove_prefix(1);
    std::string members;  // the class written out
    while (!pattern.empty() && pattern[0] != ']') {
      size_t length = 1;
      if (pattern[0] == '\\' && pattern.size() >= 2) {
        length = 2;
        members += pattern[1];
      } else if (pattern.size() >= 3 && pattern[1] == '-') {
        length = 3;
        const int low = std::min(static_cast<unsigned char>(pattern[0]),
                                 static_cast<unsigned char>(pattern[2]));
        const int high = std::max(static_cast<unsigned char>(pattern[0]),
                                  static_cast<unsigned char>(pattern[2]));
        for (int c = low; c <= high; ++c) members += static_cast<char>(c);
      } else {
        members += pattern[0];
      }
      pattern.remove_prefix(length);
    }
    if (!pattern.empty()) pattern.remove_prefix(1);
    const bool found = members.find(text[0]) != std::string::npos;
    return found != negated && NaiveMatch(pattern, text.substr(1));
  }
  return pattern[0] == text[0] && NaiveMatch(pattern.substr(1), text.substr(1));
}

std::string RandomOf(Random& random, Slice alphabet, size_t size_max) {
  std::string text;
  for (size_t n = random.Uniform(size_max + 1); n > 0; --n) {
    text += alphabet[random.Uniform(alphabet.size())];
  }
  return text;
}

TEST_CASE("glob: random patterns and texts agree with the naive matcher") {
  int matches = 0;
  for (uint64_t seed = 0; seed < 300'000; ++seed) {
    Random random(seed);
    const std::string pattern = RandomOf(random, "aab**?[]^-\\c", 9);
    const std::string text = RandomOf(random, seed % 2 == 0 ? "ab" : "ab[]^-\\c*?", 8);
    const bool want = NaiveMatch(pattern, text);
    matches += want;
    if (GlobMatch(pattern, text) != want) {
      CAPTURE(seed);
      CAPTURE(pattern);
      CAPTURE(text);
      CHECK(GlobMatch(pattern, text) == want);
    }
    // Whatever matches begins with the literal prefix.
    if (want && !text.starts_with(GlobLiteralPrefix(pattern))) {
      CAPTURE(pattern);
      CAPTURE(text);
      CHECK(text.starts_with(GlobLiteralPrefix(pattern)));
    }
  }
  CHECK(matches > 10'000);
}

TEST_CASE("glob: the literal prefix is what every match must start with") {
  struct Case {
    Slice pattern, want;
  };
  static constexpr Case kCases[] = {
      {"", ""},           {"*", ""},           {"user:*", "user:"}, {"user:\\*:1?", "user:*:1"},
      {"plain", "plain"}, {"a[bc]", "a"},      {"[a]b", ""},        {"a\\", "a\\"},
      {"a\\[b*", "a[b"},  {"a\\\\b?", "a\\b"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.pattern);
    CHECK(GlobLiteralPrefix(c.pattern) == c.want);
  }
}

}  // namespace
}  // namespace varve
