// engine/records/ordered_index.cc: sorting runs and keeping them few.
#include "engine/records/ordered_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace varve {

namespace {

// Merging runs on the loop costs about 50 ns a record; together no more than this.
constexpr size_t kMergeOnLoopMax = 4 * OrderedIndex::kSortOnLoopMax;

// The first bytes of a key beside the pointer, so that most comparisons miss no cache.
struct SortItem {
  uint64_t head;
  Record* record;
};

uint64_t HeadOf(Slice key, size_t skip) {
  uint64_t head = 0;
  key.remove_prefix(std::min(skip, key.size()));
  std::memcpy(&head, key.data(), std::min(key.size(), sizeof(head)));
  return __builtin_bswap64(head);
}

// Of equal keys only the first is left.
void DropOlder(RecordRun* run) {
  run->erase(std::unique(run->begin(), run->end(),
                         [](const Record* a, const Record* b) { return a->key() == b->key(); }),
             run->end());
}

size_t CommonPrefixSize(Slice a, Slice b) {
  const size_t size = std::min(a.size(), b.size());
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(size),
                                           b.begin()).first - a.begin());
}

}  // namespace

RecordRun SortedRun(std::vector<Record*> records) {
  if (records.empty()) return records;
  // Newest first among equal keys: a stable sort over the reversed list.
  std::reverse(records.begin(), records.end());
  size_t common = records[0]->key().size();
  for (const Record* r : records) {
    common = std::min(common, CommonPrefixSize(records[0]->key().substr(0, common), r->key()));
  }
  std::vector<SortItem> items;
  items.reserve(records.size());
  for (Record* r : records) items.push_back({HeadOf(r->key(), common), r});
  std::stable_sort(items.begin(), items.end(), [](const SortItem& a, const SortItem& b) {
    return a.head != b.head ? a.head < b.head : a.record->key() < b.record->key();
  });
  for (size_t i = 0; i < items.size(); ++i) records[i] = items[i].record;
  DropOlder(&records);
  return records;
}

RecordRun MergedRuns(const std::vector<std::shared_ptr<const RecordRun>>& runs) {
  RecordRun merged;
  for (const auto& older : runs) {
    RecordRun both;
    both.reserve(merged.size() + older->size());
    // std::merge prefers the first range among equals: the newer one.
    std::merge(merged.begin(), merged.end(), older->begin(), older->end(), std::back_inserter(both),
               [](const Record* a, const Record* b) { return a->key() < b->key(); });
    DropOlder(&both);
    merged = std::move(both);
  }
  return merged;
}

void OrderedIndex::CoverNow(const std::vector<Record*>& list) {
  if (covered_ == list.size()) return;
  Add(SortedRun({list.begin() + static_cast<ptrdiff_t>(covered_), list.end()}), list.size());
}

void OrderedIndex::Add(RecordRun run, size_t covered) {
  covered_ = covered;
  runs_.push_back(std::make_shared<const RecordRun>(std::move(run)));
  MergeSmallRuns();
}

void OrderedIndex::MergeSmallRuns() {
  // Like a binary counter: equal neighbours become one. Larger runs are few and stay.
  while (runs_.size() >= 2) {
    const auto& newer = runs_[runs_.size() - 1];
    const auto& older = runs_[runs_.size() - 2];
    if (older->size() > 2 * newer->size() || newer->size() + older->size() > kMergeOnLoopMax) break;
    auto merged = std::make_shared<const RecordRun>(MergedRuns({newer, older}));
    runs_.pop_back();
    runs_.back() = std::move(merged);
  }
}

}  // namespace varve
