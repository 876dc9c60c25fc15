// MULTI, EXEC, WATCH, each also with pending reads. See tests/scripts/transaction, too.
#include "tests/unit/commands/harness.h"

namespace varve {

TEST_CASE("transactions: all is queued, run at once, and an error stands for its command alone") {
  static constexpr Exchange kExchanges[] = {
      {"SET s abc", "OK"},
      {"MULTI", "OK"},
      {"INCR n", "QUEUED"},
      {"INCR s", "QUEUED"},
      {"GET n", "QUEUED"},
      {"c2: GET n", "(nil)"},
      {"SET s x GET", "QUEUED"},
      {"DEL n n", "QUEUED"},
      {"EXISTS n s", "QUEUED"},
      {"EXEC", "[1 -ERR value is not an integer or out of range \"1\" \"abc\" 1 1]"},
      {"EXEC", "-ERR EXEC without MULTI"},
      {"MULTI", "OK"},
      {"NOSUCH", "-ERR unknown command*"},
      {"SET s y", "QUEUED"},
      {"EXEC", "-EXECABORT*"},
      {"GET s", "\"x\""},
      {"MULTI", "OK"},
      {"DISCARD", "OK"},
      {"DISCARD", "-ERR DISCARD without MULTI"},
      {"MULTI", "OK"},
      {"EXEC", "[]"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("transactions: commands see what those before them wrote, databases and counts as well") {
  static constexpr Exchange kExchanges[] = {
      {"MSET a 1 b 2", "OK"},
      {"MULTI", "OK"},
      {"DBSIZE", "QUEUED"},
      {"FLUSHALL", "QUEUED"},
      {"DBSIZE", "QUEUED"},
      {"GET a", "QUEUED"},
      {"SET a 3", "QUEUED"},
      {"SWAPDB 0 5", "QUEUED"},
      {"GET a", "QUEUED"},
      {"SELECT 5", "QUEUED"},
      {"GET a", "QUEUED"},
      {"RANDOMKEY", "QUEUED"},
      {"MOVE a 0", "QUEUED"},
      {"DBSIZE", "QUEUED"},
      {"EXEC", "[2 OK 0 (nil) OK OK (nil) OK \"3\" \"a\" 1 0]"},
      {"GET a", "(nil)"},
      {"SELECT 0", "OK"},
      {"GET a", "\"3\""},
      {"DBSIZE", "1"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("transactions: a command that fails half-way has written nothing") {
  static constexpr Exchange kExchanges[] = {
      {"SET k v", "OK"},
      {"MULTI", "OK"},
      {"SET other 1", "QUEUED"},
      {"MSET a 1 b", "QUEUED"},
      {"GETEX k EX 0", "QUEUED"},
      {"SET k v EX 0", "QUEUED"},
      {"MGET a k other", "QUEUED"},
      {"EXEC",
       "[OK -ERR wrong number of arguments for 'mset' command -ERR invalid expire time in 'getex' "
       "command -ERR invalid expire time in 'set' command [(nil) \"v\" \"1\"]]"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("transactions: what a run that had to wait changed of the session is undone") {
  static constexpr Exchange kExchanges[] = {
      {"SET k zero", "OK"},
      {"CLIENT SETNAME old", "OK"},
      {"MULTI", "OK"},
      {"CLIENT GETNAME", "QUEUED"},
      {"GET k", "QUEUED"},
      {"CLIENT SETNAME new", "QUEUED"},
      {"SELECT 3", "QUEUED"},
      {"SET k three", "QUEUED"},
      {"GET k", "QUEUED"},
      {"HELLO 3", "QUEUED"},
      {"GET none", "QUEUED"},
      {"HELLO 2", "QUEUED"},
      {"EXISTS none2", "QUEUED"},
      {"EXEC", "[\"old\" \"zero\" OK OK OK \"three\" {\"server\"*"},
      {"CLIENT GETNAME", "\"new\""},
      {"GET k", "\"three\""},
      {"SELECT 0", "OK"},
      {"GET k", "\"zero\""},
  };
  CheckAll(kExchanges);
}

TEST_CASE("transactions: a watched key that changed makes EXEC do nothing") {
  static constexpr Exchange kExchanges[] = {
      {"SET k 1", "OK"},
      {"WATCH k none", "OK"},
      {"MULTI", "OK"},
      {"SET k 2", "QUEUED"},
      {"EXEC", "[OK]"},
      {"WATCH k", "OK"},
      {"c2: SET k 3", "OK"},
      {"MULTI", "OK"},
      {"SET k 4", "QUEUED"},
      {"EXEC", "(nil)"},
      {"GET k", "\"3\""},
      {"WATCH none", "OK"},
      {"c2: SET none 1", "OK"},
      {"MULTI", "OK"},
      {"EXEC", "(nil)"},
      {"WATCH k", "OK"},
      {"c2: FLUSHALL", "OK"},
      {"MULTI", "OK"},
      {"EXEC", "(nil)"},
      {"WATCH k", "OK"},
      {"c2: SET k 5", "OK"},
      {"UNWATCH", "OK"},
      {"MULTI", "OK"},
      {"EXEC", "[]"},
      {"WATCH k", "OK"},
      {"c2: SET k 5", "OK"},
      {"MULTI", "OK"},
      {"DISCARD", "OK"},
      {"MULTI", "OK"},
      {"EXEC", "[]"},
      {"WATCH k", "OK"},
      {"c2: SETNX k 6", "0"},
      {"c2: INCR none2", "1"},
      {"MULTI", "OK"},
      {"EXEC", "[]"},
      {"MULTI", "OK"},
      {"WATCH k", "-ERR WATCH inside MULTI is not allowed"},
      {"EXEC", "[]"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("transactions: a watched key that expired has changed, one that was not there has not") {
  static constexpr Exchange kExchanges[] = {
      {"SET k 1 PX 10", "OK"}, {"WATCH k", "OK"},     {nullptr, "10"},    {"MULTI", "OK"},
      {"SET k 2", "QUEUED"},   {"EXEC", "(nil)"},     {"GET k", "(nil)"}, {"WATCH k", "OK"},
      {"MULTI", "OK"},         {"SET k 3", "QUEUED"}, {"EXEC", "[OK]"},   {"SELECT 1", "OK"},
      {"SET k 1 PX 10", "OK"}, {"WATCH k", "OK"},     {"SELECT 0", "OK"}, {nullptr, "10"},
      {"MULTI", "OK"},         {"GET k", "QUEUED"},   {"EXEC", "(nil)"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("transactions: EXEC is one commit") {
  Harness harness;
  harness.Do("MULTI");
  for (int i = 0; i < 10; ++i) harness.Do("SET k" + std::to_string(i) + " v");
  const uint64_t commits = harness.engine.commits;
  harness.Do("EXEC");
  CHECK(harness.engine.commits == commits + 1);
}

}  // namespace varve
