// engine/compaction/tiered.cc: tiers, and merging runs whole or part by part.
#include "engine/compaction/tiered.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/compaction/picker.h"

namespace varve {

namespace {

constexpr int kLastLevel = kLevels - 1;

// Of a run's tables so many, evenly spread, are asked what a part that begins there would cost: the
// loop has no time for thousands.
constexpr size_t kPartsWeighed = 32;

// Tombstones that come with as many puts sink with their tier. Only a table with next to nothing
// else, as mass deletions leave it, is worth a push into a run that may be many times as large.
// (With half, as leveling has it, a load of puts and deletes would write three times as much;
// simulated.)
constexpr uint64_t kTombstonesPercent = 75;

using Plan = std::optional<CompactionPlan>;

// --- Runs and tiers ---

struct Run {
  int level;
  int tier;
  uint64_t bytes;
};

// The logarithm of a size; that of nothing is below all others.
int TierOf(uint64_t bytes, const Options& options) {
  int tier = -1;
  for (; bytes > 0; bytes /= static_cast<uint64_t>(options.tier_runs)) ++tier;
  return tier;
}

// Newest first. Tiers never fall from one to the next: a small run between larger ones would be of
// a tier that never fills.
std::vector<Run> RunsOf(const Version& version, const Options& options) {
  std::vector<Run> runs;
  int tier = 0;
  for (int level = 1; level < kLevels; ++level) {
    const uint64_t bytes = version.level_bytes(level);
    if (bytes == 0) continue;
    tier = std::max(tier, TierOf(bytes, options));
    runs.push_back({level, tier, bytes});
  }
  return runs;
}

// One past the last run of the tier that begins with runs[begin].
size_t EndOfTier(const std::vector<Run>& runs, size_t begin) {
  size_t end = begin + 1;
  while (end < runs.size() && runs[end].tier == runs[begin].tier) ++end;
  return end;
}

class TieredPicker final : public Picker {
 public:
  TieredPicker(const Version& version, const PolicyState& state, bool lazy)
      : Picker(version, state,
               {.base = kLastLevel,
                .push_bytes_max = state.options.compaction_bytes_max,
                .tombstones_percent = kTombstonesPercent}),
        lazy_(lazy),
        runs_(RunsOf(version, state.options)) {}

 private:
  // Tables [begin, end) of a run, and what of the older ones has to come along.
  struct Part {
    size_t run = 0;
    size_t begin = 0;
    size_t end = 0;
    bool unreadable = false;
    bool too_large = false;  // for one job
    double cost = 0;         // bytes of the oldest run for each byte that is merged into it

    bool operator<(const Part& other) const {
      return std::tie(unreadable, too_large, cost) <
             std::tie(other.unreadable, other.too_large, other.cost);
    }
  };

  Plan Shape() const override;
  Plan FromLevel0(CompactionReason reason) const override;
  Plan MergeLevel0(FileList tables, CompactionReason reason) const override;
  Plan TowardsOneRun(CompactionReason reason) const override;
  Plan MakeRoom() const;
  Plan JoinNeighbours() const;
  Plan FullTier() const;
  Plan FullStretch(size_t begin, size_t end) const;
  Plan IntoLast() const;
  Plan TooManyRuns() const;
  Plan CheapestTwo() const;

  Plan Whole(size_t newest, size_t oldest, CompactionReason reason) const;
  Plan OnePart(size_t newest, size_t oldest, CompactionReason reason) const;
  CompactionPlan EmptyPlan(size_t newest, size_t oldest, CompactionReason reason) const;
  Plan Finished(CompactionPlan plan) const;

  Part CheapestPart(size_t run, size_t oldest) const;
  Part Weigh(size_t run, size_t oldest, size_t begin, size_t end) const;
  void Widen(size_t oldest, Part* part) const;
  // Whether a job that merges `range` of these runs would have to read a table that cannot be read.
  bool AnyUnreadable(size_t newest, size_t oldest, const KeyRange& range) const;
  // Grows `range` over the tables that it meets in a run. Returns their bytes.
  uint64_t Grow(size_t run, KeyRange* range) const;

