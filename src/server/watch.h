// server/watch.h: who watches which keys, and who is to be told that one has changed.
//
// WATCH enters a session here; any commit that touches a watched key marks the session, and EXEC
// then refuses. While nobody watches, a commit costs one test.
//
// Commits are in engine keys: a space's prefix and the user's key. Watches are by database, and
// FLUSHDB and SWAPDB change which space a database lives in; so a key counts as changed if its
// prefix is the one its database had before or has after the commit.
//
// Threads: loop.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/slice.h"
#include "commands/session.h"
#include "data/databases.h"
#include "engine/batch.h"

namespace varve {

class WatchRegistry {
 public:
  bool empty() const { return sessions_.empty(); }

  void Watch(Session& session, int database, Slice key, bool exists_now);
  // Also to be called before a session is destroyed.
  void Unwatch(Session& session);

  void ForEachWatched(
      const Session& session,
      const std::function<void(int database, Slice key, bool existed)>& visit) const;

  // A batch was committed; `before` and `after` are the databases on either side of it.
  void Touch(const Batch& batch, const Databases& before, const Databases& after);

 private:
  struct Watcher {
    Session* session;
    int database;
    bool exists;  // when it was watched, and so until it is touched
  };
  void TouchKey(Slice key, Slice prefix, bool deleted, const Databases& before,
                const Databases& after);
  void TouchDatabases(const Databases& before, const Databases& after);

  std::unordered_map<std::string, std::vector<Watcher>> watchers_;         // by user key
  std::unordered_map<const Session*, std::vector<std::string>> sessions_;  // what each one watches
};

}  // namespace varve
