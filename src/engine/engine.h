// engine/engine.h: the front door. Ordered bytes in, ordered bytes out, nothing lost.
//
// A log-structured merge tree with a single writer, the loop. It knows nothing of RESP, sockets or
// Redis types.
//
// How a write travels:
//
//   Commit    the batch goes to the record table, seen by every later read, and to the tail
//             of the log, as part of the current group
//   EndTurn   at the end of the loop's turn the group goes to the log thread; the next one forms
//   written   the group has reached the kernel, or the disk under Durability::kAlways:
//             reported_group() moves on and the callback runs. Only now may a reply leave
//             that shows what the group wrote, be it to its writer or to a reader.
//
// How a read travels: record table, then tables from new to old through filters and the block cache. A block that
// is not there makes the read kPending; see read_scope.h.
//
// Threads    Loop only, all of it.
// Errors     Reads: kNotFound, kPending, kCorruption and kIoError (both name the file; other keys are still
//            served). Commits: see writable().
// See also: commit.cc (the way in), lookup.cc (the way out), recovery.cc (the way back),
//           flush.cc and compaction.cc (what happens in between).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/batch.h"
#include "engine/checkpoint/checkpoint_info.h"
#include "engine/engine_stats.h"
#include "engine/entry.h"
#include "engine/iterators/iterator.h"
#include "engine/options.h"
#include "engine/read_scope.h"
#include "env/env.h"

namespace varve {

class Snapshot;

// A key whose time has come.
struct Due {
  std::string key;
  int64_t at_ms;
  // No newer write of the key is anywhere: until the next commit, Peek would find it as it is told here. Else it
  // may have been overwritten or deleted since.
  bool newest;
};

class Engine {
 public:
  // Opens or creates the database in options.directory: takes its lock, reads the manifest, replays the
  // log, removes files that nothing names. Waits for the disk; nothing else runs yet.
  static Result<std::unique_ptr<Engine>> Open(const Options& options, Env& env);

  // Without Close this is a crash, as far as the files are concerned. Waits for running jobs.
  virtual ~Engine() = default;

  // --- Reading ---
  // Expired entries are found too: what expiry means is the caller's business.
  virtual Status Get(Slice key, ReadScope& scope, Value* value) = 0;
  // As Get, for all but the bytes: a value that lies in a value file is not read, its bytes are empty.
  virtual Status Peek(Slice key, ReadScope& scope, Value* value) = 0;
  // Entries of [lower, upper) in order, tombstones included so that the caller can bound its steps;
  // an empty `upper` means no bound. A value that lies in a value file is not read: the entry says so, holds the
  // reference in its place, and whoever wants it calls Get. Valid until the next commit. `scope` must outlive it.
  virtual std::unique_ptr<EntryIterator> Scan(Slice lower, Slice upper, ReadScope& scope) = 0;
  // The same entries from the last to the first.
  virtual std::unique_ptr<EntryIterator> ScanBackward(Slice lower, Slice upper,
                                                      ReadScope& scope) = 0;
  // A key under `prefix`, any of them with roughly equal chance; kNotFound if there is none.
  virtual Status RandomKey(Slice prefix, ReadScope& scope, std::string* key) = 0;
  // Begins to load what Get will touch, for many keys at once. Only a hint.
  virtual void Prefetch(std::span<const Slice> keys) = 0;
  // Appends keys whose expiry has passed, the earliest first or so, `max` at most, and says whether to
  // call again at once: a call looks at some hundreds of keys only, whether or not there is anything to tell of them.
  // Each write is told in the life of the process, as a rule once, about kExpiryStretchMs late at most if this is
  // called often enough. With kPending, call again with the same scope.
  virtual Result<bool> TakeDue(int64_t now_ms, size_t max, ReadScope& scope,
                               std::vector<Due>* due) = 0;
  // Keys under a counted prefix, expired ones included until they are removed.
  virtual int64_t CountKeys(Slice counted_prefix) const = 0;

