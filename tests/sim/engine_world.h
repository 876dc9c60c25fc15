// tests/sim/engine_world.h: an engine in a simulated world, and what it owes its clients.
//
// The world writes through Commit() and notes in a History what it wrote. From what the engine reports it
// reckons two promises, each a group up to which everything must be found again:
//
//   after the process died   all that was reported, under every durability
//   after a power cut        what was reported under kAlways, what Sync or Flush said is there, and
//                            what was found at the last opening, for it may have been shown
//
// A reading client adds to them: what its reply showed must not be taken back (see Saw).
//
// Errors of reads and openings are taken for granted while `faulty`, and never otherwise.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/prefix.h"
#include "base/random.h"
#include "engine/engine.h"
#include "engine/snapshot.h"
#include "env/sim_env.h"
#include "tests/sim/engine_history.h"
#include "tests/sim/offline_check.h"
#include "tests/sim/tiny_options.h"

#include <doctest/doctest.h>

namespace varve {

inline Options TinyOptions() {
  Options options;
  options.directory = "/db";
  MakeTiny(options);
  options.counted_prefix_size = [](Slice key) -> size_t {
    return key.starts_with("s") ? std::min(key.size(), kPrefixBytes) : 0;
  };
  return options;
}

// Says which history it was when a CHECK of the engine ends the program.
inline void NameHistory(uint64_t seed) {
  static char text[64];
  std::snprintf(text, sizeof(text), "in the history of seed %llu\n",
                static_cast<unsigned long long>(seed));
  std::signal(SIGABRT, [](int) {
    (void)!write(STDERR_FILENO, text, std::strlen(text));
    std::signal(SIGABRT, SIG_DFL);
  });
}

// What an entry of a scan holds, from wherever its value is.
inline Status StoredOf(Engine& engine, const Entry& entry, ReadScope& scope, Stored* stored) {
  Value value;
  value.bytes = entry.value;
  if (entry.in_value_file) RETURN_IF_ERROR(engine.Get(entry.key, scope, &value));
  *stored = {entry.tag, entry.expire_at_ms, std::make_shared<const std::string>(value.bytes)};
  return Status::Ok();
}

// All that a snapshot holds of [lower, upper): in order, alive, with its values.
inline Result<Entries> EntriesOf(const Snapshot& snapshot, Slice lower = {}, Slice upper = {}) {
  Entries all;
  const std::unique_ptr<EntryIterator> it = snapshot.Scan(lower, upper);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const Entry& e = it->entry();
    if (e.kind != EntryKind::kPut || e.in_value_file) FAIL(e.key << " is no value");
    if (!all.empty() && e.key <= all.rbegin()->first) FAIL(e.key << " is out of order");
    all.emplace(e.key, Stored{e.tag, e.expire_at_ms, std::make_shared<const std::string>(e.value)});
  }
  if (!it->status().ok()) return it->status();
  return all;
}

// Whether that is `state`, with nothing left of what is dead.
inline void RequireHolds(const Entries& found, const HistoryState& state, int64_t now_ms) {
  for (const auto& [key, stored] : found) {
    if (state.IsDead(key)) FAIL(key << " is in the snapshot, though it was dead");
  }
  if (!state.Agrees(found, now_ms)) FAIL("the snapshot has " << Differences(state, found));
}

// For calls that fail the test from within: REQUIRE would report that twice.
inline void Must(bool done) { REQUIRE(done); }

class EngineWorld {
 public:
  EngineWorld(uint64_t seed, const Options& options_in)
      : env(seed), random(seed ^ 0x5eed), options(options_in), durability_(options_in.durability) {
    env.set_tick_us(7);
    SetLogLevel(LogLevel::kNothing);  // what is wrong here is wrong on purpose
  }
  ~EngineWorld() {
    env.DropJobs();
    engine.reset();
    SetLogLevel(log_level_);
  }

  // --- Life and death ---

