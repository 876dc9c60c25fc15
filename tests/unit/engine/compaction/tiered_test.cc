// tests/unit/engine/compaction/tiered_test.cc: tiered and lazy-leveled, drawn. drawn_tree.h says
// how.
//
// With four runs a tier, sizes from 4 on are of one tier, from 16 on, 64, 256 and 1024 of the next
// ones.
#include "engine/compaction/tiered.h"

#include <string>
#include <vector>

#include "tests/unit/engine/compaction/drawn_tree.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

const TieredPolicy kTiered(TieredPolicy::LastLevel::kTiered);
const TieredPolicy kLazy(TieredPolicy::LastLevel::kLeveled);

struct Case {
  std::string why;
  std::string tree;
  std::string want;
};

void RunCases(const CompactionPolicy& policy, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    CAPTURE(c.why);
    CHECK(DrawnTree(c.tree).Pick(policy) == c.want);
  }
}

TEST_CASE("tiered: level 0 goes by its count, and becomes the newest run") {
  const std::vector<Case> cases = {
      {"an empty tree", "", "nothing"},
      {"too few", "L0: 3 a-z, 2 a-z, 1 a-z", "nothing"},
      {"enough: a run at the bottom", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z",
       "L0 -> L31, count: 4 3 2 1"},
      {"nothing below is touched", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL31: 9 a-z 4000",
       "L0 -> L30, count: 4 3 2 1"},
      {"above the newest run", "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL20: 8 a-z 90\nL31: 9 a-z 4000",
       "L0 -> L19, count: 4 3 2 1"},
      {"side by side, they only move", "L0: 4 g-h, 3 a-b, 2 e-f, 1 c-d\nL31: 9 a-z 4000",
       "L0 -> L30, count, move: 4 3 2 1"},
      {"too much for one job: the newest wait", "L0: 4 a-z 50, 3 a-z 50, 2 a-z 40, 1 a-z 10",
       "L0 -> L31, count: 3 2 1"},
      {"one job at a time", "L0: 5 a-b, 4 a-z, 3 a-z, 2 a-z, 1 a-b *", "nothing"},
  };
  RunCases(kTiered, cases);
  RunCases(kLazy, cases);
}

TEST_CASE("tiered: what cannot be read is gone around") {
  const std::vector<Case> cases = {
      {"level 0: the older ones first", "L0: 4 a-z, 3 a-z !, 2 a-z, 1 a-z\nL31: 9 a-z 4000",
       "L0 -> L30, count: 2 1"},
      {"then it becomes a run", "L0: 5 a-z, 4 a-z, 3 a-z, 2 a-z !\nL31: 9 a-z 4000",
       "L0 -> L30, count, move: 2"},
      {"and the newer ones one above it",
       "L0: 5 a-z, 4 a-z, 3 a-z, 2 a-z\nL30: 1 a-z !\nL31: 9 a-z 4000",
       "L0 -> L29, count: 5 4 3 2"},
      {"a tier that has one waits",
       "L27: 1 a-z 20\nL28: 2 a-z 20\nL29: 3 a-z 20!\nL30: 4 a-z 20\nL31: 9 a-z 4000", "nothing"},
      {"until there are enough above it",
       "L25: 1 a-z 20\nL26: 2 a-z 20\nL27: 3 a-z 20\nL28: 4 a-z 20\nL29: 5 a-z 20!\n"
       "L30: 6 a-z 20\nL31: 9 a-z 4000",
       "L25 -> L28, tier: 1 | 2 | 3 + 4"},
      {"or below it",
       "L26: 1 a-z 20\nL27: 2 a-z 20!\nL28: 3 a-z 20\nL29: 4 a-z 20\nL30: 5 a-z 20\n"
       "L31: 6 a-z 20",
       "L28 -> L31, tier: 3 | 4 | 5 + 6"},
  };
  RunCases(kTiered, cases);
  // Nine runs, of which eight may be: two that can be read become one.
  DrawnTree many(
      "L20: 1 a-z 20\nL21: 2 a-z 18!\nL22: 3 a-z 500\nL23: 4 a-z 500\nL24: 5 a-z 9000\n"
      "L25: 6 a-z 90000\nL26: 7 a-z 900000\nL27: 8 a-z 9000000\nL28: 9 a-z 90000000");
  many.options.runs_max = 8;
  CHECK(many.Pick(kTiered) == "L22 -> L23, runs: 3 + 4");
  // A part of the last run cannot be taken; another one can, though it costs more.
  CHECK(DrawnTree("L30: 1 a-b 50, 2 c-d 40\nL31: 8 a-b 50!, 9 c-d 60").Pick(kLazy) ==
        "L30 -> L31, size: 2 + 9");
  // Even one that is too large.
  CHECK(DrawnTree("L30: 1 a-b 50, 2 c-d 400\nL31: 8 a-b 60!, 9 c-d 800").Pick(kLazy) ==
        "L30 -> L31, size: 2 + 9");
}

