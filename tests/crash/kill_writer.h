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
// Threads: Run and Verify are for one thread at a time, and for no other writer's keys.
#pragma once

#include <algorithm>
#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/crash/kill_progress.h"
#include "tests/crash/kill_values.h"
#include "tests/support/redis_client.h"

namespace varve {

// The last writer has a database of its own, and flushes it.
constexpr int kWriters = 4;
constexpr int kFlushedDatabase = 1;

// How many keys a writer has of each kind. All large ones together exceed every memory-limit below.
constexpr int kSmallKeys = 2000;
constexpr int kLargeKeys = 8;
constexpr int kCounterKeys = 50;
constexpr int kExpiringKeys = 200;
constexpr int kAllKeys = kSmallKeys + kLargeKeys + kCounterKeys + kExpiringKeys;
constexpr int kFirstLarge = kSmallKeys;
constexpr int kFirstCounter = kFirstLarge + kLargeKeys;
constexpr int kFirstExpiring = kFirstCounter + kCounterKeys;

constexpr size_t kLargeBytesMin = 100 * 1000;
constexpr size_t kLargeBytesMax = 2 * 1000 * 1000;

class Writer {
 public:
  Writer(int id, uint64_t seed) : id_(id), random_(seed), answered_(kAllKeys), sent_(kAllKeys) {}

  bool flushes() const { return id_ == kWriters - 1; }
  int database() const { return flushes() ? kFlushedDatabase : 0; }
  std::string NameOf(int key) const;
  const Value& Answered(int key) const { return answered_[Index(key)]; }

  // Writes until the connection ends.
  void Run(int port);
  // After a restart: finds which of the pending units the server has kept.
  void Verify(int port);

  uint64_t units_answered() const { return units_answered_; }
  uint64_t units_pending() const { return units_pending_; }
  uint64_t units_kept() const { return units_kept_; }

 private:
  using Words = std::vector<std::string>;
  static size_t Index(int key) { return static_cast<size_t>(key); }
  static void Apply(const Unit& unit, std::vector<Value>* state);

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
  void Add(RedisClient* client, Unit* unit, Words words, Expected reply);
  void SetTo(Unit* unit, int key, const Value& value);
  int AnyKey(int first, int count) {
    return first + static_cast<int>(random_.Uniform(static_cast<uint64_t>(count)));
  }
  Value NewString(int key);

  bool TakeReplies(RedisClient* client);
  std::vector<Found> ReadAll(RedisClient* client) const;
  [[noreturn]] void Explain(const std::vector<Value>& answered, const std::vector<Found>& found);

  const int id_;
  Random random_;
  std::vector<Value> answered_;  // by key: what is certain
  std::vector<Value> sent_;      // and with all that is pending
  std::deque<Unit> pending_;
  size_t replies_taken_ = 0;  // of the first pending one
  int64_t last_string_ = 0;
  uint64_t units_answered_ = 0;
  uint64_t units_pending_ = 0;  // when the connection ended
  uint64_t units_kept_ = 0;     // of these
};

inline std::string Writer::NameOf(int key) const {
  const auto name = [this](const char* kind, int n) {
    return "writer" + std::to_string(id_) + ":" + kind + ":" + std::to_string(n);
  };
  if (key < kFirstLarge) return name("small", key);
  if (key < kFirstCounter) return name("large", key - kFirstLarge);
  if (key < kFirstExpiring) return name("counter", key - kFirstCounter);
  return name("expiring", key - kFirstExpiring);
}

// ---- What a writer sends ----

// A server that is ended between two requests leaves the rest unanswered: then the thread is done.
inline void Writer::Run(int port) {
  RedisClient client("127.0.0.1", port);
  if (!client.connected()) return;
  if (!client.Call({"SELECT", std::to_string(database())})) return;
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
    const std::string complaint = Complaint(*reply, unit.replies[replies_taken_]);
    if (!complaint.empty()) Fail("reply to " + unit.what + ": " + complaint);
    if (++replies_taken_ < unit.replies.size()) continue;
    Apply(unit, &answered_);
    pending_.pop_front();
    replies_taken_ = 0;
    ++units_answered_;
  }
  return true;
}

