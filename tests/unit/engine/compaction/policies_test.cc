// tests/unit/engine/compaction/policies_test.cc: what holds for every policy, by chance.
//
//   reads      whatever was written, by whichever policies it was compacted, a read finds the
//              newest
//   rest       from any version a policy comes to rest
//   busy       no plan touches what is busy
//   unreadable no plan reads what cannot be read; level 0 leaves nevertheless, as long as there is a level for it
//   manual     asked to, it leaves one level without a tombstone; of a range likewise, whatever goes on meanwhile
//
// SimulatedTree carries plans out, and tells if one was none.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "engine/compaction/leveled.h"
#include "engine/compaction/policy.h"
#include "engine/compaction/simulated_tree.h"
#include "tests/unit/engine/compaction/drawn_tree.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr int kStepsMax = 5000;

Options RandomOptions(Random& random) {
  Options options = SmallOptions();
  options.compaction_bytes_max = random.OneIn(2) ? 40 : 300;
  options.tier_runs = static_cast<int>(2 + random.Uniform(3));
  options.runs_max = random.OneIn(3) ? 4 : 24;
  return options;
}

// A tree and what should be in it.
class Life {
 public:
  explicit Life(uint64_t seed)
      : random_(seed), tree_(RandomOptions(random_), 1, 1), policy_(&RandomPolicy()) {}

  void Flush(uint32_t key_count) {
    std::map<uint32_t, uint32_t> entries;
    for (uint64_t i = 1 + random_.Uniform(2 * kTableBytes); i > 0; --i) {
      const auto key = static_cast<uint32_t>(random_.Uniform(key_count));
      if (IsDead(key)) continue;
      entries[key] = random_.OneIn(3) ? 0 : ++last_value_;
      written_.insert(key);
    }
    SimulatedEntries sorted;
    for (const auto& [key, value] : entries) sorted.push_back({key, model_[key] = value});
    Must(tree_.Flush(sorted));
  }

  // Tables at random places, as nobody would leave them.
  void PlantAnything(uint32_t key_count) {
    const uint64_t levels = random_.Uniform(kLevels);
    for (uint64_t i = 0; i < levels; ++i) {
      PlantLevel(static_cast<int>(1 + random_.Uniform(kLevels - 1)), key_count);
    }
    for (uint64_t flushes = random_.Uniform(8); flushes > 0; --flushes) Flush(key_count);
    model_.clear();
    for (uint32_t key = 0; key < key_count; ++key) model_[key] = tree_.Get(key).value;
  }

  void KillPrefix() {
    const std::string prefix = "00000" + std::to_string(random_.Uniform(8));
    tree_.KillPrefix(prefix);
    for (auto& [key, value] : model_) {
      if (SimulatedTree::KeyText(key).starts_with(prefix)) value = 0;
    }
  }

  const CompactionPolicy& RandomPolicy() {
    return PolicyOf(PolicyKinds()[random_.Uniform(PolicyKinds().size())]);
  }
  void ChangePolicy() { policy_ = &RandomPolicy(); }

  bool Step() { return Done(tree_.Step(*policy_)); }
  bool StepManually(CompactionRange* range) { return Done(tree_.StepManually(*policy_, range)); }
  void Settle() { Must(tree_.Settle(*policy_, kStepsMax)); }

  void BusyAtRandom() { tree_.SetBusy(TablesAtRandom(6)); }
  void NothingIsBusy() { tree_.SetBusy({}); }
  void UnreadableAtRandom(uint64_t one_in) { tree_.SetUnreadable(TablesAtRandom(one_in)); }
  void EverythingIsReadable() { tree_.SetUnreadable({}); }

  void CheckReads() const {
    for (const auto& [key, want] : model_) {
      if (tree_.Get(key).value != want) FAIL("after " << tree_.last_plan() << ", key " << key);
    }
  }

  // Nothing is left to be wished for.
  void CheckAtRest() const {
    const Options& options = tree_.options();
    CHECK(tree_.version().Check().ok());
    CHECK(tree_.version().level(0).size() < static_cast<size_t>(options.level0_tables_compact));
    CHECK(policy_->DebtBytes(tree_.version(), options) == 0);
    for (const auto& [prefix, bound] : tree_.dead_prefixes().prefixes()) {
      CHECK(PrefixIsSpent(tree_.version(), prefix, bound));
    }
    if (policy_ == &PolicyOf(PolicyKind::kLeveled)) return;
    CHECK(tree_.runs() - tree_.version().level(0).size() <= static_cast<size_t>(options.runs_max));
  }

