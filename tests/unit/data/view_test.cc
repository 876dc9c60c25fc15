#include "data/view.h"

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/unit/commands/fake_engine.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

constexpr int64_t kNow = 1000;

struct Fixture {
  FakeEngine engine;
  Databases databases{.spaces = std::vector<SpaceId>(4)};
  View view{engine, databases};

  Fixture() { view.Begin(0, kNow); }

  void Put(Slice key, Slice value, int64_t expire_at_ms = 0) {
    view.Put(key, ValueType::kString, expire_at_ms, value);
  }
  void Commit() {
    if (!view.batch().empty()) engine.Commit(view.batch());
    view.Committed();
    Begin();
  }
  void Begin(int database = 0, int64_t now_ms = kNow) {
    engine.EndTurn();
    view.scope().Reset();
    view.Begin(database, now_ms);
  }
  // "(none)" or the value.
  std::string Get(Slice key) {
    KeyValue value;
    const Status s = view.Get(key, &value);
    return s.ok() ? std::string(value.bytes) : s.is_not_found() ? "(none)" : s.ToString();
  }
  // All keys with a prefix, by walks of so many steps.
  std::vector<std::string> Walk(Slice prefix, uint64_t steps) {
    std::vector<std::string> keys;
    std::string from;
    for (bool after = false;; after = true) {
      Result<View::Walk> walk =
          view.WalkKeys(prefix, from, after, steps, [&](Slice key, const KeyValue&) {
            keys.push_back(std::string(key));
            return true;
          });
      REQUIRE(walk.ok());
      if (walk->finished) return keys;
      from = walk->position;
    }
  }
};

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("view: a unit reads its own writes, others read them after the commit") {
  Fixture f;
  CHECK(f.Get("k") == "(none)");
  f.Put("k", "v");
  CHECK(f.Get("k") == "v");
  CHECK(f.engine.records().empty());
  f.Commit();
  CHECK(f.Get("k") == "v");
  f.Put("k", "w");
  f.view.Delete("k");
  CHECK(f.Get("k") == "(none)");
  f.Begin();  // dropped
  CHECK(f.Get("k") == "v");
}

TEST_CASE("view: values stay where they are until the unit ends") {
  Fixture f;
  f.Put("a", "first");
  KeyValue a;
  REQUIRE(f.view.Get("a", &a).ok());
  for (int i = 0; i < 1000; ++i) f.Put("k" + std::to_string(i), std::string(100, 'x'));
  f.Put("a", "second");
  CHECK(a.bytes == "first");
}

TEST_CASE("view: an expired key reads as absent, and reading it deletes it") {
  Fixture f;
  f.Put("k", "v", kNow + 10);
  f.Commit();
  f.Begin(0, kNow + 9);
  CHECK(f.Get("k") == "v");
  CHECK(f.view.batch().empty());
  f.Begin(0, kNow + 10);
  CHECK(f.Get("k") == "(none)");
  CHECK(f.view.counters().expired_keys == 1);
  CHECK(f.view.batch().entries() == 1);
  CHECK(f.Get("k") == "(none)");
  CHECK(f.view.batch().entries() == 1);
  f.Commit();
  CHECK(f.view.KeyCount(0) == 0);
}

TEST_CASE("view: a key put with a time that has passed is not there") {
  Fixture f;
  f.Put("k", "old");
  f.Commit();
  f.Put("k", "new", kNow);
  CHECK(f.Get("k") == "(none)");
  f.Begin();
  f.Put("k", "new", kNow - 5);
  f.Commit();
  CHECK(f.Get("k") == "(none)");
  f.Commit();
  CHECK(f.view.KeyCount(0) == 0);
}

TEST_CASE("view: hits and misses count what was read, not what was written or peeked at") {
  Fixture f;
  f.Put("k", "v");
  f.Commit();
  KeyValue value;
  f.Get("k");
  f.Get("none");
  REQUIRE(f.view.Peek("k", &value).ok());
  REQUIRE(f.view.Read("k", &value).ok());
  CHECK(f.view.counters().keyspace_hits == 1);
  CHECK(f.view.counters().keyspace_misses == 1);
  f.Begin();
  CHECK(f.view.counters().keyspace_hits == 0);
}

TEST_CASE("view: databases do not see each other, and an empty one costs no read") {
  Fixture f;
  f.Put("k", "zero");
  f.view.Select(1);
  f.Put("k", "one");
  f.view.Select(0);
  CHECK(f.Get("k") == "zero");
  f.Commit();
  CHECK(f.databases.spaces == std::vector<SpaceId>{1, 2, 0, 0});
  f.view.Select(1);
  CHECK(f.Get("k") == "one");
  f.engine.cold = true;
  f.view.Select(2);
  CHECK(f.Get("k") == "(none)");
  CHECK(f.engine.pendings == 0);
}

