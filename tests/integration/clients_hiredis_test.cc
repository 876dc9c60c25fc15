// tests/integration/clients_hiredis_test.cc: what a program in C does with hiredis.
//
// Connect by IPv4, IPv6 and unix socket; authenticate; pipeline; scan; WATCH, MULTI and EXEC; large
// values. One server for all cases, each of which begins with an empty database.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/support/live_server.h"
#include "tests/support/redis_client.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr size_t kMegabyte = 1 << 20;

struct ServerForAll {
  ServerForAll() {
    socket_path = server.directory() + "/socket";
    REQUIRE(server.Start({"--unixsocket", socket_path, "--bind", "127.0.0.1 -::1"}));
  }
  ~ServerForAll() {
    if (const int code = server.Stop(); code != 0) {
      std::fprintf(stderr, "the server ended with %d\n%s", code, server.LogTail().c_str());
      std::_Exit(1);
    }
  }
  LiveServer server;
  std::string socket_path;
};

ServerForAll& TheServer() {
  static ServerForAll server;
  return server;
}

RedisClient Connect() {
  RedisClient client("127.0.0.1", TheServer().server.port());
  REQUIRE(client.connected());
  return client;
}

RedisClient ConnectToEmpty() {
  RedisClient client = Connect();
  REQUIRE(IsStatus(client.Call({"FLUSHALL"}), "OK"));
  return client;
}

std::string RandomBytes(size_t size, uint64_t seed) {
  Random random(seed);
  std::string bytes(size, '\0');
  for (size_t at = 0; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
    const uint64_t word = random.Next();
    bytes.replace(at, sizeof(word), reinterpret_cast<const char*>(&word), sizeof(word));
  }
  return bytes;
}

TEST_CASE("hiredis: the types of replies") {
  RedisClient client = ConnectToEmpty();
  CHECK(IsStatus(client.Call({"PING"}), "PONG"));
  CHECK(IsStatus(client.Call({"SET", "text", std::string("a\0b\r\n", 5)}), "OK"));
  CHECK(IsBulk(client.Call({"GET", "text"}), Slice("a\0b\r\n", 5)));
  CHECK(IsNil(client.Call({"GET", "nobody"})));
  CHECK(IsInteger(client.Call({"INCRBY", "n", "9223372036854775807"}), INT64_MAX));
  CHECK(IsError(client.Call({"INCR", "n"}), "ERR increment or decrement would overflow"));
  CHECK(IsError(client.Call({"NOSUCH"}), "ERR unknown command 'NOSUCH'"));

  const Reply both = client.Call({"MGET", "text", "nobody"});
  REQUIRE(both->type == REDIS_REPLY_ARRAY);
  REQUIRE(both->elements == 2);
  CHECK(both->element[0]->type == REDIS_REPLY_STRING);
  CHECK(both->element[1]->type == REDIS_REPLY_NIL);
}

TEST_CASE("hiredis: formatted commands") {
  RedisClient client = ConnectToEmpty();
  const auto call = [&client](const char* format, auto... arguments) {
    return Reply(static_cast<redisReply*>(redisCommand(client.context(), format, arguments...)));
  };
  const std::string blob("\0\1\2", 3);
  CHECK(IsStatus(call("SET %s:%d %b", "key", 7, blob.data(), blob.size()), "OK"));
  CHECK(IsBulk(call("GET key:7"), blob));
}

TEST_CASE("hiredis: IPv6 loopback, where there is one") {
  RedisClient client("::1", TheServer().server.port());
  if (!client.connected()) {
    MESSAGE("no IPv6: ", client.error());
    return;
  }
  CHECK(IsStatus(client.Call({"PING"}), "PONG"));
}

TEST_CASE("hiredis: unix socket") {
  RedisClient client(TheServer().socket_path);
  REQUIRE(client.connected());
  CHECK(IsStatus(client.Call({"SET", "by", "unix socket"}), "OK"));
  CHECK(IsBulk(Connect().Call({"GET", "by"}), "unix socket"));
}

TEST_CASE("hiredis: a pipeline of a hundred thousand commands") {
  constexpr int kCommands = 50'000;
  RedisClient client = ConnectToEmpty();
  for (int i = 0; i < kCommands; ++i) {
    client.Append({"SET", "key:" + std::to_string(i), std::to_string(i)});
  }
  for (int i = 0; i < kCommands; ++i) client.Append({"GET", "key:" + std::to_string(i)});
  for (int i = 0; i < kCommands; ++i) REQUIRE(IsStatus(client.Read(), "OK"));
  for (int i = 0; i < kCommands; ++i) REQUIRE(IsBulk(client.Read(), std::to_string(i)));
}

