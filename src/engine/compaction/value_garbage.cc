// engine/compaction/value_garbage.cc: which value files to empty.
#include "engine/compaction/value_garbage.h"

#include <algorithm>
#include <map>
#include <set>

namespace varve {

namespace {

struct Bounds {
  uint64_t begin_percent;
  uint64_t end_percent;
};
constexpr Bounds kUnderLoad = {50, 40};
constexpr Bounds kQuiet = {10, 5};
constexpr uint64_t kUrgentPercent = 60;
// Of all value bytes, when little is being written.
constexpr uint64_t kHiddenPercent = 5;

uint64_t GarbageOf(const Version& version) {
  return version.value_bytes() - version.live_value_bytes() -
         version.value_files().size() * kValueFileHeaderBytes;
}

bool IsBeyond(uint64_t garbage, uint64_t all, uint64_t percent) {
  return static_cast<double>(garbage) * 100 >
         static_cast<double>(all) * static_cast<double>(percent);
}

double GarbageRatio(const LiveValueFile& file) {
  return static_cast<double>(file.garbage_bytes()) / static_cast<double>(file.meta.size_bytes);
}

// Files with a value that cannot be moved: as long as it stays, moving the others frees nothing.
std::set<uint64_t> StuckFiles(const Version& version, const PolicyState& state) {
  if (state.unreadable_files == nullptr || state.unreadable_files->empty()) return {};
  std::set<uint64_t> stuck = *state.unreadable_files;
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& table : version.level(level)) {
      if (!state.IsUnreadable(table->number)) continue;
      for (const ValueUse& use : table->value_uses) stuck.insert(use.file);
    }
  }
  return stuck;
}

}  // namespace

std::vector<uint64_t> ValueFilesToEmpty(const Version& version, const PolicyState& state) {
  const Bounds& bounds = state.quiet || state.short_of_room ? kQuiet : kUnderLoad;
  uint64_t garbage = GarbageOf(version);
  uint64_t all = version.value_bytes();
  if (!IsBeyond(garbage, all, bounds.begin_percent)) return {};
  const std::set<uint64_t> stuck = StuckFiles(version, state);
  std::vector<const LiveValueFile*> files;
  for (const LiveValueFile& file : version.value_files()) {
    if (file.garbage_bytes() > 0 && !stuck.contains(file.meta.number)) files.push_back(&file);
  }
  std::stable_sort(files.begin(), files.end(), [](const LiveValueFile* a, const LiveValueFile* b) {
    return GarbageRatio(*a) > GarbageRatio(*b);
  });
  std::vector<uint64_t> chosen;
  for (const LiveValueFile* file : files) {
    if (!IsBeyond(garbage, all, bounds.end_percent)) break;
    // More would be moved than it is worth: what is needed is stuck.
    if (!IsBeyond(file->garbage_bytes(), file->meta.size_bytes, bounds.end_percent)) break;
    chosen.push_back(file->meta.number);
    garbage -= file->garbage_bytes();
    all -= file->garbage_bytes();
  }
  return chosen;
}

bool ValueGarbageIsUrgent(const Version& version) {
  return IsBeyond(GarbageOf(version), version.value_bytes(), kUrgentPercent);
}

bool ValueGarbageMayHide(const Version& version) {
  if (version.value_records() == 0) return false;
  int last = kLevels - 1;
  while (last > 1 && version.level(last).empty()) --last;
  uint64_t entries = 0;
  for (int level = 0; level < last; ++level) {
    for (const FileRef& table : version.level(level)) entries += table->entries;
  }
  const uint64_t hidden = std::min(entries * (version.value_bytes() / version.value_records()),
                                   version.live_value_bytes());
  return IsBeyond(hidden, version.value_bytes(), kHiddenPercent) && hidden > version.table_bytes();
}

void AddRelocations(const std::vector<uint64_t>& files, uint64_t bytes_max, CompactionPlan* plan) {
  std::map<uint64_t, uint64_t> used;  // file -> bytes
  for (const FileList* tables : {&plan->inputs, &plan->next_inputs}) {
    for (const FileRef& table : *tables) {
      for (const ValueUse& use : table->value_uses) used[use.file] += use.bytes;
    }
  }
  for (const uint64_t file : files) {
    const auto use = used.find(file);
    if (use == used.end()) continue;
    if (!plan->relocate.empty() && plan->relocate_bytes + use->second > bytes_max) continue;
    plan->relocate.insert(file);
    plan->relocate_bytes += use->second;
  }
}

}  // namespace varve