  Status TryOpen() {
    if (check_before_open && !faulty) RequireSound(env, options.directory);
    options.durability = durability_;
    Result<std::unique_ptr<Engine>> opened = Engine::Open(options, env);
    if (!opened.ok()) return opened.status();
    engine = std::move(*opened);
    engine->OnReported([this] { Reported(); });
    return Status::Ok();
  }

  // Opens; while faulty, as often as it takes. False if the power failed.
  bool Open() {
    for (int tries = 0;; ++tries) {
      const Status status = TryOpen();
      if (status.ok()) return true;
      if (!env.power_is_on()) return false;
      REQUIRE_MESSAGE((faulty && tries < kTriesMax), status.ToString());
      if (tries == kTriesMax / 2) Heal();
    }
  }

  void Kill() {
    if (engine) blind_writes_ += engine->stats().unsettled_keys;
    env.DropJobs();
    engine.reset();
  }

  // After the engine is gone: the world starts again, and the promises are those of `mode`.
  void Restart(CrashMode mode) {
    Kill();
    env.Restart(mode);
    if (mode != CrashMode::kKeepAll) process_promise_ = power_promise_;
  }

  // To be called after an opening: what is there must be a first part of the history, and no less than
  // was promised. What came after it is forgotten.
  void CheckRecovered() {
    const uint64_t last = engine->reported_group();
    const Entries found = ScanAll();
    if (!env.power_is_on()) return;
    if (last < process_promise_) {
      FAIL("recovered up to group " << last << ", but promised " << process_promise_);
    }
    const HistoryState wanted = history.StateAt(last);
    if (!wanted.Agrees(found, latest_wall_ms())) {
      FAIL("recovered up to group " << last << " of " << history.now_group() << ", but with "
                                    << Differences(wanted, found));
    }
    history.Rebase(last);
    process_promise_ = power_promise_ = last;
  }

  void CrashAndCheck(CrashMode mode) {
    Restart(mode);
    Must(Open());
    CheckRecovered();
  }

  // What is written after a recovery must not be taken for what came before it.
  void LiveOnAndCheck() {
    for (int i = 0; i < 4; ++i) {
      Commit(
          {PutOf("s01key" + std::to_string(i), std::string(400, 'z')), PutOf("s02key2", "again")});
      engine->EndTurn();
      RunSome(5);
    }
    Must(Sync());
    CrashAndCheck(CrashMode::kRandomPages);
  }

  // False if the engine said that it could not close in good order.
  bool Close() {
    const Status closed = engine->Close();
    if (env.power_is_on() && !faulty) REQUIRE_MESSAGE(closed.ok(), closed.ToString());
    if (closed.ok()) {
      Promise(engine->last_commit_group());
      power_promise_ = process_promise_;
    }
    return closed.ok();
  }

  // --- Writing ---

  // REQUIRES: writable, or only deletes on a full disk.
  uint64_t Commit(std::vector<Change> changes) {
    Batch batch;
    for (const Change& c : changes) {
      switch (c.kind) {
        case EntryKind::kPut:
          batch.Put(c.key, c.stored.tag, c.stored.expire_at_ms, Slice(*c.stored.value));
          break;
        case EntryKind::kTombstone: batch.Delete(c.key); break;
        case EntryKind::kPrefixTombstone: batch.DeletePrefix(c.key); break;
      }
    }
    const uint64_t group = engine->Commit(batch);
    for (const Change& c : changes) {
      // Approximately: an earlier change of the batch may have made it.
      const bool exists = history.now().entries.contains(c.key);
      if (c.kind == EntryKind::kTombstone && !exists) ++blind_writes_;
    }
    history.Add(group, std::move(changes));
    return group;
  }

  void SetDurability(Durability durability) {
    durability_ = durability;
    engine->SetDurability(durability);
  }
  Durability durability() const { return durability_; }
  void SetCompactionPolicy(PolicyKind kind) {
    options.compaction_policy = kind;
    engine->SetCompactionPolicy(kind);
  }

  // --- Promises ---

