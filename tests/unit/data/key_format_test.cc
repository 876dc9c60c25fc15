#include "data/key_format.h"

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace varve {

namespace {

std::string Prefix(KeyKind kind, uint64_t id) {
  std::string prefix;
  AppendPrefix(&prefix, kind, id);
  return prefix;
}

}  // namespace

TEST_CASE("key format: a prefix is kind and length in one byte, and the id without leading zeros") {
  struct Case {
    const char* why;
    KeyKind kind;
    uint64_t id;
    std::string want;
  };
  using std::string_literals::operator""s;
  // clang-format off
  const Case cases[] = {
      {"no id",          KeyKind::kMeta,    0,          "\x10"},
      {"a young space",  KeyKind::kKey,     1,          "\x21\x01"},
      {"one byte full",  KeyKind::kKey,     255,        "\x21\xff"},
      {"two bytes",      KeyKind::kKey,     256,        "\x22\x01\x00"s},
      {"three bytes",    KeyKind::kKey,     0x12345,    "\x23\x01\x23\x45"},
      {"a collection",   KeyKind::kElement, 7,          "\x31\x07"},
      {"the last space", KeyKind::kKey,     UINT64_MAX, "\x28\xff\xff\xff\xff\xff\xff\xff\xff"},
  };
  // clang-format on
  for (const Case& c : cases) {
    CAPTURE(c.why);
    CHECK(Prefix(c.kind, c.id) == c.want);
  }
}

TEST_CASE("key format: prefixes sort as ids do, and none begins another") {
  std::vector<uint64_t> ids = {1,
                               2,
                               127,
                               128,
                               255,
                               256,
                               257,
                               65535,
                               65536,
                               1ull << 24,
                               (1ull << 32) - 1,
                               1ull << 32,
                               1ull << 56,
                               UINT64_MAX};
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    for (size_t j = i + 1; j < ids.size(); ++j) {
      const std::string a = Prefix(KeyKind::kKey, ids[i]);
      const std::string b = Prefix(KeyKind::kKey, ids[j]);
      CHECK(a < b);
      CHECK_FALSE(b.starts_with(a));
      CHECK(a + "\xff\xff\xff" < b);
    }
  }
}

TEST_CASE("key format: only keys of databases are counted, by their space") {
  CHECK(CountedPrefixSize(Prefix(KeyKind::kKey, 1) + "user") == 2);
  CHECK(CountedPrefixSize(Prefix(KeyKind::kKey, 1)) == 2);
  CHECK(CountedPrefixSize(Prefix(KeyKind::kKey, 300) + "") == 3);
  CHECK(CountedPrefixSize(Prefix(KeyKind::kKey, UINT64_MAX) + "k") == kPrefixBytesMax);
  CHECK(CountedPrefixSize(Prefix(KeyKind::kElement, 1) + "x") == 0);
  CHECK(CountedPrefixSize(Prefix(KeyKind::kMeta, 0) + "databases") == 0);
  CHECK(CountedPrefixSize("") == 0);
  CHECK(CountedPrefixSize("\x24\x01") == 0);  // cut off
}

}  // namespace varve
