// engine/iterators/lost_ranges.cc: what a merge of tables could not read.
#include "engine/iterators/lost_ranges.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace varve {

bool LostRange::MayHold(Slice key) const {
  if (key < begin || key >= end) return false;
  return !partition || partition->MayContain(FilterHash(key));
}

void LostRanges::Add(LostRange range) {
  all_.push_back(range);
  ranges_.push_back(std::move(range));
}

bool LostRanges::Covers(Slice key) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [key](const LostRange& range) {
    return range.begin <= key && key < range.end;
  });
}

std::optional<size_t> LostRanges::NewestChildOver(Slice key) const {
  std::optional<size_t> newest;
  for (const LostRange& range : ranges_) {
    if (range.MayHold(key)) newest = std::min(newest.value_or(range.child), range.child);
  }
  return newest;
}

bool LostRanges::ReachesTo(Slice key) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [key](const LostRange& range) {
    return range.begin < key && key <= range.end;
  });
}

std::optional<LostRange> LostRanges::First(std::optional<Slice> limit) const {
  const auto first =
      std::min_element(ranges_.begin(), ranges_.end(),
                       [](const LostRange& a, const LostRange& b) { return a.begin < b.begin; });
  if (first == ranges_.end() || (limit && first->begin >= *limit)) return std::nullopt;
  LostRange range = *first;
  if (limit && *limit < range.end) range.end = *limit;
  return range;
}

void LostRanges::ForgetBelow(Slice key) {
  for (LostRange& range : ranges_) {
    if (range.begin < key) range.begin = key;
  }
  std::erase_if(ranges_, [](const LostRange& range) { return range.begin >= range.end; });
}

}  // namespace varve