TEST_CASE("tiered: where no level is left for a new run, the others sink") {
  DrawnTree tree(
      "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z\n"
      "L1: 5 a-z 90\n"
      "L2: 6 a-z 400\n"
      "L6: 7 a-m 9000, 8 n-z 9000");
  CHECK(tree.Settle(kTiered) ==
        "L6 -> L31, runs, move: 7 8\n"
        "L2 -> L30, runs, move: 6\n"
        "L1 -> L29, runs, move: 5\n"
        "L0 -> L28, count: 4 3 2 1");
  CHECK(tree.Drawn() ==
        "L28: 100 a-z 40\n"
        "L29: 5 a-z 90\n"
        "L30: 6 a-z 400\n"
        "L31: 7 a-m 9000, 8 n-z 9000");
}

TEST_CASE("tiered: without a gap, the cheapest two runs become one") {
  std::string text = "L0: 4 a-z, 3 a-z, 2 a-z, 1 a-z";
  for (int level = 1; level < kLevels; ++level) {
    const int bytes = 1000 * level - (level == 7 ? 900 : 0);
    text += "\nL" + std::to_string(level) + ": " + std::to_string(10 + level) + " a-z " +
            std::to_string(bytes);
  }
  DrawnTree tree(text);
  tree.options.tier_runs = 32;  // or there would be full tiers
  tree.options.runs_max = kLevels;
  CHECK(tree.Step(kTiered) == "L1 -> L2, runs: 11 + 12");
  CHECK(tree.Step(kTiered) == "L0 -> L1, count: 4 3 2 1");
}