inline void Writer::Apply(const Unit& unit, std::vector<Value>* state) {
  for (const Unit::Effect& effect : unit.effects) {
    if (effect.key == Unit::kEveryKey) {
      state->assign(kAllKeys, Value());
    } else {
      (*state)[Index(effect.key)] = effect.after;
    }
  }
}

inline void Writer::SendUnit(RedisClient* client) {
  pending_.emplace_back();
  if (random_.OneIn(8)) {
    SendTransaction(client);
  } else {
    AddCommand(client, &pending_.back());
  }
}

inline void Writer::SendTransaction(RedisClient* client) {
  Unit inner;
  Unit& unit = pending_.back();
  Add(client, &unit, {"MULTI"}, Expected::Status("OK"));
  for (uint64_t n = 2 + random_.Uniform(7); n > 0; --n) AddCommand(client, &inner);
  unit.what += inner.what;
  unit.effects = std::move(inner.effects);
  unit.replies.insert(unit.replies.end(), inner.replies.size(), Expected::Status("QUEUED"));
  Add(client, &unit, {"EXEC"}, Expected::Array(std::move(inner.replies)));
}

inline void Writer::AddCommand(RedisClient* client, Unit* unit) {
  const uint64_t die = random_.Uniform(1000);
  if (die < 2 && flushes()) {
    AddFlush(client, unit);
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

// By absolute times, so that we know exactly what the server will remember. Where the old value may
// be gone meanwhile, only what does not depend on it.
inline void Writer::AddExpiring(RedisClient* client, Unit* unit) {
  const int key = AnyKey(kFirstExpiring, kExpiringKeys);
  Value value = sent_[Index(key)];
  const bool is_certain = value.exists() && value.expire_at_ms == 0;
  const bool soon = random_.OneIn(2);
  const int64_t expire_at_ms =
      NowMs() + (soon ? 20 + static_cast<int64_t>(random_.Uniform(2000)) : 3'600'000);
  if (is_certain && random_.OneIn(2)) {
    value.expire_at_ms = expire_at_ms;
    Add(client, unit, {"PEXPIREAT", NameOf(key), std::to_string(expire_at_ms)},
        Expected::Integer(1));
  } else if (random_.OneIn(3)) {
    value = NewString(key);
    Add(client, unit, {"SET", NameOf(key), BytesOf(value)}, Expected::Status("OK"));
  } else {
    value = NewString(key);
    value.expire_at_ms = expire_at_ms;
    Add(client, unit, {"SET", NameOf(key), BytesOf(value), "PXAT", std::to_string(expire_at_ms)},
        Expected::Status("OK"));
  }
  SetTo(unit, key, value);
}

inline void Writer::AddDelete(RedisClient* client, Unit* unit) {
  const int key =
      random_.OneIn(10) ? AnyKey(kFirstExpiring, kExpiringKeys) : AnyKey(0, kFirstCounter);
  const Value& value = sent_[Index(key)];
  const bool may_expire = value.expire_at_ms != 0;
  Add(client, unit, {"DEL", NameOf(key)},
      may_expire ? Expected::AnyInteger() : Expected::Integer(value.exists() ? 1 : 0));
  SetTo(unit, key, Value());
}

inline void Writer::AddGet(RedisClient* client, Unit* unit) {
  const int key = AnyKey(0, kAllKeys);
  Add(client, unit, {"GET", NameOf(key)}, Expected::Content(sent_[Index(key)]));
}

inline void Writer::AddFlush(RedisClient* client, Unit* unit) {
  Add(client, unit, {"FLUSHDB"}, Expected::Status("OK"));
  unit->effects.push_back({Unit::kEveryKey, Value()});
  sent_.assign(kAllKeys, Value());
}

inline void Writer::Add(RedisClient* client, Unit* unit, Words words, Expected reply) {
  client->Append(words);
  unit->replies.push_back(std::move(reply));
  unit->what += (unit->what.empty() ? "" : "; ") + words[0];
  if (words.size() > 1) unit->what += " " + words[1];
}

inline void Writer::SetTo(Unit* unit, int key, const Value& value) {
  unit->effects.push_back({key, value});
  sent_[Index(key)] = value;
}

// ---- What a writer finds after a restart ----

inline void Writer::Verify(int port) {
  RedisClient client("127.0.0.1", port);
  if (!IsStatus(client.Call({"SELECT", std::to_string(database())}), "OK")) {
    Fail("SELECT after the restart: " + client.error());
  }
  const std::vector<Found> found = ReadAll(&client);
  const std::vector<Value> answered = answered_;

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
    for (int key = 0; key < kAllKeys; ++key) compare(key);
  };
  compare_all();
  size_t kept = 0;
  for (; !wrong.empty() && kept < pending_.size(); ++kept) {
    Apply(pending_[kept], &answered_);
    for (const Unit::Effect& effect : pending_[kept].effects) {
      if (effect.key == Unit::kEveryKey) {
        compare_all();
      } else {
        compare(effect.key);
      }
    }
  }
  if (!wrong.empty()) Explain(answered, found);
  units_kept_ += kept;
  pending_.clear();
  sent_ = answered_;
}

// By pipelines, but one large value at a time.
inline std::vector<Found> Writer::ReadAll(RedisClient* client) const {
  constexpr int kAtATime = 100;
  std::vector<Found> all(kAllKeys);
  for (int first = 0; first < kAllKeys;) {
    const bool is_large = first >= kFirstLarge && first < kFirstCounter;
    const int last = std::min(first + (is_large ? 1 : kAtATime), kAllKeys);
    const int64_t asked_ms = NowMs();
    for (int key = first; key < last; ++key) {
      client->Append({"GET", NameOf(key)});
      if (key >= kFirstExpiring) client->Append({"PEXPIRETIME", NameOf(key)});
    }
    for (int key = first; key < last; ++key) {
      Found& found = all[Index(key)];
      found.asked_ms = asked_ms;
      const Reply value = client->Read();
      if (!value || (!IsNil(value) && value->type != REDIS_REPLY_STRING)) {
        Fail("GET " + NameOf(key) +
             " after the restart: " + (value ? std::string(TextOf(*value)) : client->error()));
      }
      if (!IsNil(value)) found.bytes.emplace(TextOf(*value));
      if (key >= kFirstExpiring) {
        const Reply expires = client->Read();
        if (!expires || expires->type != REDIS_REPLY_INTEGER) Fail("PEXPIRETIME " + NameOf(key));
        if (found.bytes) found.expire_at_ms = expires->integer;
      }
      found.answered_ms = NowMs();
    }
    first = last;
  }
  return all;
}

// No number of pending units makes what was found. The simplest reason is a key that has none of
// the values it might have; else each key has one of them, but not of the same moment.
inline void Writer::Explain(const std::vector<Value>& answered, const std::vector<Found>& found) {
  std::string moments;
  for (int key = 0; key < kAllKeys; ++key) {
    std::vector<Value> state = answered;
    const Value& certain = answered[Index(key)];
    std::string candidates = "acknowledged " + Describe(certain);
    std::string fits = Matches(certain, found[Index(key)]) ? " 0" : "";
    bool is_touched = false;
    for (size_t i = 0; i < pending_.size(); ++i) {
      for (const Unit::Effect& effect : pending_[i].effects) {
        if (effect.key != key && effect.key != Unit::kEveryKey) continue;
        is_touched = true;
        candidates += ", pending (" + std::to_string(i + 1) + ") " + Describe(effect.after);
      }
      Apply(pending_[i], &state);
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
