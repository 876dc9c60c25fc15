// engine/compaction/leveled.cc: picks what to merge, drop or move.
#include "engine/compaction/leveled.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace varve {

namespace {

constexpr int kLastLevel = kLevels - 1;

// A level is compacted from this part of its limit on, so that it rarely reaches it.
constexpr double kFullAt = 0.85;

using Plan = std::optional<CompactionPlan>;

uint64_t BytesOf(const FileList& files) {
  uint64_t bytes = 0;
  for (const FileRef& file : files) bytes += file->size_bytes;
  return bytes;
}

struct KeyRange {
  Slice smallest;
  Slice largest;
};

// REQUIRES: there are some.
KeyRange RangeOf(const FileList& files) {
  KeyRange range{files.front()->smallest, files.front()->largest};
  for (const FileRef& file : files) {
    range.smallest = std::min<Slice>(range.smallest, file->smallest);
    range.largest = std::max<Slice>(range.largest, file->largest);
  }
  return range;
}

bool MostlyTombstones(const FileMeta& file) { return file.tombstones > file.entries / 2; }

// One call's worth of picking.
class Picker {
 public:
  Picker(const Version& version, const PolicyState& state)
      : version_(version), state_(state), targets_(LevelTargetsOf(version, state.options)) {}

  Plan Automatic() const;
  Plan Manual() const;

 private:
  Plan DropDead() const;
  Plan FullestLevel() const;
  Plan ExpiredTable() const;
  Plan TombstoneTable() const;
  Plan TableWithDead() const;

  Plan FromLevel0(CompactionReason reason) const;
  Plan FromLevel(int level, CompactionReason reason) const;
  Plan PushDown(int level, size_t index, CompactionReason reason) const;
  Plan InPlace(const FileRef& file, CompactionReason reason) const;
  Plan DownOrInPlace(int level, size_t index, CompactionReason reason) const;
  template <typename Wanted>
  Plan FirstTable(CompactionReason reason, Wanted wanted) const;

  FileList OldestOverlapping() const;
  void Widen(size_t index, CompactionPlan* plan) const;
  int OutputOfLevel0() const;
  double Fullness(int level) const;

  bool IsBusy(const FileRef& file) const { return state_.busy.contains(file->number); }
  bool AnyBusy(const FileList& files) const {
    return std::any_of(files.begin(), files.end(), [this](const FileRef& f) { return IsBusy(f); });
  }
  uint64_t bytes_max() const { return state_.options.compaction_bytes_max; }

