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

void LostRanges::Add(LostRange range) { ranges_.push_back(std::move(range)); }

std::optional<size_t> LostRanges::NewestChildOver(Slice key) const {
  std::optional<size_t> newest;
  for (const LostRange& range : ranges_) {
    if (range.MayHold(key)) newest = std::min(newest.value_or(range.child), range.child);
  }
  return newest;
}

}  // namespace varve