  // Where there is still a level for it.
  void CheckLevel0HasLeft() const {
    const Version& version = tree_.version();
    if (!version.level(1).empty()) return;
    CHECK(version.level(0).size() < static_cast<size_t>(tree_.options().level0_tables_compact));
  }

  void CheckInOneLevel() const {
    const Version& version = tree_.version();
    int levels = 0;
    for (int level = 0; level < kLevels; ++level) {
      levels += version.level(level).empty() ? 0 : 1;
      for (const FileRef& file : version.level(level)) CHECK(file->tombstones == 0);
    }
    CHECK(levels <= 1);
  }

  // --- Ranges ---
  void BeginRange(uint32_t key_count) {
    uint32_t begin = static_cast<uint32_t>(random_.Uniform(key_count));
    uint32_t end = static_cast<uint32_t>(random_.Uniform(key_count));
    if (end < begin) std::swap(begin, end);
    range_ = {.lower = random_.OneIn(4) ? "" : SimulatedTree::KeyText(begin),
              .upper = random_.OneIn(4) ? "" : SimulatedTree::KeyText(end),
              .files_before = tree_.next_number(),
              .from = {}};
    written_.clear();
  }
  bool StepRange() { return StepManually(&range_); }
  // But for what was written since, a key has as many entries as it should, and there is one level.
  void CheckRangeIsThrough() const {
    for (const auto& [key, value] : model_) {
      const std::string text = SimulatedTree::KeyText(key);
      if (text < range_.lower || !range_.Reaches(text) || written_.contains(key)) continue;
      if (tree_.CountEntries(key) != (value == 0 ? 0u : 1u)) {
        FAIL("after " << tree_.last_plan() << ", key " << key << " has " << tree_.CountEntries(key)
                      << " entries");
      }
    }
  }

  Random& random() { return random_; }
  const std::string& last_plan() const { return tree_.last_plan(); }

 private:
  void PlantLevel(int level, uint32_t key_count) {
    if (!tree_.version().level(level).empty()) return;
    uint32_t key = static_cast<uint32_t>(random_.Uniform(key_count));
    for (uint64_t tables = 1 + random_.Uniform(6); tables > 0; --tables) {
      SimulatedEntries entries;
      for (uint64_t n = 1 + random_.Uniform(2 * kTableBytes); n > 0 && key < key_count; --n) {
        entries.push_back({key, random_.OneIn(3) ? 0 : ++last_value_});
        key += 1 + static_cast<uint32_t>(random_.Uniform(8));
      }
      if (!entries.empty()) Must(tree_.Plant(level, entries));
    }
  }

  std::set<uint64_t> TablesAtRandom(uint64_t one_in) {
    std::set<uint64_t> tables;
    for (int level = 0; level < kLevels; ++level) {
      for (const FileRef& file : tree_.version().level(level)) {
        if (random_.OneIn(one_in)) tables.insert(file->number);
      }
    }
    return tables;
  }

  bool IsDead(uint32_t key) const {
    return tree_.dead_prefixes().Covers(SimulatedTree::KeyText(key));
  }
  void Must(const Status& status) const {
    if (!status.ok()) FAIL(status.ToString() << ", in " << tree_.last_plan());
  }
  bool Done(const Result<bool>& result) const {
    Must(result.ok() ? Status::Ok() : result.status());
    return *result;
  }

  Random random_;
  SimulatedTree tree_;
  const CompactionPolicy* policy_;
  std::map<uint32_t, uint32_t> model_;
  uint32_t last_value_ = 0;
  CompactionRange range_;
  std::set<uint32_t> written_;  // since it began
};

TEST_CASE(
    "policies: whatever is written and compacted, reads find the newest, and it comes to rest") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Life life(seed);
    Random& random = life.random();
    const uint32_t key_count = random.OneIn(2) ? 400 : 4000;
    const bool changes = random.OneIn(2);
    for (int round = 0; round < 200; ++round) {
      life.Flush(key_count);
      if (random.OneIn(60)) life.KillPrefix();
      if (changes && random.OneIn(20)) life.ChangePolicy();
      for (uint64_t steps = random.Uniform(4); steps > 0 && life.Step(); --steps) {
      }
      if (random.OneIn(20)) life.CheckReads();
    }
    life.Settle();
    life.CheckAtRest();
    life.CheckReads();
    int steps = 0;
    CompactionRange all;
    while (life.StepManually(&all)) REQUIRE(++steps < kStepsMax);
    life.CheckInOneLevel();
    life.CheckReads();
    CHECK_FALSE(life.Step());
  }
}

