// engine/compaction/leveled.cc: what keeps the levels at their sizes.
#include "engine/compaction/leveled.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/compaction/picker.h"

namespace varve {

namespace {

// Enough for a petabyte. More levels are there for tiers, which need one for each run.
constexpr int kLastLevelMin = 6;
static_assert(kLastLevelMin < kLevels);

// A level is compacted from this part of its limit on, so that it rarely reaches it.
constexpr double kFullAt = 0.85;

constexpr uint64_t kTombstonesPercent = 50;

using Plan = std::optional<CompactionPlan>;

int LastLevelOf(const Version& version) {
  int last = kLevels - 1;
  while (last > kLastLevelMin && version.level(last).empty()) --last;
  return last;
}

// One call's worth of picking.
class LeveledPicker final : public Picker {
 public:
  LeveledPicker(const Version& version, const PolicyState& state)
      : LeveledPicker(version, state, LevelTargetsOf(version, state.options)) {}

 private:
  LeveledPicker(const Version& version, const PolicyState& state, const LevelTargets& targets)
      : Picker(version, state,
               {.base = targets.base,
                .push_bytes_max = UINT64_MAX,
                .tombstones_percent = kTombstonesPercent}),
        targets_(targets) {}

  Plan Shape() const override;
  Plan FromLevel0(CompactionReason reason) const override;
  Plan MergeLevel0(FileList tables, CompactionReason reason) const override;
  Plan TowardsOneRun(CompactionReason reason) const override;
  Plan FromLevel(int level, CompactionReason reason) const;

  FileList OldestOverlapping() const;
  int OutputOfLevel0() const;
  bool StagingPays(const FileList& inputs, int output_level, CompactionReason reason) const;
  double Fullness(int level) const;

