// engine/compaction/simulated_tree.cc: plans carried out on vectors of keys.
#include "engine/compaction/simulated_tree.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

namespace varve {

namespace {

bool KeyBefore(const SimulatedEntry& a, const SimulatedEntry& b) { return a.key < b.key; }

Status Nonsense(const std::string& what) { return Status::Corruption("a plan " + what); }

}  // namespace

// Whether any table of a deeper level may hold a key, for keys in rising order.
class SimulatedTree::Below {
 public:
  Below(const SimulatedTree& tree, int level) {
    for (int below = level + 1; below < kLevels; ++below) {
      std::vector<KeyRange>& ranges = levels_.emplace_back().ranges;
      for (const FileRef& file : tree.version_->level(below)) {
        const SimulatedEntries& entries = tree.Contents(file);
        ranges.push_back({entries.front().key, entries.back().key});
      }
    }
  }
  bool MayHold(uint32_t key) {
    for (auto& [ranges, at] : levels_) {
      while (at < ranges.size() && ranges[at].largest < key) ++at;
      if (at < ranges.size() && ranges[at].smallest <= key) return true;
    }
    return false;
  }

 private:
  struct KeyRange {
    uint32_t smallest;
    uint32_t largest;
  };
  struct Level {
    std::vector<KeyRange> ranges;
    size_t at = 0;
  };
  std::vector<Level> levels_;
};

std::string SimulatedTree::KeyText(uint32_t key) {
  char text[9];
  std::snprintf(text, sizeof(text), "%08x", key);
  return text;
}

// --- Changing it ---

Status SimulatedTree::Flush(SimulatedEntries entries) {
  if (entries.empty()) return Status::Ok();
  for (const SimulatedEntry& entry : entries) bytes_flushed_ += BytesOf(entry);
  return Plant(0, std::move(entries));
}

Status SimulatedTree::Plant(int level, SimulatedEntries entries) {
  VersionEdit edit;
  edit.Add(NewTable(level, std::move(entries)));
  return Apply(edit);
}

Result<bool> SimulatedTree::Step(const CompactionPolicy& policy) {
  return CarryOut(policy.Pick(*version_, state()));
}

Result<bool> SimulatedTree::StepManually(const CompactionPolicy& policy, CompactionRange* range) {
  const std::optional<CompactionPlan> plan = policy.PickManual(*version_, state(), *range);
  const Result<bool> done = CarryOut(plan);
  if (done.ok() && *done) range->Advance(*plan);
  return done;
}

Status SimulatedTree::Settle(const CompactionPolicy& policy, int steps_max) {
  for (int steps = 0; steps <= steps_max; ++steps) {
    const Result<bool> stepped = Step(policy);
    if (!stepped.ok()) return stepped.status();
    if (!*stepped) return Status::Ok();
  }
  return Status::Corruption("there is no end to it; lately: " + last_plan_);
}

Result<bool> SimulatedTree::CarryOut(const std::optional<CompactionPlan>& plan) {
  if (!plan) return false;
  last_plan_ = plan->ToString();
  RETURN_IF_ERROR(CheckPlan(*plan));
  VersionEdit edit;
  if (plan->trivial_move) {
    for (const FileRef& file : plan->inputs) edit.Move(*file, plan->output_level);
  } else {
    RETURN_IF_ERROR(Run(*plan, &edit));
  }
  RETURN_IF_ERROR(Apply(edit));
  if (!plan->trivial_move) {
    for (const FileRef& file : plan->inputs) contents_.erase(file->number);
    for (const FileRef& file : plan->next_inputs) contents_.erase(file->number);
  }
  return true;
}

Status SimulatedTree::CheckPlan(const CompactionPlan& plan) const {
  if (plan.inputs.empty()) return Nonsense("without inputs");
  if (plan.inputs[0]->level != plan.level) return Nonsense("that begins in another level");
  if (state().ReadsUnreadable(plan)) return Nonsense("that reads what cannot be read");
  if (plan.trivial_move && !plan.next_inputs.empty()) return Nonsense("that moves and merges");
  for (const auto* files : {&plan.inputs, &plan.next_inputs}) {
    for (const FileRef& file : *files) {
      const bool level_fits = files == &plan.next_inputs
                                  ? file->level == plan.output_level
                                  : file->level >= plan.level && file->level <= plan.output_level;
      if (!level_fits) return Nonsense("with a table of another level");
      if (busy_.contains(file->number)) return Nonsense("with a busy table");
    }
  }
  return Status::Ok();
}

Status SimulatedTree::Run(const CompactionPlan& plan, VersionEdit* edit) {
  SimulatedEntries merged = Merge(plan);
  DropGone(plan, &merged);
  if (plan.drop_only && !merged.empty()) return Nonsense("that drops what is alive");
  for (const FileRef& file : plan.inputs) edit->Remove(*file);
  for (const FileRef& file : plan.next_inputs) edit->Remove(*file);
  const uint64_t before = bytes_compacted_;
  AddTables(plan.output_level, merged, edit);
  for (const FileRef& file : edit->added) bytes_compacted_ += file->size_bytes;
  largest_job_bytes_ = std::max(largest_job_bytes_, bytes_compacted_ - before);
  return Status::Ok();
}

// From new to old: of equal keys, set_union takes the first one's.
SimulatedEntries SimulatedTree::Merge(const CompactionPlan& plan) const {
  SimulatedEntries merged;
  SimulatedEntries run;
  const auto merge_run = [&] {
    SimulatedEntries both;
    both.reserve(merged.size() + run.size());
    std::set_union(merged.begin(), merged.end(), run.begin(), run.end(), std::back_inserter(both),
                   KeyBefore);
    merged = std::move(both);
    run.clear();
  };
  int level = plan.level;
  for (const auto* files : {&plan.inputs, &plan.next_inputs}) {
    for (const FileRef& file : *files) {
      if (level == 0 || file->level != level) merge_run();
      level = file->level;
      run.insert(run.end(), Contents(file).begin(), Contents(file).end());
    }
  }
  merge_run();
  return merged;
}

void SimulatedTree::DropGone(const CompactionPlan& plan, SimulatedEntries* entries) const {
  Below below(*this, plan.output_level);
  std::erase_if(*entries, [&](const SimulatedEntry& entry) {
    if (!dead_prefixes_.empty() && dead_prefixes_.Covers(KeyText(entry.key))) return true;
    return entry.value == 0 && !below.MayHold(entry.key);
  });
}

void SimulatedTree::AddTables(int level, const SimulatedEntries& entries, VersionEdit* edit) {
  SimulatedEntries table;
  uint64_t bytes = 0;
  for (const SimulatedEntry& entry : entries) {
    table.push_back(entry);
    bytes += BytesOf(entry);
    if (bytes < options_.table_bytes) continue;
    edit->Add(NewTable(level, std::exchange(table, {})));
    bytes = 0;
  }
  if (!table.empty()) edit->Add(NewTable(level, std::move(table)));
}

FileRef SimulatedTree::NewTable(int level, SimulatedEntries entries) {
  auto file = std::make_shared<FileMeta>();
  file->number = next_number_++;
  file->level = level;
  file->entries = entries.size();
  file->smallest = KeyText(entries.front().key);
  file->largest = KeyText(entries.back().key);
  for (const SimulatedEntry& entry : entries) {
    file->size_bytes += BytesOf(entry);
    file->tombstones += entry.value == 0 ? 1 : 0;
  }
  contents_[file->number] = std::move(entries);
  return file;
}

Status SimulatedTree::Apply(const VersionEdit& edit) {
  Result<std::shared_ptr<const Version>> applied = version_->Apply(edit);
  if (!applied.ok()) return applied.status();
  version_ = std::move(*applied);
  return Status::Ok();
}

// --- Reading it ---

SimulatedTree::Found SimulatedTree::Get(uint32_t key) const {
  Found found;
  const std::string text = KeyText(key);
  if (dead_prefixes_.Covers(text)) return found;
  for (TableWalk walk(*version_, text); const FileMeta* file = walk.Next();) {
    ++found.tables;
    const SimulatedEntries& entries = contents_.at(file->number);
    const auto it =
        std::lower_bound(entries.begin(), entries.end(), SimulatedEntry{key, 0}, KeyBefore);
    if (it == entries.end() || it->key != key) continue;
    found.value = it->value;
    break;
  }
  return found;
}

uint64_t SimulatedTree::CountEntries(uint32_t key) const {
  uint64_t count = 0;
  const std::string text = KeyText(key);
  for (TableWalk walk(*version_, text); const FileMeta* file = walk.Next();) {
    const SimulatedEntries& entries = contents_.at(file->number);
    count += std::binary_search(entries.begin(), entries.end(), SimulatedEntry{key, 0}, KeyBefore)
                 ? 1
                 : 0;
  }
  return count;
}

uint64_t SimulatedTree::runs() const {
  uint64_t runs = version_->level(0).size();
  for (int level = 1; level < kLevels; ++level) runs += version_->level(level).empty() ? 0 : 1;
  return runs;
}

}  // namespace varve
