// tests/unit/engine/compaction/leveled_test.cc: the leveled policy, drawn. drawn_tree.h says how.
#include "engine/compaction/leveled.h"

#include <string>
#include <vector>

#include "tests/unit/engine/compaction/drawn_tree.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

const LeveledPolicy kPolicy;

struct Case {
  std::string why;
  std::string tree;
  std::string want;
};

void RunCases(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    CAPTURE(c.why);
    CHECK(DrawnTree(c.tree).Pick(kPolicy) == c.want);
  }
}

TEST_CASE("leveled: targets are reckoned from the last level") {
  struct TargetCase {
    std::string why;
    std::string tree;
    int base;
    std::vector<uint64_t> bytes;  // from the base on, without the last level
  };
  const TargetCase cases[] = {
      {"nothing", "", 6, {}},
      {"as much as level 1 may hold", "L6: 1 a-b 100", 6, {}},
      {"one byte more", "L6: 1 a-b 101", 5, {100}},
      {"ten times as much", "L6: 1 a-b 1000", 5, {100}},
      {"and more", "L6: 1 a-b 5000", 4, {100, 500}},
      {"a lot", "L6: 1 a-b 9000000", 1, {100, 900, 9000, 90000, 900000}},
      {"more than was reckoned with", "L6: 1 a-b 99000000", 1, {990, 9900, 99000, 990000, 9900000}},
      {"data still on its way down", "L4: 1 a-b 5000\nL6: 2 a-b 10", 4, {100, 500}},
  };
  for (const TargetCase& c : cases) {
    CAPTURE(c.why);
    const LevelTargets targets = LevelTargetsOf(*DrawnTree(c.tree).version, SmallOptions());
    CHECK(targets.base == c.base);
    for (int level = 0; level < kLevels; ++level) {
      CAPTURE(level);
      const int at = level - c.base;
      const bool limited = at >= 0 && level < targets.last;
      CHECK(targets.bytes[static_cast<size_t>(level)] ==
            (limited ? c.bytes[static_cast<size_t>(at)] : 0));
    }
  }
}

