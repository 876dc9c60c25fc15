// tests/crash/kill_writer.h: one who writes, and knows what must be there afterwards.
//
// A key belongs to one writer, so the writer can tell every reply beforehand, and checks each. A
// *unit* is what happens entirely or not at all: a command, or MULTI to EXEC. When the connection
// breaks, the units divide into those that were answered and those that are pending:
//
//   aaaaaaaaaa ppppppppppp     The server runs and logs them in order, so after the restart data
//              ^.....^         must be what all answered units make and the first N of the pending
//                    N         ones, for some N: nothing acknowledged is lost, no unit is torn, no
//                              order is changed.
//
// The last writer is the *flusher*. It has two databases to itself, empties the one it writes to
// with FLUSHDB, and exchanges the two with SWAPDB. These are units like any other: done or not, in
// their order; and what they did away with never comes back.
//
// Threads: Run and Verify are for one thread at a time, and for no other writer's keys.
#pragma once

#include <algorithm>
#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/crash/kill_expiry.h"
#include "tests/crash/kill_progress.h"
#include "tests/crash/kill_values.h"
#include "tests/support/redis_client.h"

namespace varve {

constexpr int kWriters = 4;
// The flusher has those from 1 on, and writes to the first of them.
constexpr int kDatabases = 3;

// How many keys a writer has of each kind. All large ones together exceed every memory-limit below.
constexpr int kSmallKeys = 2000;
constexpr int kLargeKeys = 8;
constexpr int kCounterKeys = 50;
constexpr int kExpiringKeys = 200;
constexpr int kAllKeys = kSmallKeys + kLargeKeys + kCounterKeys + kExpiringKeys;
constexpr int kFirstLarge = kSmallKeys;
constexpr int kFirstCounter = kFirstLarge + kLargeKeys;
constexpr int kFirstExpiring = kFirstCounter + kCounterKeys;
// In the flusher's second database the same keys have numbers from kAllKeys on.
constexpr bool IsExpiring(int key) { return key % kAllKeys >= kFirstExpiring; }

constexpr size_t kLargeBytesMin = 100 * 1000;
constexpr size_t kLargeBytesMax = 2 * 1000 * 1000;

class Writer {
 public:
  using State = std::vector<Value>;  // by key

  Writer(int id, uint64_t seed)
      : id_(id), random_(seed), answered_(Index(key_count())), sent_(answered_) {}

  bool flushes() const { return id_ == kWriters - 1; }
  int database_count() const { return flushes() ? kDatabases - 1 : 1; }
  int key_count() const { return kAllKeys * database_count(); }
  int DatabaseOf(int key) const { return flushes() ? 1 + key / kAllKeys : 0; }
  std::string NameOf(int key) const;
  const Value& Answered(int key) const { return answered_[Index(key)]; }
  // Does it have a key that will not expire?
  bool HoldsAny() const;

  // Writes until the connection ends.
  void Run(int port);
  // After a restart: finds which of the pending units the server has kept.
  void Verify(int port);

  // FLUSHALL is for all writers at once, so another sends it, while none of them writes.
  void SendFlushAll();
  void TakeFlushAll();

  uint64_t units_answered() const { return units_answered_; }
  uint64_t units_pending() const { return units_pending_; }
  uint64_t units_kept() const { return units_kept_; }
  uint64_t flushes_answered() const { return flushes_answered_; }
  uint64_t swaps_answered() const { return swaps_answered_; }
  uint64_t expiries_kept() const { return expiries_kept_; }
  uint64_t expiries_done() const { return expiries_done_; }

 private:
  using Words = std::vector<std::string>;
  static size_t Index(int key) { return static_cast<size_t>(key); }
  static void Apply(const Unit& unit, State* state);
  static bool IsAbout(const Unit::Effect& effect, int key);

  // Making units: each adds words to what is sent, and to `unit` what they do.
  void SendUnit(RedisClient* client);
  void SendTransaction(RedisClient* client);
  void AddCommand(RedisClient* client, Unit* unit);
  void AddSet(RedisClient* client, Unit* unit, int key);
  void AddSeveralSets(RedisClient* client, Unit* unit);
  void AddIncrement(RedisClient* client, Unit* unit);
  void AddExpiring(RedisClient* client, Unit* unit);
  void AddDelete(RedisClient* client, Unit* unit);
  void AddGet(RedisClient* client, Unit* unit);
  void AddFlush(RedisClient* client, Unit* unit);
  void AddSwap(RedisClient* client, Unit* unit);
  void AddOnAll(RedisClient* client, Unit* unit, Words words, Unit::Effect::Kind kind);
  void AskExpiry(RedisClient* client, int key);
  void Add(RedisClient* client, Unit* unit, Words words, Expected reply);
  void SetTo(Unit* unit, int key, const Value& value);
  int AnyKey(int first, int count) {
    return first + static_cast<int>(random_.Uniform(static_cast<uint64_t>(count)));
  }
  Value NewString(int key);

