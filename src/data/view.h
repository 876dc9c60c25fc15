// data/view.h: what a command sees of the data, and what it wants to write.
//
// A unit is one command, or all commands of an EXEC. It reads through the view and writes into the
// view's batch; later reads of the unit see its own writes. The engine learns
// of the batch when the dispatcher commits it. Whatever returns before that - an error, a wait for
// the disk - has changed nothing, and the unit may be run again from the start.
//
//   Begin -> commands read and write -> [engine.Commit(batch)] -> Committed
//            any of them kPending -> WhenReady(scope) -> Begin, again
//
// Keys here are the user's; the view puts the space in front. An expired key reads as absent,
// and reading it adds its deletion to the batch.
//
// FLUSHDB only takes a database's space away: the next write to it takes a new one. So a database
// without a space is an empty one, and nothing of it needs to be looked up.
//
// Threads: loop. Lifetimes: values are valid until the unit ends.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/shared_bytes.h"
#include "base/slice.h"
#include "data/databases.h"
#include "data/key_format.h"
#include "engine/engine.h"

namespace varve {

// A key's value as commands know it.
struct KeyValue {
  ValueType type = ValueType::kString;
  int64_t expire_at_ms = 0;  // 0: never
  Slice bytes;
  SharedBytes shared;  // set for large values: outlives the unit
};

class View {
 public:
  // Counted as INFO stats has them; a unit that is run again is counted once.
  struct Counters {
    uint64_t keyspace_hits = 0;
    uint64_t keyspace_misses = 0;
    uint64_t expired_keys = 0;
  };

  View(Engine& engine, Databases& databases) : engine_(engine), databases_(databases) {}

  // Runs a job in the loop's next turn; see YieldToLoop. Without one, units never yield.
  using Post = std::function<void(std::function<void()>)>;
  void set_post(Post post) { post_ = std::move(post); }

  // --- The unit, for the dispatcher ---
  // Starts over: empty batch, `now_ms` as the unit's only idea of the time. Pins in the scope stay.
  void Begin(int database, int64_t now_ms);
  // A command of a transaction failed: what it wrote is taken back.
  struct Mark {
    Batch::Mark batch;
    std::optional<Databases> changed;
  };
  Mark mark() const { return {batch_.mark(), changed_}; }
  void TruncateTo(const Mark& mark);
  Batch& batch() { return batch_; }
  // Whether the batch does no more than delete keys that have expired. It need not be committed: they read as absent
  // all the same.
  bool OnlyExpires() const { return batch_.entries() == counters_.expired_keys; }
  // Whether the engine would take it as it is now, or need not.
  Status Accepted() const { return OnlyExpires() ? Status::Ok() : engine_.Accepts(batch_); }
  ReadScope& scope() { return scope_; }
  // The batch was committed, just now: the changed databases are now everyone's.
  void Committed();
  const Counters& counters() const { return counters_; }

  // --- Which database ---
  int database() const { return database_; }
  void Select(int database) { database_ = database; }
  int database_count() const { return static_cast<int>(databases_.spaces.size()); }

  // Appends what the engine calls `key` of a database; nothing if the database is empty. For
  // Engine::Prefetch.
  void AppendEngineKey(int database, Slice key, std::string* to) const;

  // --- Keys ---
  int64_t now_ms() const { return now_ms_; }
  // kNotFound, kPending, or a read error. Counts a hit or a miss.
  Status Get(Slice key, KeyValue* value) { return FindAndCount(key, true, value); }
  // As Get, but does not count: for writers.
  Status Read(Slice key, KeyValue* value) { return Find(key, true, value); }
  // As Get and Read, without the value's bytes, which may cost a read of their own: for who asks whether and how long a
  // key is there.
  Status GetMeta(Slice key, KeyValue* value) { return FindAndCount(key, false, value); }
  Status Peek(Slice key, KeyValue* value) { return Find(key, false, value); }
  // Get, where kWrongType if it holds something else; an absent key is Ok with found = false.
  Status GetString(Slice key, bool* found, KeyValue* value);
  // Needs no read before. An `expire_at_ms` that has passed is written without the value: the key
  // is absent from now on, and goes for good when it is met.
  void Put(Slice key, ValueType type, int64_t expire_at_ms, Slice value);
  void Put(Slice key, ValueType type, int64_t expire_at_ms, const SharedBytes& value);
  // REQUIRES: the key was read and is there (its count goes down).
  void Delete(Slice key);