TEST_CASE("hiredis: a scan finds every key once, while others come and go") {
  constexpr int kKeys = 5000;
  RedisClient client = ConnectToEmpty();
  RedisClient other = Connect();
  for (int i = 0; i < kKeys; ++i) client.Append({"SET", "stays:" + std::to_string(i), "x"});
  for (int i = 0; i < kKeys; ++i) REQUIRE(IsStatus(client.Read(), "OK"));

  std::multiset<std::string> found;
  std::string cursor = "0";
  int calls = 0;
  do {
    const Reply reply = client.Call({"SCAN", cursor, "MATCH", "stays:*", "COUNT", "100"});
    REQUIRE(reply->type == REDIS_REPLY_ARRAY);
    REQUIRE(reply->elements == 2);
    cursor = TextOf(*reply->element[0]);
    for (size_t i = 0; i < reply->element[1]->elements; ++i) {
      found.emplace(TextOf(*reply->element[1]->element[i]));
    }
    const std::string fleeting = "fleeting:" + std::to_string(++calls);
    REQUIRE(IsStatus(other.Call({"SET", fleeting, "x"}), "OK"));
    if (calls % 2 == 0) REQUIRE(IsInteger(other.Call({"DEL", fleeting}), 1));
  } while (cursor != "0");
  CHECK(found.size() == kKeys);
  for (int i = 0; i < kKeys; ++i) CHECK(found.count("stays:" + std::to_string(i)) == 1);
}

TEST_CASE("hiredis: WATCH and MULTI") {
  RedisClient client = ConnectToEmpty();
  RedisClient other = Connect();
  REQUIRE(IsStatus(client.Call({"SET", "watched", "1"}), "OK"));
  struct Case {
    const char* why;
    bool conflict;
  };
  for (const Case& c : {Case{"nobody interferes", false}, Case{"another client writes", true}}) {
    CAPTURE(c.why);
    CHECK(IsStatus(client.Call({"WATCH", "watched"}), "OK"));
    CHECK(IsStatus(client.Call({"MULTI"}), "OK"));
    if (c.conflict) CHECK(IsStatus(other.Call({"SET", "watched", "mine"}), "OK"));
    CHECK(IsStatus(client.Call({"INCR", "watched"}), "QUEUED"));
    CHECK(IsStatus(client.Call({"SET", "too", "x"}), "QUEUED"));
    const Reply exec = client.Call({"EXEC"});
    if (c.conflict) {
      CHECK(IsNil(exec));
      CHECK(IsBulk(client.Call({"GET", "watched"}), "mine"));
    } else {
      REQUIRE(exec->type == REDIS_REPLY_ARRAY);
      REQUIRE(exec->elements == 2);
      CHECK(exec->element[0]->integer == 2);
    }
  }
  CHECK(IsStatus(client.Call({"MULTI"}), "OK"));
  CHECK(IsError(client.Call({"GET"}), "ERR wrong number of arguments for 'get' command"));
  CHECK(IsError(client.Call({"EXEC"}), "EXECABORT "));
}

TEST_CASE("hiredis: 64 MB of random bytes, there and back") {
  RedisClient client = ConnectToEmpty();
  const std::string value = RandomBytes(64 * kMegabyte, 1);
  CHECK(IsStatus(client.Call({"SET", "large", value}), "OK"));
  CHECK(IsInteger(client.Call({"STRLEN", "large"}), static_cast<long long>(value.size())));
  const Reply reply = client.Call({"GET", "large"});
  REQUIRE(reply != nullptr);
  CHECK((TextOf(*reply) == value));  // Bracketed: nobody wants to see it.
  const Slice end = Slice(value).substr(value.size() - 8);
  CHECK(IsBulk(client.Call({"GETRANGE", "large", "-8", "-1"}), end));
}

TEST_CASE("hiredis: HELLO") {
  RedisClient client = Connect();
  const Reply hello = client.Call({"HELLO", "2", "SETNAME", "me"});
  REQUIRE(hello->type == REDIS_REPLY_ARRAY);
  CHECK(hello->elements % 2 == 0);
  CHECK(IsBulk(client.Call({"CLIENT", "GETNAME"}), "me"));
  CHECK(IsError(client.Call({"HELLO", "4"}), "NOPROTO "));
#ifdef REDIS_REPLY_MAP  // hiredis 1.0
  CHECK(client.Call({"HELLO", "3"})->type == REDIS_REPLY_MAP);
  CHECK(IsNil(client.Call({"GET", "nobody"})));
#endif
}

// hiredis is told to write by its user's loop, which may do so in the smallest pieces.
TEST_CASE("hiredis: a request in pieces of one byte") {
  RedisClient client = ConnectToEmpty();
  const Slice request = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\nbc\r\n";
  for (const char& byte : request) {
    REQUIRE(send(client.context()->fd, &byte, 1, MSG_NOSIGNAL) == 1);
  }
  CHECK(IsStatus(client.Read(), "OK"));
  CHECK(IsBulk(client.Call({"GET", "a"}), "bc"));
}

TEST_CASE("hiredis: a password") {
  LiveServer server;
  REQUIRE(server.Start({"--requirepass", "open sesame"}));
  RedisClient client("127.0.0.1", server.port());
  CHECK(IsError(client.Call({"GET", "a"}), "NOAUTH Authentication required."));
  CHECK(IsError(client.Call({"AUTH", "wrong"}), "WRONGPASS "));
  CHECK(IsStatus(client.Call({"AUTH", "open sesame"}), "OK"));
  CHECK(IsNil(client.Call({"GET", "a"})));
  RedisClient modern("127.0.0.1", server.port());
  CHECK(modern.Call({"HELLO", "2", "AUTH", "default", "open sesame"})->type == REDIS_REPLY_ARRAY);
  CHECK(server.Stop() == 0);
}

}  // namespace
}  // namespace varve
