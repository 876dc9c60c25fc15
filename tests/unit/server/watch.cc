// tests/unit/server/watch.cc: which commits break a WATCH.
#include "server/watch.h"

#include "data/key_format.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

std::string EngineKey(SpaceId space, Slice key) {
  std::string engine_key;
  AppendPrefix(&engine_key, KeyKind::kKey, space);
  return engine_key.append(key);
}

// Two databases, in spaces 1 and 2; a session that watches key "k", which is there, in database 0.
struct Fixture {
  Databases databases;
  WatchRegistry watches;
  Session session;

  Fixture() {
    databases.spaces = {1, 2, 0};
    databases.next_space = 3;
    watches.Watch(session, 0, "k", true);
  }
  void Commit(const Batch& batch, const Databases& after) {
    watches.Touch(batch, databases, after);
    databases = after;
  }
};

}  // namespace

TEST_CASE("watch: a key that had expired when it was watched may be cleared away") {
  Fixture f;
  Session late;
  f.watches.Watch(late, 0, "k", false);
  Batch batch;
  batch.Delete(EngineKey(1, "k"));
  f.Commit(batch, f.databases);
  CHECK(!late.watched_key_changed);
  CHECK(f.session.watched_key_changed);  // To whom it was there.
  batch.Clear();
  batch.Put(EngineKey(1, "k"), 0, 0, "v");
  f.Commit(batch, f.databases);
  CHECK(late.watched_key_changed);
}

TEST_CASE("watch: a put or a delete of the key in its database breaks it, others do not") {
  struct Case {
    const char* why;
    SpaceId space;
    Slice key;
    bool deletes;
    bool want;
  };
  static constexpr Case kCases[] = {
      {"a put", 1, "k", false, true},
      {"a delete", 1, "k", true, true},
      {"another key", 1, "kk", false, false},
      {"another database", 2, "k", false, false},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    Fixture f;
    Batch batch;
    if (c.deletes) {
      batch.Delete(EngineKey(c.space, c.key));
    } else {
      batch.Put(EngineKey(c.space, c.key), 0, 0, "v");
    }
    f.Commit(batch, f.databases);
    CHECK(f.session.watched_key_changed == c.want);
  }
}

TEST_CASE("watch: the first write into a database that had no space yet counts") {
  Fixture f;
  Session other;
  f.watches.Watch(other, 2, "new", false);
  Batch batch;
  batch.Put(EngineKey(3, "new"), 0, 0, "v");
  Databases after = f.databases;
  after.spaces[2] = after.next_space++;
  f.Commit(batch, after);
  CHECK(other.watched_key_changed);
  CHECK(!f.session.watched_key_changed);
}

TEST_CASE("watch: FLUSHDB touches what was there") {
  Fixture f;
  Session absent, elsewhere;
  f.watches.Watch(absent, 0, "missing", false);
  f.watches.Watch(elsewhere, 1, "k", true);
  Databases after = f.databases;
  after.spaces[0] = 0;
  f.Commit(Batch(), after);
  CHECK(f.session.watched_key_changed);
  CHECK(!absent.watched_key_changed);
  CHECK(!elsewhere.watched_key_changed);
}

TEST_CASE("watch: SWAPDB touches everything watched in both databases") {
  Fixture f;
  Session absent;
  f.watches.Watch(absent, 1, "missing", false);
  Databases after = f.databases;
  std::swap(after.spaces[0], after.spaces[1]);
  f.Commit(Batch(), after);
  CHECK(f.session.watched_key_changed);
  CHECK(absent.watched_key_changed);
}

TEST_CASE("watch: after UNWATCH nothing is told, and nothing is left") {
  Fixture f;
  f.watches.Watch(f.session, 1, "k", true);
  int watched = 0;
  f.watches.ForEachWatched(f.session, [&watched](int, Slice, bool) { ++watched; });
  CHECK(watched >= 2);
  f.watches.Unwatch(f.session);
  CHECK(f.watches.empty());
  Batch batch;
  batch.Put(EngineKey(1, "k"), 0, 0, "v");
  f.Commit(batch, f.databases);
  CHECK(!f.session.watched_key_changed);
}

}  // namespace varve
