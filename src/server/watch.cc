// server/watch.cc: watched keys.
#include "server/watch.h"

#include <algorithm>

#include "base/planted_bug.h"
#include "data/key_format.h"

namespace varve {

namespace {

SpaceId SpaceOf(const Databases& databases, int database) {
  const size_t index = static_cast<size_t>(database);
  return index < databases.spaces.size() ? databases.spaces[index] : 0;
}

bool HasPrefix(const Databases& databases, int database, Slice prefix) {
  const SpaceId space = SpaceOf(databases, database);
  if (space == 0) return false;
  std::string bytes;
  AppendPrefix(&bytes, KeyKind::kKey, space);
  return bytes == prefix;
}

}  // namespace

void WatchRegistry::Watch(Session& session, int database, Slice key, bool exists_now) {
  std::vector<Watcher>& watchers = watchers_[std::string(key)];
  for (const Watcher& watcher : watchers) {
    if (watcher.session == &session && watcher.database == database) return;
  }
  watchers.push_back({&session, database, exists_now});
  sessions_[&session].emplace_back(key);
}

void WatchRegistry::Unwatch(Session& session) {
  const auto found = sessions_.find(&session);
  if (found == sessions_.end()) return;
  for (const std::string& key : found->second) {
    const auto watched = watchers_.find(key);
    if (watched == watchers_.end()) continue;  // The key was watched in two databases.
    std::erase_if(watched->second, [&](const Watcher& w) { return w.session == &session; });
    if (watched->second.empty()) watchers_.erase(watched);
  }
  sessions_.erase(found);
}

void WatchRegistry::ForEachWatched(
    const Session& session,
    const std::function<void(int database, Slice key, bool existed)>& visit) const {
  const auto found = sessions_.find(&session);
  if (found == sessions_.end()) return;
  for (const std::string& key : found->second) {
    const auto watched = watchers_.find(key);
    if (watched == watchers_.end()) continue;
    for (const Watcher& watcher : watched->second) {
      if (watcher.session == &session) visit(watcher.database, key, watcher.exists);
    }
  }
}

void WatchRegistry::Touch(const Batch& batch, const Databases& before, const Databases& after) {
  for (BatchReader reader(batch.bytes(), batch.splices()); reader.Next();) {
    const Slice key = reader.entry().key;
    if (reader.entry().kind == EntryKind::kPrefixTombstone) continue;  // See TouchDatabases.
    const size_t prefix_size = CountedPrefixSize(key);
    if (prefix_size == 0) continue;
    const bool deleted = reader.entry().kind == EntryKind::kTombstone;
    TouchKey(key.substr(prefix_size), key.substr(0, prefix_size), deleted, before, after);
  }
  if (before.spaces != after.spaces) TouchDatabases(before, after);
}

// To whom the key was absent, it is when it is deleted: it had expired, and was only cleared away now.
void WatchRegistry::TouchKey(Slice key, Slice prefix, bool deleted, const Databases& before,
                             const Databases& after) {
  const auto watched = watchers_.find(std::string(key));
  if (watched == watchers_.end() || Planted(PlantedBug::kWatchBlind)) return;
  for (Watcher& watcher : watched->second) {
    if (!HasPrefix(after, watcher.database, prefix) && !HasPrefix(before, watcher.database, prefix))
      continue;
    if (deleted && !watcher.exists) continue;
    watcher.session->watched_key_changed = true;
  }
}

// A database that moved to a new space is empty: what existed in it has changed. One that got
// the space of another may hold anything: all that is watched in it counts as changed.
void WatchRegistry::TouchDatabases(const Databases& before, const Databases& after) {
  for (auto& [key, watchers] : watchers_) {
    for (Watcher& watcher : watchers) {
      const SpaceId now = SpaceOf(after, watcher.database);
      if (now == SpaceOf(before, watcher.database)) continue;
      const bool is_new = now == 0 || std::find(before.spaces.begin(), before.spaces.end(), now) ==
                                          before.spaces.end();
      if (watcher.exists || !is_new) watcher.session->watched_key_changed = true;
    }
  }
}

}  // namespace varve