TEST_CASE("tiered: a tier with all its runs becomes one run of the next") {
  const std::vector<Case> cases = {
      {"one too few", "L29: 3 a-z 20\nL30: 2 a-z 20\nL31: 1 a-z 20", "nothing"},
      {"all four", "L28: 4 a-z 20\nL29: 3 a-z 20\nL30: 2 a-z 20\nL31: 1 a-z 20",
       "L28 -> L31, tier: 4 | 3 | 2 + 1"},
      {"sizes that differ by less than four times",
       "L28: 4 a-z 17\nL29: 3 a-z 20\nL30: 2 a-z 40\nL31: 1 a-z 22",
       "L28 -> L31, tier: 4 | 3 | 2 + 1"},
      {"not with what is older and larger",
       "L27: 4 a-z 20\nL28: 3 a-z 20\nL29: 2 a-z 20\nL30: 1 a-z 20\nL31: 9 a-z 9000",
       "L27 -> L30, tier: 4 | 3 | 2 + 1"},
      {"nor with what is newer and smaller",
       "L26: 5 a-z 5\nL27: 4 a-z 20\nL28: 3 a-z 20\nL29: 2 a-z 20\nL31: 1 a-z 20",
       "L27 -> L31, tier: 4 | 3 | 2 + 1"},
      {"but with what is older and smaller",
       "L28: 4 a-z 20\nL29: 3 a-z 1\nL30: 2 a-z 20\nL31: 1 a-z 20",
       "L28 -> L31, tier: 4 | 3 | 2 + 1"},
      {"more than four, as another policy may leave them",
       "L27: 5 a-z 16\nL28: 4 a-z 16\nL29: 3 a-z 16\nL30: 2 a-z 16\nL31: 1 a-z 16",
       "L27 -> L31, tier: 5 | 4 | 3 | 2 + 1"},
      {"with all their tables",
       "L28: 4 a-b 8, 5 c-z 8\nL29: 3 a-z 20\nL30: 2 a-z 20\nL31: 1 a-m 10, 6 n-z 10",
       "L28 -> L31, tier: 4 5 | 3 | 2 + 1 6"},
      {"the newest tier first",
       "L24: 8 a-z 4\nL25: 7 a-z 4\nL26: 6 a-z 4\nL27: 5 a-z 4\n"
       "L28: 4 a-z 20\nL29: 3 a-z 20\nL30: 2 a-z 20\nL31: 1 a-z 20",
       "L24 -> L27, tier: 8 | 7 | 6 + 5"},
      {"or the next, if it is busy",
       "L24: 8 a-z 4\nL25: 7 a-z 4*\nL26: 6 a-z 4\nL27: 5 a-z 4\n"
       "L28: 4 a-z 20\nL29: 3 a-z 20\nL30: 2 a-z 20\nL31: 1 a-z 20",
       "L28 -> L31, tier: 4 | 3 | 2 + 1"},
      {"whatever its size",
       "L28: 4 a-z 2000\nL29: 3 a-z 2000\nL30: 2 a-z 2000\nL31: 1 a-m 2000, 5 n-z 2000",
       "L28 -> L31, tier: 4 | 3 | 2 + 1 5"},
      {"level 0 before all of them",
       "L0: 14 a-z, 13 a-z, 12 a-z, 11 a-z\n"
       "L28: 4 a-z 20\nL29: 3 a-z 20\nL30: 2 a-z 20\nL31: 1 a-z 20",
       "L0 -> L27, count: 14 13 12 11"},
  };
  RunCases(kTiered, cases);
  DrawnTree tree("L28: 4 a-z 20\nL29: 3 b-z 20\nL30: 2 a-z 20\nL31: 1 c-x 20");
  tree.Step(kTiered);
  CHECK(tree.Drawn() == "L31: 100 a-z 80");
}

TEST_CASE(
    "lazy-leveled: a tier that is too large for one job goes into the last run part by part") {
  const std::string text =
      "L29: 31 a-f 20, 32 g-l 20, 33 m-r 20, 34 s-z 20\n"
      "L30: 21 a-f 20, 22 g-l 20, 23 m-r 20, 24 s-z 20\n"
      "L31: 11 a-f 40, 12 g-l 30, 13 m-r 45, 14 s-z 45";
  DrawnTree tree(text);
  // Where the last run costs least, and until the rest is small enough.
  CHECK(tree.Settle(kLazy) ==
        "L29 -> L31, size: 32 | 22 + 12\n"
        "L29 -> L31, size: 31 | 21 + 11\n"
        "L29 -> L31, size: 33 | 23 + 13");
  CHECK(tree.Drawn() ==
        "L29: 34 s-z 20\n"
        "L30: 24 s-z 20\n"
        "L31: 101 a-f 80, 100 g-l 70, 102 m-r 85, 14 s-z 45");

  DrawnTree roomy(text);
  roomy.options.compaction_bytes_max = 160;
  CHECK(roomy.Pick(kLazy) == "L29 -> L31, size: 32 33 | 22 23 + 12 13");
}

TEST_CASE("lazy-leveled: a part takes along all that is older, and only that") {
  DrawnTree tree(
      "L28: 41 a-h 30, 42 i-z 30\n"
      "L29: 31 a-d 20, 32 e-l 20, 33 m-z 20\n"
      "L30: 21 a-k 30, 22 l-p 20, 23 q-z 10\n"
      "L31: 11 a-o 20, 12 p-p 20, 13 q-z 90");
  tree.options.compaction_bytes_max = 165;
  // 32 reaches as far as l, so 22 is met; that reaches as far as p, so 12 is. But 42 is newer, and
  // 33 too.
  CHECK(tree.Step(kLazy) == "L28 -> L31, size: 41 | 31 32 | 21 22 + 11 12");
  CHECK(tree.Drawn() ==
        "L28: 42 i-z 30\n"
        "L29: 33 m-z 20\n"
        "L30: 23 q-z 10\n"
        "L31: 100 a-p 160, 13 q-z 90");
  // Tables of the newest run reach too far for one job: it begins with those of an older one.
  DrawnTree wide(
      "L29: 31 a-z 20\n"
      "L30: 21 a-f 20, 22 g-l 20, 23 m-r 20, 24 s-z 20\n"
      "L31: 11 a-f 40, 12 g-l 30, 13 m-r 45, 14 s-z 45");
  CHECK(wide.Pick(kLazy) == "L30 -> L31, size: 22 + 12");
}

