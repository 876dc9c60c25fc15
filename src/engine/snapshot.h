// engine/snapshot.h: the database as it was, for reads that take long.
//
// A snapshot holds exactly the commits up to a group. It is made of tables and value files alone: taking one flushes
// what is dirty, and from then on it costs no memory but a description of its files, and the disk space of
// those that are replaced while it is there. Nothing waits for it: writes, flushes and compactions go on as ever.
//
//   engine->TakeSnapshot([&env](Result<std::shared_ptr<const Snapshot>> taken) {
//     if (!taken.ok()) return;
//     env.Schedule(Lane::kRead, [snapshot = std::move(*taken)] {
//       const auto it = snapshot->Scan({}, {});
//       for (it->SeekToFirst(); it->Valid(); it->Next()) Use(it->entry());
//       if (!it->status().ok()) Complain(it->status());
//     }, [] {});
//   });
//
// Threads    Any, and several at once; an iterator is one thread's at a time. Their calls wait for the disk, so
//            they are a worker's business, not the loop's.
// Errors     Of iterators: kCorruption and kIoError, which name the file.
// Ownership  Shared; the last one to let go may do so on any thread. The loop finds out at the end of its turn, and
//            removes the files that nobody needs any more. An iterator keeps what it reads by itself, so it may
//            outlive its snapshot.
// The end    A snapshot may outlive Close and the engine, and be read on, as long as the Env lives. It keeps the
//            directory locked until it goes; files that only it needed are removed by the next one to open the
//            database then.
// See also: snapshot.cc (how it is taken), iterators/snapshot_iterator.h (how it is read), version/pins.h (files).
#pragma once

#include <cstdint>
#include <memory>

#include "base/slice.h"
#include "engine/iterators/iterator.h"

namespace varve {

class Snapshot {
 public:
  virtual ~Snapshot() = default;

  // The newest group in it.
  virtual uint64_t group() const = 0;

  // The entries of [lower, upper) that are alive, in order; an empty `upper` means no bound. There are no
  // tombstones among them, and nothing under a dead prefix; all values are there, wherever they lie. Expired entries
  // are found too, unless a compaction has met them: what expiry means is the caller's business.
  //
  // Going forward, it reads ahead: it may hold half a megabyte for each run of tables.
  virtual std::unique_ptr<EntryIterator> Scan(Slice lower, Slice upper) const = 0;
};

}  // namespace varve