TEST_CASE("view: a flushed database is empty for the unit at once, for others after the commit") {
  Fixture f;
  f.Put("k", "v");
  f.Commit();
  f.view.Flush(0);
  CHECK(f.Get("k") == "(none)");
  f.Put("k", "new life");
  CHECK(f.Get("k") == "new life");
  View other(f.engine, f.databases);
  other.Begin(0, kNow);
  KeyValue value;
  CHECK(other.Get("k", &value).ok());
  CHECK(value.bytes == "v");
  f.Commit();
  CHECK(f.Get("k") == "new life");
  CHECK(f.databases.spaces[0] == 2);
  CHECK(f.view.KeyCount(0) == 1);

  // What is on disk says the same.
  const auto record = f.engine.records().find(Databases::RecordKey());
  REQUIRE(record != f.engine.records().end());
  const Result<Databases> decoded = Databases::Decode(record->second.value);
  REQUIRE(decoded.ok());
  CHECK(decoded->spaces == f.databases.spaces);
  CHECK(decoded->next_space == f.databases.next_space);
}

TEST_CASE("view: databases that are empty already need no write to be flushed") {
  Fixture f;
  f.view.FlushAll();
  f.view.Swap(1, 1);
  CHECK(f.view.batch().empty());
}

TEST_CASE("view: what a failed command wrote is taken back, a flush as well") {
  Fixture f;
  f.Put("k", "v");
  f.Commit();
  f.Put("a", "1");
  const View::Mark mark = f.view.mark();
  f.view.Swap(0, 1);
  f.view.Flush(1);
  f.Put("b", "2");
  f.view.TruncateTo(mark);
  CHECK(f.Get("k") == "v");
  CHECK(f.Get("a") == "1");
  CHECK(f.Get("b") == "(none)");
  f.Commit();
  CHECK(f.Get("k") == "v");
  CHECK(f.view.KeyCount(0) == 2);
}

TEST_CASE("view: a reply depends on the group that flushed what it does not show") {
  Fixture f;
  f.Put("k", "v");
  f.Commit();
  f.view.Flush(0);
  f.engine.Commit(f.view.batch());
  const uint64_t group = f.engine.current_group();
  f.view.Committed();
  f.Begin();
  CHECK(f.Get("k") == "(none)");
  CHECK(f.view.scope().depends_on_group() == group);
  // So does a second flush, which finds nothing to do.
  f.view.scope().Reset();
  f.Begin();
  f.view.Flush(0);
  CHECK(f.view.batch().empty());
  CHECK(f.view.scope().depends_on_group() == group);
}

TEST_CASE("view: counting sees the unit's own writes") {
  Fixture f;
  f.Put("a", "1");
  f.Put("b", "1");
  f.Commit();
  CHECK(*f.view.CountKeys(0) == 2);
  f.Put("a", "2");
  f.Put("c", "1");
  f.Put("c", "2");
  f.Put("d", "1");
  f.view.Delete("d");
  f.view.Delete("b");
  CHECK(*f.view.CountKeys(0) == 2);
  CHECK(f.view.KeyCount(0) == 2);
  f.view.Select(1);
  f.Put("a", "1");
  CHECK(*f.view.CountKeys(1) == 1);
  f.view.Flush(1);
  CHECK(*f.view.CountKeys(1) == 0);
  f.view.Flush(0);
  CHECK(*f.view.CountKeys(0) == 0);
}

TEST_CASE("view: a walk meets live keys with the prefix, in order, in steps of any size") {
  Fixture f;
  for (const char* key : {"", "a", "b:1", "b:2", "b:3", "b;", "c", "\xff", "\xff\xff"})
    f.Put(key, "v");
  f.Put("b:expired", "v", kNow + 1);
  f.Put("b:dead", "v");
  f.Commit();
  f.view.Delete("b:dead");
  f.Commit();
  f.Begin(0, kNow + 1);
  for (const uint64_t steps : {1, 2, 3, 5, 100}) {
    CAPTURE(steps);
    CHECK(f.Walk("b:", steps) == Strings{"b:1", "b:2", "b:3"});
    CHECK(f.Walk("b:2", steps) == Strings{"b:2"});
    CHECK(f.Walk("x", steps) == Strings{});
    CHECK(f.Walk("\xff", steps) == Strings{"\xff", "\xff\xff"});
    CHECK(f.Walk("", steps).size() == 9);
  }
}

