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
  CHECK(lost.empty());
  lost.Add(Lost("b", "f", 2));
  lost.Add(Lost("d", "h", 1));
  CHECK(!lost.empty());
  CHECK(!lost.NewestChildOver("a"));
  CHECK(lost.NewestChildOver("b") == 2);
  CHECK(lost.NewestChildOver("d") == 1);
  CHECK(lost.NewestChildOver("g") == 1);
  CHECK(!lost.NewestChildOver("h"));
  CHECK(lost.Covers("b"));
  CHECK(!lost.Covers("h"));
  CHECK(!lost.ReachesTo("b"));
  CHECK(lost.ReachesTo("c"));
  CHECK(lost.ReachesTo("h"));
  CHECK(!lost.ReachesTo("i"));
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

TEST_CASE("lost ranges: they come out in order, each key once, up to a limit") {
  LostRanges lost;
  lost.Add(Lost("d", "h", 1));
  lost.Add(Lost("b", "f", 2));
  CHECK(!lost.First("b"));
  REQUIRE(lost.First("c"));
  CHECK(lost.First("c")->begin == "b");
  CHECK(lost.First("c")->end == "c");
  CHECK(lost.First(std::nullopt)->end == "f");
  lost.ForgetBelow("f");
  CHECK(lost.First(std::nullopt)->begin == "f");
  CHECK(lost.First(std::nullopt)->end == "h");
  lost.ForgetBelow("h");
  CHECK(lost.empty());
  CHECK(!lost.First(std::nullopt));
}

TEST_CASE("lost ranges: what is behind the merge is remembered all the same") {
  LostRanges lost;
  lost.Add(Lost("a", "b", 0));
  lost.Add(Lost("c", "d", 1));
  lost.ForgetBelow("z");
  REQUIRE(lost.all().size() == 2);
  CHECK(lost.all()[0].begin == "a");
}

}  // namespace
}  // namespace varve
