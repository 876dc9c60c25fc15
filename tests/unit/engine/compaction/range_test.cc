// tests/unit/engine/compaction/range_test.cc: what is asked for, drawn before and after.
#include "engine/compaction/range.h"

#include <string>
#include <vector>

#include "engine/compaction/leveled.h"
#include "engine/compaction/tiered.h"
#include "tests/unit/engine/compaction/drawn_tree.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

const LeveledPolicy kLeveled;
const TieredPolicy kTiered(TieredPolicy::LastLevel::kTiered);
const TieredPolicy kLazy(TieredPolicy::LastLevel::kLeveled);

CompactionRange RangeFromTo(const std::string& lower, const std::string& upper) {
  return {.lower = lower, .upper = upper, .from = {}};
}

struct Case {
  const char* why;
  std::string tree;
  std::string lower;
  std::string upper;
  std::string plans;
};

void RunCases(const CompactionPolicy& policy, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    CAPTURE(c.why);
    DrawnTree tree(c.tree);
    CHECK(tree.CompactRange(policy, RangeFromTo(c.lower, c.upper)) == c.plans);
  }
}

TEST_CASE("ranges: what meets one is merged down to the last level that holds any of it") {
  const std::vector<Case> cases = {
      {"nothing there", "L6: 9 a-c", "d", "f", ""},
      {"nothing to be done", "L6: 9 a-c", "", "", ""},
      {"the last key is not part of it", "L5: 1 d-e\nL6: 9 a-f", "b", "d", ""},
      {"the first one is", "L5: 1 d-e\nL6: 9 a-f", "e", "k", "L5 -> L6, manual: 1 + 9"},
      {"a table of each level", "L4: 1 c-d\nL5: 2 a-e, 3 g-h\nL6: 4 a-b, 5 c-d, 6 e-f, 7 g-h", "c",
       "d", "L4 -> L6, manual: 1 | 2 + 4 5 6"},
      {"what lies beside the range stays", "L5: 1 a-b, 2 c-d, 3 e-f\nL6: 4 a-b, 5 c-d, 6 e-f", "c",
       "e", "L5 -> L6, manual: 2 + 5"},
      {"no deeper than it reaches", "L4: 1 c-d\nL5: 2 c-e\nL6: 3 x-z", "c", "f",
       "L4 -> L5, manual: 1 + 2"},
      {"over nothing it moves", "L5: 1 c-d\nL6: 9 a-b, 8 e-f", "a", "f",
       "L5 -> L6, manual, move: 1"},
      {"unless it holds what can be dropped", "L5: 1 c-d t\nL6: 9 a-b, 8 e-f", "a", "f",
       "L5 -> L6, manual: 1"},
      {"tombstones where nothing lies below", "L6: 7 a-b, 8 c-d t, 9 e-f t", "d", "e",
       "L6, manual: 8"},
      {"neighbours together", "L6: 6 a-b t, 7 c-d t, 8 e-f, 9 g-h t", "", "",
       "L6, manual: 6 7\nL6, manual: 9"},
      {"what has expired", "L6: 8 c-d e, 9 e-f", "", "", "L6, manual: 8"},
      {"what is new is not its business", "L0: 100 a-z\nL6: 9 a-z", "", "", ""},
  };
  RunCases(kLeveled, cases);
  // All but the way out of level 0 is the same.
  RunCases(kTiered, cases);
  RunCases(kLazy, cases);
}

TEST_CASE("ranges: a job reads what it may, and goes on where it ended") {
  const std::vector<Case> cases = {
      {"by keys", "L5: 1 a-b 40, 2 c-d 40, 3 e-f 40\nL6: 7 a-b 30, 8 c-d 30, 9 e-f 30", "", "",
       "L5 -> L6, manual: 1 + 7\n"
       "L5 -> L6, manual: 2 + 8\n"
       "L5 -> L6, manual: 3 + 9"},
      {"small ones together", "L5: 1 a-b, 2 c-d, 3 e-f\nL6: 7 a-b 30, 8 c-d 30, 9 e-f 30", "", "",
       "L5 -> L6, manual: 1 2 + 7 8\n"
       "L5 -> L6, manual: 3 + 9"},
      {"by levels", "L4: 1 a-z\nL5: 2 a-k 40, 3 m-z 40\nL6: 7 a-f 40, 8 g-k 40, 9 m-z 40", "", "",
       "L4 -> L5, manual: 1 + 2 3\n"
       "L5 -> L6, manual: 100 + 7 8 9"},
      {"one step, however large it is", "L5: 1 a-z\nL6: 9 a-z 500", "c", "d",
       "L5 -> L6, manual: 1 + 9"},
      {"neighbours that hold tombstones", "L6: 6 a-b 60t, 7 c-d 60t, 8 e-f 40t", "", "",
       "L6, manual: 6\nL6, manual: 7 8"},
  };
  RunCases(kLeveled, cases);
  RunCases(kTiered, cases);
}

