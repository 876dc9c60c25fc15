// tests/unit/engine/version/dead_prefixes_test.cc: nested, neighbouring and spent prefixes.
#include "engine/version/dead_prefixes.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/prefix.h"
#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

FileMeta Range(uint64_t number, const std::string& smallest, const std::string& largest) {
  FileMeta file;
  file.number = number;
  file.size_bytes = file.entries = 1;
  file.smallest = smallest;
  file.largest = largest;
  return file;
}

TEST_CASE("dead prefixes: the shorter one still holds where a longer one does not") {
  DeadPrefixes dead;
  dead.Add("a", 10);
  dead.Add("ab", 20);
  dead.Add("abcd", 30);
  dead.Add("c", 40);
  struct Case {
    Slice key;
    bool want;
  };
  static constexpr Case kCases[] = {{"a", true},    {"aa", true},    {"ab", true}, {"abc", true},
                                    {"abcx", true}, {"abcde", true}, {"az", true}, {"b", false},
                                    {"", false},    {"c", true},     {"d", false}, {"\xff", false}};
  for (const Case& c : kCases) {
    CAPTURE(c.key);
    CHECK(dead.Covers(c.key) == c.want);
  }
  CHECK(dead.CoversRange("aa", "az"));
  CHECK(dead.CoversRange("abca", "abz"));
  CHECK_FALSE(dead.CoversRange("a", "b"));
  CHECK_FALSE(dead.CoversRange("ab", "c"));
  CHECK(dead.Remove("a"));
  CHECK_FALSE(dead.Remove("a"));
  CHECK_FALSE(dead.Covers("aa"));
  CHECK(dead.Covers("abz"));
}

TEST_CASE("dead prefixes: a table written by one who knew does not meet them") {
  DeadPrefixes dead;
  dead.Add("m", 10);
  CHECK(dead.MayMeet(Range(9, "a", "z")));
  CHECK_FALSE(dead.MayMeet(Range(10, "a", "z")));
  CHECK(dead.MayMeet(Range(9, "m", "m")));
  CHECK(dead.MayMeet(Range(9, "mz", "n")));
  CHECK_FALSE(dead.MayMeet(Range(9, "a", "lz")));
  CHECK_FALSE(dead.MayMeet(Range(9, "n", "z")));
  dead.Add("m", 11);
  CHECK(dead.MayMeet(Range(10, "a", "z")));
}

TEST_CASE("dead prefixes: PrefixEnd is the first key behind") {
  CHECK(PrefixEnd("a") == "b");
  CHECK(PrefixEnd("a\xff\xff") == "b");
  CHECK(PrefixEnd("\xff\xff") == "");
  CHECK(PrefixEnd("") == "");
  CHECK(PrefixEnd("a\x7f") == "a\x80");
}

TEST_CASE("dead prefixes: any keys, against trying each prefix") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto text = [&](uint64_t size_max) {
      std::string s(random.Uniform(size_max + 1), 'a');
      for (char& c : s) c = static_cast<char>(random.OneIn(5) ? 0xff : 'a' + random.Uniform(2));
      return s;
    };
    DeadPrefixes dead;
    for (uint64_t i = random.Uniform(6) + 1; i > 0; --i) {
      const std::string prefix = text(4);
      if (!prefix.empty() || random.OneIn(20)) dead.Add(prefix, random.Uniform(20));
    }
    for (int i = 0; i < 100; ++i) {
      std::string smallest = text(6);
      std::string largest = text(6);
      if (largest < smallest) std::swap(smallest, largest);
      const FileMeta file = Range(1 + random.Uniform(20), smallest, largest);
      const auto any = [&](auto test) {
        return std::any_of(dead.prefixes().begin(), dead.prefixes().end(), test);
      };
      CHECK(dead.Covers(smallest) ==
            any([&](const auto& p) { return smallest.starts_with(p.first); }));
      const auto from = std::find_if(
          dead.prefixes().begin(), dead.prefixes().end(),
          [&](const auto& p) { return smallest.starts_with(p.first) || p.first > smallest; });
      CHECK((dead.FirstFrom(smallest) == from));
      CHECK(dead.CoversRange(smallest, largest) == any([&](const auto& p) {
              return smallest.starts_with(p.first) && largest.starts_with(p.first);
            }));
      const auto meets = [&](const auto& p) {
        const std::string end = PrefixEnd(p.first);
        return file.number < p.second && largest >= p.first && (end.empty() || smallest < end);
      };
      CHECK(dead.MayMeet(file) == any(meets));

      for (const int level : {0, 3}) {
        VersionEdit edit;
        auto added = std::make_shared<FileMeta>(file);
        added->level = level;
        edit.added = {added};
        const auto version = Version().Apply(edit);
        REQUIRE(version.ok());
        for (const auto& [prefix, bound] : dead.prefixes()) {
          CHECK(PrefixIsSpent(**version, prefix, bound) == !meets(std::pair(prefix, bound)));
        }
      }
    }
  }
}

}  // namespace
}  // namespace varve