  const LevelTargets targets_;
};

// The fullest level.
Plan LeveledPicker::Shape() const {
  std::vector<std::pair<double, int>> levels;
  for (int level = 0; level < targets_.last; ++level) {
    const double fullness = Fullness(level);
    if (fullness >= 1) levels.emplace_back(-fullness, level);
  }
  std::sort(levels.begin(), levels.end());
  // The fullest may be busy; then another one.
  for (const auto& [fullness, level] : levels) {
    Plan plan = level == 0 ? FromLevel0(CompactionReason::kLevel0Count)
                           : FromLevel(level, CompactionReason::kLevelSize);
    if (plan) return plan;
  }
  return std::nullopt;
}

Plan LeveledPicker::TowardsOneRun(CompactionReason reason) const {
  if (!version_.level(0).empty()) return FromLevel0(reason);
  for (int level = 1; level < targets_.last; ++level) {
    const FileList& files = version_.level(level);
    for (size_t i = 0; i < files.size(); ++i) {
      Plan plan = PushDown(level, i, reason);
      if (!plan) continue;
      // Moved as it is, a table would keep what a job could drop.
      const bool read = files[i]->tombstones > 0 && !state_.IsUnreadable(files[i]->number);
      if (plan->trivial_move && read) plan->trivial_move = false;
      return plan;
    }
  }
  return CleanInPlace(targets_.last, reason);
}

Plan LeveledPicker::FromLevel(int level, CompactionReason reason) const {
  const FileList& files = version_.level(level);
  struct Candidate {
    bool later;  // not mostly tombstones
    double cost;
    size_t index;
    bool operator<(const Candidate& other) const {
      return std::tie(later, cost, index) < std::tie(other.later, other.cost, other.index);
    }
  };
  const int next = NextLevel(level);
  std::vector<Candidate> candidates;
  candidates.reserve(files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    const FileMeta& file = *files[i];
    const uint64_t met = version_.OverlappingBytes(next, file.smallest, file.largest);
    candidates.push_back({!MostlyTombstones(file),
                          static_cast<double>(met) / static_cast<double>(file.size_bytes), i});
  }
  std::sort(candidates.begin(), candidates.end());
  for (const Candidate& candidate : candidates) {
    if (Plan plan = PushDown(level, candidate.index, reason)) return plan;
  }
  return std::nullopt;
}

Plan LeveledPicker::FromLevel0(CompactionReason reason) const {
  return version_.level(0).empty() ? std::nullopt : MergeLevel0(OldestOverlapping(), reason);
}

Plan LeveledPicker::MergeLevel0(FileList tables, CompactionReason reason) const {
  if (AnyBusy(version_.level(0))) return std::nullopt;
  CompactionPlan plan{.level = 0,
                      .output_level = OutputOfLevel0(),
                      .inputs = OldestToMerge(std::move(tables)),
                      .next_inputs = {},
                      .reason = reason};
  const auto lead_to = [this, &plan](int level) {
    const KeyRange range = RangeOf(plan.inputs);
    plan.output_level = level;
    plan.next_inputs = version_.Overlapping(level, range.smallest, range.largest);
    plan.trivial_move = plan.inputs.size() == 1 && plan.next_inputs.empty();
  };
  const bool staged = StagingPays(plan.inputs, plan.output_level, reason);
  lead_to(plan.output_level - (staged ? 1 : 0));
  // Further up everything is empty: level 0 can always go there, and on from there around what cannot be read.
  if (state_.ReadsUnreadable(plan) && plan.output_level > 1) lead_to(plan.output_level - 1);
  if (AnyBusy(plan.next_inputs)) return std::nullopt;
  if (state_.ReadsUnreadable(plan)) return SinkRun();
  return plan;
}

// The oldest table of level 0 and all that overlap it, or each other, or lie between them.
// Where that is too much for one job the newest are left out: what is older may go first, never
// what is newer.
FileList LeveledPicker::OldestOverlapping() const {
  const FileList& newest = version_.level(0);
  FileList taken = {newest.back()};
  for (size_t before = 0; taken.size() != before;) {
    before = taken.size();
    const KeyRange range = RangeOf(taken);
    taken = version_.Overlapping(0, range.smallest, range.largest);
  }
  uint64_t bytes = BytesOf(taken);
  while (taken.size() > 1 && bytes > bytes_max()) {
    bytes -= taken.front()->size_bytes;
    taken.erase(taken.begin());
  }
  return taken;
}

// The base, unless a level above it still holds something: what lies there is older than level 0.
int LeveledPicker::OutputOfLevel0() const {
  for (int level = 1; level < targets_.base; ++level) {
    if (!version_.level(level).empty()) return level;
  }
  return targets_.base;
}

// From there what was asked for goes on in jobs of bounded size: nobody waits for all of it.
bool LeveledPicker::StagingPays(const FileList& inputs, int output_level,
                                CompactionReason reason) const {
  const bool asked = reason == CompactionReason::kManual;
  if (!asked && reason != CompactionReason::kLevel0Count) return false;
  if (output_level != targets_.base || targets_.base == 1) return false;
  const KeyRange range = RangeOf(inputs);
  const uint64_t met = version_.OverlappingBytes(targets_.base, range.smallest, range.largest);
  const uint64_t bytes = BytesOf(inputs);
  return met / static_cast<uint64_t>(options().level_size_ratio) > bytes ||
         (asked && met > 0 && met + bytes > bytes_max());
}

// From 1 on the level asks to be compacted.
double LeveledPicker::Fullness(int level) const {
  if (level == 0) {
    return static_cast<double>(version_.level(0).size()) /
           static_cast<double>(options().level0_tables_compact);
  }
  uint64_t bytes = 0;
  for (const FileRef& file : version_.level(level)) {
    if (!IsBusy(file)) bytes += file->size_bytes;
  }
  if (bytes == 0) return 0;
  const auto part_of = [bytes](uint64_t limit) {
    return static_cast<double>(bytes) / (kFullAt * static_cast<double>(limit));
  };
  if (level >= targets_.base) return part_of(targets_.bytes[static_cast<size_t>(level)]);
  if (level + 1 == targets_.base && targets_.staging_bytes > 0) {
    return part_of(targets_.staging_bytes);
  }
  // Further up nothing should be, so anything is too much; but a little of it is not urgent.
  return 1 + part_of(options().level1_bytes);
}

}  // namespace

LevelTargets LevelTargetsOf(const Version& version, const Options& options) {
  const auto ratio = static_cast<uint64_t>(options.level_size_ratio);
  // While data is still on its way down, the largest level stands for the last.
  uint64_t bytes = 0;
  for (int level = 1; level < kLevels; ++level) {
    bytes = std::max(bytes, version.level_bytes(level));
  }
  LevelTargets targets;
  targets.base = targets.last = LastLevelOf(version);
  while (bytes > options.level1_bytes && targets.base > 1) {
    bytes /= ratio;
    --targets.base;
    targets.bytes[static_cast<size_t>(targets.base)] = std::max(bytes, options.level1_bytes);
  }
  targets.staging_bytes = version.level_bytes(targets.base) / ratio;
  return targets;
}

Plan LeveledPolicy::Pick(const Version& version, const PolicyState& state) const {
  return LeveledPicker(version, state).Automatic();
}

Plan LeveledPolicy::PickManual(const Version& version, const PolicyState& state,
                               const CompactionRange& range) const {
  return LeveledPicker(version, state).OfRange(range);
}

uint64_t LeveledPolicy::DebtBytes(const Version& version, const Options& options) const {
  const LevelTargets targets = LevelTargetsOf(version, options);
  uint64_t debt = 0;
  if (version.level(0).size() > static_cast<size_t>(options.level0_tables_compact)) {
    debt += version.level_bytes(0);
  }
  for (int level = 1; level < targets.last; ++level) {
    const uint64_t bytes = version.level_bytes(level);
    const uint64_t target = level + 1 == targets.base ? targets.staging_bytes
                                                      : targets.bytes[static_cast<size_t>(level)];
    if (bytes > target) debt += bytes - target;
  }
  return debt;
}

}  // namespace varve