  // --- Writing ---
  // Ok, or why commits are refused: kNoSpace (what needs no room is still taken) or kUnavailable.
  virtual Status writable() const = 0;
  // Ok, or why this very batch is refused. The one place that knows what a full disk still takes.
  Status Accepts(const Batch& batch) const {
    Status status = writable();
    if (status.code() == StatusCode::kNoSpace && !batch.needs_room()) return Status::Ok();
    return status;
  }
  // REQUIRES: Accepts(batch).ok(). Returns its group.
  virtual uint64_t Commit(Batch& batch) = 0;
  // To be called at the end of every turn of the loop.
  virtual void EndTurn() = 0;
  // All groups up to this one may be shown to clients.
  virtual uint64_t reported_group() const = 0;
  // The group that a commit would join now.
  virtual uint64_t current_group() const = 0;
  // The newest group with a commit in it: what a count or an answer about everything depends on.
  virtual uint64_t last_commit_group() const = 0;
  // Runs whenever reported_group() has moved.
  virtual void OnReported(std::function<void()> callback) = 0;
  // Runs on the loop whenever a write or a sync of the log is done: it has taken so long, without its wait for a thread.
  virtual void OnLogWork(std::function<void(LogWork work, uint64_t took_us)> callback) = 0;
  // Syncs all that was committed, whatever the durability; `done` gets the outcome.
  virtual void Sync(std::function<void(Status)> done) = 0;
  // How long the next read from the socket of one who wrote in the turn that has ended should wait: see write_pacer.h.
  // What was said before falls to 0 when the engine has caught up.
  virtual uint64_t WriterDelayUs() const = 0;

  // --- Upkeep ---
  virtual void SetDurability(Durability durability) = 0;
  // From the next compaction on; what is there stays as it is.
  virtual void SetCompactionPolicy(PolicyKind kind) = 0;
  virtual void SetScrubRate(uint64_t bytes_per_second) = 0;
  virtual void SetMemoryLimit(uint64_t memory_limit_bytes) = 0;
  // Memory that others in the process use out of the same limit, such as client buffers.
  virtual void SetOutsideMemory(uint64_t bytes) = 0;
  // Memory that the allocator holds beyond what was asked of it, in pages that are in use. Much of it has the engine
  // move records until pages come free; to be told several times a second.
  virtual void SetHeapSlack(uint64_t bytes) = 0;
  // Moves everything dirty into tables; `done` runs when it is there.
  virtual void Flush(std::function<void(Status)> done) = 0;
  // The database as it is now, for reads that take long: see snapshot.h. It holds exactly the commits up to a group,
  // Snapshot::group, which is at least the last one committed when this was called.
  //
  // `done` runs when the flush that it takes is durable; perhaps before this returns. Errors: kNoSpace, kIoError (of
  // the flush), kAborted (Close).
  virtual void TakeSnapshot(std::function<void(Result<std::shared_ptr<const Snapshot>>)> done) = 0;
  // Flushes, then merges all tables that hold keys of [lower, upper) down to the last level that holds any; an empty
  // `upper` means no bound. Afterwards nothing that was written before is left in the range of tombstones, of
  // overwritten, dead and expired entries, and little of their values (as when little is written). In jobs of
  // bounded size, one at a time, in turn with others; writes go on. Tables that reach out of the range are
  // merged as a whole.
  //
  // `done` runs when the range is through, however many were asked for; perhaps before this returns, if it is empty. Errors
  // leave what was done until then: kCorruption, kNoSpace, kIoError (a job failed), kAborted (Close).
  virtual void Compact(Slice lower, Slice upper, std::function<void(Status)> done) = 0;
  // Makes a copy of the database in `directory`, which must be empty or not there, in an existing one. By hard
  // links: it takes a flush and a link for each table, however large these are, unless `directory` is on another
  // file system. Writes go on meanwhile. The copy opens as a database and holds exactly the commits up to a
  // group, CheckpointInfo::group, which is at least the last one committed when this was called.
  //
  // `done` runs when all of it is durable; perhaps before this returns, if it is refused. Errors leave nothing
  // behind, and the database as it was: kInvalidArgument (the directory), kUnavailable (another one is under
  // way), kNoSpace, kIoError, kAborted (Close). See checkpoint.cc.
  virtual void Checkpoint(const std::string& directory,
                          std::function<void(Result<CheckpointInfo>)> done) = 0;
  virtual EngineStats stats() const = 0;

  // Refuses commits from now on, syncs the log, waits for running jobs, releases the lock; unless there are snapshots:
  // the last one to go releases it then. Checkpoints and compactions of ranges under way, and snapshots that were asked
  // for, end with kAborted.
  virtual Status Close() = 0;
};

}  // namespace varve