TEST_CASE("tiered: a run beside the next older one joins it") {
  const std::vector<Case> cases = {
      {"behind it", "L30: 2 m-z 90\nL31: 1 a-l 20", "L30 -> L31, runs, move: 2"},
      {"before it", "L29: 2 a-b, 3 c-d\nL31: 1 e-z 20", "L29 -> L31, runs, move: 2 3"},
      {"between its tables", "L30: 2 m-n\nL31: 1 a-l 20, 3 x-z 20", "L30 -> L31, runs, move: 2"},
      {"not over it", "L30: 2 l-n 4\nL31: 1 a-l 20, 3 x-z 20", "nothing"},
      {"busy", "L30: 2 m-n 10*\nL31: 1 a-l 20, 3 x-z 20", "nothing"},
      {"where a job may write", "L30: 2 m-n 4\nL31: 1 a-l 20*, 3 x-z 20", "nothing"},
  };
  RunCases(kTiered, cases);
  RunCases(kLazy, cases);
  DrawnTree series(
      "L0: 9 s-t, 8 q-r, 7 o-p, 6 m-n\n"
      "L31: 1 a-f 90, 2 g-l 90");
  CHECK(series.Settle(kTiered) ==
        "L0 -> L30, count, move: 9 8 7 6\n"
        "L30 -> L31, runs, move: 6 7 8 9");
  CHECK(series.Drawn() == "L31: 1 a-f 90, 2 g-l 90, 6 m-n 10, 7 o-p 10, 8 q-r 10, 9 s-t 10");
}

TEST_CASE("tiered: more runs than may be read become fewer") {
  DrawnTree tree("L28: 4 a-z 1\nL29: 3 a-z 20\nL30: 2 a-z 100\nL31: 1 a-z 110");
  CHECK(tree.Pick(kTiered) == "nothing");
  tree.options.runs_max = 3;
  CHECK(tree.Pick(kTiered) == "L28 -> L29, runs: 4 + 3");
  tree.busy = {4};
  CHECK(tree.Pick(kTiered) == "L29 -> L30, runs: 3 + 2");
}

TEST_CASE("lazy-leveled: the last run is four times as large as all above it") {
  RunCases(kLazy, {
                      {"not yet", "L30: 2 a-z 24\nL31: 1 a-z 100", "nothing"},
                      {"a quarter", "L30: 2 a-z 25\nL31: 1 a-z 100", "L30 -> L31, size: 2 + 1"},
                      {"all above counts, the tier above it goes",
                       "L28: 4 a-z 3\nL29: 3 a-z 11\nL30: 2 a-z 11\nL31: 1 a-z 100",
                       "L29 -> L31, size: 3 | 2 + 1"},
                      {"a full tier first",
                       "L26: 5 a-z 2\nL27: 4 a-z 2\nL28: 3 a-z 2\nL29: 2 a-z 2\n"
                       "L30: 6 a-z 20\nL31: 1 a-z 100",
                       "L26 -> L29, tier: 5 | 4 | 3 + 2"},
                      {"what a leveled tree has is left alone",
                       "L4: 3 a-z 9\nL5: 2 a-z 75\nL6: 1 a-z 1000", "nothing"},
                      {"of a large tier, what meets least",
                       "L30: 21 a-f 10, 22 g-k 10, 23 x-z 10\nL31: 11 a-m 99, 12 x-z 20",
                       "L30 -> L31, size: 23 + 12"},
                  });
  DrawnTree tree("L29: 3 a-z 10\nL30: 2 a-z 10\nL31: 1 a-z 80");
  CHECK(tree.Pick(kTiered) == "nothing");
  CHECK(tree.Step(kLazy) == "L29 -> L31, size: 3 | 2 + 1");
  CHECK(tree.Drawn() == "L31: 100 a-z 100");
}

