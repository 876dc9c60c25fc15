// engine/iterators/iterator.h: entries in key order, whatever they lie in.
//
// Every source - a generation, a table, a level, a merge of them - is walked through this.
// An iterator has one direction for life. Backward, its first entry is the one with the greatest key, and the next one
// has a smaller key: the words are the same, so whoever walks is written once for both, and no
// iterator has to know how to turn round.
//
// Threads: one at a time. An iterator that needs a block which is not in memory becomes invalid with
// status() kPending; it is thrown away and made again when the block has come.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/shared_bytes.h"
#include "base/status.h"
#include "engine/entry.h"

namespace varve {

enum class Direction : uint8_t { kForward, kBackward };

// Where a walk over a list of `count` begins, and where it goes from place `i`. What is beyond either end is no
// place of the list: before 0 comes SIZE_MAX.
template <Direction direction>
constexpr size_t FirstOf(size_t count) {
  return direction == Direction::kForward ? 0 : count - 1;
}
template <Direction direction>
constexpr size_t NextOf(size_t i) {
  return direction == Direction::kForward ? i + 1 : i - 1;
}

class EntryIterator {
 public:
  virtual ~EntryIterator() = default;

  virtual void SeekToFirst() = 0;
  // Forward: to the first entry with key >= target. Backward: with key < target. So the two walks from a target
  // share no entry, and leave none out.
  virtual void Seek(Slice target) = 0;
  // REQUIRES: Valid().
  virtual void Next() = 0;

  virtual bool Valid() const = 0;
  // Not Valid and Ok: the end. Otherwise why it stopped.
  virtual Status status() const = 0;

  // REQUIRES: Valid(). Borrowed until the next move.
  virtual const Entry& entry() const = 0;
};

}  // namespace varve