  // Adds the deletion of a key that the engine tells of, if it has indeed expired, and counts it: when it did, or 0 if it
  // has not. kNotFound if it is not there, or in no database any more.
  Result<int64_t> DeleteExpired(const Due& due);

  // --- Databases ---
  // As committed: what the unit itself has written is not in it.
  int64_t KeyCount(int database) const;
  // With the unit's own writes, for which it may have to read.
  Result<int64_t> CountKeys(int database);
  // Empty for this unit at once, for everyone after the commit. O(1).
  void Flush(int database);
  void FlushAll();
  void Swap(int a, int b);

  // --- Many keys ---
  // Walks the live keys of the current database from the first key >= `start` (or > `start` if
  // `after`) for as long as they begin with `prefix`. `visit` returns false to stop. At most
  // `steps_max` entries are looked at, dead ones included. Writes of the unit itself are seen.
  // `visit` must not write. Values that lie in value files are not read: their bytes are empty. REQUIRES: steps_max > 0.
  struct Walk {
    bool finished = false;  // nothing is left behind
    std::string position;   // else: the last key looked at
  };
  Result<Walk> WalkKeys(Slice prefix, Slice start, bool after, uint64_t steps_max,
                        const std::function<bool(Slice key, const KeyValue& value)>& visit);
  // kNotFound in an empty database.
  Status RandomKey(std::string* key);

  // Makes a unit that returns kPending now be run again in the loop's next turn: for commands that
  // work in slices. Blocks pinned so far are let go. What a slice must remember goes into
  // `continuation`. The command drops that when it is done; the dispatcher drops it where a unit
  // ends otherwise. REQUIRES: may_yield().
  void YieldToLoop();
  struct Continuation {
    virtual ~Continuation() = default;
  };
  std::unique_ptr<Continuation>& continuation() { return continuation_; }
  // False inside EXEC, where everything happens in one go.
  bool may_yield() const { return may_yield_ && post_ != nullptr; }
  void set_may_yield(bool may) { may_yield_ = may; }

  // The engine, for INFO and DEBUG only.
  Engine& engine() { return engine_; }

 private:
  const Databases& databases_now() const { return changed_ ? *changed_ : databases_; }
  Databases& ChangedDatabases();
  // 0 if the database has none. What is then answered stands on this map: another's FLUSHDB or SWAPDB
  // may not be told, nor built upon, before it is durable.
  SpaceId SpaceOf(int database) {
    scope_.DependsOn(databases_.changed_in_group);
    return SpaceNow(database);
  }
  SpaceId SpaceNow(int database) const {
    return databases_now().spaces[static_cast<size_t>(database)];
  }
  // The space's prefix followed by `key`, in key_buffer_. An empty Slice if the database has no
  // space.
  Slice EngineKey(Slice key);
  // The same, after giving the database a space if it has none.
  Slice EngineKeyForWriting(Slice key);
  void PutDatabases();
  // The batch's own values are copied: they move when the batch grows.
  Status Find(Slice key, bool wants_bytes, KeyValue* value);
  Status FindAndCount(Slice key, bool wants_bytes, KeyValue* value);

  Engine& engine_;
  Databases& databases_;              // everyone's
  std::optional<Databases> changed_;  // this unit's, until committed
  int database_ = 0;
  int64_t now_ms_ = 0;
  bool may_yield_ = true;
  Batch batch_;
  ReadScope scope_;
  Counters counters_;
  std::string key_buffer_;  // begins with the prefix of key_buffer_space_
  SpaceId key_buffer_space_ = 0;
  size_t key_buffer_prefix_size_ = 0;
  std::deque<std::string> own_values_;  // read back from the batch: must stay while the batch grows
  Post post_;
  std::unique_ptr<Continuation> continuation_;
};

}  // namespace varve