  const FileList& Files(size_t run) const { return version_.level(runs_[run].level); }
  KeyRange RangeOfRun(size_t run) const {
    return {Files(run).front()->smallest, Files(run).back()->largest};
  }
  uint64_t BytesMet(size_t run, const KeyRange& range) const {
    return version_.OverlappingBytes(runs_[run].level, range.smallest, range.largest);
  }

  const bool lazy_;
  const std::vector<Run> runs_;
};

// --- Which runs ---

Plan TieredPicker::Shape() const {
  const bool level0_full =
      version_.level(0).size() >= static_cast<size_t>(options().level0_tables_compact);
  if (level0_full) {
    if (Plan plan = FromLevel0(CompactionReason::kLevel0Count)) return plan;
  }
  if (Plan plan = JoinNeighbours()) return plan;
  if (Plan plan = FullTier()) return plan;
  if (lazy_) {
    if (Plan plan = IntoLast()) return plan;
  }
  return TooManyRuns();
}

Plan TieredPicker::TowardsOneRun(CompactionReason reason) const {
  if (!version_.level(0).empty()) return FromLevel0(reason);
  if (runs_.size() > 1) return OnePart(0, runs_.size() - 1, reason);
  return runs_.empty() ? std::nullopt : CleanInPlace(runs_[0].level, reason);
}

// Level 0, or as much of it as one job may read: what is older may go first, never what is newer.
Plan TieredPicker::FromLevel0(CompactionReason reason) const {
  FileList tables = version_.level(0);
  uint64_t bytes = BytesOf(tables);
  while (tables.size() > 1 && bytes > bytes_max()) {
    bytes -= tables.front()->size_bytes;
    tables.erase(tables.begin());
  }
  return tables.empty() ? std::nullopt : MergeLevel0(std::move(tables), reason);
}

Plan TieredPicker::MergeLevel0(FileList tables, CompactionReason reason) const {
  if (AnyBusy(version_.level(0))) return std::nullopt;
  const int newest_level = runs_.empty() ? kLevels : runs_.front().level;
  if (newest_level == 1) return MakeRoom();
  CompactionPlan plan{.level = 0,
                      .output_level = newest_level - 1,
                      .inputs = OldestToMerge(std::move(tables)),
                      .next_inputs = {},
                      .reason = reason};
  plan.trivial_move = AreDisjoint(plan.inputs);
  return plan;
}

// Without a gap there are as many runs as levels: two become one.
Plan TieredPicker::MakeRoom() const {
  if (Plan plan = SinkRun()) return plan;
  return CheapestTwo();
}

Plan TieredPicker::JoinNeighbours() const {
  for (size_t i = 0; i + 1 < runs_.size(); ++i) {
    if (BytesMet(i + 1, RangeOfRun(i)) > 0) continue;
    // A job that writes into the older run may be about to put something where the newer one is.
    if (AnyBusy(Files(i)) || AnyBusy(Files(i + 1))) continue;
    return CompactionPlan{.level = runs_[i].level,
                          .output_level = runs_[i + 1].level,
                          .inputs = Files(i),
                          .next_inputs = {},
                          .reason = CompactionReason::kRunCount,
                          .trivial_move = true};
  }
  return std::nullopt;
}

// The newest tier with tier_runs runs is merged into its oldest one.
Plan TieredPicker::FullTier() const {
  for (size_t begin = 0, end = 0; begin < runs_.size(); begin = end) {
    end = EndOfTier(runs_, begin);
    if (end - begin < static_cast<size_t>(options().tier_runs)) continue;
    if (Plan plan = Whole(begin, end - 1, CompactionReason::kTierFull)) return plan;
    if (Plan plan = FullStretch(begin, end)) return plan;
  }
  return std::nullopt;
}

// Likewise of what a run that cannot be read leaves of the tier's runs [begin, end), above it or below.
Plan TieredPicker::FullStretch(size_t begin, size_t end) const {
  for (size_t i = begin; i <= end; ++i) {
    if (i < end && !state_.AnyUnreadable(Files(i))) continue;
    if (i - begin >= static_cast<size_t>(options().tier_runs)) {
      if (Plan plan = Whole(begin, i - 1, CompactionReason::kTierFull)) return plan;
    }
    begin = i + 1;
  }
  return std::nullopt;
}

// The tier above the last run goes into it when all that lies above is as large as a full tier
// would be.
Plan TieredPicker::IntoLast() const {
  if (runs_.size() < 2) return std::nullopt;
  const size_t last = runs_.size() - 1;
  uint64_t above = 0;
  for (size_t i = 0; i < last; ++i) above += runs_[i].bytes;
  if (above < runs_[last].bytes / static_cast<uint64_t>(options().tier_runs)) return std::nullopt;
  size_t newest = last - 1;
  while (newest > 0 && runs_[newest - 1].tier == runs_[last - 1].tier) --newest;
  return OnePart(newest, last, CompactionReason::kLevelSize);
}

Plan TieredPicker::TooManyRuns() const {
  return runs_.size() > static_cast<size_t>(options().runs_max) ? CheapestTwo() : std::nullopt;
}

// The neighbours that are one run for the fewest bytes.
Plan TieredPicker::CheapestTwo() const {
  std::vector<std::pair<uint64_t, size_t>> costs;
  for (size_t i = 0; i + 1 < runs_.size(); ++i) {
    costs.emplace_back(runs_[i].bytes + BytesMet(i + 1, RangeOfRun(i)), i);
  }
  std::sort(costs.begin(), costs.end());
  for (const auto& [bytes, i] : costs) {
    if (Plan plan = Whole(i, i + 1, CompactionReason::kRunCount)) return plan;
  }
  return std::nullopt;
}

// --- All of them, or a part ---

// Merges runs_[newest] to runs_[oldest] into the level of the latter.
Plan TieredPicker::Whole(size_t newest, size_t oldest, CompactionReason reason) const {
  CompactionPlan plan = EmptyPlan(newest, oldest, reason);
  for (size_t i = newest; i < oldest; ++i) {
    plan.inputs.insert(plan.inputs.end(), Files(i).begin(), Files(i).end());
  }
  const KeyRange range = RangeOf(plan.inputs);
  plan.next_inputs = version_.Overlapping(plan.output_level, range.smallest, range.largest);
  return Finished(std::move(plan));
}

// Likewise, but as much of them as one job may read, where that costs least. It begins with
// neighbouring tables of one run, and takes of each older one what meets any of those before: what
// is newer may stay, what is older may not. The run to begin with is the newest or, if tables of
// that reach too far, another.
Plan TieredPicker::OnePart(size_t newest, size_t oldest, CompactionReason reason) const {
  const Plan whole = Whole(newest, oldest, reason);
  if (whole && (whole->trivial_move || whole->input_bytes() <= bytes_max())) return whole;
  Part part = CheapestPart(newest, oldest);
  for (size_t run = newest + 1; run < oldest; ++run) {
    part = std::min(part, CheapestPart(run, oldest));
  }
  Widen(oldest, &part);
  CompactionPlan plan = EmptyPlan(part.run, oldest, reason);
  const FileList& files = Files(part.run);
  plan.inputs.assign(files.begin() + static_cast<ptrdiff_t>(part.begin),
                     files.begin() + static_cast<ptrdiff_t>(part.end));
  for (size_t run = part.run + 1; run <= oldest; ++run) {
    const KeyRange range = RangeOf(plan.inputs);
    const FileList met = version_.Overlapping(runs_[run].level, range.smallest, range.largest);
    FileList& to = run < oldest ? plan.inputs : plan.next_inputs;
    to.insert(to.end(), met.begin(), met.end());
  }
  return Finished(std::move(plan));
}

CompactionPlan TieredPicker::EmptyPlan(size_t newest, size_t oldest,
                                       CompactionReason reason) const {
  CompactionPlan plan;
  plan.level = runs_[newest].level;
  plan.output_level = runs_[oldest].level;
  plan.reason = reason;
  return plan;
}

Plan TieredPicker::Finished(CompactionPlan plan) const {
  if (AnyBusy(plan)) return std::nullopt;
  plan.trivial_move = plan.next_inputs.empty() && AreDisjoint(plan.inputs);
  if (state_.ReadsUnreadable(plan)) return std::nullopt;
  return plan;
}

TieredPicker::Part TieredPicker::CheapestPart(size_t run, size_t oldest) const {
  const size_t tables = Files(run).size();
  Part cheapest = Weigh(run, oldest, 0, 1);
  const size_t step = tables / kPartsWeighed + 1;
  for (size_t i = step; i < tables; i += step) {
    cheapest = std::min(cheapest, Weigh(run, oldest, i, i + 1));
  }
  return cheapest;
}

TieredPicker::Part TieredPicker::Weigh(size_t run, size_t oldest, size_t begin, size_t end) const {
  const FileList& files = Files(run);
  KeyRange range{files[begin]->smallest, files[end - 1]->largest};
  uint64_t merged = 0;
  for (size_t i = run; i < oldest; ++i) merged += Grow(i, &range);
  const uint64_t met = BytesMet(oldest, range);
  return {run,
          begin,
          end,
          AnyUnreadable(run, oldest, range),
          merged + met > bytes_max(),
          static_cast<double>(met) / static_cast<double>(merged)};
}

// Takes neighbours to the right along, as far as the job's size allows.
void TieredPicker::Widen(size_t oldest, Part* part) const {
  size_t beyond = Files(part->run).size() + 1;
  while (part->end + 1 < beyond) {
    const size_t middle = part->end + (beyond - part->end) / 2;
    const Part wider = Weigh(part->run, oldest, part->begin, middle);
    wider.unreadable || wider.too_large ? beyond = middle : part->end = middle;
  }
}

bool TieredPicker::AnyUnreadable(size_t newest, size_t oldest, const KeyRange& range) const {
  if (state_.unreadable_files == nullptr || state_.unreadable_files->empty()) return false;
  for (size_t run = newest; run <= oldest; ++run) {
    const FileList met = version_.Overlapping(runs_[run].level, range.smallest, range.largest);
    if (state_.AnyUnreadable(met)) return true;
  }
  return false;
}

uint64_t TieredPicker::Grow(size_t run, KeyRange* range) const {
  const FileList& files = Files(run);
  const Slice until = range->largest;
  uint64_t bytes = 0;
  for (size_t i = version_.LowerBound(runs_[run].level, range->smallest);
       i < files.size() && files[i]->smallest <= until; ++i) {
    range->smallest = std::min<Slice>(range->smallest, files[i]->smallest);
    range->largest = std::max<Slice>(range->largest, files[i]->largest);
    bytes += files[i]->size_bytes;
  }
  return bytes;
}

}  // namespace

// --- TieredPolicy ---

Plan TieredPolicy::Pick(const Version& version, const PolicyState& state) const {
  return TieredPicker(version, state, last_ == LastLevel::kLeveled).Automatic();
}

Plan TieredPolicy::PickManual(const Version& version, const PolicyState& state,
                              const CompactionRange& range) const {
  return TieredPicker(version, state, last_ == LastLevel::kLeveled).OfRange(range);
}

// Runs at rest are no debt, however many there are.
uint64_t TieredPolicy::DebtBytes(const Version& version, const Options& options) const {
  uint64_t debt = 0;
  if (version.level(0).size() > static_cast<size_t>(options.level0_tables_compact)) {
    debt += version.level_bytes(0);
  }
  const std::vector<Run> runs = RunsOf(version, options);
  for (size_t begin = 0, end = 0; begin < runs.size(); begin = end) {
    end = EndOfTier(runs, begin);
    if (end - begin < static_cast<size_t>(options.tier_runs)) continue;
    for (size_t i = begin; i < end; ++i) debt += runs[i].bytes;
  }
  return debt;
}

}  // namespace varve
