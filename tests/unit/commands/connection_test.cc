// Commands about the connection. See tests/scripts/connection, too.
#include "tests/unit/commands/harness.h"

namespace varve {

TEST_CASE("connection commands: greetings") {
  static constexpr Exchange kExchanges[] = {
      {"PING", "PONG"},
      {"PING hi", "\"hi\""},
      {"PING a b", "-ERR wrong number*"},
      {"ECHO x", "\"x\""},
      {"SELECT 15", "OK"},
      {"SELECT 16", "-ERR DB index is out of range"},
      {"SELECT x", "-ERR value is not*"},
      {"HELLO 3", "{\"server\" \"redis\" \"version\" \"7*"},
      {"GET none", "(nil)"},
      {"HELLO 4", "-NOPROTO*"},
      {"RESET", "RESET"},
      {"CLIENT ID", "1"},
      {"QUIT", "OK"},
      {"PING", "(closed)"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("connection commands: before AUTH only few are served") {
  Harness harness;
  harness.password = "secret";
  static constexpr Exchange kExchanges[] = {
      {"GET k", "-NOAUTH*"},
      {"PING", "-NOAUTH*"},
      {"HELLO 3", "-NOAUTH HELLO must be called*"},
      {"AUTH wrong", "-WRONGPASS*"},
      {"AUTH nobody secret", "-WRONGPASS*"},
      {"GET k", "-NOAUTH*"},
      {"AUTH secret", "OK"},
      {"GET k", "(nil)"},
      {"RESET", "RESET"},
      {"GET k", "-NOAUTH*"},
      {"HELLO 3 AUTH default secret SETNAME me", "{\"server\"*"},
      {"CLIENT GETNAME", "\"me\""},
  };
  CheckOnce(harness, kExchanges);
}

TEST_CASE("connection commands: names and library") {
  Harness harness;
  static constexpr Exchange kExchanges[] = {
      {"CLIENT SETNAME me", "OK"},
      {"CLIENT GETNAME", "\"me\""},
      {"CLIENT SETNAME \"a b\"", "-ERR Client names*"},
      {"CLIENT SETINFO LIB-NAME redis-py", "OK"},
      {"CLIENT SETINFO lib-ver 5.0", "OK"},
      {"CLIENT SETINFO lib-ver \"a b\"", "-ERR lib-ver cannot contain*"},
      {"CLIENT SETINFO foo bar", "-ERR Unrecognized option 'foo'"},
      {"CLIENT NO-EVICT on", "OK"},
      {"CLIENT NO-TOUCH on", "OK"},
      {"CLIENT NO-TOUCH foo", "-ERR syntax error"},
      {"CLIENT INFO", "\"id=1 name=me\\n\""},
      {"CLIENT LIST ID 1", "\"id=1 name=me\\n\""},
      {"CLIENT LIST TYPE pubsub", "\"\""},
  };
  CheckOnce(harness, kExchanges);
  CHECK(harness.peer().session.library_name == "redis-py");
  CHECK(harness.peer().session.library_version == "5.0");
  CHECK(harness.peer().session.no_evict);
}

TEST_CASE("connection commands: CLIENT KILL closes whom the filter means") {
  Harness harness;
  static constexpr Exchange kExchanges[] = {
      {"PING", "PONG"},
      {"c2: PING", "PONG"},
      {"c3: PING", "PONG"},
      {"CLIENT KILL ID 2", "1"},
      {"c2: PING", "(closed)"},
      {"CLIENT KILL peer:c3", "OK"},
      {"c3: PING", "(closed)"},
      {"CLIENT KILL ID 77", "0"},
      {"CLIENT KILL TYPE pubsub", "0"},
      {"CLIENT KILL USER x", "-ERR No such user*"},
      {"CLIENT KILL ID 1", "0"},
      {"CLIENT KILL ID 1 SKIPME no", "1"},
      {"PING", "(closed)"},
  };
  CheckOnce(harness, kExchanges);
}

TEST_CASE("connection commands: CLIENT REPLY turns answers off, and skips one") {
  Harness harness;
  static constexpr Exchange kExchanges[] = {
      {"CLIENT REPLY ON", "OK"}, {"CLIENT REPLY SKIP", ""},
      {"SET k 1", ""},           {"GET k", "\"1\""},
      {"CLIENT REPLY OFF", ""},  {"SET k 2", ""},
      {"CLIENT REPLY SKIP", ""}, {"GET k", ""},
      {"CLIENT REPLY ON", "OK"}, {"GET k", "\"2\""},
  };
  CheckOnce(harness, kExchanges);
}

}  // namespace varve
