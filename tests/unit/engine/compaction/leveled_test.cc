// tests/unit/engine/compaction/leveled_test.cc: the leveled policy, drawn.
//
// A tree is text, one table after the other, in any order:
//
//   L0: 9 a-m, 8 c-z 40
//   L1: 5 a-c 10t*
//
// number, key range, size in bytes (kTableBytes if none is given) and marks:
//   t mostly tombstones    e expired as a whole    * busy
// Every table has 100 entries. The plan is text as CompactionPlan::ToString has it, or "nothing".
#include "engine/compaction/leveled.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr uint64_t kTableBytes = 10;
constexpr int64_t kNowMs = 1'000'000;

// Small enough to draw: level 1 may hold ten tables.
Options SmallOptions() {
  Options options;
  options.table_bytes = kTableBytes;
  options.level1_bytes = 100;
  options.level_size_ratio = 10;
  options.level0_tables_compact = 4;
  options.compaction_bytes_max = 100;
  return options;
}

struct Tree {
  Options options = SmallOptions();
  std::set<uint64_t> busy;
  DeadPrefixes dead_prefixes;
  std::shared_ptr<const Version> version;
  bool jobs_drop_expired = true;
  bool short_of_room = false;

  explicit Tree(const std::string& text) {
    VersionEdit edit;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const size_t colon = line.find(':');
      if (colon == std::string::npos) continue;
      const int level = line[line.find('L') + 1] - '0';
      std::istringstream tables(line.substr(colon + 1));
      for (std::string table; std::getline(tables, table, ',');) {
        edit.added.push_back(ParseTable(table, level));
      }
    }
    const auto applied = Version().Apply(edit);
    REQUIRE_MESSAGE(applied.ok(), applied.status().ToString());
    REQUIRE((*applied)->Check().ok());
    version = *applied;
  }

  FileRef ParseTable(const std::string& text, int level) {
    std::istringstream in(text);
    auto file = std::make_shared<FileMeta>();
    std::string range;
    std::string rest;
    in >> file->number >> range >> rest;
    file->level = level;
    file->smallest = range.substr(0, range.find('-'));
    file->largest = range.substr(range.find('-') + 1);
    const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    file->size_bytes = digits == 0 ? kTableBytes : std::stoull(rest.substr(0, digits));
    file->entries = 100;
    for (const char mark : rest.substr(digits)) {
      if (mark == 't') file->tombstones = 51;
      if (mark == '*') busy.insert(file->number);
      if (mark == 'e') {
        file->expiring = 100;
        file->first_expiry_ms = 1;
        file->last_expiry_ms = kNowMs - 1;
      }
    }
    return file;
  }

  PolicyState state() const {
    return {options, busy, dead_prefixes, kNowMs, jobs_drop_expired, short_of_room};
  }

  std::string Pick() const {
    const auto plan = LeveledPolicy().Pick(*version, state());
    return plan ? plan->ToString() : "nothing";
  }
  std::string PickManual() const {
    const auto plan = LeveledPolicy().PickManual(*version, state());
    return plan ? plan->ToString() : "nothing";
  }
};

struct Case {
  std::string why;
  std::string tree;
  std::string want;
};

void RunCases(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    CAPTURE(c.why);
    CHECK(Tree(c.tree).Pick() == c.want);
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
    const LevelTargets targets = LevelTargetsOf(*Tree(c.tree).version, SmallOptions());
    CHECK(targets.base == c.base);
    for (int level = 0; level < kLevels; ++level) {
      CAPTURE(level);
      const int at = level - c.base;
      const bool limited = at >= 0 && level < kLevels - 1;
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
      {"above the base nothing should be", "L3: 1 a-b\nL6: 9 a-b", "L3 -> L4, size, move: 1"},
  });
}

TEST_CASE("leveled: tables under a dead prefix are dropped before anything else") {
  Tree tree(
      "L0: 5 pa-pz, 4 a-z, 3 a-z, 2 a-z, 1 a-z\nL2: 6 pa-pb\nL5: 7 pa-pc 500, 8 pd-q\nL6: 9 a-o, "
      "10 pa-pz");
  tree.dead_prefixes.Add("p", 100);
  CHECK(tree.Pick() == "L0, dead prefix, drop: 5");
  tree.busy = {5};
  CHECK(tree.Pick() == "L2, dead prefix, drop: 6");
  tree.busy = {5, 6};
  CHECK(tree.Pick() == "L5, dead prefix, drop: 7");
  tree.busy = {5, 6, 7};
  CHECK(tree.Pick() == "L6, dead prefix, drop: 10");
  tree.busy = {5, 6, 7, 10};
  CHECK(tree.Pick() == "L5, dead prefix: 8");
}

