// engine/iterators/iterator.h: entries in key order, whatever they lie in.
//
// Every source - a generation, a table, a level, a merge of them - is walked through this.
// Threads: one at a time. An iterator that needs a block which is not in memory becomes invalid with
// status() kPending; it is thrown away and made again when the block has come.
#pragma once

#include "base/shared_bytes.h"
#include "base/status.h"
#include "engine/entry.h"

namespace varve {

class EntryIterator {
 public:
  virtual ~EntryIterator() = default;

  virtual void SeekToFirst() = 0;
  // To the first entry with key >= target.
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
