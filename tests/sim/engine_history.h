// tests/sim/engine_history.h: what was committed, and so what may be found again.
//
// A history begins with a state that is durable, and goes on commit by commit. After a crash the database says
// which group is its newest: then everything up to it must be there, and nothing from behind it.
//
// Keys begin with kPrefixBytes that may die as a whole; a dead prefix may leave its keys lying about. Entries that
// have expired may be gone, and may still be there.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/slice.h"
#include "engine/entry.h"

namespace varve {

inline constexpr size_t kPrefixBytes = 3;

struct Stored {
  uint8_t tag = 0;
  int64_t expire_at_ms = 0;
  std::shared_ptr<const std::string> value;

  bool operator==(const Stored& other) const {
    return tag == other.tag && expire_at_ms == other.expire_at_ms && *value == *other.value;
  }
};
using Entries = std::map<std::string, Stored, std::less<>>;

struct Change {
  EntryKind kind = EntryKind::kPut;
  std::string key;  // or the prefix that dies
  Stored stored;    // puts only
};

inline Change PutOf(std::string key, std::string value, int64_t expire_at_ms = 0, uint8_t tag = 0) {
  return {EntryKind::kPut,
          std::move(key),
          {tag, expire_at_ms, std::make_shared<const std::string>(std::move(value))}};
}
inline Change DeleteOf(std::string key) { return {EntryKind::kTombstone, std::move(key), {}}; }
inline Change KillOf(std::string prefix) {
  return {EntryKind::kPrefixTombstone, std::move(prefix), {}};
}

inline bool MayBeGone(const Stored& stored, int64_t now_ms) {
  return stored.expire_at_ms != 0 && stored.expire_at_ms <= now_ms;
}

struct HistoryState {
  Entries entries;
  std::set<std::string, std::less<>> dead;  // prefixes

  void Apply(const Change& change) {
    switch (change.kind) {
      case EntryKind::kPut: entries[change.key] = change.stored; break;
      case EntryKind::kTombstone: entries.erase(change.key); break;
      case EntryKind::kPrefixTombstone:
        dead.insert(change.key);
        for (auto it = entries.lower_bound(change.key);
             it != entries.end() && it->first.starts_with(change.key);) {
          it = entries.erase(it);
        }
        break;
    }
  }

  bool IsDead(Slice key) const { return dead.contains(key.substr(0, kPrefixBytes)); }

  // Whether `found` is this state; keys under dead prefixes do not matter.
  bool Agrees(const Entries& found, int64_t now_ms) const {
    auto it = entries.begin();
    for (const auto& [key, stored] : found) {
      if (IsDead(key)) continue;
      while (it != entries.end() && it->first < key && MayBeGone(it->second, now_ms)) ++it;
      if (it == entries.end() || it->first != key || !(it->second == stored)) return false;
      ++it;
    }
    while (it != entries.end() && MayBeGone(it->second, now_ms)) ++it;
    return it == entries.end();
  }
};

class History {
 public:
  struct Commit {
    uint64_t group;
    std::vector<Change> changes;
  };

  const HistoryState& now() const { return now_; }
  uint64_t now_group() const { return commits_.empty() ? 0 : commits_.back().group; }
  // The group that wrote or deleted `key` last; 0: it was before the base.
  uint64_t GroupOf(const std::string& key) const {
    const auto it = group_of_.find(key);
    return it == group_of_.end() ? 0 : it->second;
  }

  void Add(uint64_t group, std::vector<Change> changes) {
    for (const Change& change : changes) {
      now_.Apply(change);
      group_of_[change.key] = group;
    }
    commits_.push_back({group, std::move(changes)});
  }

  // The state behind the last commit of group `group` or before.
  HistoryState StateAt(uint64_t group) const {
    HistoryState state = base_;
    for (const Commit& commit : commits_) {
      if (commit.group > group) break;
      for (const Change& change : commit.changes) state.Apply(change);
    }
    return state;
  }

  // Forgets what came after `group`, and begins anew behind it.
  void Rebase(uint64_t group) {
    now_ = base_ = StateAt(group);
    commits_.clear();
    group_of_.clear();
  }

 private:
  HistoryState base_;
  HistoryState now_;
  std::vector<Commit> commits_;
  std::map<std::string, uint64_t, std::less<>> group_of_;
};

// The first few differences, for a failing test to print.
inline std::string Differences(const HistoryState& wanted, const Entries& found) {
  std::string text;
  int count = 0;
  const auto note = [&](const std::string& key, const char* what) {
    if (++count <= 8) text += "\n  " + key + ": " + what;
  };
  for (const auto& [key, stored] : wanted.entries) {
    const auto it = found.find(key);
    if (it == found.end()) note(key, "missing");
    if (it != found.end() && !(it->second == stored)) note(key, "another value");
  }
  for (const auto& [key, stored] : found) {
    if (!wanted.IsDead(key) && !wanted.entries.contains(key)) note(key, "too much");
  }
  return std::to_string(count) + " differences" + text;
}

}  // namespace varve
