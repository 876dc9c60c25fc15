// engine/compaction/picker.cc: dead prefixes, expired tables, tombstones, one table at a time.
#include "engine/compaction/picker.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "engine/compaction/value_garbage.h"

namespace varve {

namespace {
constexpr int kLastLevel = kLevels - 1;
// A job reads its tables, and moves values, of which this part of its size. Level 0 waits for it.
constexpr uint64_t kRelocatedPart = 4;
// Whose tables are looked for. That all that refer to these are busy, and others not, is rare.
constexpr size_t kFilesTried = 16;
}  // namespace

KeyRange RangeOf(const FileList& files) {
  KeyRange range{files.front()->smallest, files.front()->largest};
  for (const FileRef& file : files) {
    range.smallest = std::min<Slice>(range.smallest, file->smallest);
    range.largest = std::max<Slice>(range.largest, file->largest);
  }
  return range;
}

bool AreDisjoint(const FileList& files) {
  FileList ordered = files;
  std::sort(ordered.begin(), ordered.end(),
            [](const FileRef& a, const FileRef& b) { return a->smallest < b->smallest; });
  return std::adjacent_find(ordered.begin(), ordered.end(), [](const FileRef& a, const FileRef& b) {
           return a->largest >= b->smallest;
         }) == ordered.end();
}

bool Picker::AnyBusy(const FileList& files) const {
  return std::any_of(files.begin(), files.end(), [this](const FileRef& f) { return IsBusy(f); });
}

// --- In which order ---

Picker::Plan Picker::Automatic() const {
  Plan plan = Best();
  if (!plan || plan->trivial_move || plan->drop_only || !plan->relocate.empty()) return plan;
  // Level 0 is to become shorter soon: it takes twice as long at most.
  const uint64_t most = bytes_max() / kRelocatedPart;
  AddRelocations(ValueFilesToEmpty(version_, state_),
                 plan->level == 0 ? std::min(most, plan->input_bytes()) : most, &*plan);
  return plan;
}

Picker::Plan Picker::OfRange(const CompactionRange& range) const {
  if (range.level == 0) {
    FileList tables = Level0Of(version_, range, bytes_max());
    if (!tables.empty()) return MergeLevel0(std::move(tables), CompactionReason::kManual);
  }
  return PickBelowLevel0(version_, state_, range);
}

Picker::Plan Picker::Best() const {
  if (Plan plan = DropDead()) return plan;
  if (state_.short_of_room) {
    if (Plan plan = TableWithDead()) return plan;
    if (Plan plan = TombstoneTable()) return plan;
  }
  const bool level0_waits =
      version_.level(0).size() >= static_cast<size_t>(options().level0_tables_slow);
  if (!level0_waits && (state_.short_of_room || ValueGarbageIsUrgent(version_))) {
    if (Plan plan = TableWithGarbage()) return plan;
  }
  if (Plan plan = Shape()) return plan;
  if (Plan plan = ExpiredTable()) return plan;
  if (Plan plan = TombstoneTable()) return plan;
  if (Plan plan = TableWithDead()) return plan;
  if (state_.quiet && ValueGarbageMayHide(version_)) {
    if (Plan plan = TowardsOneRun(CompactionReason::kValues)) return plan;
  }
  return TableWithGarbage();
}

// A table of level 0 cannot be rewritten where it is, and need not be: the values that it was flushed with are in a file
// of their own, all alive.
Picker::Plan Picker::TableWithGarbage() const {
  const std::vector<uint64_t> files = ValueFilesToEmpty(version_, state_);
  for (const uint64_t file : std::span(files).first(std::min(files.size(), kFilesTried))) {
    const auto refers = [file](const FileRef& table) {
      const auto use =
          std::lower_bound(table->value_uses.begin(), table->value_uses.end(), file,
                           [](const ValueUse& u, uint64_t wanted) { return u.file < wanted; });
      return use != table->value_uses.end() && use->file == file;
    };
    for (int level = kLastLevel; level >= 1; --level) {
      for (const FileRef& table : version_.level(level)) {
        if (!refers(table)) continue;
        Plan plan = InPlace(table, CompactionReason::kValues);
        if (!plan) continue;
        AddRelocations(files, bytes_max() / kRelocatedPart, &*plan);
        return plan;
      }
    }
  }
  return std::nullopt;
}

Picker::Plan Picker::DropDead() const {
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

Picker::Plan Picker::ExpiredTable() const {
  if (!state_.jobs_drop_expired) return std::nullopt;
  return FirstTable(CompactionReason::kExpired, [this](const FileMeta& file) {
    return file.expiring == file.entries && file.last_expiry_ms < state_.now_ms;
  });
}

Picker::Plan Picker::TombstoneTable() const {
  return FirstTable(CompactionReason::kTombstones,
                    [this](const FileMeta& file) { return MostlyTombstones(file); });
}

Picker::Plan Picker::TableWithDead() const {
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

// --- Plans for one table ---

// The first table below level 0 that is wanted and not busy, from the bottom up: the lower it
// lies, the sooner it is gone.
template <typename Wanted>
Picker::Plan Picker::FirstTable(CompactionReason reason, Wanted wanted) const {
  for (int level = kLastLevel; level >= 1; --level) {
    const FileList& files = version_.level(level);
    for (size_t i = 0; i < files.size(); ++i) {
      if (!wanted(*files[i])) continue;
      if (Plan plan = DownOrInPlace(level, i, reason)) return plan;
    }
  }
  return std::nullopt;
}

Picker::Plan Picker::DownOrInPlace(int level, size_t index, CompactionReason reason) const {
  const FileRef& file = version_.level(level)[index];
  if (!version_.OverlapsBelow(level, file->smallest, file->largest)) return InPlace(file, reason);
  const uint64_t met = version_.OverlappingBytes(NextLevel(level), file->smallest, file->largest);
  return met <= pushes_.push_bytes_max ? PushDown(level, index, reason) : std::nullopt;
}

FileList Picker::OldestToMerge(FileList tables) const {
  const auto oldest_unreadable =
      std::find_if(tables.rbegin(), tables.rend(),
                   [this](const FileRef& table) { return state_.IsUnreadable(table->number); });
  if (oldest_unreadable == tables.rend()) return tables;
  if (oldest_unreadable == tables.rbegin()) return {tables.back()};
  return {oldest_unreadable.base(), tables.end()};
}

Picker::Plan Picker::InPlace(const FileRef& file, CompactionReason reason) const {
  if (IsBusy(file) || state_.IsUnreadable(file->number)) return std::nullopt;
  return CompactionPlan{.level = file->level,
                        .output_level = file->level,
                        .inputs = {file},
                        .next_inputs = {},
                        .reason = reason};
}

Picker::Plan Picker::CleanInPlace(int level, CompactionReason reason) const {
  for (const FileRef& file : version_.level(level)) {
    if (file->tombstones == 0 && !state_.dead_prefixes.MayMeet(*file)) continue;
    if (Plan plan = InPlace(file, reason)) return plan;
  }
  return std::nullopt;
}

Picker::Plan Picker::SinkRun() const {
  int below = kLevels;  // the next level that is not empty
  for (int level = kLastLevel; level >= 1; --level) {
    const FileList& files = version_.level(level);
    if (files.empty()) continue;
    if (below - 1 > level && !AnyBusy(files)) {
      return CompactionPlan{.level = level,
                            .output_level = below - 1,
                            .inputs = files,
                            .next_inputs = {},
                            .reason = CompactionReason::kRunCount,
                            .trivial_move = true};
    }
    below = level;
  }
  return std::nullopt;
}

int Picker::NextLevel(int level) const {
  DCHECK(level < kLastLevel);
  int next = level + 1;
  while (next < pushes_.base && version_.level(next).empty()) ++next;
  return next;
}

Picker::Plan Picker::PushDown(int level, size_t index, CompactionReason reason) const {
  const FileRef& file = version_.level(level)[index];
  const int next = NextLevel(level);
  CompactionPlan plan{.level = level,
                      .output_level = next,
                      .inputs = {file},
                      .next_inputs = version_.Overlapping(next, file->smallest, file->largest),
                      .reason = reason};
  if (AnyBusy(plan)) return std::nullopt;
  plan.trivial_move = plan.next_inputs.empty();
  if (state_.ReadsUnreadable(plan)) return std::nullopt;
  if (plan.trivial_move && MayBeWrittenOver(*file, next)) return std::nullopt;
  if (!plan.trivial_move) Widen(index, &plan);
  return plan;
}

// What a job writes may span a gap between the tables that it reads. All of the levels between its first and its last
// are busy, so it writes to this one only if this one or the one above has such tables.
bool Picker::MayBeWrittenOver(const FileMeta& file, int next) const {
  if (state_.busy.empty()) return false;
  if (!AnyBusy(version_.level(file.level)) && !AnyBusy(version_.level(next))) return false;
  bool before = false;
  bool behind = false;
  for (int level = 1; level < kLevels; ++level) {
    for (const FileRef& other : version_.level(level)) {
      if (!IsBusy(other)) continue;
      before |= other->smallest < file.smallest;
      behind |= other->largest > file.largest;
    }
  }
  return before && behind;
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
    if (IsBusy(file) || state_.IsUnreadable(file->number) ||
        meets.size() != plan->next_inputs.size() || bytes + file->size_bytes > bytes_max()) {
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

}  // namespace varve