  void Reported() {
    process_promise_ = std::max(process_promise_, engine->reported_group());
    if (durability_ == Durability::kAlways) power_promise_ = process_promise_;
    if (on_reported) on_reported();
  }
  // Everything up to `group` is said to be on the disk.
  void Promise(uint64_t group) {
    power_promise_ = std::max(power_promise_, group);
    process_promise_ = std::max(process_promise_, group);
  }
  // A reply leaves that shows what `group` wrote. What is not reported can only be shown because it is in
  // tables, and these are durable.
  void Saw(uint64_t group) {
    if (group > engine->reported_group()) Promise(group);
  }
  uint64_t process_promise() const { return process_promise_; }
  uint64_t power_promise() const { return power_promise_; }

  // --- Waiting ---

  void RunSome(uint64_t steps_max) {
    for (uint64_t n = random.Uniform(steps_max + 1); n > 0 && env.RunOneJob(); --n) {
    }
  }
  void RunUntilIdle() {
    int steps = 0;
    while (env.RunOneJob()) {
      if (++steps == 100'000) FAIL("busy for ever");
    }
  }
  void Heal() {
    env.FailNth(0);
    env.SetCapacity(UINT64_MAX);
  }
  // Lets time pass until `done`. A fault that stays heals after a few seconds. False if the power failed.
  bool Await(const std::function<bool()>& done) {
    for (int tries = 0; tries < 2 * kTriesMax; ++tries) {
      RunUntilIdle();
      if (!env.power_is_on()) return false;
      if (done()) return true;
      if (tries == kTriesMax / 2) Heal();
      env.AdvanceMs(500);
    }
    FAIL("waited in vain; writable: " << engine->writable().ToString()
                                      << ", last error: " << engine->stats().last_error);
    return false;
  }
  bool AwaitWritable() {
    return engine->writable().ok() || Await([this] { return engine->writable().ok(); });
  }
  using Done = std::function<void(Status)>;
  bool Sync() {
    return AwaitDone([this](Done done) { engine->Sync(std::move(done)); });
  }
  bool Flush() {
    return AwaitDone([this](Done done) { engine->Flush(std::move(done)); });
  }
  bool Compact(Slice lower = {}, Slice upper = {}) {
    return AwaitDone([&](Done done) { engine->Compact(lower, upper, std::move(done)); });
  }

  // --- Reading, with waiting ---

  // All entries there are, those under dead prefixes included.
  Entries ScanAll() {
    for (int tries = 0;; ++tries) {
      ReadScope scope;
      Entries all;
      Status status = Status::Pending();
      while (status.is_pending()) {
        all.clear();
        const std::unique_ptr<EntryIterator> it = engine->Scan({}, {}, scope);
        for (it->SeekToFirst(); it->Valid(); it->Next()) {
          const Entry& e = it->entry();
          if (e.kind != EntryKind::kPut) continue;
          Stored stored;
          status = StoredOf(*engine, e, scope, &stored);
          if (!status.ok()) break;
          all.emplace(e.key, std::move(stored));
        }
        if (!it->Valid()) status = it->status();
        if (status.is_pending() && !Wait(scope)) return {};
      }
      if (status.ok() || !env.power_is_on()) return all;
      REQUIRE_MESSAGE((faulty && tries < kTriesMax), status.ToString());
      if (tries == kTriesMax / 2) Heal();
    }
  }

  // Reads one key and checks it. False if the power failed.
  bool CheckGet(const std::string& key) {
    for (int tries = 0;; ++tries) {
      ReadScope scope;
      Value value;
      Status status = Status::Pending();
      while (status.is_pending()) {
        status = engine->Get(key, scope, &value);
        if (status.is_pending() && !Wait(scope)) return false;
      }
      if (!env.power_is_on()) return false;
      if (status.ok() || status.is_not_found()) {
        CheckValue(key, status, value);
        if (scope.depends_on_group() <= engine->reported_group()) Saw(history.GroupOf(key));
        return true;
      }
      REQUIRE_MESSAGE((faulty && status.code() != StatusCode::kCorruption && tries < kTriesMax),
                      status.ToString());
      if (tries == kTriesMax / 2) Heal();
    }
  }

  void CheckValue(const std::string& key, const Status& status, const Value& value) {
    const auto it = history.now().entries.find(key);
    if (it == history.now().entries.end()) {
      if (status.ok()) FAIL(key << " should not be there");
      return;
    }
    const Stored& wanted = it->second;
    if (status.is_not_found() && MayBeGone(wanted, latest_wall_ms())) return;
    if (!status.ok()) FAIL(key << " is missing");
    if (value.bytes != *wanted.value || value.tag != wanted.tag ||
        value.expire_at_ms != wanted.expire_at_ms) {
      FAIL(key << " has another value");
    }
  }

  // What lies under prefixes that are alive must be the newest state, no more and no less.
  void CheckExactly(const Entries& found) {
    if (!history.now().Agrees(found, latest_wall_ms())) FAIL(Differences(history.now(), found));
  }

  // Compacts all of it: then what was counted is what is there, and what is dead has left nothing behind.
  // A count may still be too low by as many keys as were ever written blindly: these are settled when a
  // compaction merges them, and a table that only changed its level was not merged.
  bool CheckSettled() {
    if (!AwaitWritable() || !Compact()) return false;
    const Entries found = ScanAll();
    if (!env.power_is_on()) return false;
    CheckExactly(found);
    std::map<std::string, int64_t> counts;
    for (const std::string& prefix : history.now().dead) counts[prefix] = 0;
    for (const auto& [key, stored] : history.now().entries) counts[key.substr(0, kPrefixBytes)] = 0;
    for (const auto& [key, stored] : found) {
      if (history.now().IsDead(key)) FAIL(key << " outlived death");
      ++counts[key.substr(0, kPrefixBytes)];
    }
    const auto blind = static_cast<int64_t>(blind_writes_ + engine->stats().unsettled_keys);
    for (const auto& [prefix, count] : counts) {
      if (!prefix.starts_with("s")) continue;
      const int64_t counted = engine->CountKeys(prefix);
      if (counted > count || counted < count - blind) {
        FAIL("CountKeys of " << prefix << " is " << counted << ", not " << count << "; " << blind
                             << " writes were blind");
      }
    }
    return true;
  }

  // Runs jobs until what a pending read waits for has come. False if the power failed.
  bool Wait(ReadScope& scope) {
    bool ready = false;
    scope.WhenReady([&] { ready = true; });
    while (!ready && env.RunOneJob()) {
    }
    if (env.power_is_on()) REQUIRE(ready);
    return ready;
  }

  int64_t latest_wall_ms() { return latest_wall_ms_ = std::max(latest_wall_ms_, env.WallMs()); }

  SimEnv env;
  Random random;
  Options options;
  std::unique_ptr<Engine> engine;
  History history;
  bool faulty = false;
  // Whether each opening is preceded by a check from outside: what a crash leaves is no damage.
  bool check_before_open = false;
  std::function<void()> on_reported;

 private:
  static constexpr int kTriesMax = 16;

  // Asks for Sync, Flush or Compact and waits for a good outcome, asking again if need be.
  bool AwaitDone(const std::function<void(Done)>& ask) {
    for (int tries = 0; tries < kTriesMax; ++tries) {
      const auto outcome = std::make_shared<std::optional<Status>>();
      const uint64_t group = engine->last_commit_group();
      ask([outcome](const Status& status) { *outcome = status; });
      if (!Await([&] { return outcome->has_value(); })) return false;
      if ((*outcome)->ok()) {
        Promise(group);
        return true;
      }
      REQUIRE_MESSAGE(faulty, (*outcome)->ToString());
      if (tries == kTriesMax / 2) Heal();
      if (!AwaitWritable()) return false;
    }
    FAIL("asked in vain");
    return false;
  }

  const LogLevel log_level_ = GetLogLevel();
  Durability durability_;
  uint64_t process_promise_ = 0;
  uint64_t power_promise_ = 0;
  int64_t latest_wall_ms_ = 0;
  uint64_t blind_writes_ = 0;  // in former lives; of this one, the deletes
};

}  // namespace varve