TEST_CASE(
    "policies: every one of them comes to rest from any version, and loses nothing on the way") {
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    CAPTURE(seed);
    Life life(seed);
    life.PlantAnything(life.random().OneIn(2) ? 300 : 1000);
    for (int changes = 0; changes < 3; ++changes) {
      life.Settle();
      life.CheckAtRest();
      life.CheckReads();
      life.ChangePolicy();
    }
  }
}

TEST_CASE("policies: what is busy is left alone, and waited for") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Life life(seed);
    life.PlantAnything(300);
    for (int rounds = 0; rounds < 4; ++rounds) {
      life.BusyAtRandom();
      for (int steps = 0; steps < 4 && life.Step(); ++steps) {
      }
      life.CheckReads();
    }
    life.NothingIsBusy();
    life.Settle();
    life.CheckAtRest();
    life.CheckReads();
  }
}

TEST_CASE("policies: what cannot be read is gone around, and nothing is lost over it") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Life life(seed);
    Random& random = life.random();
    const uint32_t key_count = random.OneIn(2) ? 300 : 1000;
    if (random.OneIn(2)) life.PlantAnything(key_count);
    const uint64_t one_in = 3 + random.Uniform(40);
    for (int rounds = 0; rounds < 6; ++rounds) {
      life.UnreadableAtRandom(one_in);
      for (int flushes = 0; flushes < 20; ++flushes) {
        life.Flush(key_count);
        if (random.OneIn(60)) life.KillPrefix();
        if (random.OneIn(10)) life.ChangePolicy();
        for (uint64_t steps = random.Uniform(6); steps > 0 && life.Step(); --steps) {
        }
      }
      life.Settle();
      life.CheckLevel0HasLeft();
      life.CheckReads();
    }
    life.EverythingIsReadable();
    life.Settle();
    life.CheckAtRest();
    life.CheckReads();
  }
}

TEST_CASE("policies: a range is through after one pass, whatever goes on meanwhile") {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Life life(seed);
    Random& random = life.random();
    const uint32_t key_count = random.OneIn(2) ? 300 : 2000;
    life.PlantAnything(key_count);
    const bool busy = random.OneIn(2);  // elsewhere, at that
    for (int ranges = 0; ranges < 3; ++ranges) {
      if (random.OneIn(4)) life.KillPrefix();
      life.BeginRange(key_count);
      int steps = 0;
      while (life.StepRange()) {
        REQUIRE(++steps < kStepsMax);
        if (!busy) continue;
        if (random.OneIn(2)) life.Flush(key_count);
        if (random.OneIn(2)) life.Step();
        if (random.OneIn(20)) life.ChangePolicy();
      }
      life.CheckRangeIsThrough();
      life.CheckReads();
    }
    life.Settle();
    life.CheckAtRest();
    life.CheckReads();
  }
}

TEST_CASE("policies: leveling keeps its levels at their sizes") {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    SimulatedTree tree(SmallOptions(), 1, 1);
    for (int round = 0; round < 300; ++round) {
      SimulatedEntries entries;
      for (uint32_t key = static_cast<uint32_t>(random.Uniform(40)); key < 4000;
           key += 1 + static_cast<uint32_t>(random.Uniform(600))) {
        entries.push_back({key, 1});
      }
      REQUIRE(tree.Flush(entries).ok());
      REQUIRE(tree.Settle(PolicyOf(PolicyKind::kLeveled), kStepsMax).ok());
      const LevelTargets targets = LevelTargetsOf(tree.version(), tree.options());
      for (int level = 1; level < targets.last; ++level) {
        const uint64_t limit = level + 1 == targets.base
                                   ? targets.staging_bytes
                                   : targets.bytes[static_cast<size_t>(level)];
        CHECK(tree.version().level_bytes(level) <= limit);
      }
    }
  }
}

TEST_CASE("policies: names are read as they are written") {
  for (const PolicyKind kind : PolicyKinds()) CHECK(ParsePolicyKind(ToString(kind)) == kind);
  CHECK_FALSE(ParsePolicyKind("Leveled"));
  CHECK_FALSE(ParsePolicyKind(""));
}

}  // namespace
}  // namespace varve