TEST_CASE("leveled: level 0 goes by its count, with all that overlaps") {
  RunCases({
      {"an empty tree", "", "nothing"},
      {"too few", "L0: 3 a-z, 2 a-z, 1 a-z", "nothing"},
      {"enough", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z", "L0 -> L6, count: 4 3 2 1"},
      {"with what lies below", "L0: 4 b-d, 3 b-d, 2 b-d, 1 b-c\nL6: 9 a-b, 8 c-c, 7 e-f",
       "L0 -> L6, count: 4 3 2 1 + 9 8"},
      {"overlap is handed on", "L0: 4 e-g, 3 c-e, 2 x-y, 1 a-c", "L0 -> L6, count: 4 3 1"},
      {"only the oldest and its like", "L0: 4 x-z, 3 a-b, 2 x-y, 1 a-a", "L0 -> L6, count: 3 1"},
      {"between two that overlap", "L0: 4 c-c, 3 x-z, 2 a-e, 1 a-b", "L0 -> L6, count: 4 2 1"},
      {"alone, it moves", "L0: 4 j-k, 3 g-h, 2 d-e, 1 a-b", "L0 -> L6, count, move: 1"},
      {"alone, but not below", "L0: 4 j-k, 3 g-h, 2 d-e, 1 a-b\nL6: 9 b-c",
       "L0 -> L6, count: 1 + 9"},
      {"too much for one job: the newest wait", "L0: 4 a-z 50, 3 a-z 50, 2 a-z 40, 1 a-z 10",
       "L0 -> L6, count: 3 2 1"},
      {"too large even alone", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z 900", "L0 -> L6, count, move: 1"},
      {"one job at a time", "L0: 5 a-b, 4 a-z, 3 a-z, 2 a-z, 1 a-b *", "nothing"},
      {"what lies below is busy", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL6: 9 a-b *", "nothing"},
      {"straight into the base", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL5: 8 a-b\nL6: 9 a-b 200",
       "L0 -> L5, count: 4 3 2 1 + 8"},
      // Level 3 is older than level 0 and newer than level 6: it must not be overtaken.
      {"never past what is left above the base",
       "L0: 5 a-z, 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL3: 8 a-b *\nL6: 9 a-b", "nothing"},
      {"but into it", "L0: 5 a-z, 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL3: 8 a-b\nL6: 9 a-b",
       "L0 -> L3, count: 5 4 3 2 1 + 8"},
  });
}

TEST_CASE("leveled: a level goes when it is at 85% of its target, by least overlap") {
  RunCases({
      {"not yet", "L5: 1 a-b 40, 2 c-d 44\nL6: 9 a-z 200", "nothing"},
      {"now", "L5: 1 a-b 40, 2 c-d 45\nL6: 9 a-z 200", "L5 -> L6, size: 2 + 9"},
      {"the one that meets least",
       "L5: 1 a-c 30, 2 d-e 30, 3 f-g 30\nL6: 7 a-b 50, 8 c-f 100, 9 g-h 90",
       "L5 -> L6, size: 2 + 8"},
      {"for each of its bytes", "L5: 1 a-b 20, 2 c-d 70\nL6: 8 a-b 60, 9 c-d 200",
       "L5 -> L6, size: 2 + 9"},
      {"best of all, nothing", "L5: 1 a-b 50, 2 x-z 50\nL6: 9 a-b 200", "L5 -> L6, size, move: 2"},
      {"a busy one is passed over", "L5: 1 a-b 90, 2 x-z 90*\nL6: 9 a-b 200",
       "L5 -> L6, size: 1 + 9"},
      {"and so is one that meets a busy one", "L5: 1 a-b 90, 2 c-d 90\nL6: 8 a-b 50*, 9 c-d 200",
       "L5 -> L6, size: 2 + 9"},
      {"what is busy does not count", "L5: 1 a-b 40, 2 c-d 44, 3 e-f 40*\nL6: 9 a-d 200",
       "nothing"},
      {"tombstones first", "L5: 1 a-b 50, 2 c-d 50t\nL6: 8 a-b 10, 9 c-d 200",
       "L5 -> L6, size: 2 + 9"},
      {"neighbours that meet nothing else come along",
       "L5: 1 a-b 10, 2 c-d 30, 3 e-f 30, 4 g-i 30\nL6: 7 a-b 30, 8 c-h 20, 9 i-j 60",
       "L5 -> L6, size: 2 3 + 8"},
      {"as far as the job's size allows",
       "L5: 1 a-b 10, 2 c-d 50, 3 e-f 15, 4 g-h 15\nL6: 8 a-h 20, 9 x-z 100",
       "L5 -> L6, size: 2 3 4 + 8"},
      {"to the left too", "L5: 1 a-b 10, 2 c-d 10, 3 e-f 60, 4 x-z 10\nL6: 8 b-f 20, 9 v-z 100",
       "L5 -> L6, size: 1 2 3 + 8"},
      {"the fullest level first", "L0: 5 a-z, 4 a-z, 3 a-z, 2 a-z\nL5: 6 a-b 190\nL6: 9 a-b 200",
       "L5 -> L6, size: 6 + 9"},
      {"unless it is busy", "L0: 5 a-a, 4 a-z, 3 a-z, 2 a-z\nL5: 6 m-n 190\nL6: 9 a-n 200*",
       "L0 -> L5, count: 5 4 3 2 + 6"},
      {"above the base nothing should be", "L3: 1 a-b\nL6: 9 a-b", "L3 -> L6, size: 1 + 9"},
      {"and nothing stays on the way there", "L2: 1 a-b\nL3: 2 x-y *\nL6: 9 a-b",
       "L2 -> L3, size, move: 1"},
  });
}

TEST_CASE("leveled: tables that are tiny beside the base are merged with each other first") {
  RunCases({
      {"as long as the base costs ten times as much",
       "L0: 4 a-z 2, 3 a-z 2, 2 a-z 2, 1 a-z 1\nL6: 9 a-z 80", "L0 -> L5, count: 4 3 2 1"},
      {"and no longer", "L0: 4 a-z 2, 3 a-z 2, 2 a-z 2, 1 a-z 2\nL6: 9 a-z 80",
       "L0 -> L6, count: 4 3 2 1 + 9"},
      {"what they meet counts, not what there is",
       "L0: 4 a-b 1, 3 a-b 1, 2 a-b 1, 1 a-b 1\nL6: 8 a-b 40, 9 c-z 60",
       "L0 -> L6, count: 4 3 2 1 + 8"},
      {"they gather there", "L0: 4 a-z 1, 3 a-z 1, 2 a-z 1, 1 a-z 1\nL5: 5 a-z 4\nL6: 9 a-z 80",
       "L0 -> L5, count: 4 3 2 1 + 5"},
      {"not yet a tenth of the base", "L5: 5 a-z 6\nL6: 9 a-z 80", "nothing"},
      {"85% of a tenth", "L5: 5 a-z 7\nL6: 9 a-z 80", "L5 -> L6, size: 5 + 9"},
      {"above a base in the middle",
       "L0: 4 a-z 1, 3 a-z 1, 2 a-z 1, 1 a-z 1\nL5: 8 a-z 80\nL6: 9 a-z 200",
       "L0 -> L4, count: 4 3 2 1"},
  });
}

TEST_CASE("leveled: what cannot be read is gone around") {
  RunCases({
      {"level 0 stays above it", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL6: 8 a-b, 9 c-d !",
       "L0 -> L5, count: 4 3 2 1"},
      {"and is merged there", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL5: 7 a-z 5\nL6: 8 a-b, 9 c-d 90!",
       "L0 -> L5, count: 4 3 2 1 + 7"},
      {"or above that", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL5: 7 a-z 5!\nL6: 8 a-b, 9 c-d 90",
       "L0 -> L4, count: 4 3 2 1"},
      {"what it does not meet goes on", "L0: 4 a-b, 3 a-b, 2 a-b, 1 a-b\nL6: 8 a-b, 9 c-d !",
       "L0 -> L6, count: 4 3 2 1 + 8"},
      {"if no level is left runs sink",
       "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL1: 7 a-z 5!\nL6: 9 a-z 90", "L6 -> L31, runs, move: 9"},
      {"one after the other", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL1: 7 a-z 5!\nL31: 9 a-z 90",
       "L1 -> L30, runs, move: 7"},
      {"in level 0: the older ones first", "L0: 4 a-z, 3 a-z !, 2 a-z, 1 a-z\nL6: 9 a-z 20",
       "L0 -> L6, count: 2 1 + 9"},
      {"then it moves", "L0: 5 a-z, 4 a-z, 3 a-z, 2 a-z !\nL6: 9 a-z 20",
       "L0 -> L5, count, move: 2"},
      {"and the newer ones stay above it",
       "L0: 5 a-z, 4 a-z, 3 a-z, 2 a-z\nL5: 1 a-z !\nL6: 9 a-z 20", "L0 -> L4, count: 5 4 3 2"},
      {"another table is pushed", "L5: 1 a-b 60!, 2 c-d 60\nL6: 8 a-b 200, 9 c-d 300",
       "L5 -> L6, size: 2 + 9"},
      {"into another table", "L5: 1 a-b 60, 2 c-d 60\nL6: 8 a-b 200!, 9 c-d 300",
       "L5 -> L6, size: 2 + 9"},
      {"but it may move", "L5: 1 a-b 60, 2 c-d 60!\nL6: 8 a-b 200, 9 e-f 300",
       "L5 -> L6, size, move: 2"},
      {"no neighbour is taken along", "L5: 1 a-a 30!, 2 b-b 30, 3 c-c 30\nL6: 8 a-d 20, 9 e-f 400",
       "L5 -> L6, size: 2 3 + 8"},
      {"nor rewritten for its tombstones", "L6: 8 a-b t!, 9 c-d t", "L6, tombstones: 9"},
  });
  DrawnTree dead("L6: 8 pa-pb !");
  dead.dead_prefixes.Add("p", 100);
  CHECK(dead.Pick(kPolicy) == "L6, dead prefix, drop: 8");
}

TEST_CASE("leveled: it goes on from what another policy left") {
  RunCases({
      {"the deepest level is the last", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL31: 9 a-z 90",
       "L0 -> L31, count: 4 3 2 1 + 9"},
      {"and limits are reckoned from there", "L30: 8 a-z 90\nL31: 9 a-z 200",
       "L30 -> L31, size: 8 + 9"},
      {"runs above the base are merged, the largest first",
       "L27: 5 a-z 10\nL28: 6 a-z 40\nL29: 7 a-z 10\nL31: 9 a-z 90", "L28 -> L29, size: 6 + 7"},
      {"over the gaps", "L20: 5 a-z 10\nL25: 6 a-z 5\nL31: 9 a-z 90", "L20 -> L25, size: 5 + 6"},
  });
  DrawnTree tree("L20: 5 a-z 10\nL25: 6 a-z 5\nL31: 9 a-z 90");
  CHECK(tree.Settle(kPolicy) ==
        "L20 -> L25, size: 5 + 6\n"
        "L25 -> L31, size: 100 + 9");
  CHECK(tree.Drawn() == "L31: 101 a-z 105");
}

TEST_CASE("leveled: tables under a dead prefix are dropped before anything else") {
  DrawnTree tree(
      "L0: 5 pa-pz, 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL2: 6 pa-pb\nL5: 7 pa-pc 500, 8 pd-q\nL6: 9 a-o, "
      "10 pa-pz");
  tree.dead_prefixes.Add("p", 100);
  CHECK(tree.Pick(kPolicy) == "L0, dead prefix, drop: 5");
  tree.busy = {5};
  CHECK(tree.Pick(kPolicy) == "L2, dead prefix, drop: 6");
  tree.busy = {5, 6};
  CHECK(tree.Pick(kPolicy) == "L5, dead prefix, drop: 7");
  tree.busy = {5, 6, 7};
  CHECK(tree.Pick(kPolicy) == "L6, dead prefix, drop: 10");
  tree.busy = {5, 6, 7, 10};
  CHECK(tree.Pick(kPolicy) == "L5, dead prefix: 8");
}

TEST_CASE("leveled: tables partly under a dead prefix are rewritten when there is nothing better") {
  DrawnTree tree("L0: 20 m-q\nL5: 7 a-b, 8 o-q\nL6: 9 a-p, 10 pa-r, 30 x-z 200");
  tree.dead_prefixes.Add("p", 100);
  CHECK(tree.Pick(kPolicy) == "L6, dead prefix: 9");
  tree.busy = {9};
  CHECK(tree.Pick(kPolicy) == "L6, dead prefix: 10");
  tree.busy = {9, 10};
  CHECK(tree.Pick(kPolicy) == "L5, dead prefix: 8");
  // In level 0 none can be rewritten alone; it is merged, however few there are.
  tree.busy = {};
  tree.dead_prefixes.Add("p", 21);
  tree.version = DrawnTree("L0: 20 m-q\nL5: 22 o-q\nL6: 23 a-q, 30 x-z 200").version;
  CHECK(tree.Pick(kPolicy) == "L0 -> L5, dead prefix: 20 + 22");
  // Rewritten by one who knew: done.
  tree.dead_prefixes.Add("p", 20);
  CHECK(tree.Pick(kPolicy) == "nothing");
}

TEST_CASE("leveled: on a full disk what gives back more than it takes comes first") {
  DrawnTree tree("L0: 5 a-z, 4 a-z, 3 a-z, 2 a-z\nL5: 7 a-b t, 8 o-q\nL6: 9 a-n 200, 10 x-z 200");
  tree.dead_prefixes.Add("p", 100);
  CHECK(tree.Pick(kPolicy) == "L0 -> L5, count: 5 4 3 2 + 7 8");
  tree.short_of_room = true;
  CHECK(tree.Pick(kPolicy) == "L5, dead prefix: 8");
  tree.busy = {8};
  CHECK(tree.Pick(kPolicy) == "L5 -> L6, tombstones: 7 + 9");
}

TEST_CASE("leveled: tombstones and expired tables sink, and end where nothing lies below") {
  RunCases({
      {"tombstones over something", "L5: 1 a-b t\nL6: 9 b-c 200", "L5 -> L6, tombstones: 1 + 9"},
      {"tombstones over nothing", "L5: 1 a-b t\nL6: 9 c-d 200", "L5, tombstones: 1"},
      {"tombstones in the last level", "L6: 1 a-b t", "L6, tombstones: 1"},
      {"tombstones over what is busy", "L5: 1 a-b t\nL6: 9 b-c 200*", "nothing"},
      {"one level further, there being nothing", "L4: 1 a-b t\nL5: 2 x-z\nL6: 9 b-c 2000",
       "L4 -> L5, tombstones, move: 1"},
      {"expired over nothing", "L6: 1 a-b e, 2 c-d", "L6, expired: 1"},
      {"expired over something", "L5: 1 a-b e\nL6: 9 b-c 200", "L5 -> L6, expired: 1 + 9"},
      {"expired before tombstones", "L5: 1 a-b e\nL6: 9 x-z 200t", "L5, expired: 1"},
      {"in level 0 they wait", "L0: 1 a-b te", "nothing"},
      {"size before either", "L5: 1 a-b 90\nL6: 9 x-z 200te", "L5 -> L6, size, move: 1"},
  });
  DrawnTree tree("L6: 1 a-b e, 2 c-d");
  tree.jobs_drop_expired = false;
  CHECK(tree.Pick(kPolicy) == "nothing");
}

TEST_CASE("leveled: no table is moved between tables that a job is merging") {
  // What it writes may span the gap.
  RunCases({
      {"nothing is merged", "L5: 1 m-n 90\nL6: 8 a-b 100, 9 x-y 100", "L5 -> L6, size, move: 1"},
      {"into the level", "L5: 1 m-n 90\nL6: 8 a-b 100*, 9 x-y 100*", "nothing"},
      {"on one side only", "L5: 1 m-n 90\nL6: 8 a-b 100*, 9 c-d 100*", "L5 -> L6, size, move: 1"},
      {"out of the table's own level", "L5: 1 m-n 90, 2 a-b *, 3 x-y *\nL6: 9 x-y 200*", "nothing"},
      {"elsewhere", "L3: 1 m-n 90\nL5: 7 a-b *\nL6: 8 a-b 100*, 9 x-y 1000*",
       "L3 -> L4, size, move: 1"},
  });
}

TEST_CASE("leveled: the debt is what lies above its target") {
  struct DebtCase {
    std::string tree;
    uint64_t want;
  };
  const DebtCase cases[] = {
      {"", 0},
      {"L0: 4 a-b, 3 a-b, 2 a-b, 1 a-b", 0},
      {"L0: 5 a-b, 4 a-b, 3 a-b, 2 a-b, 1 a-b", 50},
      {"L5: 1 a-b 130\nL6: 9 a-b 200", 30},
      {"L3: 1 a-b 7\nL6: 9 a-b 200", 7},
  };
  for (const DebtCase& c : cases) {
    CAPTURE(c.tree);
    CHECK(kPolicy.DebtBytes(*DrawnTree(c.tree).version, SmallOptions()) == c.want);
  }
}

}  // namespace
}  // namespace varve
