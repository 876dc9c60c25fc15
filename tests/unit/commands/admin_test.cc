// Commands about databases and the server. See tests/scripts/admin, too.
#include "tests/unit/commands/harness.h"

namespace varve {

TEST_CASE("admin commands: whole databases") {
  static constexpr Exchange kExchanges[] = {
      {"MSET a 1 b 2", "OK"},
      {"SELECT 1", "OK"},
      {"SET c 3", "OK"},
      {"DBSIZE", "1"},
      {"SWAPDB 0 1", "OK"},
      {"DBSIZE", "2"},
      {"GET a", "\"1\""},
      {"FLUSHDB", "OK"},
      {"DBSIZE", "0"},
      {"SELECT 0", "OK"},
      {"GET c", "\"3\""},
      {"SET d 4", "OK"},
      {"FLUSHALL SYNC", "OK"},
      {"DBSIZE", "0"},
      {"GET c", "(nil)"},
      {"SET c 5", "OK"},
      {"DBSIZE", "1"},
      {"SWAPDB 0 99", "-ERR DB index is out of range"},
      {"FLUSHDB x", "-ERR syntax error"},
  };
  CheckAll(kExchanges);
}

TEST_CASE("admin commands: a database that was flushed stays so, whatever is opened again") {
  Harness harness;
  static constexpr Exchange kExchanges[] = {
      {"SET a 1", "OK"},    {"SELECT 5", "OK"}, {"SET b 2", "OK"},
      {"SWAPDB 0 5", "OK"}, {"FLUSHDB", "OK"},  {"SET c 3", "OK"},
  };
  CheckOnce(harness, kExchanges);
  const Result<Databases> stored =
      Databases::Decode(harness.engine.records().find(Databases::RecordKey())->second.value);
  REQUIRE(stored.ok());
  CHECK(stored->spaces == harness.databases.spaces);
  CHECK(stored->spaces[0] == 2);
  CHECK(stored->spaces[5] == 3);
}

TEST_CASE("admin commands: CONFIG, TIME, INFO, DEBUG, SHUTDOWN") {
  Harness harness;
  static constexpr Exchange kExchanges[] = {
      {"CONFIG GET max* port", "[\"maxclients\" \"100\" \"port\" \"6379\"]"},
      {"CONFIG GET none", "[]"},
      {"CONFIG SET maxclients 5 none 1", "-ERR Unknown option*"},
      {"CONFIG GET maxclients", "[\"maxclients\" \"100\"]"},
      {"CONFIG SET maxclients 5", "OK"},
      {"CONFIG GET maxclients", "[\"maxclients\" \"5\"]"},
      {"CONFIG SET maxclients 5 port", "-ERR syntax error"},
      {"CONFIG REWRITE", "-ERR The server is running*"},
      {"CONFIG RESETSTAT", "OK"},
      {"TIME", "[\"1700000000\" \"42\"]"},
      {"LASTSAVE", "1700000000"},
      {"BGSAVE x", "-ERR syntax error"},
      {"BGSAVE", "Background saving started"},
      {"BGSAVE SCHEDULE", "-ERR Background save already in progress"},
      {"SAVE", "-ERR Saving failed: no room"},
      {"INFO a b", "\"# a\\n# b\\n\""},
      {"DEBUG SLEEP 0.25", "OK"},
      {"DEBUG SLEEP x", "OK"},
      {"DEBUG SLEEP -1", "OK"},
      {"DEBUG FOO", "-ERR unknown subcommand or wrong number*"},
      {"SHUTDOWN ABORT", "-ERR No shutdown in progress."},
      {"SHUTDOWN SAVE NOSAVE", "-ERR syntax error"},
      {"MULTI", "OK"},
      {"BGSAVE", "-ERR Command not allowed inside a transaction"},
      {"SHUTDOWN", "-ERR Command not allowed inside a transaction"},
      {"DISCARD", "OK"},
  };
  CheckOnce(harness, kExchanges);
  CHECK(harness.slept_us == 250'000);
  CHECK_FALSE(harness.was_shut_down);
  CHECK(harness.Do("SHUTDOWN NOSAVE NOW FORCE") == "");
  CHECK(harness.was_shut_down);
}

TEST_CASE("admin commands: COMMAND tells what the table says") {
  Harness harness;
  static constexpr Exchange kExchanges[] = {
      {"COMMAND INFO get",
       "[[\"get\" 2 [readonly fast] 1 1 1 [@read @string @fast] [] [[\"flags\" [RO access] "
       "\"begin_search\" "
       "[\"type\" \"index\" \"spec\" [\"index\" 1]] \"find_keys\" [\"type\" \"range\" \"spec\" "
       "[\"lastkey\" 0 \"keystep\" 1 \"limit\" 0]]]] []]]"},
      {"COMMAND INFO nosuch client|nosuch", "[(nil) (nil)]"},
      {"COMMAND GETKEYS mset a 1 b 2", "[\"a\" \"b\"]"},
      {"COMMAND GETKEYSANDFLAGS set a 1 get", "[[\"a\" [RW access update]]]"},
      {"COMMAND GETKEYSANDFLAGS set a 1", "[[\"a\" [OW update]]]"},
      {"COMMAND GETKEYS ping x", "-ERR The command has no key arguments"},
      {"COMMAND LIST FILTERBY PATTERN getr*", "[\"getrange\"]"},
      {"COMMAND DOCS nosuch", "[]"},
      {"COMMAND DOCS get",
       "[\"get\" [\"summary\" \"Reads a string.\" \"since\" \"1.0.0\" \"group\" \"string\" "
       "\"complexity\" "
       "\"O(1)\" \"arguments\" [[\"name\" \"key\" \"type\" \"key\" \"key_spec_index\" 0]]]]"},
  };
  CheckOnce(harness, kExchanges);
  for (const char* request :
       {"COMMAND", "COMMAND INFO", "COMMAND DOCS", "COMMAND LIST", "COMMAND HELP", "CLIENT HELP",
        "CONFIG HELP", "OBJECT HELP", "DEBUG HELP", "LATENCY HELP"}) {
    CAPTURE(request);
    CHECK(harness.Do(request).size() > 100);  // And it is one whole reply, which Do requires.
  }
}

}  // namespace varve