TEST_CASE("ranges: what leaves level 0 takes along what is older, not what is newer") {
  RunCases(
      kLeveled,
      {
          {"all that meets it", "L0: 4 m-p, 3 a-c, 2 b-d\nL6: 9 a-z", "a", "b",
           "L0 -> L6, manual: 3 2 + 9"},
          {"newer ones may stay", "L0: 4 b-z, 3 a-c, 2 c-d\nL6: 9 a-z", "a", "b",
           "L0 -> L6, manual: 3 2 + 9"},
          {"alone", "L0: 4 m-p, 3 a-c, 2 q-r\nL6: 9 m-p, 8 q-z", "m", "n",
           "L0 -> L6, manual: 4 + 9"},
          {"the oldest first if it is too much", "L0: 4 a-z 60, 3 a-z 60, 2 a-z 60", "", "",
           "L0 -> L6, manual, move: 2\n"
           "L0 -> L5, manual, move: 3\n"
           "L0 -> L5, manual: 4 + 3\n"
           "L5 -> L6, manual: 100 + 2"},
          {"staged where the base is large", "L0: 4 a-z 5\nL5: 1 a-z 90\nL6: 9 a-z 990", "b", "c",
           "L0 -> L4, manual, move: 4\n"
           "L4 -> L5, manual: 4 + 1\n"
           "L5 -> L6, manual: 100 + 9"},
      });
  RunCases(kTiered, {
                        {"a run of its own first", "L0: 4 m-p, 3 a-c, 2 b-d\nL31: 9 a-z", "a", "b",
                         "L0 -> L30, manual: 3 2\n"
                         "L30 -> L31, manual: 100 + 9"},
                    });
}

TEST_CASE("ranges: nothing is put where a job is at work, and what is busy is waited for") {
  struct BusyCase {
    const char* why;
    std::string tree;
    std::string plan;
  };
  const BusyCase cases[] = {
      {"itself", "L5: 1 a-b *\nL6: 9 a-b", "nothing"},
      {"what it meets", "L5: 1 a-b\nL6: 9 a-b *", "nothing"},
      {"what lies beside it, for a job's tables may span it", "L5: 1 c-d\nL6: 8 a-b *, 9 e-f *",
       "nothing"},
      {"not so deep", "L4: 1 a-b\nL5: 2 a-b\nL6: 9 a-b *", "L4 -> L5, manual: 1 + 2"},
      {"tombstones", "L6: 8 a-b t*, 9 c-d t", "nothing"},
  };
  for (const BusyCase& c : cases) {
    CAPTURE(c.why);
    CHECK(DrawnTree(c.tree).PickManual(kLeveled) == c.plan);
  }
  CHECK(DrawnTree("L6: 8 a-b t*, 9 c-d t, 10 e-f t").PickManual(kLeveled, RangeFromTo("c", "")) ==
        "L6, manual: 9");
}

TEST_CASE("ranges: how much is left is known") {
  const auto left = [](const char* text, const CompactionRange& range) {
    const DrawnTree tree(text);
    return BytesLeft(*tree.version, tree.state(), range);
  };
  constexpr char kTree[] = "L0: 5 a-z\nL4: 1 a-b 20, 2 c-d 30\nL6: 8 a-b 400, 9 c-d 500t";
  CHECK(left(kTree, {}) == 10 + 20 + 30 + 500);
  CHECK(left(kTree, RangeFromTo("a", "c")) == 10 + 20);
  CompactionRange begun = RangeFromTo("a", "");
  begun.files_before = 5;
  begun.level = 4;
  begun.from = "bb";
  CHECK(left(kTree, begun) == 30 + 500);
}

}  // namespace
}  // namespace varve
