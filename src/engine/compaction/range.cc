// engine/compaction/range.cc: one pass over a range of keys, part by part.
#include "engine/compaction/range.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "engine/compaction/picker.h"
#include "engine/compaction/policy.h"
#include "engine/compaction/value_garbage.h"

namespace varve {

namespace {

using Plan = std::optional<CompactionPlan>;

// As for compactions that no one asked for: see picker.cc.
constexpr uint64_t kRelocatedPart = 4;

class BelowLevel0 {
 public:
  BelowLevel0(const Version& version, const PolicyState& state, const CompactionRange& range)
      : version_(version), state_(state), range_(range), deepest_(Deepest()) {}

  Plan Pick() const;
  uint64_t BytesLeft() const;

 private:
  // What a job takes from one level to the next: what meets those before it, from `smallest` to `largest`, both
  // inclusive. And perhaps, but for the last level, all of the range from `from` on.
  struct Reach {
    Slice smallest;
    Slice largest;
    std::optional<Slice> from = std::nullopt;
  };

  Plan Push(int level, size_t first) const;
  Plan PushedTo(int level, const Reach& reach, int output_level) const;
  Plan InPlace(int level, size_t first) const;
  Plan EmptyValueFiles() const;
  std::vector<uint64_t> FilesToEmpty() const;

  int Deepest() const;
  int DepthOf(int level, size_t first) const;
  size_t EndOfPart(int level, size_t first, int output_level) const;

  // The first table of `level` that has not been passed yet.
  size_t FirstLeft(int level) const {
    const bool begun = level == range_.level && range_.from > range_.lower;
    return version_.LowerBound(level, begun ? range_.from : range_.lower);
  }
  // Whether it is there, and meets the range.
  bool IsOfRange(int level, size_t index) const {
    const FileList& files = version_.level(level);
    return index < files.size() && range_.Reaches(files[index]->smallest);
  }
  bool HoldsWhatCanBeDropped(const FileMeta& file) const {
    if (file.tombstones > 0 || state_.dead_prefixes.MayMeet(file)) return true;
    return state_.jobs_drop_expired && file.expiring > 0 &&
           file.first_expiry_ms <= range_.expired_ms;
  }
  bool IsBusy(const FileRef& file) const { return state_.busy.contains(file->number); }
  bool AnyBusy(const FileList& files) const {
    return !state_.busy.empty() &&
           std::any_of(files.begin(), files.end(),
                       [this](const FileRef& file) { return IsBusy(file); });
  }

  // Calls `take` with the tables of `level` that are met, and has `reach` go over them.
  template <typename Take>
  void Meet(int level, Reach* reach, Take take) const;
  // Of the tables that are met down to `output_level`. Stops where it is too much for a job.
  uint64_t BytesMet(int level, Reach reach, int output_level) const;
  uint64_t bytes_max() const { return state_.options.compaction_bytes_max; }