TEST_CASE("view: a walk of exactly as many steps as there are keys is finished") {
  Fixture f;
  for (const char* key : {"a", "b", "c"}) f.Put(key, "v");
  f.Commit();
  const auto all = [](Slice, const KeyValue&) { return true; };
  CHECK(f.view.WalkKeys("", "", false, 3, all)->finished);
  CHECK_FALSE(f.view.WalkKeys("", "", false, 2, all)->finished);
  CHECK(f.view.WalkKeys("", "", false, 2, all)->position == "b");
  CHECK(f.view.WalkKeys("", "c", false, 1, all)->finished);
  CHECK(f.view.WalkKeys("", "c", true, 1, all)->finished);
  const auto none = [](Slice key, const KeyValue&) { return key != "c"; };
  CHECK(f.view.WalkKeys("", "", false, 100, none)->finished);
}

TEST_CASE("view: a walk sees what the unit has written itself, as a model does") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Fixture f;
    std::map<std::string, std::string> model;
    const auto change = [&](int count) {
      for (int i = 0; i < count; ++i) {
        const std::string key = "k" + std::to_string(random.Uniform(40));
        if (random.OneIn(3)) {
          if (model.erase(key) != 0) f.view.Delete(key);
        } else {
          const std::string value = std::to_string(random.Uniform(1000));
          f.Put(key, value);
          model[key] = value;
        }
      }
    };
    change(60);
    f.Commit();
    change(20);
    Strings want;
    for (const auto& [key, value] : model) want.push_back(key);
    for (const uint64_t steps : {1, 7, 1000}) CHECK(f.Walk("", steps) == want);
    CHECK(*f.view.CountKeys(0) == static_cast<int64_t>(model.size()));
    f.Commit();
    CHECK(f.Walk("", 13) == want);
    CHECK(f.view.KeyCount(0) == static_cast<int64_t>(model.size()));
  }
}

TEST_CASE("view: a read error is told as it is, and a pending one is not taken for absence") {
  Fixture f;
  f.Put("k", "v");
  f.Commit();
  KeyValue value;
  f.engine.read_error = Status::Corruption("000012.table: bad checksum at 4096");
  CHECK(f.view.Get("k", &value).code() == StatusCode::kCorruption);
  const auto all = [](Slice, const KeyValue&) { return true; };
  CHECK(f.view.WalkKeys("", "", false, 10, all).status().code() == StatusCode::kCorruption);
  f.engine.read_error = Status::Ok();
  f.engine.cold = true;
  CHECK(f.view.Get("k", &value).is_pending());
  CHECK(f.view.counters().keyspace_misses == 0);
  f.engine.Cool();
  CHECK(f.view.WalkKeys("", "", false, 10, all).status().is_pending());
  CHECK(f.view.scope().waiting());
}

TEST_CASE("view: a random key is a live one, and in the end any of them") {
  Fixture f;
  std::string key;
  CHECK(f.view.RandomKey(&key).is_not_found());
  for (int i = 0; i < 5; ++i) f.Put("live" + std::to_string(i), "v");
  for (int i = 0; i < 50; ++i) f.Put("dead" + std::to_string(i), "v", kNow + 1);
  f.Commit();
  f.Begin(0, kNow + 1);
  std::map<std::string, int> drawn;
  for (int i = 0; i < 500; ++i) {
    REQUIRE(f.view.RandomKey(&key).ok());
    CHECK(key.starts_with("live"));
    ++drawn[key];
  }
  CHECK(drawn.size() == 5);
  for (int i = 0; i < 5; ++i) f.view.Delete("live" + std::to_string(i));
  CHECK(f.view.RandomKey(&key).is_not_found());
  f.Put("own", "v");
  REQUIRE(f.view.RandomKey(&key).ok());
  CHECK(key == "own");
}

TEST_CASE("view: who yields runs again in the next turn, and keeps what its replies depend on") {
  Fixture f;
  CHECK_FALSE(f.view.may_yield());
  std::vector<std::function<void()>> posted;
  f.view.set_post([&](std::function<void()> job) { posted.push_back(std::move(job)); });
  REQUIRE(f.view.may_yield());
  f.view.scope().DependsOn(7);
  f.view.YieldToLoop();
  bool ran = false;
  f.view.scope().WhenReady([&] { ran = true; });
  CHECK_FALSE(ran);
  REQUIRE(posted.size() == 1);
  posted[0]();
  CHECK(ran);
  CHECK(f.view.scope().depends_on_group() == 7);
}

}  // namespace varve
