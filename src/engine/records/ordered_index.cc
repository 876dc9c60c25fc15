// engine/records/ordered_index.cc: sorting runs and keeping them few.
#include "engine/records/ordered_index.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "env/background.h"

namespace varve {

namespace {

// Merging runs on the loop costs about 50 ns a record; together no more than this.
constexpr size_t kMergeOnLoopMax = 4 * OrderedIndex::kSortOnLoopMax;

// Records lie all over memory: each is asked for this long before it is looked at.
constexpr size_t kPrefetchAhead = 16;
// So many are looked at before the core is offered, if this is a job.
constexpr size_t kOfferEvery = 2048;

// Eight bytes of a key beside the pointer, as a number that sorts as they do.
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

// By head, keeping the order of equal ones: a radix sort from the last byte to the first (Knuth, The Art of Computer
// Programming, vol. 3, 5.2.5). It compares nothing, so it misses no branch; bytes in which all
// heads agree cost nothing.
void SortByHead(std::vector<SortItem>* items) {
  constexpr size_t kBytes = sizeof(uint64_t);
  constexpr size_t kValues = 256;
  std::array<std::array<uint32_t, kValues>, kBytes> counts{};
  for (const SortItem& item : *items) {
    for (size_t b = 0; b < kBytes; ++b) ++counts[b][(item.head >> (8 * b)) & 0xff];
  }
  std::vector<SortItem> other(items->size());
  for (size_t b = 0; b < kBytes; ++b) {
    std::array<uint32_t, kValues>& count = counts[b];
    if (count[(items->front().head >> (8 * b)) & 0xff] == items->size()) continue;
    OfferCpu();
    uint32_t at = 0;
    for (uint32_t& c : count) at += std::exchange(c, at);
    for (const SortItem& item : *items) other[count[(item.head >> (8 * b)) & 0xff]++] = item;
    items->swap(other);
  }
}

// Of equal keys only the first is left.
void DropOlder(RecordRun* run) {
  run->erase(std::unique(run->begin(), run->end(),
                         [](const Record* a, const Record* b) { return a->key() == b->key(); }),
             run->end());
}

size_t CommonPrefixSize(Slice a, Slice b) {
  const size_t size = std::min(a.size(), b.size());
  return static_cast<size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(size), b.begin()).first -
      a.begin());
}

}  // namespace

RecordRun SortedRun(std::vector<Record*> records) {
  if (records.empty()) return records;
  CHECK(records.size() <= UINT32_MAX);
  // Newest first among equal keys: what follows keeps the order of equals.
  std::reverse(records.begin(), records.end());
  const auto come_to = [&records](size_t i) {
    if (i % kOfferEvery == 0) OfferCpu();
    if (i + kPrefetchAhead < records.size()) __builtin_prefetch(records[i + kPrefetchAhead]);
  };
  size_t common = records[0]->key().size();
  for (size_t i = 0; i < records.size(); ++i) {
    come_to(i);
    common =
        std::min(common, CommonPrefixSize(records[0]->key().substr(0, common), records[i]->key()));
  }
  std::vector<SortItem> items;
  items.reserve(records.size());
  for (size_t i = 0; i < records.size(); ++i) {
    come_to(i);
    items.push_back({HeadOf(records[i]->key(), common), records[i]});
  }
  SortByHead(&items);
  // Where heads are equal, the whole keys decide.
  for (auto from = items.begin(); from != items.end();) {
    auto to = from + 1;
    while (to != items.end() && to->head == from->head) ++to;
    if (to - from > 1) {
      std::stable_sort(from, to, [](const SortItem& a, const SortItem& b) {
        return a.record->key() < b.record->key();
      });
    }
    from = to;
  }
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
