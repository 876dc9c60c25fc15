// tests/unit/engine/compaction/drawn_tree.h: versions as text, before and after a plan.
//
// A tree is text, one table after the other, in any order:
//
//   L0: 9 a-m, 8 c-z 40
//   L1: 5 a-c 10t*
//
// number, key range, size in bytes (kTableBytes if none is given) and marks:
//   t more than half tombstones    T more than three quarters    e expired as a whole    * busy    ! unreadable
// Every table has 100 entries. A plan is text as CompactionPlan::ToString has it, or "nothing".
// What a plan makes is drawn as one table of all its inputs' bytes, as if nothing shadowed
// anything.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "engine/compaction/picker.h"
#include "engine/compaction/policy.h"

#include <doctest/doctest.h>

namespace varve {

inline constexpr uint64_t kTableBytes = 10;
inline constexpr int64_t kNowMs = 1'000'000;
// What a plan writes is numbered from here on.
inline constexpr uint64_t kFirstOutput = 100;

// Small enough to draw: level 1 may hold ten tables.
inline Options SmallOptions() {
  Options options;
  options.table_bytes = kTableBytes;
  options.level1_bytes = 100;
  options.level_size_ratio = 10;
  options.level0_tables_compact = 4;
  options.compaction_bytes_max = 100;
  return options;
}

class DrawnTree {
 public:
  explicit DrawnTree(const std::string& text, const Options& options_in = SmallOptions())
      : options(options_in) {
    VersionEdit edit;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const size_t colon = line.find(':');
      if (colon == std::string::npos) continue;
      const int level = std::stoi(line.substr(line.find('L') + 1));
      std::istringstream tables(line.substr(colon + 1));
      for (std::string table; std::getline(tables, table, ',');) {
        edit.added.push_back(ParseTable(table, level));
      }
    }
    version = std::make_shared<const Version>();
    Apply(edit);
  }

  PolicyState state() const {
    return {.options = options,
            .busy = busy,
            .dead_prefixes = dead_prefixes,
            .now_ms = kNowMs,
            .jobs_drop_expired = jobs_drop_expired,
            .short_of_room = short_of_room,
            .unreadable_files = &unreadable};
  }

  std::string Pick(const CompactionPolicy& policy) const {
    return TextOf(policy.Pick(*version, state()));
  }
  std::string PickManual(const CompactionPolicy& policy, const CompactionRange& range = {}) const {
    return TextOf(policy.PickManual(*version, state(), range));
  }

  // Carries out what is picked, and returns the plan.
  std::string Step(const CompactionPolicy& policy) {
    const std::optional<CompactionPlan> plan = policy.Pick(*version, state());
    if (plan) CarryOut(*plan);
    return TextOf(plan);
  }

  // All plans until there are no more, a line each.
  std::string Settle(const CompactionPolicy& policy) {
    std::string plans;
    for (int steps = 0; Pick(policy) != "nothing"; ++steps) {
      REQUIRE(steps < 100);
      plans += (plans.empty() ? "" : "\n") + Step(policy);
    }
    return plans;
  }

  // All plans for a range until it is through, a line each.
  std::string CompactRange(const CompactionPolicy& policy, CompactionRange range) {
    std::string plans;
    range.files_before = kFirstOutput;
    range.expired_ms = kNowMs;
    for (int steps = 0;; ++steps) {
      REQUIRE(steps < 100);
      const auto plan = policy.PickManual(*version, state(), range);
      if (!plan) return plans;
      CarryOut(*plan);
      range.Advance(*plan);
      plans += (plans.empty() ? "" : "\n") + plan->ToString();
    }
  }

  // The tree as it is now: "L0: 9 a-m 10, 8 c-z 40\nL1: 5 a-c 10".
  std::string Drawn() const {
    std::string text;
    for (int level = 0; level < kLevels; ++level) {
      if (version->level(level).empty()) continue;
      text += (text.empty() ? "L" : "\nL") + std::to_string(level) + ":";
      std::string comma;
      for (const FileRef& file : version->level(level)) {
        text += comma + " " + std::to_string(file->number) + " " + file->smallest + "-" +
                file->largest + " " + std::to_string(file->size_bytes);
        comma = ",";
      }
    }
    return text;
  }

  Options options;
  std::set<uint64_t> busy;
  std::set<uint64_t> unreadable;
  DeadPrefixes dead_prefixes;
  std::shared_ptr<const Version> version;
  bool jobs_drop_expired = true;
  bool short_of_room = false;

 private:
  static std::string TextOf(const std::optional<CompactionPlan>& plan) {
    return plan ? plan->ToString() : "nothing";
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
      if (mark == 'T') file->tombstones = 76;
      if (mark == '*') busy.insert(file->number);
      if (mark == '!') unreadable.insert(file->number);
      if (mark == 'e') {
        file->expiring = 100;
        file->first_expiry_ms = 1;
        file->last_expiry_ms = kNowMs - 1;
      }
    }
    return file;
  }

  void CarryOut(const CompactionPlan& plan) {
    VersionEdit edit;
    FileList all = plan.inputs;
    all.insert(all.end(), plan.next_inputs.begin(), plan.next_inputs.end());
    for (const FileRef& file : all) {
      plan.trivial_move ? edit.Move(*file, plan.output_level) : edit.Remove(*file);
    }
    if (!plan.trivial_move && !plan.drop_only) {
      auto output = std::make_shared<FileMeta>();
      output->number = next_output_++;
      output->level = plan.output_level;
      output->size_bytes = plan.input_bytes();
      output->entries = 100;
      output->smallest = RangeOf(all).smallest;
      output->largest = RangeOf(all).largest;
      edit.Add(output);
    }
    Apply(edit);
  }

  void Apply(const VersionEdit& edit) {
    const auto applied = version->Apply(edit);
    REQUIRE_MESSAGE(applied.ok(), applied.status().ToString());
    REQUIRE((*applied)->Check().ok());
    version = *applied;
  }

  uint64_t next_output_ = kFirstOutput;
};

}  // namespace varve
