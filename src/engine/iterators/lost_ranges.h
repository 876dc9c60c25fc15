// engine/iterators/lost_ranges.h: what a merge of tables could not read.
//
// The children add to it, each before it comes to a key behind the range. So what is lost around a key is known
// when all children have come to that key. The merge forgets what it has dealt with.
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
  bool damaged = false;      // it is; else it tells of what was lost before it was written
  size_t child = 0;          // of the merge; one with a smaller number is newer
  // If that could be read: its filter knows of most keys that are not among those lost. Else null.
  std::shared_ptr<const Partition> partition;

  bool MayHold(Slice key) const;
};

class LostRanges {
 public:
  void Add(LostRange range);

  bool empty() const { return ranges_.empty(); }
  // Whether the key lies within one.
  bool Covers(Slice key) const;
  // The newest child that may have held the key, as far as filters know.
  std::optional<size_t> NewestChildOver(Slice key) const;
  // Whether one begins before the key and ends at it, or behind it.
  bool ReachesTo(Slice key) const;
  // The one that begins first, up to `limit`; nothing if it does not begin before that.
  std::optional<LostRange> First(std::optional<Slice> limit) const;
  // Nobody asks for what is below `key` any more.
  void ForgetBelow(Slice key);

  // All that were added, forgotten or not.
  const std::vector<LostRange>& all() const { return all_; }

 private:
  std::vector<LostRange> ranges_;  // few
  std::vector<LostRange> all_;
};

}  // namespace varve