  bool TakeReplies(RedisClient* client);
  void LearnExpiry(int key, const Value& value, int64_t expire_at_ms);
  std::vector<Found> ReadAll(RedisClient* client) const;
  void ReadDatabase(RedisClient* client, int first_key, std::vector<Found>* all) const;
  void LearnExpiries(const std::vector<Found>& found);
  [[noreturn]] void Explain(const State& answered, const std::vector<Found>& found);

  const int id_;
  Random random_;
  State answered_;           // what is certain
  State sent_;               // and with all that is pending
  std::vector<int> untold_;  // keys that were given a relative time by the unit that is made
  std::deque<Unit> pending_;
  size_t replies_taken_ = 0;  // of the first pending one
  int64_t last_string_ = 0;
  uint64_t units_answered_ = 0;
  uint64_t units_pending_ = 0;  // when the connection ended
  uint64_t units_kept_ = 0;     // of these
  uint64_t flushes_answered_ = 0;
  uint64_t swaps_answered_ = 0;
  uint64_t expiries_kept_ = 0;  // keys that a restart left, to expire when they had to before
  uint64_t expiries_done_ = 0;  // keys that were due, and that a restart did not bring back
};

inline std::string Writer::NameOf(int key) const {
  key %= kAllKeys;
  const auto name = [this](const char* kind, int n) {
    return "writer" + std::to_string(id_) + ":" + kind + ":" + std::to_string(n);
  };
  if (key < kFirstLarge) return name("small", key);
  if (key < kFirstCounter) return name("large", key - kFirstLarge);
  if (key < kFirstExpiring) return name("counter", key - kFirstCounter);
  return name("expiring", key - kFirstExpiring);
}

inline bool Writer::HoldsAny() const {
  return std::any_of(answered_.begin(), answered_.end(), IsCertain);
}

// ---- What a writer sends ----

// A server that is ended between two requests leaves the rest unanswered: then the thread is done.
inline void Writer::Run(int port) {
  RedisClient client("127.0.0.1", port);
  if (!client.connected()) return;
  if (!client.Call({"SELECT", std::to_string(DatabaseOf(0))})) return;
  replies_taken_ = 0;
  do {
    for (uint64_t n = 1 + random_.Uniform(random_.OneIn(4) ? 100 : 8); n > 0; --n) {
      SendUnit(&client);
    }
  } while (TakeReplies(&client));
  units_pending_ += pending_.size();
}

// Takes the replies to what was sent. False when the connection has ended.
inline bool Writer::TakeReplies(RedisClient* client) {
  while (!pending_.empty()) {
    Unit& unit = pending_.front();
    const Reply reply = client->Read();
    if (!reply && client->is_ended()) return false;
    if (!reply) Fail("no reply to " + unit.what + ": " + client->error());
    const Expected& expected = unit.replies[replies_taken_];
    const std::string complaint = Complaint(*reply, expected);
    if (!complaint.empty()) Fail("reply to " + unit.what + ": " + complaint);
    if (expected.kind == Expected::Kind::kExpireTime && reply->integer > 0) {
      LearnExpiry(expected.key, expected.value, reply->integer);
    }
    if (++replies_taken_ < unit.replies.size()) continue;
    Apply(unit, &answered_);
    for (const Unit::Effect& effect : unit.effects) {
      flushes_answered_ += effect.kind == Unit::Effect::Kind::kFlush;
      swaps_answered_ += effect.kind == Unit::Effect::Kind::kSwap;
    }
    pending_.pop_front();
    replies_taken_ = 0;
    ++units_answered_;
  }
  return true;
}

inline void Writer::Apply(const Unit& unit, State* state) {
  for (const Unit::Effect& effect : unit.effects) {
    switch (effect.kind) {
      case Unit::Effect::Kind::kKey: (*state)[Index(effect.key)] = effect.after; break;
      case Unit::Effect::Kind::kFlush: std::fill_n(state->begin(), kAllKeys, Value()); break;
      case Unit::Effect::Kind::kFlushAll: state->assign(state->size(), Value()); break;
      case Unit::Effect::Kind::kSwap:
        std::swap_ranges(state->begin(), state->begin() + kAllKeys, state->begin() + kAllKeys);
        break;
    }
  }
}

inline bool Writer::IsAbout(const Unit::Effect& effect, int key) {
  switch (effect.kind) {
    case Unit::Effect::Kind::kKey: return effect.key == key;
    case Unit::Effect::Kind::kFlush: return key < kAllKeys;
    default: return true;
  }
}

// What a relative time has come to. Later replies, and restarts, must say the same.
inline void Writer::LearnExpiry(int key, const Value& value, int64_t expire_at_ms) {
  for (State* state : {&answered_, &sent_}) {
    Value& known = (*state)[Index(key)];
    if (known == value) known.ExpireAt(expire_at_ms);
  }
}

inline void Writer::SendUnit(RedisClient* client) {
  pending_.emplace_back();
  if (random_.OneIn(8)) {
    SendTransaction(client);
  } else {
    AddCommand(client, &pending_.back());
  }
  for (const int key : std::exchange(untold_, {})) {
    if (!sent_[Index(key)].knows_its_expiry()) AskExpiry(client, key);
  }
}

// A unit of its own, for the answer to what it asks about stands for itself.
inline void Writer::AskExpiry(RedisClient* client, int key) {
  Unit& unit = pending_.emplace_back();
  Add(client, &unit, {"PEXPIRETIME", NameOf(key)}, Expected::ExpireTime(key, sent_[Index(key)]));
}

inline void Writer::SendTransaction(RedisClient* client) {
  Unit inner;
  Unit& unit = pending_.back();
  Add(client, &unit, {"MULTI"}, Expected::Status("OK"));
  for (uint64_t n = 2 + random_.Uniform(7); n > 0; --n) AddCommand(client, &inner);
  unit.what += "; " + inner.what;
  unit.effects = std::move(inner.effects);
  unit.replies.insert(unit.replies.end(), inner.replies.size(), Expected::Status("QUEUED"));
  Add(client, &unit, {"EXEC"}, Expected::Array(std::move(inner.replies)));
}

inline void Writer::AddCommand(RedisClient* client, Unit* unit) {
  const uint64_t die = random_.Uniform(1000);
  if (die < 2 && flushes()) {
    AddFlush(client, unit);
  } else if (die < 4 && flushes()) {
    AddSwap(client, unit);
  } else if (die < 12) {
    AddSet(client, unit, AnyKey(kFirstLarge, kLargeKeys));
  } else if (die < 400) {
    AddSet(client, unit, AnyKey(0, kSmallKeys));
  } else if (die < 500) {
    AddDelete(client, unit);
  } else if (die < 600) {
    AddSeveralSets(client, unit);
  } else if (die < 700) {
    AddExpiring(client, unit);
  } else if (die < 850) {
    AddIncrement(client, unit);
  } else {
    AddGet(client, unit);
  }
}

// Mostly small, some of many blocks; what is large is so by its key.
inline Value Writer::NewString(int key) {
  size_t size_bytes = 20 + random_.Uniform(random_.OneIn(20) ? 20'000 : 400);
  if (key >= kFirstLarge && key < kFirstCounter) {
    size_bytes = kLargeBytesMin + random_.Uniform(kLargeBytesMax - kLargeBytesMin);
  }
  return {.kind = Value::Kind::kString, .number = ++last_string_, .size_bytes = size_bytes};
}

inline void Writer::AddSet(RedisClient* client, Unit* unit, int key) {
  const Value value = NewString(key);
  Add(client, unit, {"SET", NameOf(key), BytesOf(value)}, Expected::Status("OK"));
  SetTo(unit, key, value);
}

inline void Writer::AddSeveralSets(RedisClient* client, Unit* unit) {
  Words words = {"MSET"};
  std::vector<std::pair<int, Value>> sets;
  for (uint64_t n = 2 + random_.Uniform(9); n > 0; --n) {
    const int key = AnyKey(0, kSmallKeys);
    sets.emplace_back(key, NewString(key));
    words.push_back(NameOf(key));
    words.push_back(BytesOf(sets.back().second));
  }
  Add(client, unit, std::move(words), Expected::Status("OK"));
  for (const auto& [key, value] : sets) SetTo(unit, key, value);
}

inline void Writer::AddIncrement(RedisClient* client, Unit* unit) {
  const int key = AnyKey(kFirstCounter, kCounterKeys);
  const auto by = static_cast<int64_t>(1 + random_.Uniform(3));
  Value value = sent_[Index(key)];
  value.kind = Value::Kind::kCounter;
  value.number += by;
  Words words = {"INCRBY", NameOf(key), std::to_string(by)};
  if (by == 1) words = {"INCR", NameOf(key)};
  Add(client, unit, std::move(words), Expected::Integer(value.number));
  SetTo(unit, key, value);
}

inline void Writer::AddExpiring(RedisClient* client, Unit* unit) {
  const int key = AnyKey(kFirstExpiring, kExpiringKeys);
  ExpiryCommand command =
      AnyExpiryCommand(NameOf(key), sent_[Index(key)], NewString(key), &random_);
  if (!command.after.knows_its_expiry()) untold_.push_back(key);
  Add(client, unit, std::move(command.words), std::move(command.reply));
  SetTo(unit, key, command.after);
}

inline void Writer::AddDelete(RedisClient* client, Unit* unit) {
  const int key =
      random_.OneIn(10) ? AnyKey(kFirstExpiring, kExpiringKeys) : AnyKey(0, kFirstCounter);
  const Value& value = sent_[Index(key)];
  const bool is_known = IsCertain(value) || !value.exists();
  Add(client, unit, {"DEL", NameOf(key)},
      is_known ? Expected::Integer(value.exists() ? 1 : 0) : Expected::AnyInteger());
  SetTo(unit, key, Value());
}

inline void Writer::AddGet(RedisClient* client, Unit* unit) {
  const int key = AnyKey(0, kAllKeys);
  Add(client, unit, {"GET", NameOf(key)}, Expected::Content(sent_[Index(key)]));
}

inline void Writer::AddFlush(RedisClient* client, Unit* unit) {
  Words words = {"FLUSHDB"};
  if (random_.OneIn(2)) words.emplace_back("ASYNC");
  AddOnAll(client, unit, std::move(words), Unit::Effect::Kind::kFlush);
}

inline void Writer::AddSwap(RedisClient* client, Unit* unit) {
  AddOnAll(client, unit,
           {"SWAPDB", std::to_string(DatabaseOf(0)), std::to_string(DatabaseOf(kAllKeys))},
           Unit::Effect::Kind::kSwap);
}

inline void Writer::AddOnAll(RedisClient* client, Unit* unit, Words words,
                             Unit::Effect::Kind kind) {
  Add(client, unit, std::move(words), Expected::Status("OK"));
  unit->effects.push_back({.kind = kind});
  Apply({.effects = {unit->effects.back()}}, &sent_);
}

inline void Writer::SendFlushAll() {
  pending_.push_back({.what = "FLUSHALL", .effects = {{.kind = Unit::Effect::Kind::kFlushAll}}});
  sent_.assign(sent_.size(), Value());
  ++units_pending_;
}

inline void Writer::TakeFlushAll() {
  Apply(pending_.front(), &answered_);
  pending_.pop_front();
  --units_pending_;
  ++units_answered_;
}

inline void Writer::Add(RedisClient* client, Unit* unit, Words words, Expected reply) {
  client->Append(words);
  unit->replies.push_back(std::move(reply));
  unit->what += (unit->what.empty() ? "" : "; ") + words[0];
  if (words.size() > 1) unit->what += " " + words[1];
}

inline void Writer::SetTo(Unit* unit, int key, const Value& value) {
  unit->effects.push_back({.key = key, .after = value});
  sent_[Index(key)] = value;
}

// ---- What a writer finds after a restart ----

inline void Writer::Verify(int port) {
  RedisClient client("127.0.0.1", port);
  const std::vector<Found> found = ReadAll(&client);
  const State answered = answered_;

  // Takes in one pending unit after the other, until there is no difference.
  std::set<int> wrong;
  const auto compare = [&](int key) {
    if (Matches(answered_[Index(key)], found[Index(key)])) {
      wrong.erase(key);
    } else {
      wrong.insert(key);
    }
  };
  const auto compare_all = [&] {
    for (int key = 0; key < key_count(); ++key) compare(key);
  };
  compare_all();
  size_t kept = 0;
  for (; !wrong.empty() && kept < pending_.size(); ++kept) {
    Apply(pending_[kept], &answered_);
    for (const Unit::Effect& effect : pending_[kept].effects) {
      if (effect.kind == Unit::Effect::Kind::kKey) {
        compare(effect.key);
      } else {
        compare_all();
      }
    }
  }
  if (!wrong.empty()) Explain(answered, found);
  units_kept_ += kept;
  LearnExpiries(found);
  pending_.clear();
  sent_ = answered_;
}

inline void Writer::LearnExpiries(const std::vector<Found>& found) {
  for (int key = 0; key < key_count(); ++key) {
    Value& value = answered_[Index(key)];
    const Found& now = found[Index(key)];
    if (!value.exists() || !value.expires()) continue;
    if (now.expire_at_ms > 0) value.ExpireAt(*now.expire_at_ms);
    expiries_kept_ += now.expire_at_ms > 0;
    expiries_done_ += value.MustBeGone(now.asked_ms);
  }
}

inline std::vector<Found> Writer::ReadAll(RedisClient* client) const {
  std::vector<Found> all(Index(key_count()));
  for (int first = 0; first < key_count(); first += kAllKeys) {
    if (!IsStatus(client->Call({"SELECT", std::to_string(DatabaseOf(first))}), "OK")) {
      Fail("SELECT after the restart: " + client->error());
    }
    ReadDatabase(client, first, &all);
  }
  return all;
}

// By pipelines, but one large value at a time.
inline void Writer::ReadDatabase(RedisClient* client, int first_key,
                                 std::vector<Found>* all) const {
  constexpr int kAtATime = 100;
  const int end = first_key + kAllKeys;
  for (int first = first_key; first < end;) {
    const int kind = first - first_key;
    const bool is_large = kind >= kFirstLarge && kind < kFirstCounter;
    const int last = std::min(first + (is_large ? 1 : kAtATime), end);
    const int64_t asked_ms = NowMs();
    for (int key = first; key < last; ++key) {
      client->Append({"GET", NameOf(key)});
      if (IsExpiring(key)) client->Append({"PEXPIRETIME", NameOf(key)});
    }
    for (int key = first; key < last; ++key) {
      Found& found = (*all)[Index(key)];
      found.asked_ms = asked_ms;
      const Reply value = client->Read();
      if (!value || (!IsNil(value) && value->type != REDIS_REPLY_STRING)) {
        Fail("GET " + NameOf(key) +
             " after the restart: " + (value ? std::string(TextOf(*value)) : client->error()));
      }
      if (!IsNil(value)) found.bytes.emplace(TextOf(*value));
      if (IsExpiring(key)) {
        const Reply expires = client->Read();
        if (!expires || expires->type != REDIS_REPLY_INTEGER) Fail("PEXPIRETIME " + NameOf(key));
        if (found.bytes) found.expire_at_ms = expires->integer;
      }
      found.answered_ms = NowMs();
    }
    first = last;
  }
}

// No number of pending units makes what was found. The simplest reason is a key that has none of
// the values it might have; else each key has one of them, but not of the same moment.
inline void Writer::Explain(const State& answered, const std::vector<Found>& found) {
  std::string moments;
  for (int key = 0; key < key_count(); ++key) {
    State state = answered;
    const Value& certain = answered[Index(key)];
    std::string candidates = "acknowledged " + Describe(certain);
    std::string fits = Matches(certain, found[Index(key)]) ? " 0" : "";
    bool is_touched = false;
    for (size_t i = 0; i < pending_.size(); ++i) {
      const bool touches =
          std::any_of(pending_[i].effects.begin(), pending_[i].effects.end(),
                      [key](const Unit::Effect& effect) { return IsAbout(effect, key); });
      Apply(pending_[i], &state);
      if (touches) {
        is_touched = true;
        candidates += ", pending (" + std::to_string(i + 1) + ") " + Describe(state[Index(key)]);
      }
      if (Matches(state[Index(key)], found[Index(key)])) fits += " " + std::to_string(i + 1);
    }
    if (fits.empty()) {
      Fail(NameOf(key) + " is lost or wrong: " + candidates + "; found " +
           Describe(found[Index(key)]));
    }
    if (is_touched) moments += "\n    " + NameOf(key) + " fits after" + fits;
  }
  std::string units;
  for (size_t i = 0; i < pending_.size(); ++i) {
    units += "\n    (" + std::to_string(i + 1) + ") " + pending_[i].what;
  }
  Fail("writer " + std::to_string(id_) +
       ": a transaction is torn, or writes changed their order: "
       "no number of these pending units makes what was found" +
       units + moments);
}

}  // namespace varve
