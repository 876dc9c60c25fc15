// tests/unit/engine/compaction/filter_bits_test.cc: small runs get more bits.
#include "engine/compaction/filter_bits.h"

#include "tests/unit/engine/compaction/drawn_tree.h"

#include <doctest/doctest.h>

namespace varve {

TEST_CASE("filter bits: half the size is 1.44 bits more, up to a bound") {
  struct Case {
    const char* why;
    int bits_of_largest;
    uint64_t run_bytes;
    uint64_t largest_bytes;
    int want;
  };
  static constexpr Case kCases[] = {
      {"the largest", 10, 1000, 1000, 10},         {"larger than any", 10, 2000, 1000, 10},
      {"the first run of all", 10, 1000, 0, 10},   {"half of it", 10, 1000, 2000, 11},
      {"a quarter", 10, 1000, 4000, 13},           {"a tenth", 10, 1000, 10'000, 15},
      {"a thousandth", 10, 1, 1000, 16},           {"nothing", 10, 0, UINT64_MAX, 16},
      {"more are wanted anyway", 20, 1, 1000, 20}, {"none are wanted", 0, 1, 1000, 0},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    CHECK(FilterBitsOfRun(c.bits_of_largest, c.run_bytes, c.largest_bytes) == c.want);
  }
}

TEST_CASE("filter bits: a plan's are those of the run it leaves behind, whatever its level") {
  struct Case {
    const char* why;
    const char* tree;
    int level;  // all of it is merged into the other
    int output_level;
    int want;
  };
  static constexpr Case kCases[] = {
      {"the first run", "L0: 2 a-z, 1 a-z", 0, 6, 10},
      {"into the largest", "L5: 2 a-z 90\nL6: 1 a-z 900", 5, 6, 10},
      {"a new run above one a hundred times as large", "L0: 2 a-z 20, 1 a-z 20\nL31: 9 a-z 4000", 0,
       30, 16},
      {"one that becomes a quarter of the largest", "L29: 2 a-z 50\nL30: 1 a-z 50\nL31: 9 a-z 400",
       29, 30, 13},
      {"a part of a level counts as all of it",
       "L4: 3 a-b 50\nL5: 1 a-b 30, 2 x-z 370\nL6: 5 a-z 900", 4, 5, 11},
      {"rewritten in its place, nothing comes to it", "L5: 2 a-z 100\nL6: 1 a-z 400", 5, 5, 13},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    const DrawnTree tree(c.tree);
    CompactionPlan plan;
    plan.level = c.level;
    plan.output_level = c.output_level;
    plan.inputs = tree.version->level(c.level);
    CHECK(FilterBitsOfPlan(*tree.version, tree.options, plan) == c.want);
  }
}

TEST_CASE("filter bits: of a flush, by what lies below it") {
  CHECK(FilterBitsOfFlush(*DrawnTree("").version, SmallOptions(), 100) == 10);
  CHECK(FilterBitsOfFlush(*DrawnTree("L0: 1 a-z 900").version, SmallOptions(), 100) == 10);
  CHECK(FilterBitsOfFlush(*DrawnTree("L6: 1 a-z 200").version, SmallOptions(), 100) == 11);
  CHECK(FilterBitsOfFlush(*DrawnTree("L6: 1 a-z 9000").version, SmallOptions(), 100) == 16);
}

}  // namespace varve
