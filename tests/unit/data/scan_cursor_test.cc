#include "data/scan_cursor.h"

#include <string>

#include <doctest/doctest.h>

namespace varve {

TEST_CASE("scan cursor: it finds its position again, as often as it is asked") {
  ScanCursors cursors(1);
  const uint64_t a = cursors.Save(0, "apple");
  const uint64_t b = cursors.Save(3, "");
  CHECK(a != b);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(cursors.Find(a, 0));
    CHECK(*cursors.Find(a, 0) == "apple");
    REQUIRE(cursors.Find(b, 3));
    CHECK(cursors.Find(b, 3)->empty());
  }
}

TEST_CASE("scan cursor: it is never 0 and fits a double") {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    ScanCursors cursors(seed);
    for (int i = 0; i < 10; ++i) {
      const uint64_t cursor = cursors.Save(0, "k");
      CHECK(cursor != 0);
      CHECK(cursor < (1ull << 53));
      CHECK((cursor & 0xffffffff) != 0);
    }
  }
}

TEST_CASE("scan cursor: what is not ours is unknown") {
  ScanCursors cursors(1);
  ScanCursors other(2);
  const uint64_t cursor = cursors.Save(0, "k");
  CHECK(other.Save(0, "k") != cursor);
  CHECK(other.Find(cursor, 0) == nullptr);        // another life
  CHECK(cursors.Find(cursor, 1) == nullptr);      // another database
  CHECK(cursors.Find(cursor + 1, 0) == nullptr);  // not given out yet
  CHECK(cursors.Find(1, 0) == nullptr);           // made up
  CHECK(cursors.Find(cursor | 1ull << 60, 0) == nullptr);
  CHECK(cursors.Find(cursor, 0) != nullptr);
}

TEST_CASE("scan cursor: beyond a number of them the least recently used is forgotten") {
  ScanCursors cursors(1, 3, 1 << 20);
  const uint64_t a = cursors.Save(0, "a");
  const uint64_t b = cursors.Save(0, "b");
  const uint64_t c = cursors.Save(0, "c");
  CHECK(cursors.Find(a, 0));
  const uint64_t d = cursors.Save(0, "d");
  CHECK(cursors.size() == 3);
  CHECK(cursors.Find(b, 0) == nullptr);
  CHECK(cursors.Find(a, 0));
  CHECK(cursors.Find(c, 0));
  CHECK(cursors.Find(d, 0));
}

TEST_CASE("scan cursor: their bytes are bounded, but the newest is always kept") {
  constexpr size_t kBytesMax = 10'000;
  ScanCursors cursors(1, 1000, kBytesMax);
  for (int i = 0; i < 100; ++i) {
    const uint64_t cursor = cursors.Save(0, std::string(500, 'k'));
    CHECK(cursors.memory_bytes() <= kBytesMax);
    CHECK(cursors.Find(cursor, 0));
  }
  CHECK(cursors.size() > 5);
  const uint64_t huge = cursors.Save(0, std::string(3 * kBytesMax, 'k'));
  CHECK(cursors.size() == 1);
  CHECK(cursors.Find(huge, 0));
  cursors.Save(0, "small");
  CHECK(cursors.size() == 1);
  CHECK(cursors.memory_bytes() < 1000);
}

}  // namespace varve
