// tests/sim/world/model.h: what a server should answer, and what it should hold: plain maps.
//
// The model is told of every command in the order in which the server ran them, and answers the same question: what is
// the reply? It keeps the history of what was written, by group, so that after a crash it can tell what the server held
// at any group.
//
// A key that expires is there until its time and gone from then on, whatever the server has done about it: only when
// the wall clock is set back does it show, and then the server is asked (see Forget).
//
// Commands are given well-formed, as plan.h makes them; errors are those that depend on data.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/slice.h"

namespace varve::sim {

using Argv = std::vector<std::string>;

inline constexpr int kDatabases = 4;

struct ModelValue {
  std::string bytes;
  int64_t expire_at_ms = 0;  // 0: never

  bool operator==(const ModelValue&) const = default;
};

using ModelDatabase = std::map<std::string, ModelValue>;
using ModelState = std::array<ModelDatabase, kDatabases>;

class Model {
 public:
  // What the model has to know of a connection.
  struct Session {
    struct Watched {
      int database;
      std::string key;
      bool existed;
      bool touched = false;
    };
    int database = 0;
    bool in_multi = false;
    bool multi_failed = false;  // a command was refused: EXEC will do nothing
    std::vector<Argv> queued;
    std::vector<Watched> watched;
    bool watched_key_changed = false;
    // EXEC may abort, or not. SWAPDB changed what a watched key might have been: Redis looks whether it is there, Varve
    // aborts in any case. Or another's transaction touched it and left it as it was: it was there neither before nor
    // behind it, or databases were exchanged and exchanged back; Redis aborts, Varve does not.
    bool may_have_changed = false;

    // EXEC or DISCARD.
    void EndTransaction() {
      const int same = database;
      *this = Session();
      database = same;
    }
  };

  struct Answer {
    std::string complaint;  // what is wrong with the reply; empty: nothing
    uint64_t shows = 0;     // the newest group that it tells something of, as far as is known
  };

  // The server ran `argv` for `session` at `now_ms` and answered `reply`, whole; if it wrote, then in `group`. With
  // `may_fail`, an error of the disk is an answer as well, and nothing has happened.
  Answer Run(Session& session, const Argv& argv, int64_t now_ms, uint64_t group, Slice reply,
             bool may_fail);

  // A connection is gone.
  void Forget(const Session& session) { std::erase(sessions_, &session); }

  // What the server held when it had written `group`. REQUIRES: not older than the last Rebase.
  ModelState StateAt(uint64_t group) const;
  // `state` is what there is from now on; what came before is forgotten.
  void Rebase(ModelState state);
  const ModelState& now() const { return now_; }
  // For a key of which only the server can know whether it is still there.
  void Drop(int database, const std::string& key);

 private:
  struct Change {
    enum class Kind : uint8_t { kPut, kErase, kClear, kSwap };
    Kind kind;
    int database = 0;
    int other = 0;  // of kSwap
    std::string key;
    ModelValue value;
  };
  // A reply that is not known in full: what is wrong with it, or "".
  using Check = std::function<std::string(Slice reply)>;
  struct Expected {
    std::string text;
    Check check;  // instead of `text`
  };

  Expected Perform(Session& session, const Argv& argv);
  Expected PerformSet(const Argv& argv);
  Expected PerformExec(Session& session);
  Expected PerformExpire(const Argv& argv);
  Expected PerformTtl(const Argv& argv);
  Expected PerformCopy(const Argv& argv);
  Expected PerformRename(const Argv& argv);
  Expected Increment(const std::string& key, int64_t by);

  // Null if it is not there, or has expired.
  const ModelValue* Find(int database, const std::string& key);
  const ModelValue* Find(const std::string& key) { return Find(database_, key); }
  bool Alive(const ModelValue& value) const;
  void Put(int database, const std::string& key, ModelValue value);
  void Put(const std::string& key, std::string bytes, int64_t expire_at_ms = 0) {
    Put(database_, key, {std::move(bytes), expire_at_ms});
  }
  void Erase(int database, const std::string& key);
  void Clear(int database);
  void Swap(int a, int b);
  void Record(Change change);
  void Touch(int database, const std::string& key);
  void TouchDatabase(int database, const ModelDatabase* swapped);
  void Shows(int database, const std::string& key);
  static void Apply(const Change& change, ModelState* state);

  ModelState base_, now_;
  std::vector<std::pair<uint64_t, Change>> changes_;                // since base_, by group
  std::array<std::map<std::string, uint64_t>, kDatabases> groups_;  // of a key's last change
  std::array<uint64_t, kDatabases> cleared_{};  // of a database's last one as a whole
  std::vector<Session*> sessions_;              // that watch something

  // Of the command under way.
  int database_ = 0;
  int64_t now_ms_ = 0;
  uint64_t group_ = 0;
  uint64_t shows_ = 0;
  Slice reply_;  // of EXEC: what is left of it
  bool may_fail_ = false;
};

// An error that only a disk can be the reason for.
bool IsDiskError(Slice reply);

// For messages: the beginning, on one line.
std::string Shortened(Slice text);

// The size of the first reply in `text`; 0 if it is not whole. RESP2.
size_t ReplySize(Slice text);

}  // namespace varve::sim
