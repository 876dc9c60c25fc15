// tests/sim/engine_history.h: what was committed, and so what may be found again.
//
// A history begins with a state that is durable, and goes on commit by commit. After a crash some first part of
// it must be there, whole commits and whole groups of them: Match() finds out which one, or that none is.
//
// Comparing whole states for every commit would be slow, so each commit keeps a digest of the state behind
// it: a sum over its entries, quick to update. Entries that expire are left out of it, as a compaction may drop them.
//
// Keys begin with kPrefixBytes that may die as a whole; a dead prefix may leave its keys lying about.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
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
  return {EntryKind::kPut, std::move(key),
          {tag, expire_at_ms, std::make_shared<const std::string>(std::move(value))}};
}
inline Change DeleteOf(std::string key) { return {EntryKind::kTombstone, std::move(key), {}}; }
inline Change KillOf(std::string prefix) {
  return {EntryKind::kPrefixTombstone, std::move(prefix), {}};
}

inline uint64_t DigestOf(Slice key, const Stored& stored) {
  if (stored.expire_at_ms != 0) return 0;
  return Hash(key, Hash(*stored.value, stored.tag + 1u));
}

inline bool MayBeGone(const Stored& stored, int64_t now_ms) {
  return stored.expire_at_ms != 0 && stored.expire_at_ms <= now_ms;
}

struct HistoryState {
  Entries entries;
  std::set<std::string, std::less<>> dead;  // prefixes
  uint64_t digest = 0;

  void Apply(const Change& change) {
    switch (change.kind) {
      case EntryKind::kPut: {
        Stored& stored = entries[change.key];
        if (stored.value) digest -= DigestOf(change.key, stored);
        stored = change.stored;
        digest += DigestOf(change.key, stored);
        break;
      }
      case EntryKind::kTombstone: Erase(entries.find(change.key)); break;
      case EntryKind::kPrefixTombstone:
        dead.insert(change.key);
        for (auto it = entries.lower_bound(change.key);
             it != entries.end() && it->first.starts_with(change.key);) {
          Erase(it++);
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

 private:
  void Erase(Entries::iterator it) {
    if (it == entries.end()) return;
    digest -= DigestOf(it->first, it->second);
    entries.erase(it);
  }
};

class History {
 public:
  struct Commit {
    uint64_t group;
    std::vector<Change> changes;
    uint64_t digest;  // of the state behind it
  };

  const HistoryState& now() const { return now_; }
  const std::vector<Commit>& commits() const { return commits_; }  // since the base
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
    commits_.push_back({group, std::move(changes), now_.digest});
  }

  // How many commits since the base make the state in which `found` was read, at least those up to
  // group `required`; nothing if no number does. What had expired at `now_ms` may be missing.
  std::optional<size_t> Match(const Entries& found, uint64_t required, int64_t now_ms) const {
    std::map<std::string, uint64_t, std::less<>> digests;  // by prefix
    for (const auto& [key, stored] : found) {
      digests[key.substr(0, kPrefixBytes)] += DigestOf(key, stored);
    }
    std::set<std::string, std::less<>> dead = now_.dead;
    for (size_t kept = commits_.size();; --kept) {
      uint64_t digest = 0;
      for (const auto& [prefix, part] : digests) digest += dead.contains(prefix) ? 0 : part;
      const bool whole_group =
          kept == commits_.size() || kept == 0 || commits_[kept].group != commits_[kept - 1].group;
      const uint64_t wanted = kept == 0 ? base_.digest : commits_[kept - 1].digest;
      if (whole_group && digest == wanted && After(kept).Agrees(found, now_ms)) return kept;
      if (kept == 0 || commits_[kept - 1].group <= required) return std::nullopt;
      for (const Change& change : commits_[kept - 1].changes) {
        if (change.kind == EntryKind::kPrefixTombstone) dead.erase(change.key);
      }
    }
  }

  // Forgets all but the first `kept` commits and begins anew behind them.
  void Rebase(size_t kept) {
    now_ = base_ = After(kept);
    commits_.clear();
    group_of_.clear();
  }

  // The state behind the first `kept` commits since the base.
  HistoryState After(size_t kept) const {
    HistoryState state = base_;
    for (size_t i = 0; i < kept; ++i) {
      for (const Change& change : commits_[i].changes) state.Apply(change);
    }
    return state;
  }
  // The state behind the last commit of group `group` or before.
  HistoryState StateAt(uint64_t group) const {
    size_t kept = 0;
    while (kept < commits_.size() && commits_[kept].group <= group) ++kept;
    return After(kept);
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