  const Version& version_;
  const PolicyState& state_;
  const LevelTargets targets_;
};

// --- In which order ---

Plan Picker::Automatic() const {
  if (Plan plan = DropDead()) return plan;
  if (state_.short_of_room) {
    if (Plan plan = TableWithDead()) return plan;
    if (Plan plan = TombstoneTable()) return plan;
  }
  if (Plan plan = FullestLevel()) return plan;
  if (Plan plan = ExpiredTable()) return plan;
  if (Plan plan = TombstoneTable()) return plan;
  return TableWithDead();
}

Plan Picker::Manual() const {
  constexpr CompactionReason kReason = CompactionReason::kManual;
  if (!version_.level(0).empty()) return FromLevel0(kReason);
  for (int level = 1; level < kLastLevel; ++level) {
    const FileList& files = version_.level(level);
    if (files.empty()) continue;
    Plan plan = PushDown(level, 0, kReason);
    // Moved as it is, a table would keep what a job could drop.
    if (plan && plan->trivial_move && files[0]->tombstones > 0) plan->trivial_move = false;
    return plan;
  }
  for (const FileRef& file : version_.level(kLastLevel)) {
    if (file->tombstones == 0 && !state_.dead_prefixes.MayMeet(*file)) continue;
    if (Plan plan = InPlace(file, kReason)) return plan;
  }
  return std::nullopt;
}

// --- Automatic's choices ---

Plan Picker::DropDead() const {
  if (state_.dead_prefixes.empty()) return std::nullopt;
  for (int level = 0; level < kLevels; ++level) {
    CompactionPlan plan{.level = level,
                        .output_level = level,
                        .inputs = {},
                        .next_inputs = {},
                        .reason = CompactionReason::kDeadPrefix,
                        .drop_only = true};
    for (const FileRef& file : version_.level(level)) {
      const bool dead = state_.dead_prefixes.CoversRange(file->smallest, file->largest);
      if (dead && !IsBusy(file)) plan.inputs.push_back(file);
    }
    if (!plan.inputs.empty()) return plan;
  }
  return std::nullopt;
}

Plan Picker::FullestLevel() const {
  std::vector<std::pair<double, int>> levels;
  for (int level = 0; level < kLastLevel; ++level) {
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

Plan Picker::ExpiredTable() const {
  if (!state_.jobs_drop_expired) return std::nullopt;
  return FirstTable(CompactionReason::kExpired, [this](const FileMeta& file) {
    return file.expiring == file.entries && file.last_expiry_ms < state_.now_ms;
  });
}

Plan Picker::TombstoneTable() const {
  return FirstTable(CompactionReason::kTombstones, MostlyTombstones);
}

Plan Picker::TableWithDead() const {
  constexpr CompactionReason kReason = CompactionReason::kDeadPrefix;
  if (state_.dead_prefixes.empty()) return std::nullopt;
  for (int level = kLastLevel; level >= 1; --level) {
    for (const FileRef& file : version_.level(level)) {
      if (!state_.dead_prefixes.MayMeet(*file)) continue;
      if (Plan plan = InPlace(file, kReason)) return plan;
    }
  }
  // In level 0 a table's number says how new it is, so none can be rewritten there.
  const FileList& newest = version_.level(0);
  const bool any = std::any_of(newest.begin(), newest.end(), [this](const FileRef& file) {
    return state_.dead_prefixes.MayMeet(*file);
  });
  return any ? FromLevel0(kReason) : std::nullopt;
}

// --- Plans ---

// The first table below level 0 that is wanted and not busy, from the bottom up: the lower it
// lies, the sooner it is gone.
template <typename Wanted>
Plan Picker::FirstTable(CompactionReason reason, Wanted wanted) const {
  for (int level = kLastLevel; level >= 1; --level) {
    const FileList& files = version_.level(level);
    for (size_t i = 0; i < files.size(); ++i) {
      if (!wanted(*files[i])) continue;
      if (Plan plan = DownOrInPlace(level, i, reason)) return plan;
    }
  }
  return std::nullopt;
}

Plan Picker::DownOrInPlace(int level, size_t index, CompactionReason reason) const {
  const FileRef& file = version_.level(level)[index];
  if (!version_.OverlapsBelow(level, file->smallest, file->largest)) return InPlace(file, reason);
  return PushDown(level, index, reason);
}

Plan Picker::InPlace(const FileRef& file, CompactionReason reason) const {
  if (IsBusy(file)) return std::nullopt;
  return CompactionPlan{.level = file->level,
                        .output_level = file->level,
                        .inputs = {file},
                        .next_inputs = {},
                        .reason = reason};
}

Plan Picker::PushDown(int level, size_t index, CompactionReason reason) const {
  const FileRef& file = version_.level(level)[index];
  CompactionPlan plan{.level = level,
                      .output_level = level + 1,
                      .inputs = {file},
                      .next_inputs = version_.Overlapping(level + 1, file->smallest, file->largest),
                      .reason = reason};
  if (AnyBusy(plan.inputs) || AnyBusy(plan.next_inputs)) return std::nullopt;
  plan.trivial_move = plan.next_inputs.empty();
  if (!plan.trivial_move) Widen(index, &plan);
  return plan;
}

// Takes neighbours along that meet nothing but what is merged anyway, as far as the job's size
// allows.
void Picker::Widen(size_t index, CompactionPlan* plan) const {
  const FileList& files = version_.level(plan->level);
  uint64_t bytes = plan->input_bytes();
  const auto take = [&](const FileRef& file) {
    const FileList meets = version_.Overlapping(
        plan->output_level, std::min(file->smallest, plan->inputs.front()->smallest),
        std::max(file->largest, plan->inputs.back()->largest));
    if (IsBusy(file) || meets.size() != plan->next_inputs.size() ||
        bytes + file->size_bytes > bytes_max()) {
      return false;
    }
    bytes += file->size_bytes;
    return true;
  };
  for (size_t i = index + 1; i < files.size() && take(files[i]); ++i) {
    plan->inputs.push_back(files[i]);
  }
  for (size_t i = index; i-- > 0 && take(files[i]);) {
    plan->inputs.insert(plan->inputs.begin(), files[i]);
  }
}

Plan Picker::FromLevel(int level, CompactionReason reason) const {
  const FileList& files = version_.level(level);
  struct Candidate {
    bool later;  // not mostly tombstones
    double cost;
    size_t index;
    bool operator<(const Candidate& other) const {
      return std::tie(later, cost, index) < std::tie(other.later, other.cost, other.index);
    }
  };
  std::vector<Candidate> candidates;
  candidates.reserve(files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    const FileMeta& file = *files[i];
    const uint64_t met = version_.OverlappingBytes(level + 1, file.smallest, file.largest);
    candidates.push_back({!MostlyTombstones(file),
                          static_cast<double>(met) / static_cast<double>(file.size_bytes), i});
  }
  std::sort(candidates.begin(), candidates.end());
  for (const Candidate& candidate : candidates) {
    if (Plan plan = PushDown(level, candidate.index, reason)) return plan;
  }
  return std::nullopt;
}

Plan Picker::FromLevel0(CompactionReason reason) const {
  const FileList& newest = version_.level(0);
  if (newest.empty() || AnyBusy(newest)) return std::nullopt;
  CompactionPlan plan{.level = 0,
                      .output_level = OutputOfLevel0(),
                      .inputs = OldestOverlapping(),
                      .next_inputs = {},
                      .reason = reason};
  const KeyRange range = RangeOf(plan.inputs);
  plan.next_inputs = version_.Overlapping(plan.output_level, range.smallest, range.largest);
  if (AnyBusy(plan.next_inputs)) return std::nullopt;
  plan.trivial_move = plan.inputs.size() == 1 && plan.next_inputs.empty();
  return plan;
}

// The oldest table of level 0 and all that overlap it, or each other, or lie between them.
// Where that is too much for one job the newest are left out: what is older may go first, never
// what is newer.
FileList Picker::OldestOverlapping() const {
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
int Picker::OutputOfLevel0() const {
  for (int level = 1; level < targets_.base; ++level) {
    if (!version_.level(level).empty()) return level;
  }
  return targets_.base;
}

// From 1 on the level asks to be compacted.
double Picker::Fullness(int level) const {
  if (level == 0) {
    return static_cast<double>(version_.level(0).size()) /
           static_cast<double>(state_.options.level0_tables_compact);
  }
  uint64_t bytes = 0;
  for (const FileRef& file : version_.level(level)) {
    if (!IsBusy(file)) bytes += file->size_bytes;
  }
  if (bytes == 0) return 0;
  const double limit = kFullAt * static_cast<double>(state_.options.level1_bytes);
  // Above the base nothing should be, so anything is too much; but a little of it is not urgent.
  if (level < targets_.base) return 1 + static_cast<double>(bytes) / limit;
  return static_cast<double>(bytes) /
         (kFullAt * static_cast<double>(targets_.bytes[static_cast<size_t>(level)]));
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
  while (bytes > options.level1_bytes && targets.base > 1) {
    bytes /= ratio;
    --targets.base;
    targets.bytes[static_cast<size_t>(targets.base)] = std::max(bytes, options.level1_bytes);
  }
  return targets;
}

Plan LeveledPolicy::Pick(const Version& version, const PolicyState& state) const {
  return Picker(version, state).Automatic();
}

Plan LeveledPolicy::PickManual(const Version& version, const PolicyState& state) const {
  return Picker(version, state).Manual();
}

uint64_t LeveledPolicy::DebtBytes(const Version& version, const Options& options) const {
  const LevelTargets targets = LevelTargetsOf(version, options);
  uint64_t debt = 0;
  if (version.level(0).size() > static_cast<size_t>(options.level0_tables_compact)) {
    debt += version.level_bytes(0);
  }
  for (int level = 1; level < kLastLevel; ++level) {
    const uint64_t bytes = version.level_bytes(level);
    const uint64_t target = targets.bytes[static_cast<size_t>(level)];
    if (bytes > target) debt += bytes - target;
  }
  return debt;
}

// --- Plans as text ---

const char* ToString(CompactionReason reason) {
  switch (reason) {
    case CompactionReason::kDeadPrefix: return "dead prefix";
    case CompactionReason::kLevel0Count: return "count";
    case CompactionReason::kLevelSize: return "size";
    case CompactionReason::kExpired: return "expired";
    case CompactionReason::kTombstones: return "tombstones";
    case CompactionReason::kManual: return "manual";
  }
  return "?";
}

uint64_t CompactionPlan::input_bytes() const { return BytesOf(inputs) + BytesOf(next_inputs); }

std::string CompactionPlan::ToString() const {
  std::string text = "L" + std::to_string(level);
  if (output_level != level) text += " -> L" + std::to_string(output_level);
  text += std::string(", ") + varve::ToString(reason);
  if (trivial_move) text += ", move";
  if (drop_only) text += ", drop";
  text += ":";
  for (const FileRef& file : inputs) text += " " + std::to_string(file->number);
  if (!next_inputs.empty()) text += " +";
  for (const FileRef& file : next_inputs) text += " " + std::to_string(file->number);
  return text;
}

}  // namespace varve
