// Replies of the string commands, each also with pending reads. What clients see in full is in
// tests/scripts/string.
#include "tests/unit/commands/harness.h"

namespace varve {

TEST_CASE("string commands: SET and its options") {
  static constexpr Exchange kExchanges[] = {
      {"SET k v", "OK"},
      {"GET k", "\"v\""},
      {"SET k w NX", "(nil)"},
      {"SET n w NX", "OK"},
      {"SET x v XX", "(nil)"},
      {"SET k w XX GET", "\"v\""},
      {"SET none v XX GET", "(nil)"},
      {"SET k v EX 100", "OK"},
      {"TTL k", "100"},
      {"SET k w KEEPTTL", "OK"},
      {"TTL k", "100"},
      {"GET k", "\"w\""},
      {"SET k w", "OK"},
      {"TTL k", "-1"},
      {"SET k v EX 10 PX 10", "-ERR syntax error"},
      {"SET k v EX 0", "-ERR invalid expire time in 'set' command"},
      {"SET k v NX GET", "\"w\""},
      {"SET k v PXAT 5", "OK"},
      {"GET k", "(nil)"},
      {"DBSIZE", "1"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("string commands: a plain write reads nothing") {
  Harness harness;
  harness.Do("SET k v");
  harness.engine.cold = true;
  for (const char* request :
       {"SET k w", "SET k w EX 10", "SET new w PXAT 99999999999999", "SETEX k 10 v",
        "PSETEX k 10 v", "MSET k 1 other 2", "SET k w EXAT 1"}) {
    CAPTURE(request);
    CHECK(harness.Do(request) == "OK");
  }
  CHECK(harness.engine.pendings == 0);
}

TEST_CASE("string commands: several keys are asked for before any is waited for") {
  Harness harness;
  harness.Do("MSET a 1 b 2 c 3 d 4");
  harness.engine.cold = true;
  struct Case {
    const char* request;
    const char* want;
  };
  static constexpr Case kCases[] = {
      {"MGET a b c d", "[\"1\" \"2\" \"3\" \"4\"]"},
      {"MSETNX e 1 f 2 g 3", "1"},
      {"EXISTS a b c d", "4"},
      {"LCS a b LEN", "0"},
      {"WATCH a b c", "OK"},
      {"DEL a b c d", "4"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.request);
    const int runs = harness.runs;
    CHECK(harness.Do(c.request) == c.want);
    CHECK(harness.runs - runs <= 2);
  }
}

TEST_CASE("string commands: GETEX, GETDEL, GETSET, SETNX, MSETNX") {
  static constexpr Exchange kExchanges[] = {
      {"GETEX none EX 0", "(nil)"},
      {"SET k v", "OK"},
      {"GETEX k EX 0", "-ERR invalid*"},
      {"GETEX k EX 50", "\"v\""},
      {"TTL k", "50"},
      {"GETEX k PERSIST", "\"v\""},
      {"TTL k", "-1"},
      {"GETEX k PXAT 1", "\"v\""},
      {"EXISTS k", "0"},
      {"GETDEL k", "(nil)"},
      {"SET k v", "OK"},
      {"GETDEL k", "\"v\""},
      {"GETSET k a", "(nil)"},
      {"GETSET k b", "\"a\""},
      {"SETNX k c", "0"},
      {"SETNX n c", "1"},
      {"MSETNX o 1 k 2", "0"},
      {"EXISTS o", "0"},
      {"MSETNX o 1 p 2", "1"},
      {"MGET k n o p q", "[\"b\" \"c\" \"1\" \"2\" (nil)]"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("string commands: changes in place") {
  static constexpr Exchange kExchanges[] = {
      {"INCR n", "1"},
      {"INCRBY n 41", "42"},
      {"DECR n", "41"},
      {"DECRBY n 1", "40"},
      {"INCRBYFLOAT n 0.5", "\"40.5\""},
      {"INCR n", "-ERR value is not an integer or out of range"},
      {"APPEND n !", "5"},
      {"INCRBYFLOAT n 1", "-ERR value is not a valid float"},
      {"SETRANGE n 1 xyz", "5"},
      {"GET n", "\"4xyz!\""},
      {"GETRANGE n 1 3", "\"xyz\""},
      {"SUBSTR n -1 -1", "\"!\""},
      {"STRLEN n", "5"},
      {"STRLEN none", "0"},
      {"SETRANGE pad 2 x", "3"},
      {"GET pad", "\"\\x00\\x00x\""},
      {"PEXPIREAT pad 1700000100000", "1"},
      {"APPEND pad y", "4"},
      {"PEXPIRETIME pad", "1700000100000"},
      {"DECRBY n -9223372036854775808", "-ERR decrement would overflow"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("string commands: LCS") {
  static constexpr Exchange kExchanges[] = {
      {"MSET a ohmytext b mynewtext", "OK"},
      {"LCS a b", "\"mytext\""},
      {"LCS a b LEN", "6"},
      {"LCS a b IDX", "[\"matches\" [[[4 7] [5 8]] [[2 3] [0 1]]] \"len\" 6]"},
      {"LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN", "[\"matches\" [[[4 7] [5 8] 4]] \"len\" 6]"},
      {"LCS a none", "\"\""},
      {"LCS a b LEN IDX", "-ERR If you want both*"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("string commands: LCS refuses what would take too long") {
  Harness harness;
  const std::string large(30'000, 'x');
  harness.Do("SET a " + large);
  CHECK(harness.Do("LCS a a").starts_with("-ERR Insufficient memory"));
}

TEST_CASE("string commands: a large value is shared with the reply and the record") {
  Harness harness;
  const std::string large(100'000, 'x');
  CHECK(harness.Do("SET k " + large) == "OK");
  CHECK(harness.Do("GET k") == "\"" + large + "\"");
  CHECK(harness.engine.records().rbegin()->second.shared);
  CHECK(harness.Do("COPY k l") == "1");
  CHECK(harness.Do("EXPIRE l 100") == "1");
  CHECK(harness.Do("RENAME l m") == "OK");
  const Slice first = harness.engine.records().begin()->second.shared.slice();
  CHECK(harness.engine.records().rbegin()->second.shared.slice().data() ==
        harness.engine.records().find(std::string("\x21\x01k"))->second.shared.slice().data());
  (void)first;
  CHECK(harness.Do("GETRANGE m 10 80000").size() == 79'993);
}

TEST_CASE("string commands: corruption is told, and changes nothing") {
  Harness harness;
  harness.Do("SET k v");
  const uint64_t commits = harness.engine.commits;
  harness.engine.read_error = Status::Corruption("000012.table: bad checksum at 4096");
  for (const char* request :
       {"GET k", "INCR k", "DEL k", "EXISTS k", "RENAME k l", "APPEND k x", "MGET k", "SET k v NX",
        "SETNX k v", "EXPIRE k 1", "TTL k", "SCAN 0", "KEYS *", "WATCH k", "COPY k l",
        "OBJECT ENCODING k", "MSETNX k v", "TYPE k"}) {
    CAPTURE(request);
    CHECK(harness.Do(request).starts_with("-CORRUPTION"));
  }
  CHECK(harness.engine.commits == commits);
  CHECK(harness.Do("SET k w") == "OK");
}

}  // namespace varve