TEST_CASE("leveled: tables partly under a dead prefix are rewritten when there is nothing better") {
  Tree tree("L0: 20 m-q\nL5: 7 a-b, 8 o-q\nL6: 9 a-p, 10 pa-r, 30 x-z 200");
  tree.dead_prefixes.Add("p", 100);
  CHECK(tree.Pick() == "L6, dead prefix: 9");
  tree.busy = {9};
  CHECK(tree.Pick() == "L6, dead prefix: 10");
  tree.busy = {9, 10};
  CHECK(tree.Pick() == "L5, dead prefix: 8");
  // In level 0 none can be rewritten alone; it is merged, however few there are.
  tree.busy = {};
  tree.dead_prefixes.Add("p", 21);
  tree.version = Tree("L0: 20 m-q\nL5: 22 o-q\nL6: 23 a-q, 30 x-z 200").version;
  CHECK(tree.Pick() == "L0 -> L5, dead prefix: 20 + 22");
  // Rewritten by one who knew: done.
  tree.dead_prefixes.Add("p", 20);
  CHECK(tree.Pick() == "nothing");
}

TEST_CASE("leveled: on a full disk what gives back more than it takes comes first") {
  Tree tree("L0: 5 a-z, 4 a-z, 3 a-z, 2 a-z\nL5: 7 a-b t, 8 o-q\nL6: 9 a-n 200, 10 x-z 200");
  tree.dead_prefixes.Add("p", 100);
  CHECK(tree.Pick() == "L0 -> L5, count: 5 4 3 2 + 7 8");
  tree.short_of_room = true;
  CHECK(tree.Pick() == "L5, dead prefix: 8");
  tree.busy = {8};
  CHECK(tree.Pick() == "L5 -> L6, tombstones: 7 + 9");
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
  Tree tree("L6: 1 a-b e, 2 c-d");
  tree.jobs_drop_expired = false;
  CHECK(tree.Pick() == "nothing");
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
    CHECK(LeveledPolicy().DebtBytes(*Tree(c.tree).version, SmallOptions()) == c.want);
  }
}

// --- A tree of keys, simulated ---

