// engine/compaction/policy.cc: the policies by name, and plans as text.
#include "engine/compaction/policy.h"

#include <algorithm>

#include "engine/compaction/leveled.h"
#include "engine/compaction/tiered.h"

namespace varve {

// --- Which there are ---

std::span<const PolicyKind> PolicyKinds() {
  static constexpr PolicyKind kKinds[] = {PolicyKind::kLeveled, PolicyKind::kTiered,
                                          PolicyKind::kLazyLeveled};
  return kKinds;
}

const CompactionPolicy& PolicyOf(PolicyKind kind) {
  static const LeveledPolicy leveled;
  static const TieredPolicy tiered(TieredPolicy::LastLevel::kTiered);
  static const TieredPolicy lazy_leveled(TieredPolicy::LastLevel::kLeveled);
  switch (kind) {
    case PolicyKind::kTiered: return tiered;
    case PolicyKind::kLazyLeveled: return lazy_leveled;
    case PolicyKind::kLeveled: break;
  }
  return leveled;
}

const char* ToString(PolicyKind kind) {
  switch (kind) {
    case PolicyKind::kLeveled: return "leveled";
    case PolicyKind::kTiered: return "tiered";
    case PolicyKind::kLazyLeveled: return "lazy-leveled";
  }
  return "?";
}

std::optional<PolicyKind> ParsePolicyKind(Slice name) {
  for (const PolicyKind kind : PolicyKinds()) {
    if (name == ToString(kind)) return kind;
  }
  return std::nullopt;
}

bool PolicyState::AnyUnreadable(const FileList& tables) const {
  if (unreadable_files == nullptr || unreadable_files->empty()) return false;
  return std::any_of(tables.begin(), tables.end(),
                     [this](const FileRef& table) { return IsUnreadable(table->number); });
}

bool PolicyState::ReadsUnreadable(const CompactionPlan& plan) const {
  if (plan.trivial_move || plan.drop_only) return false;
  return AnyUnreadable(plan.inputs) || AnyUnreadable(plan.next_inputs);
}

// --- Plans as text ---

const char* ToString(CompactionReason reason) {
  switch (reason) {
    case CompactionReason::kDeadPrefix: return "dead prefix";
    case CompactionReason::kLevel0Count: return "count";
    case CompactionReason::kLevelSize: return "size";
    case CompactionReason::kTierFull: return "tier";
    case CompactionReason::kRunCount: return "runs";
    case CompactionReason::kExpired: return "expired";
    case CompactionReason::kTombstones: return "tombstones";
    case CompactionReason::kValues: return "values";
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
  int of_level = level;
  for (const FileRef& file : inputs) {
    if (file->level != of_level) text += " |";
    of_level = file->level;
    text += " " + std::to_string(file->number);
  }
  if (!next_inputs.empty()) text += " +";
  for (const FileRef& file : next_inputs) text += " " + std::to_string(file->number);
  if (!relocate.empty()) text += ", emptying";
  for (const uint64_t file : relocate) text += " " + std::to_string(file);
  return text;
}

}  // namespace varve
