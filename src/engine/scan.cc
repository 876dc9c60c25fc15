// engine/scan.cc: many keys in order, or in reverse order.
//
// A scan merges the sorted runs of the generations and the tables of all levels, and takes from them the order of
// keys only: what a key is now, the record table says first. So a run may be a little behind, and an
// entry may have been overwritten since, without harm.
//
// Guarantee: every key that was there when the command first ran, and still is, is met. Keys that come while a
// worker sorts may be missed.
//
// Threads: loop; sorting on Lane::kRead.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/engine_impl.h"
#include "engine/iterators/merging_iterator.h"
#include "engine/iterators/version_children.h"

namespace varve {

namespace {

// The keys of a sorted run. Its entries are tombstones: only the keys are meant.
template <Direction direction>
class RunIterator final : public EntryIterator {
 public:
  explicit RunIterator(std::shared_ptr<const RecordRun> run) : run_(std::move(run)) {
    entry_.kind = EntryKind::kTombstone;
  }

  void SeekToFirst() override { MoveTo(FirstOf<direction>(run_->size())); }
  void Seek(Slice target) override {
    const auto it = std::lower_bound(run_->begin(), run_->end(), target,
                                     [](const Record* r, Slice key) { return r->key() < key; });
    const auto before = static_cast<size_t>(it - run_->begin());
    MoveTo(direction == Direction::kForward ? before : before - 1);
  }
  void Next() override { MoveTo(NextOf<direction>(at_)); }
  bool Valid() const override { return at_ < run_->size(); }
  Status status() const override { return Status::Ok(); }
  const Entry& entry() const override { return entry_; }

 private:
  void MoveTo(size_t at) {
    at_ = at;
    if (Valid()) entry_.key = (*run_)[at]->key();
  }

  const std::shared_ptr<const RecordRun> run_;
  size_t at_ = 0;
  Entry entry_;
};

// For a command on the loop: what is not in memory makes it wait. One for each child of a merge, which is in one table
// for a while. From block to block it asks for more and more of those that the walk will come to, so that a long
// one waits seldom; what a short one did not use, the next command of a SCAN will.
template <Direction direction>
class LoopBlockSource final : public BlockSource {
 public:
  LoopBlockSource(EngineImpl& engine, ReadScope& scope) : engine_(engine), scope_(scope) {}
  Result<std::shared_ptr<const TableReader>> Open(const FileMeta& table) override {
    table_ = engine_.FindTable(table.number);
    return engine_.OpenTable(*table_, scope_);
  }
  Result<std::shared_ptr<const Partition>> FetchPartition(
      const std::shared_ptr<const TableReader>& table, size_t i) override {
    DCHECK(table_->number() == table->file_number());
    return engine_.FetchPartition(*table_, i, scope_);
  }
  Result<std::shared_ptr<const Block>> Fetch(const std::shared_ptr<const TableReader>& table,
                                             const std::shared_ptr<const Partition>& partition,
                                             size_t i) override {
    const BlockHandle handle = partition->BlockAt(i);
    constexpr bool kForward = direction == Direction::kForward;
    const bool next_to_last =
        kForward ? handle.offset == last_.end() : handle.end() == last_.offset;
    const bool walks_on = next_to_last && table->file_number() == last_file_;
    blocks_wanted_ = walks_on ? std::min(2 * blocks_wanted_, kReadAheadBlocksMax) : 1;
    last_file_ = table->file_number();
    last_ = handle;
    const size_t begin = kForward ? i : i + 1 - std::min(blocks_wanted_, i + 1);
    const size_t end = kForward ? std::min(i + blocks_wanted_, partition->blocks()) : i + 1;
    return engine_.FetchBlock(table, handle, scope_, {partition, i, begin, end});
  }

 private:
  // 16 KiB each before compression.
  static constexpr size_t kReadAheadBlocksMax = 16;

  EngineImpl& engine_;
  ReadScope& scope_;
  TableCache::Table* table_ = nullptr;  // the last one opened
  // The last block fetched, and how many would have been read with it.
  uint64_t last_file_ = 0;
  BlockHandle last_;
  size_t blocks_wanted_ = 1;
};

// [lower, upper) of a merge, each key as the record table has it now.
template <Direction direction>
class ScanIterator final : public EntryIterator {
 public:
  // `version` is that of the tables that are merged.
  ScanIterator(EngineImpl& engine, ReadScope& scope, Slice lower, Slice upper,
               std::shared_ptr<const Version> version)
      : engine_(engine),
        scope_(scope),
        lower_(lower),
        upper_(upper),
        version_(std::move(version)) {}

  BlockSource& NewSource() { return sources_.emplace_back(engine_, scope_); }
  void SetMerge(std::unique_ptr<EntryIterator> merge) { merge_ = std::move(merge); }

  void SeekToFirst() override {
    if (kForward || !upper_.empty()) {
      merge_->Seek(kForward ? lower_ : upper_);
    } else {
      merge_->SeekToFirst();
    }
    Settle();
  }
  void Seek(Slice target) override {
    if (kForward) {
      merge_->Seek(std::max(target, Slice(lower_)));
    } else {
      merge_->Seek(upper_.empty() ? target : std::min(target, Slice(upper_)));
    }
    Settle();
  }
  void Next() override {
    merge_->Next();
    Settle();
  }
  bool Valid() const override {
    if (!merge_->Valid()) return false;
    if (!kForward) return merge_->entry().key >= lower_;
    return upper_.empty() || merge_->entry().key < upper_;
  }
  Status status() const override { return merge_->status(); }
  const Entry& entry() const override { return entry_; }

 private:
  static constexpr bool kForward = direction == Direction::kForward;

