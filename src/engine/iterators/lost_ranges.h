// engine/iterators/lost_ranges.h: what a merge of tables could not read.
//
// The children add to it, each before it comes to a key behind the range. So what is lost around a key is known
// when all children have come to that key.
//
// Threads: one at a time, that of the merge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/slice.h"
#include "engine/table/partition.h"

namespace varve {

// What a child may have held in [begin, end).
struct LostRange {
  std::string begin, end;
  std::string why;
  uint64_t file_number = 0;  // of the table
  size_t child = 0;          // of the merge; one with a smaller number is newer
  // If that could be read: its filter knows of most keys that are not among those lost. Else null.
  std::shared_ptr<const Partition> partition;

  bool MayHold(Slice key) const;
};

class LostRanges {
 public:
  void Add(LostRange range);

  // The newest child that may have held the key, as far as filters know.
  std::optional<size_t> NewestChildOver(Slice key) const;
  const std::vector<LostRange>& all() const { return ranges_; }

 private:
  std::vector<LostRange> ranges_;  // few
};

}  // namespace varve