  const Version& version_;
  const PolicyState& state_;
  const CompactionRange& range_;
  const int deepest_;  // the last level with tables that meet the range
};

Plan BelowLevel0::Pick() const {
  for (int level = std::max(1, range_.level); level <= deepest_; ++level) {
    size_t first = FirstLeft(level);
    if (level < deepest_) {
      if (IsOfRange(level, first)) return Push(level, first);
      continue;
    }
    const FileList& files = version_.level(level);
    while (IsOfRange(level, first) && !HoldsWhatCanBeDropped(*files[first])) ++first;
    if (IsOfRange(level, first)) return InPlace(level, first);
  }
  return EmptyValueFiles();
}

int BelowLevel0::Deepest() const {
  for (int level = kLevels - 1; level > 0; --level) {
    if (IsOfRange(level, version_.LowerBound(level, range_.lower))) return level;
  }
  return 0;
}

// --- Down ---

// All that is left, if one job may read that much; else a part of it.
Plan BelowLevel0::Push(int level, size_t first) const {
  const FileRef& file = version_.level(level)[first];
  const Reach all{file->smallest, file->largest,
                  std::max<Slice>(range_.lower, level == range_.level ? range_.from : Slice())};
  if (BytesMet(level, all, deepest_) <= bytes_max()) {
    if (Plan plan = PushedTo(level, all, deepest_)) return plan;
  }
  const int output_level = DepthOf(level, first);
  if (output_level == level) return std::nullopt;  // what is further down is busy
  const size_t end = EndOfPart(level, first, output_level);
  const FileRef& last = version_.level(level)[end - 1];
  return PushedTo(level, {.smallest = file->smallest, .largest = last->largest}, output_level);
}

// How far down one job can take the table: to the next one that it meets at least, or to the last level.
int BelowLevel0::DepthOf(int level, size_t first) const {
  const FileRef& file = version_.level(level)[first];
  Reach reach{.smallest = file->smallest, .largest = file->largest};
  uint64_t bytes = file->size_bytes;
  int depth = level;
  for (int below = level + 1; below <= deepest_; ++below) {
    if (AnyBusy(version_.level(below))) break;
    uint64_t met = 0;
    Meet(below, &reach, [&met](const FileRef& other) { met += other->size_bytes; });
    // Nothing becomes a run of its own between others.
    if (met == 0 && below < deepest_) continue;
    if (depth > level && bytes + met > bytes_max()) break;
    bytes += met;
    depth = below;
    if (bytes > bytes_max()) break;
  }
  return depth;
}

// As far to the right as the job's size allows.
size_t BelowLevel0::EndOfPart(int level, size_t first, int output_level) const {
  const FileList& files = version_.level(level);
  size_t end = first + 1;
  size_t beyond = end;
  while (IsOfRange(level, beyond)) ++beyond;
  ++beyond;
  while (end + 1 < beyond) {
    const size_t middle = end + (beyond - end) / 2;
    const Reach reach{.smallest = files[first]->smallest, .largest = files[middle - 1]->largest};
    (BytesMet(level, reach, output_level) <= bytes_max() ? end : beyond) = middle;
  }
  return end;
}

// Nothing if a job is at work in one of the levels: what it writes may come to lie where this would, though neither
// meets the other now.
Plan BelowLevel0::PushedTo(int level, const Reach& reach, int output_level) const {
  CompactionPlan plan{.level = level,
                      .output_level = output_level,
                      .inputs = {},
                      .next_inputs = {},
                      .reason = CompactionReason::kManual};
  Reach grown = reach;
  for (int of = level; of <= output_level; ++of) {
    FileList& to = of < output_level ? plan.inputs : plan.next_inputs;
    if (of == output_level) grown.from.reset();
    Meet(of, &grown, [&to](const FileRef& file) { to.push_back(file); });
    if (AnyBusy(version_.level(of))) return std::nullopt;
  }
  const bool droppable =
      std::any_of(plan.inputs.begin(), plan.inputs.end(),
                  [this](const FileRef& file) { return HoldsWhatCanBeDropped(*file); });
  plan.trivial_move = plan.next_inputs.empty() && !droppable && AreDisjoint(plan.inputs);
  if (!plan.trivial_move) AddRelocations(FilesToEmpty(), bytes_max() / kRelocatedPart, &plan);
  return plan;
}

template <typename Take>
void BelowLevel0::Meet(int level, Reach* reach, Take take) const {
  const FileList& files = version_.level(level);
  const Reach before = *reach;
  const Slice begin = before.from ? std::min(*before.from, before.smallest) : before.smallest;
  for (size_t i = version_.LowerBound(level, begin); i < files.size(); ++i) {
    const Slice smallest = files[i]->smallest;
    if (smallest > before.largest && !(before.from && range_.Reaches(smallest))) break;
    reach->smallest = std::min<Slice>(reach->smallest, files[i]->smallest);
    reach->largest = std::max<Slice>(reach->largest, files[i]->largest);
    take(files[i]);
  }
}

uint64_t BelowLevel0::BytesMet(int level, Reach reach, int output_level) const {
  uint64_t bytes = 0;
  for (int of = level; of <= output_level && bytes <= bytes_max(); ++of) {
    if (of == output_level) reach.from.reset();
    Meet(of, &reach, [&bytes](const FileRef& file) { bytes += file->size_bytes; });
  }
  return bytes;
}

// --- Where it is ---

// Neighbours together: of a deleted range little may be left in each.
Plan BelowLevel0::InPlace(int level, size_t first) const {
  const FileList& files = version_.level(level);
  if (IsBusy(files[first])) return std::nullopt;
  CompactionPlan plan{.level = level,
                      .output_level = level,
                      .inputs = {files[first]},
                      .next_inputs = {},
                      .reason = CompactionReason::kManual};
  uint64_t bytes = files[first]->size_bytes;
  // A job may be about to put something between them.
  const bool alone = !AnyBusy(files);
  for (size_t i = first + 1; alone && IsOfRange(level, i); ++i) {
    bytes += files[i]->size_bytes;
    if (!HoldsWhatCanBeDropped(*files[i]) || bytes > bytes_max()) break;
    plan.inputs.push_back(files[i]);
  }
  AddRelocations(FilesToEmpty(), bytes_max() / kRelocatedPart, &plan);
  return plan;
}

// Ends, for a table that was rewritten refers to fewer of the files than it did.
Plan BelowLevel0::EmptyValueFiles() const {
  const std::vector<uint64_t> files = FilesToEmpty();
  if (files.empty()) return std::nullopt;
  std::vector<uint64_t> ordered = files;
  std::sort(ordered.begin(), ordered.end());
  const auto refers = [&ordered](const FileRef& table) {
    return std::any_of(table->value_uses.begin(), table->value_uses.end(),
                       [&ordered](const ValueUse& use) {
                         return std::binary_search(ordered.begin(), ordered.end(), use.file);
                       });
  };
  for (int level = deepest_; level >= 1; --level) {
    for (size_t i = version_.LowerBound(level, range_.lower); IsOfRange(level, i); ++i) {
      const FileRef& table = version_.level(level)[i];
      if (!refers(table) || IsBusy(table)) continue;
      CompactionPlan plan{.level = level,
                          .output_level = level,
                          .inputs = {table},
                          .next_inputs = {},
                          .reason = CompactionReason::kValues};
      AddRelocations(files, bytes_max() / kRelocatedPart, &plan);
      return plan;
    }
  }
  return std::nullopt;
}

std::vector<uint64_t> BelowLevel0::FilesToEmpty() const {
  PolicyState thorough = state_;
  thorough.quiet = true;
  std::vector<uint64_t> files = ValueFilesToEmpty(version_, thorough);
  std::erase_if(files, [this](uint64_t number) { return number >= range_.files_before; });
  return files;
}

uint64_t BelowLevel0::BytesLeft() const {
  uint64_t bytes = 0;
  for (int level = std::max(1, range_.level); level <= deepest_; ++level) {
    const FileList& files = version_.level(level);
    for (size_t i = FirstLeft(level); IsOfRange(level, i); ++i) {
      if (level < deepest_ || HoldsWhatCanBeDropped(*files[i])) bytes += files[i]->size_bytes;
    }
  }
  return bytes;
}

bool IsLeftInLevel0(const FileRef& file, const CompactionRange& range) {
  return file->number < range.files_before && range.Meets(*file);
}

}  // namespace

void CompactionRange::Advance(const CompactionPlan& plan) {
  // Level 0 is told by numbers, and what else was done on the way does not count.
  if (plan.reason != CompactionReason::kManual || plan.level == 0) return;
  const auto other = std::find_if(plan.inputs.begin(), plan.inputs.end(),
                                  [&](const FileRef& file) { return file->level != plan.level; });
  level = plan.level;
  from = (*std::prev(other))->largest;
  from.push_back('\0');
}

// What is newer may stay, what is older may not: it would come to lie above what has left.
FileList Level0Of(const Version& version, const CompactionRange& range, uint64_t bytes_max) {
  FileList taken;
  for (const FileRef& file : version.level(0)) {
    const bool met = std::any_of(taken.begin(), taken.end(), [&file](const FileRef& newer) {
      return newer->Overlaps(file->smallest, file->largest);
    });
    if (met || IsLeftInLevel0(file, range)) taken.push_back(file);
  }
  uint64_t bytes = BytesOf(taken);
  while (taken.size() > 1 && bytes > bytes_max) {
    bytes -= taken.front()->size_bytes;
    taken.erase(taken.begin());
  }
  return taken;
}

Plan PickBelowLevel0(const Version& version, const PolicyState& state,
                     const CompactionRange& range) {
  return BelowLevel0(version, state, range).Pick();
}

uint64_t BytesLeft(const Version& version, const PolicyState& state, const CompactionRange& range) {
  uint64_t bytes = 0;
  for (const FileRef& file : version.level(0)) {
    if (IsLeftInLevel0(file, range)) bytes += file->size_bytes;
  }
  return bytes + BelowLevel0(version, state, range).BytesLeft();
}

}  // namespace varve