TEST_CASE("tiered: what leveling left is a tree like any other") {
  RunCases(kTiered,
           {
               {"levels are tiers", "L4: 3 a-z 100\nL5: 2 a-z 1000\nL6: 1 a-z 9000", "nothing"},
               {"new runs go above them",
                "L0: 14 a-z, 13 a-z, 12 a-z, 11 a-z\nL4: 3 a-z 100\nL5: 2 a-z 1000",
                "L0 -> L3, count: 14 13 12 11"},
           });
}

TEST_CASE("tiered: tombstones and expired tables sink, and end where nothing lies below") {
  const std::vector<Case> cases = {
      {"tombstones over something", "L30: 2 a-b 4T\nL31: 1 b-z 50",
       "L30 -> L31, tombstones: 2 + 1"},
      {"over the next run, wherever that is", "L3: 2 a-b 4T\nL31: 1 b-z 50",
       "L3 -> L31, tombstones: 2 + 1"},
      {"not where it would cost more than a job may", "L30: 2 a-b 4T\nL31: 1 b-z 101", "nothing"},
      {"not if puts come with them", "L30: 2 a-b 4t\nL31: 1 b-z 50", "nothing"},
      {"in the last run", "L31: 1 a-b T", "L31, tombstones: 1"},
      {"expired over nothing", "L31: 1 a-b e, 2 c-d", "L31, expired: 1"},
      {"in level 0 they wait", "L0: 1 a-b Te", "nothing"},
  };
  RunCases(kTiered, cases);
  RunCases(kLazy, cases);
}

TEST_CASE("tiered: dead prefixes") {
  DrawnTree tree("L0: 20 m-q\nL29: 6 pa-pb 5\nL30: 7 a-b 20, 8 o-q\nL31: 9 a-z 900");
  tree.dead_prefixes.Add("p", 100);
  CHECK(tree.Pick(kTiered) == "L29, dead prefix, drop: 6");
  tree.busy = {6};
  CHECK(tree.Pick(kTiered) == "L31, dead prefix: 9");
  tree.busy = {6, 9};
  CHECK(tree.Pick(kTiered) == "L30, dead prefix: 8");
  tree.busy = {6, 8, 9};
  CHECK(tree.Pick(kTiered) == "L0 -> L28, dead prefix, move: 20");
}

TEST_CASE("tiered: asked to, it makes one run of all") {
  DrawnTree tree("L0: 20 m-q\nL29: 6 a-b 5\nL31: 9 a-z 50t");
  CHECK(tree.PickManual(kTiered) == "L0 -> L28, manual, move: 20");
  CHECK(DrawnTree("L28: 20 m-q\nL29: 6 a-b 5\nL31: 9 a-z 50t").PickManual(kTiered) ==
        "L28 -> L31, manual: 20 | 6 + 9");
  CHECK(DrawnTree("L31: 8 a-m, 9 n-z 50t").PickManual(kTiered) == "L31, manual: 9");
  CHECK(DrawnTree("L31: 8 a-m, 9 n-z 50").PickManual(kTiered) == "nothing");
}

TEST_CASE("tiered: runs at rest are no debt, full tiers are") {
  struct DebtCase {
    std::string tree;
    uint64_t want;
  };
  const DebtCase cases[] = {
      {"", 0},
      {"L0: 4 a-b, 3 a-b, 2 a-b, 1 a-b", 0},
      {"L0: 5 a-b, 4 a-b, 3 a-b, 2 a-b, 1 a-b", 50},
      {"L26: 7 a-z 5\nL27: 6 a-z 5\nL28: 5 a-z 5\nL29: 3 a-z 20\nL30: 2 a-z 20\nL31: 1 a-z 20", 0},
      {"L28: 4 a-z 20\nL29: 3 a-z 20\nL30: 2 a-z 20\nL31: 1 a-z 20", 80},
  };
  for (const DebtCase& c : cases) {
    CAPTURE(c.tree);
    CHECK(kTiered.DebtBytes(*DrawnTree(c.tree).version, SmallOptions()) == c.want);
  }
}

}  // namespace
}  // namespace varve
