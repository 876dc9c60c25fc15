#include "data/databases.h"

#include <doctest/doctest.h>

namespace varve {

TEST_CASE("databases: the record reads back as it was written") {
  Databases databases;
  databases.spaces = {1, 0, 300, 2};
  databases.next_space = 301;
  const Result<Databases> decoded = Databases::Decode(databases.Encode());
  REQUIRE(decoded.ok());
  CHECK(decoded->spaces == databases.spaces);
  CHECK(decoded->next_space == 301);

  databases.spaces = {1, 0};
  databases.next_space = 2;
  CHECK(databases.Encode() == std::string("\x02\x02\x01\x00", 4));
  CHECK(Databases::RecordKey() ==
        "\x10"
        "databases");
}

TEST_CASE("databases: bytes that make no sense are corruption") {
  struct Case {
    const char* why;
    std::string bytes;
  };
  // clang-format off
  const Case cases[] = {
      {"empty", ""},
      {"cut off", std::string("\x05\x02\x01", 3)},
      {"more than it says", std::string("\x05\x01\x01\x01", 4)},
      {"a space that was never given out", std::string("\x05\x01\x05", 3)},
      {"a space twice", std::string("\x05\x03\x01\x00\x01", 5)},
      {"next space is none", std::string("\x00\x01\x00", 3)},
      {"absurdly many", std::string("\x05\xff\xff\xff\xff\x0f", 6)},
  };
  // clang-format on
  for (const Case& c : cases) {
    CAPTURE(c.why);
    CHECK(Databases::Decode(c.bytes).status().code() == StatusCode::kCorruption);
  }
  // Empty databases may be many.
  CHECK(Databases::Decode(std::string("\x05\x03\x00\x00\x04", 5)).ok());
}

}  // namespace varve
