// Replies of the commands about keys, each also with pending reads. See tests/scripts/keys, too.
#include <algorithm>
#include <set>

#include "tests/unit/commands/harness.h"

namespace varve {

namespace {

// The keys of a whole scan, and how many calls it took.
std::multiset<std::string> ScanAll(Harness& harness, const std::string& options,
                                   int* calls = nullptr) {
  std::multiset<std::string> keys;
  std::string cursor = "0";
  int count = 0;
  do {
    REQUIRE(++count < 100'000);
    const std::string reply = harness.Do("SCAN " + cursor + " " + options);
    REQUIRE(reply.starts_with("[\""));
    const size_t end = reply.find('"', 2);
    cursor = reply.substr(2, end - 2);
    for (const std::string& key : WordsOf(reply.substr(end + 3, reply.size() - end - 5)))
      keys.insert(key);
  } while (cursor != "0");
  if (calls) *calls = count;
  return keys;
}

void Fill(Harness& harness, const std::string& prefix, int count) {
  for (int i = 0; i < count; ++i) harness.Do("SET " + prefix + std::to_string(i) + " v");
}

}  // namespace

TEST_CASE("key commands: are they there?") {
  static constexpr Exchange kExchanges[] = {
      {"MSET a 1 b 2", "OK"},
      {"EXISTS a b c a", "3"},
      {"TOUCH a c", "1"},
      {"TYPE a", "string"},
      {"TYPE c", "none"},
      {"DEL a c a", "1"},
      {"UNLINK a b", "1"},
      {"DBSIZE", "0"},
      {"OBJECT ENCODING b", "(nil)"},
      {"SET b 12", "OK"},
      {"OBJECT ENCODING b", "\"int\""},
      {"OBJECT REFCOUNT b", "1"},
      {"OBJECT IDLETIME b", "0"},
      {"OBJECT FREQ b", "-ERR An LFU*"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("key commands: from one key to another, expiry and all") {
  static constexpr Exchange kExchanges[] = {
      {"SET a 1 PXAT 1700000100000", "OK"},
      {"RENAME a b", "OK"},
      {"PEXPIRETIME b", "1700000100000"},
      {"RENAMENX b b", "0"},
      {"RENAME none x", "-ERR no such key"},
      {"COPY b c", "1"},
      {"COPY b c", "0"},
      {"SET b 2", "OK"},
      {"COPY b c REPLACE", "1"},
      {"TTL c", "-1"},
      {"GET c", "\"2\""},
      {"COPY b b DB 3", "1"},
      {"MOVE b 3", "0"},
      {"MOVE c 3", "1"},
      {"SELECT 3", "OK"},
      {"MGET b c", "[\"2\" \"2\"]"},
      {"MOVE b 3", "-ERR source and destination objects are the same"},
      {"COPY b c DB 99", "-ERR DB index is out of range"},
      {"SELECT 0", "OK"},
      {"DBSIZE", "1"},
      {"RENAMENX b d", "1"},
      {"GET d", "\"2\""},
  };
  CheckAll(kExchanges);
}

TEST_CASE("key commands: expiry comes, with time") {
  static constexpr Exchange kExchanges[] = {
      {"SET k v", "OK"},
      {"EXPIRE k 10", "1"},
      {"EXPIRE k 5 GT", "0"},
      {"EXPIRE k 20 GT", "1"},
      {"TTL k", "20"},
      {nullptr, "15400"},
      {"TTL k", "5"},
      {"PTTL k", "4600"},
      {nullptr, "4599"},
      {"GET k", "\"v\""},
      {nullptr, "1"},
      {"GET k", "(nil)"},
      {"TTL k", "-2"},
      {"DBSIZE", "0"},
      {"SET k v PX 5", "OK"},
      {"PERSIST k", "1"},
      {nullptr, "5"},
      {"GET k", "\"v\""},
      {"PERSIST k", "0"},
      {"EXPIRE k -1", "1"},
      {"EXISTS k", "0"},
      {"SET k v PX 5", "OK"},
      {nullptr, "5"},
      {"INCR k", "1"},
      {"TTL k", "-1"},
      {"SET k v PX 5", "OK"},
      {nullptr, "5"},
      {"SETNX k w", "1"},
      {"SET k v PX 5", "OK"},
      {nullptr, "5"},
      {"SET k w KEEPTTL", "OK"},
      {"TTL k", "-1"},
      {"SET k v PX 5", "OK"},
      {nullptr, "5"},
      {"DEL k", "0"},
      {"SET k v PX 5", "OK"},
      {nullptr, "5"},
      {"KEYS *", "[]"},
      {"SCAN 0", "[\"0\" []]"},
      {"RANDOMKEY", "(nil)"},
      {"RENAME k l", "-ERR no such key"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("key commands: what reads meet expired counts as expired, once") {
  Harness harness;
  harness.Do("SET k v PX 5");
  harness.now_ms += 5;
  harness.Do("GET k");
  harness.Do("GET k");
  CHECK(harness.counters.expired_keys == 1);
  CHECK(harness.counters.keyspace_misses == 2);
}

TEST_CASE("key commands: a scan returns everything once, in calls of any size, cold or warm") {
  for (const bool cold : {false, true}) {
    CAPTURE(cold);
    Harness harness;
    Fill(harness, "k", 500);
    harness.engine.cold = cold;
    for (const char* options :
         {"", "COUNT 1", "COUNT 7", "COUNT 500", "COUNT 1000000000", "TYPE string"}) {
      CAPTURE(options);
      const auto keys = ScanAll(harness, options);
      CHECK(keys.size() == 500);
      CHECK(std::set<std::string>(keys.begin(), keys.end()).size() == 500);
    }
    CHECK(ScanAll(harness, "TYPE list").empty());
    int calls = 0;
    ScanAll(harness, "COUNT 100", &calls);
    CHECK(calls == 5);
    ScanAll(harness, "COUNT 500", &calls);
    CHECK(calls == 1);
  }
}

TEST_CASE("key commands: a scan goes straight to its literal prefix") {
  Harness harness;
  Fill(harness, "a", 2000);
  Fill(harness, "user:1:", 5);
  Fill(harness, "z", 2000);
  int calls = 0;
  CHECK(ScanAll(harness, "MATCH user:1:*", &calls).size() == 5);
  CHECK(calls == 1);
  CHECK(ScanAll(harness, "MATCH user:1:3", &calls).size() == 1);
  CHECK(calls == 1);
  CHECK(ScanAll(harness, "MATCH nobody*", &calls).empty());
  CHECK(calls == 1);
  // Without one it takes many calls, of bounded work, to find the same.
  CHECK(ScanAll(harness, "MATCH *er:1:*", &calls).size() == 5);
  CHECK(calls > 35);
}

TEST_CASE("key commands: a scan ends though most is dead, and finds the rest") {
  Harness harness;
  Fill(harness, "k", 3000);
  for (int i = 0; i < 3000; ++i) {
    if (i % 100 != 0) harness.Do("DEL k" + std::to_string(i));
  }
  CHECK(ScanAll(harness, "").size() == 30);
}

TEST_CASE("key commands: what is there throughout a scan is returned, whatever else changes") {
  Harness harness;
  Fill(harness, "stay", 100);
  Fill(harness, "go", 100);
  std::set<std::string> seen;
  std::string cursor = "0";
  int step = 0;
  do {
    const std::string reply = harness.Do("SCAN " + cursor + " COUNT 5");
    const size_t end = reply.find('"', 2);
    cursor = reply.substr(2, end - 2);
    for (const std::string& key : WordsOf(reply.substr(end + 3, reply.size() - end - 5)))
      seen.insert(key);
    harness.Do("DEL go" + std::to_string(step));
    harness.Do("SET new" + std::to_string(step) + " v");
    harness.Do("SET stay" + std::to_string(step % 100) + " changed");
    ++step;
  } while (cursor != "0");
  for (int i = 0; i < 100; ++i) CHECK(seen.contains("stay" + std::to_string(i)));
}

TEST_CASE("key commands: an unknown cursor starts over") {
  Harness harness;
  Fill(harness, "k", 3);
  CHECK(harness.Do("SCAN 12345") == "[\"0\" [\"k0\" \"k1\" \"k2\"]]");
  CHECK(harness.Do("SCAN -1") == "[\"0\" [\"k0\" \"k1\" \"k2\"]]");
  CHECK(harness.Do("SCAN 18446744073709551616") == "-ERR invalid cursor");
}

TEST_CASE("key commands: a scan copes with the empty key and with keys of any bytes") {
  Harness harness;
  harness.Do("MSET \"\" 1 \"\\xff\" 2 \"\\xff\\xff\" 3 a 4");
  for (const char* options : {"COUNT 1", "COUNT 2", "COUNT 10"}) {
    CAPTURE(options);
    CHECK(ScanAll(harness, options).size() == 4);
  }
}

TEST_CASE("key commands: KEYS in slices and in one go says the same") {
  for (const bool yields : {true, false}) {
    for (const bool cold : {false, true}) {
      CAPTURE(yields);
      CAPTURE(cold);
      Harness harness;
      harness.yields = yields;
      // Each cold key has the command run again.
      const int keys = cold ? 5000 : 10'000;
      for (int i = 0; i < keys; i += 10) {
        std::string request = "MSET";
        for (int j = i; j < i + 10; ++j) request += " k" + std::to_string(j) + " v";
        harness.Do(request);
      }
      harness.engine.cold = cold;
      const int runs = harness.runs;
      const std::string all = harness.Do("KEYS k*");
      CHECK(std::count(all.begin(), all.end(), '"') == 2 * keys);
      if (!cold) CHECK(harness.runs - runs == (yields ? 3 : 1));
      CHECK(harness.Do("KEYS k12[34]") == "[\"k123\" \"k124\"]");
      CHECK(harness.Do("KEYS *99999*") == "[]");
    }
  }
}

TEST_CASE("key commands: KEYS and SCAN match what they are asked for") {
  static constexpr Exchange kExchanges[] = {
      {"MSET hello 1 hallo 2 hxllo 3 heello 4 h*llo 5", "OK"},
      {"KEYS h?llo", "[\"h*llo\" \"hallo\" \"hello\" \"hxllo\"]"},
      {"KEYS h[ae]llo", "[\"hallo\" \"hello\"]"},
      {"KEYS h\\*llo", "[\"h*llo\"]"},
      {"KEYS HELLO", "[]"},
      {"KEYS *ee*", "[\"heello\"]"},
      {"SCAN 0 MATCH h[^ae]llo", "[\"0\" [\"h*llo\" \"hxllo\"]]"},
      {"MULTI", "OK"},
      {"SET hullo 6", "QUEUED"},
      {"DEL hello", "QUEUED"},
      {"KEYS h?llo", "QUEUED"},
      {"SCAN 0 MATCH h?llo", "QUEUED"},
      {"EXEC",
       "[OK 1 [\"h*llo\" \"hallo\" \"hullo\" \"hxllo\"] [\"0\" [\"h*llo\" \"hallo\" \"hullo\" "
       "\"hxllo\"]]]"},
  };
  CheckAll(kExchanges);
}

}  // namespace varve