// Tables with their contents: key -> version of its value; 0 is a tombstone.
class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed) { options_.compaction_bytes_max = 300; }

  void Flush(uint64_t key_count) {
    Contents contents;
    for (uint64_t i = 1 + random_.Uniform(2 * kTableBytes); i > 0; --i) {
      const std::string key = std::to_string(100'000 + random_.Uniform(key_count));
      const bool dead = dead_prefixes_.Covers(key);
      contents[key] = random_.OneIn(3) ? 0 : ++last_value_;
      if (dead) contents.erase(key);
    }
    if (contents.empty()) return;
    for (const auto& [key, value] : contents) model_[key] = value;
    VersionEdit edit;
    edit.Add(NewTable(0, contents));
    Apply(edit);
  }

  void KillPrefix(const std::string& prefix) {
    dead_prefixes_.Add(prefix, next_number_);
    std::erase_if(model_, [&](const auto& entry) { return entry.first.starts_with(prefix); });
  }

  // False if there is nothing to do.
  bool Step(bool manual) {
    const PolicyState state{options_, busy_, dead_prefixes_, 0};
    const LeveledPolicy policy;
    const auto plan = manual ? policy.PickManual(*version_, state) : policy.Pick(*version_, state);
    if (!plan) return false;
    CAPTURE(plan->ToString());
    VersionEdit edit;
    if (plan->trivial_move) {
      REQUIRE(plan->inputs.size() == 1);
      REQUIRE(plan->next_inputs.empty());
      edit.Move(*plan->inputs[0], plan->output_level);
    } else {
      Contents merged;
      // From old to new: what comes later wins.
      for (const FileRef& file : plan->next_inputs) Merge(*file, &merged);
      for (auto it = plan->inputs.rbegin(); it != plan->inputs.rend(); ++it) Merge(**it, &merged);
      for (const FileRef& file : plan->inputs) edit.Remove(*file);
      for (const FileRef& file : plan->next_inputs) edit.Remove(*file);
      std::erase_if(merged, [&](const auto& entry) {
        return dead_prefixes_.Covers(entry.first) ||
               (entry.second == 0 && !version_->MayHoldBelow(plan->output_level, entry.first));
      });
      if (plan->drop_only) REQUIRE(merged.empty());
      AddOutputs(plan->output_level, merged, &edit);
    }
    Apply(edit);
    return true;
  }

  void CheckReads() const {
    for (const auto& [key, want] : model_) {
      uint64_t found = 0;
      for (TableWalk walk(*version_, key); const FileMeta* file = walk.Next();) {
        const Contents& contents = contents_.at(file->number);
        const auto it = contents.find(key);
        if (it == contents.end()) continue;
        found = it->second;
        break;
      }
      REQUIRE(found == want);
    }
  }

  void CheckShape() const {
    const LevelTargets targets = LevelTargetsOf(*version_, options_);
    CHECK(version_->level(0).size() < static_cast<size_t>(options_.level0_tables_compact));
    for (int level = 1; level < kLevels - 1; ++level) {
      CHECK(version_->level_bytes(level) <= targets.bytes[static_cast<size_t>(level)]);
    }
    for (const auto& [prefix, bound] : dead_prefixes_.prefixes()) {
      CHECK(PrefixIsSpent(*version_, prefix, bound));
    }
  }

  void CheckAllInLastLevel() const {
    CHECK(version_->table_count() == version_->level(kLevels - 1).size());
    for (const FileRef& file : version_->level(kLevels - 1)) CHECK(file->tombstones == 0);
  }

 private:
  using Contents = std::map<std::string, uint64_t>;

  FileRef NewTable(int level, const Contents& contents) {
    auto file = std::make_shared<FileMeta>();
    file->number = next_number_++;
    file->level = level;
    file->size_bytes = file->entries = contents.size();
    file->smallest = contents.begin()->first;
    file->largest = contents.rbegin()->first;
    for (const auto& [key, value] : contents) file->tombstones += value == 0 ? 1 : 0;
    contents_[file->number] = contents;
    return file;
  }

  void Merge(const FileMeta& file, Contents* merged) const {
    for (const auto& [key, value] : contents_.at(file.number)) (*merged)[key] = value;
  }

  void AddOutputs(int level, const Contents& merged, VersionEdit* edit) {
    Contents output;
    for (const auto& entry : merged) {
      output.insert(entry);
      if (output.size() < kTableBytes) continue;
      edit->Add(NewTable(level, output));
      output.clear();
    }
    if (!output.empty()) edit->Add(NewTable(level, output));
  }

  void Apply(const VersionEdit& edit) {
    const auto applied = version_->Apply(edit);
    REQUIRE_MESSAGE(applied.ok(), applied.status().ToString());
    version_ = *applied;
    REQUIRE(version_->Check().ok());
  }

  Random random_;
  Options options_ = SmallOptions();
  const std::set<uint64_t> busy_;
  DeadPrefixes dead_prefixes_;
  std::shared_ptr<const Version> version_ = std::make_shared<const Version>();
  std::map<uint64_t, Contents> contents_;
  Contents model_;
  uint64_t next_number_ = 1;
  uint64_t last_value_ = 0;
};

TEST_CASE(
    "leveled: whatever is written and compacted, reads find the newest, and it comes to rest") {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Simulation simulation(seed);
    Random random(seed);
    const uint64_t key_count = random.OneIn(2) ? 400 : 4000;
    for (int round = 0; round < 300; ++round) {
      simulation.Flush(key_count);
      if (random.OneIn(60)) simulation.KillPrefix("100" + std::to_string(random.Uniform(4)));
      for (uint64_t steps = random.Uniform(4); steps > 0 && simulation.Step(false); --steps) {
      }
      if (random.OneIn(20)) simulation.CheckReads();
    }
    int steps = 0;
    while (simulation.Step(false)) REQUIRE(++steps < 5000);
    simulation.CheckShape();
    simulation.CheckReads();
    while (simulation.Step(true)) REQUIRE(++steps < 10000);
    simulation.CheckAllInLastLevel();
    simulation.CheckReads();
    CHECK_FALSE(simulation.Step(false));
  }
}

}  // namespace
}  // namespace varve