  void Settle() {
    if (!Valid()) return;
    entry_ = merge_->entry();
    const Record* record = engine_.FindRecord(entry_.key, scope_);
    if (record == nullptr) return;
    const Slice key = entry_.key;
    entry_ = record->entry();
    entry_.key = key;
    if (!record->is_put()) entry_.kind = EntryKind::kTombstone;
  }

  EngineImpl& engine_;
  ReadScope& scope_;
  const std::string lower_;
  const std::string upper_;
  const std::shared_ptr<const Version> version_;
  std::deque<LoopBlockSource<direction>> sources_;
  std::unique_ptr<EntryIterator> merge_;
  Entry entry_;
};

// Stands for a scan that cannot begin yet.
class PendingIterator final : public EntryIterator {
 public:
  void SeekToFirst() override {}
  void Seek(Slice) override {}
  void Next() override {}
  bool Valid() const override { return false; }
  Status status() const override { return Status::Pending(); }
  const Entry& entry() const override { return entry_; }

 private:
  Entry entry_;
};

}  // namespace

std::unique_ptr<EntryIterator> EngineImpl::Scan(Slice lower, Slice upper, ReadScope& scope) {
  return NewScan<Direction::kForward>(lower, upper, scope);
}

std::unique_ptr<EntryIterator> EngineImpl::ScanBackward(Slice lower, Slice upper,
                                                        ReadScope& scope) {
  return NewScan<Direction::kBackward>(lower, upper, scope);
}

template <Direction direction>
std::unique_ptr<EntryIterator> EngineImpl::NewScan(Slice lower, Slice upper, ReadScope& scope) {
  // Answers about a range depend on all that happened to it.
  scope.DependsOn(last_commit_group_);
  std::vector<std::shared_ptr<Generation>> generations(frozen_.begin(), frozen_.end());
  generations.push_back(active_);
  if (!scope.generations_to_sort) {
    scope.generations_to_sort = 0;
    for (const auto& generation : generations) *scope.generations_to_sort |= 1u << generation->id;
  }
  bool covered = true;
  for (const auto& generation : generations) {
    covered = CoverGeneration(generation, scope) && covered;
  }
  if (!covered) return std::make_unique<PendingIterator>();

  PrefetchSeek(direction == Direction::kForward ? lower : upper);
  auto scan = std::make_unique<ScanIterator<direction>>(*this, scope, lower, upper, state_.version);
  std::vector<std::unique_ptr<EntryIterator>> children;  // newest first
  for (auto g = generations.rbegin(); g != generations.rend(); ++g) {
    const auto& runs = (*g)->index.runs();
    for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
      children.push_back(std::make_unique<RunIterator<direction>>(*run));
    }
  }
  AddChildrenOf<direction>(
      *state_.version, tables_->runs, lower, upper,
      [&]() -> BlockSource& { return scan->NewSource(); }, &children);
  scan->SetMerge(std::make_unique<NewestIterator>(
      std::make_unique<MergingIterator<direction>>(std::move(children))));
  return scan;
}

// A seek goes through every run, and in each through four or five places in memory, each of which is known
// only when the one before has been read. Here all runs take each of these steps together, so that they
// wait for memory once for each step and not once for each step of each run.
void EngineImpl::PrefetchSeek(Slice target) {
  seek_places_.clear();
  for (const Candidate& candidate : FindCandidates(target, FilterHash(target), tables_->runs)) {
    if (candidate.partition == nullptr) continue;
    const uint64_t offset = candidate.partition->Find(target).offset;
    seek_places_.push_back({candidate.table->number(), offset});
    block_cache_.PrefetchBucket(candidate.table->number(), offset);
  }
  for (const PartId& place : seek_places_)
    block_cache_.PrefetchNode(place.file_number, place.offset);
  // What is cached of a table are blocks.
  const auto cached = [this](const PartId& place) {
    return static_cast<const Block*>(block_cache_.Peek(place.file_number, place.offset));
  };
  for (const PartId& place : seek_places_) {
    if (const Block* block = cached(place)) {
      __builtin_prefetch(block);
    }
  }
  for (const PartId& place : seek_places_) {
    if (const Block* block = cached(place)) {
      block->PrefetchRestarts();
    }
  }
  for (const PartId& place : seek_places_) {
    if (const Block* block = cached(place)) {
      block->PrefetchSeek(target);
    }
  }
}

bool EngineImpl::CoverGeneration(const std::shared_ptr<Generation>& generation, ReadScope& scope) {
  OrderedIndex& index = generation->index;
  const uint32_t bit = 1u << generation->id;
  const auto sorting = sorts_.find(generation->id);
  if (sorting == sorts_.end() &&
      generation->records.size() - index.covered() <= OrderedIndex::kSortOnLoopMax) {
    index.CoverNow(generation->records);
    return true;
  }
  if ((*scope.generations_to_sort & bit) == 0) return true;
  if (sorting != sorts_.end()) {
    // Begun for somebody else, so perhaps without the newest of what this one wants.
    sorting->second.push_back(scope.Expect());
    return false;
  }
  *scope.generations_to_sort &= ~bit;
  sorts_[generation->id].push_back(scope.Expect());
  const size_t covered = generation->records.size();
  auto run = std::make_shared<RecordRun>(
      generation->records.begin() + static_cast<ptrdiff_t>(index.covered()),
      generation->records.end());
  env_.Schedule(
      Lane::kRead, [run] { *run = SortedRun(std::move(*run)); },
      [this, alive = alive(), generation, run, covered] {
        if (alive.expired()) return;
        generation->index.Add(std::move(*run), covered);
        const auto waits = std::move(sorts_.extract(generation->id).mapped());
        ScheduleUpkeep();  // which left the generation alone while it was being sorted
        for (const auto& wait : waits) ReadScope::Arrived(wait, nullptr);
      });
  return false;
}

}  // namespace varve
