// tests/unit/engine/iterators/lost_ranges_test.cc: what of a merge's inputs is lost, and to whom.
#include "engine/iterators/lost_ranges.h"

#include "base/hash.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

LostRange Lost(const char* begin, const char* end, size_t child) {
  LostRange range;
  range.begin = begin;
  range.end = end;
  range.why = "bad";
  range.child = child;
  return range;
}

TEST_CASE("lost ranges: over a key the newest counts, ends excluded") {
  LostRanges lost;
  lost.Add(Lost("b", "f", 2));
  lost.Add(Lost("d", "h", 1));
  CHECK(!lost.NewestChildOver("a"));
  CHECK(lost.NewestChildOver("b") == 2);
  CHECK(lost.NewestChildOver("d") == 1);
  CHECK(lost.NewestChildOver("g") == 1);
  CHECK(!lost.NewestChildOver("h"));
}

TEST_CASE("lost ranges: what a filter denies was not lost") {
  PartitionBuilder builder(20, 0);
  builder.AddKey(FilterHash("b"));
  builder.BeginBlock("");
  builder.EndBlock(100);
  LostRange range = Lost("a", "z", 3);
  range.partition = Partition::Make(builder.Finish(), 100);
  REQUIRE(range.partition);
  LostRanges lost;
  lost.Add(range);
  CHECK(lost.NewestChildOver("b") == 3);
  CHECK(!lost.NewestChildOver("c"));
  lost.Add(Lost("c", "d", 5));
  CHECK(lost.NewestChildOver("c") == 5);
}

}  // namespace
}  // namespace varve
