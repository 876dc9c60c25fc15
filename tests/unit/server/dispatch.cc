// tests/unit/server/dispatch.cc: clients served, held, paused and dropped, over a scripted engine.
#include "server/dispatch.h"

#include <algorithm>
#include <list>
#include <memory>
#include <string>

#include "env/memory_meter.h"
#include "tests/unit/server/dispatch_fixture.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

using Fixture = DispatchFixture;

}  // namespace

TEST_CASE("dispatch: a pipeline is run in order and leaves in one write") {
  Fixture f;
  Client& client = f.Connect();
  CHECK(f.Ask(client, "SET a 1\r\nINCR a\r\nGET a\r\nNOSUCH\r\n") ==
        "+OK\r\n:2\r\n$1\r\n2\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n");
  CHECK(Fixture::SocketOf(client).writes == 1);
  CHECK(f.stats.commands_processed == 4);
  CHECK(f.stats.error_replies == 1);
  CHECK(f.stats.commands[static_cast<size_t>(CommandIndex(*FindCommand("get")))].calls == 1);
}

TEST_CASE("dispatch: the keys of a pipeline are prefetched, those of a single request are not") {
  Fixture f;
  Client& client = f.Connect();
  f.Ask(client, "SET a 1\r\n");
  CHECK(f.engine.prefetched() == 0);
  f.Ask(client, "GET a\r\nMSET b 1 c 2\r\nPING\r\n");
  CHECK(f.engine.prefetched() == 3);
}

TEST_CASE(
    "dispatch: what several clients ask is prefetched together, and run in the order it came") {
  Fixture f;
  Client& a = f.Connect();
  Client& b = f.Connect();
  Client& c = f.Connect();
  f.Send(a, "SET x 1\r\n");
  f.Send(b, "*2\r\n$4\r\nINCR\r\n");  // Half a request.
  f.Send(c, "INCR x\r\n");
  f.Send(b, "$1\r\nx\r\n");
  CHECK(f.stats.commands_processed == 0);
  CHECK(!Fixture::SocketOf(a).reading);
  f.turn->End();
  CHECK(f.engine.prefetched() == 3);
  CHECK(f.Received(a) == "+OK\r\n");
  CHECK(f.Received(b) == ":3\r\n");
  CHECK(f.Received(c) == ":2\r\n");
  for (Client& client : f.clients) CHECK(Fixture::SocketOf(client).reading);
}

TEST_CASE("dispatch: when enough has come it is run, whatever else the turn brings") {
  Fixture f;
  for (size_t i = 0; i < kRequestsGathered; ++i) {
    CHECK(f.stats.commands_processed == 0);
    f.Send(f.Connect(), "PING\r\n");
  }
  CHECK(f.stats.commands_processed == kRequestsGathered);
  // As many as fit are parsed ahead, the others when their client is served.
  Client& few = f.Connect();
  Client& many = f.Connect();
  f.Send(few, "SET n 0\r\n");
  std::string requests;
  for (size_t i = 0; i < 3 * kRequestsPerBatch; ++i) requests += "INCR n\r\n";
  f.Send(many, requests);
  CHECK(f.stats.commands_processed == kRequestsGathered + 1 + 3 * kRequestsPerBatch);
  f.turn->End();
  CHECK(f.Received(few) == "+OK\r\n");
  CHECK(f.Received(many).ends_with(":" + std::to_string(3 * kRequestsPerBatch) + "\r\n"));
}

TEST_CASE(
    "dispatch: one that is dropped, waits or is refused leaves the others of its turn alone") {
  Fixture f;
  Client& waits = f.Connect();
  Client& dropped = f.Connect();
  Client& wrong = f.Connect();
  Client& other = f.Connect();
  f.Ask(other, "SET a 1\r\n");
  f.engine.MakeCold(f.KeyOf("a"));
  f.Send(waits, "PING\r\nGET a\r\nINCR b\r\n");
  f.Send(dropped, "SET b 7\r\n");
  f.Send(wrong, "INCR b\r\n*1\r\n$x\r\n");
  f.Send(other, "INCR b\r\n");
  f.turn->DropClient(dropped);
  f.turn->End();
  CHECK(f.Received(waits) == "+PONG\r\n");
  CHECK(f.Received(other) == ":2\r\n");
  CHECK(f.sent[2] == "");
  CHECK(f.sent[3] == ":1\r\n-ERR Protocol error: invalid bulk length\r\n");
  f.engine.Arrive();
  f.turn->End();
  CHECK(f.Received(waits) == "$1\r\n1\r\n:3\r\n");
}

TEST_CASE(
    "dispatch: who is killed by another of the same turn is not served any more, nor answered") {
  Fixture f;
  Client& before = f.Connect();
  Client& killer = f.Connect();
  Client& behind = f.Connect();
  Client& other = f.Connect();
  f.services.kill = [&f](const Services::ClientFilter& filter) {
    for (Client& client : f.clients) {
      if (client.session.id == *filter.id) f.turn->DropClient(client);
    }
    return 1;
  };
  const auto kill = [](const Client& client) {
    return "CLIENT KILL ID " + std::to_string(client.session.id) + "\r\n";
  };
  f.Send(before, "SET a 1\r\nINCR a\r\n");
  f.Send(killer, kill(behind) + kill(before) + "INCR a\r\n");
  f.Send(behind, "INCR a\r\nINCR a\r\n");
  f.Send(other, "INCR a\r\n");
  f.turn->End();
  CHECK(f.clients.size() == 2);
  CHECK(f.sent[1] == "");
  CHECK(f.Received(killer) == ":1\r\n:1\r\n:3\r\n");
  CHECK(f.sent[3] == "");
  CHECK(f.Received(other) == ":4\r\n");
}

TEST_CASE("dispatch: what is large is let go when it has been run, or when its client has gone") {
  Fixture f;
  MemoryMeter meter;
  const std::string value(1 << 20, 'x');
  const std::string set =
      "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  std::string many = "*100001\r\n$3\r\nDEL\r\n";
  for (int i = 0; i < 100'000; ++i) many += "$1\r\na\r\n";
  Client& first = f.Connect();
  meter.Begin();
  for (const std::string& large : {set, many}) {
    Client& writer = f.Connect();
    Client& dropped = f.Connect();
    f.Send(first, "PING\r\n");
    f.Send(writer, large);
    f.Send(dropped, large);
    f.turn->DropClient(dropped);
    f.turn->End();
    f.turn->DropClient(writer);
    f.Ask(first, "DEL a\r\n");
  }
  CHECK(meter.bytes() < value.size() / 2);  // where the allocator tells
}

TEST_CASE("dispatch: replies wait for the group they show, and only those behind them with them") {
  Fixture f;
  Client& writer = f.Connect();
  Client& reader = f.Connect();
  Client& other = f.Connect();
  f.Ask(writer, "SET b 2\r\n");  // In group 1; what follows is in group 2.
  f.engine.reports_at_once = false;
  CHECK(f.Ask(writer, "PING\r\nSET a 1\r\nPING\r\n") == "+PONG\r\n");
  // A read shows what is not durable yet: it waits as well.
  CHECK(f.Ask(reader, "GET a\r\n") == "");
  CHECK(f.Ask(other, "GET b\r\nPING\r\n") == "$1\r\n2\r\n+PONG\r\n");

  f.engine.Report(2);
  f.turn->End();
  CHECK(f.Received(writer) == "+OK\r\n+PONG\r\n");
  CHECK(f.Received(reader) == "$1\r\n1\r\n");
  // Durable now, so a later read leaves at once.
  CHECK(f.Ask(reader, "GET a\r\n") == "$1\r\n1\r\n");
}

TEST_CASE("dispatch: what asks a database waits for its FLUSHDB to be durable; PING does not") {
  Fixture f;
  Client& writer = f.Connect();
  Client& reader = f.Connect();
  Client& other = f.Connect();
  f.Ask(writer, "SET a 1\r\n");
  f.engine.reports_at_once = false;
  f.Ask(writer, "FLUSHDB\r\n");
  CHECK(f.Ask(reader, "GET a\r\n") == "");
  CHECK(f.Ask(other, "PING\r\n") == "+PONG\r\n");
  f.engine.Report(2);
  f.turn->End();
  CHECK(f.Received(reader) == "$-1\r\n");
}

TEST_CASE("dispatch: an error that shows what is not durable waits too") {
  Fixture f;
  f.engine.reports_at_once = false;
  Client& writer = f.Connect();
  f.Ask(writer, "SET a text\r\n");
  Client& reader = f.Connect();
  CHECK(f.Ask(reader, "INCR a\r\n") == "");
  f.engine.Report(1);
  f.turn->End();
  CHECK(f.Received(reader) == "-ERR value is not an integer or out of range\r\n");
}

TEST_CASE("dispatch: a command that waits is run again, in its place among the others") {
  Fixture f;
  Client& client = f.Connect();
  f.Ask(client, "SET a 1\r\nSET b 2\r\n");
  f.engine.MakeCold(f.KeyOf("a"));
  CHECK(f.Ask(client, "PING\r\nGET a\r\nGET b\r\nPING\r\n") == "+PONG\r\n");
  CHECK(client.state == ClientState::kWaits);
  CHECK(!Fixture::SocketOf(client).reading);
  CHECK(f.engine.waits() == 1);

  // Others are served meanwhile.
  Client& other = f.Connect();
  CHECK(f.Ask(other, "GET b\r\n") == "$1\r\n2\r\n");

  f.engine.Arrive();
  CHECK(client.state == ClientState::kReady);
  f.turn->End();
  CHECK(f.Received(client) == "$1\r\n1\r\n$1\r\n2\r\n+PONG\r\n");
  CHECK(client.state == ClientState::kReading);
  CHECK(Fixture::SocketOf(client).reading);
  CHECK(f.stats.keyspace_hits == 3);
}

TEST_CASE("dispatch: many clients wait at a time, each with its own view") {
  Fixture f;
  Client& writer = f.Connect();
  f.Ask(writer, "MSET a 1 b 2 c 3\r\n");
  for (const char* key : {"a", "b", "c"}) f.engine.MakeCold(f.KeyOf(key));
  std::vector<Client*> clients;
  for (const char* request : {"GET a\r\nINCR a\r\n", "GET b\r\n", "MGET a c\r\n"}) {
    clients.push_back(&f.Connect());
    CHECK(f.Ask(*clients.back(), request) == "");
  }
  f.engine.Arrive();
  f.turn->End();
  CHECK(f.Received(*clients[0]) == "$1\r\n1\r\n:2\r\n");
  CHECK(f.Received(*clients[1]) == "$1\r\n2\r\n");
  CHECK(f.Received(*clients[2]) == "*2\r\n$1\r\n2\r\n$1\r\n3\r\n");
}

TEST_CASE("dispatch: a client that goes while it waits is forgotten") {
  Fixture f;
  Client& client = f.Connect();
  f.Ask(client, "SET a 1\r\n");
  f.engine.MakeCold(f.KeyOf("a"));
  f.Ask(client, "GET a\r\nGET a\r\n");
  f.turn->DropClient(client);
  f.turn->End();
  CHECK(f.clients.empty());
  f.engine.Arrive();  // Nobody is there to be told.
  f.turn->End();
}

TEST_CASE("dispatch: a client that goes between its wait and its second run is forgotten") {
  Fixture f;
  Client& client = f.Connect();
  f.Ask(client, "SET a 1\r\n");
  f.engine.MakeCold(f.KeyOf("a"));
  f.Ask(client, "GET a\r\n");
  f.engine.Arrive();
  f.turn->DropClient(client);
  f.turn->End();
  CHECK(f.clients.empty());
}

TEST_CASE("dispatch: a transaction waits as a whole, and writes once") {
  Fixture f;
  Client& client = f.Connect();
  f.Ask(client, "MSET a 1 b 2\r\n");
  const int commits = f.engine.commits();
  CHECK(f.Ask(client, "MULTI\r\nINCR a\r\nINCR b\r\n") == "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
  f.engine.MakeCold(f.KeyOf("b"));
  CHECK(f.Ask(client, "EXEC\r\n") == "");
  CHECK(f.engine.commits() == commits);
  f.engine.Arrive();
  f.turn->End();
  CHECK(f.Received(client) == "*2\r\n:2\r\n:3\r\n");
  CHECK(f.engine.commits() == commits + 1);
}

TEST_CASE("dispatch: queued requests outlive the read buffer, however many there are") {
  Fixture f;
  Client& client = f.Connect();
  std::string requests = "MULTI\r\n";
  for (int i = 0; i < 500; ++i) requests += "INCRBY n " + std::to_string(i) + "\r\n";
  f.Ask(client, requests);
  const std::string large(200'000, 'x');
  CHECK(f.Ask(client, "*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$200000\r\n" + large + "\r\n") ==
        "+QUEUED\r\n");
  CHECK(client.queued_bytes > 200'000);
  const std::string reply = f.Ask(client, "EXEC\r\n");
  CHECK(reply.starts_with("*501\r\n:0\r\n:1\r\n:3\r\n"));
  CHECK(reply.ends_with(":124750\r\n+OK\r\n"));
  CHECK(client.queued_bytes == 0);
  CHECK(f.Ask(client, "STRLEN large\r\n") == ":200000\r\n");
}

TEST_CASE("dispatch: a request refused within MULTI aborts EXEC") {
  Fixture f;
  Client& client = f.Connect();
  const std::string abort = "-EXECABORT Transaction discarded because of previous errors.\r\n";
  CHECK(f.Ask(client, "MULTI\r\nGET\r\nEXEC\r\n") ==
        "+OK\r\n-ERR wrong number of arguments for 'get' command\r\n" + abort);
  CHECK(f.Ask(client, "MULTI\r\nNOSUCH\r\nEXEC\r\n").ends_with(abort));
  // An EXEC that is itself refused ends the transaction.
  CHECK(f.Ask(client, "MULTI\r\nEXEC now\r\nPING\r\n") ==
        "+OK\r\n-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' "
        "command\r\n+PONG\r\n");
}

TEST_CASE("dispatch: another's write breaks a WATCH, one's own before it does not") {
  Fixture f;
  Client& client = f.Connect();
  Client& other = f.Connect();
  f.Ask(client, "SET k 1\r\nWATCH k\r\nMULTI\r\nINCR k\r\n");
  f.Ask(other, "SET k 5\r\n");
  CHECK(f.Ask(client, "EXEC\r\n") == "*-1\r\n");
  f.Ask(client, "WATCH k\r\nMULTI\r\nINCR k\r\n");
  f.Ask(other, "SET j 5\r\n");
  CHECK(f.Ask(client, "EXEC\r\n") == "*1\r\n:6\r\n");
}

TEST_CASE("dispatch: without AUTH only what may be said before it is answered") {
  Fixture f;
  f.services.password = "secret";
  Client& client = f.Connect();
  CHECK(f.Ask(client, "GET a\r\nNOSUCH\r\n")
            .starts_with("-NOAUTH Authentication required.\r\n-ERR unknown command"));
  // What comes behind AUTH is read with the large limits.
  const std::string value(20'000, 'x');
  CHECK(f.Ask(client, "AUTH secret\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$20000\r\n" + value + "\r\n") ==
        "+OK\r\n+OK\r\n");
  Client& stranger = f.Connect();
  CHECK(f.Ask(stranger, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$20000\r\n") ==
        "-ERR Protocol error: unauthenticated bulk length\r\n");
  CHECK(f.clients.size() == 1);
}

TEST_CASE("dispatch: a protocol error is answered behind what came before it, and closes") {
  Fixture f;
  Client& client = f.Connect();
  CHECK(client.session.id == 1);
  Fixture::SocketOf(client).takes = 7;
  f.Send(client, "PING\r\n*1\r\n$x\r\n");
  f.turn->End();
  CHECK(f.Received(client) == "+PONG\r\n");
  CHECK(client.state == ClientState::kEnds);
  CHECK(Fixture::SocketOf(client).wants_writable);
  Fixture::SocketOf(client).takes = SIZE_MAX;
  client.Writable();
  f.turn->End();
  CHECK(f.clients.empty());
}

TEST_CASE("dispatch: QUIT answers, and what follows is not run") {
  Fixture f;
  Client& client = f.Connect();
  CHECK(f.Ask(client, "QUIT\r\nSET a 1\r\n") == "+OK\r\n");
  CHECK(f.clients.empty());
  CHECK(f.engine.commits() == 0);
}

TEST_CASE("dispatch: a peer that shuts down its side still gets its replies") {
  Fixture f;
  f.engine.reports_at_once = false;
  Client& client = f.Connect();
  f.Send(client, "SET a 1\r\n");
  client.ReadEnded();
  f.turn->End();
  CHECK(f.clients.size() == 1);
  CHECK(f.sent[1] == "");
  f.engine.Report(1);
  f.turn->End();
  CHECK(f.clients.empty());
  CHECK(f.sent[1] == "+OK\r\n");
}

TEST_CASE("dispatch: CLIENT REPLY OFF and SKIP keep the client quiet") {
  Fixture f;
  Client& client = f.Connect();
  CHECK(f.Ask(client, "CLIENT REPLY SKIP\r\nSET a 1\r\nGET a\r\n") == "$1\r\n1\r\n");
  CHECK(f.Ask(client, "CLIENT REPLY OFF\r\nSET a 2\r\nNOSUCH\r\n") == "");
  CHECK(f.Ask(client, "CLIENT REPLY ON\r\nGET a\r\n") == "+OK\r\n$1\r\n2\r\n");
}

TEST_CASE("dispatch: a client has its share of a turn, then others get theirs") {
  Fixture f;
  Client& client = f.Connect();
  f.env.set_tick_us(300);  // each look at the clock
  std::string requests;
  for (int i = 0; i < 500; ++i) requests += "PING\r\n";
  f.Send(client, requests.substr(0, client.ReadSpace().size()));
  CHECK(client.state == ClientState::kReady);
  CHECK(!Fixture::SocketOf(client).reading);
  const uint64_t first_share = f.stats.commands_processed;
  CHECK(first_share < 100);
  f.turn->End();
  for (int i = 0; i < 100 && f.busy; ++i) f.turn->End();
  CHECK(!f.busy);
  CHECK(client.state == ClientState::kReading);
  CHECK(f.Received(client).size() == f.stats.commands_processed * 7);
}

TEST_CASE(
    "dispatch: a deep pipeline whose replies are not taken stops, and goes on when they are") {
  Fixture f;
  Client& client = f.Connect();
  StringConnection& socket = Fixture::SocketOf(client);
  f.Ask(client, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$60000\r\n" + std::string(60'000, 'x') + "\r\n");
  socket.sent.clear();
  socket.takes = 0;
  std::string gets;
  for (int i = 0; i < 200; ++i) gets += "GET a\r\n";
  f.Send(client, gets);
  f.turn->End();
  CHECK(client.state == ClientState::kDrains);
  CHECK(client.out.size() < kUnsentBytesMax + 100'000);
  CHECK(!socket.reading);
  CHECK(socket.wants_writable);
  CHECK(!f.busy);

  socket.takes = SIZE_MAX;
  size_t received = 0;
  for (int i = 0; i < 100 && client.state != ClientState::kReading; ++i) {
    client.Writable();
    f.turn->End();
    received += f.Received(client).size();
  }
  CHECK(received == 200 * (60'000 + 10));
  CHECK(client.state == ClientState::kReading);
}

TEST_CASE("dispatch: a client over its output limit is dropped, others do not notice") {
  Fixture f;
  f.limits.output.hard_bytes = 100'000;
  Client& client = f.Connect();
  Client& other = f.Connect();
  f.Ask(client, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$60000\r\n" + std::string(60'000, 'x') + "\r\n");
  Fixture::SocketOf(client).takes = 0;
  f.Send(client, "GET a\r\nGET a\r\n");
  f.turn->End();
  CHECK(f.clients.size() == 1);
  CHECK(f.stats.clients_dropped == 1);
  CHECK(f.Ask(other, "PING\r\n") == "+PONG\r\n");
}

TEST_CASE("dispatch: a broken socket drops its client") {
  Fixture f;
  Client& client = f.Connect();
  Fixture::SocketOf(client).error = EPIPE;
  f.Send(client, "PING\r\n");
  f.turn->End();
  CHECK(f.clients.empty());
}

TEST_CASE("dispatch: writers pause while the engine is behind, readers do not") {
  Fixture f;
  Client& writer = f.Connect();
  Client& reader = f.Connect();
  f.engine.delay_us = 5000;
  CHECK(f.Ask(writer, "SET a 1\r\n") == "+OK\r\n");
  CHECK(f.Ask(reader, "GET a\r\n") == "$1\r\n1\r\n");
  CHECK(writer.state == ClientState::kPaused);
  CHECK(!Fixture::SocketOf(writer).reading);
  CHECK(Fixture::SocketOf(reader).reading);
  f.env.AdvanceMs(4);
  f.env.RunUntilIdle();
  f.turn->End();
  CHECK(!Fixture::SocketOf(writer).reading);
  f.env.AdvanceMs(2);
  f.env.RunUntilIdle();
  f.turn->End();
  CHECK(Fixture::SocketOf(writer).reading);
}

TEST_CASE("dispatch: a pause ends when the engine has caught up") {
  Fixture f;
  Client& writer = f.Connect();
  f.engine.delay_us = 1'000'000;
  f.Ask(writer, "SET a 1\r\n");
  f.env.AdvanceMs(500);
  f.env.RunUntilIdle();
  f.turn->End();
  CHECK(!Fixture::SocketOf(writer).reading);
  f.engine.delay_us = 0;
  f.env.AdvanceMs(10);
  f.env.RunUntilIdle();
  f.turn->End();
  CHECK(Fixture::SocketOf(writer).reading);
}

TEST_CASE("dispatch: what is too short for a timer is no pause") {
  Fixture f;
  Client& writer = f.Connect();
  f.engine.delay_us = 999;
  f.Ask(writer, "SET a 1\r\n");
  CHECK(Fixture::SocketOf(writer).reading);
  f.engine.delay_us = 1000;  // the engine remembers what is owed
  f.Ask(writer, "SET a 1\r\n");
  CHECK(!Fixture::SocketOf(writer).reading);
}

TEST_CASE("dispatch: refused writes leave reads and, on a full disk, deletes") {
  Fixture f;
  Client& client = f.Connect();
  f.Ask(client, "SET a 1\r\nSET b 1\r\n");
  const int commits = f.engine.commits();

  f.engine.refusal = Status(StatusCode::kNoSpace, "disk full");
  CHECK(f.Ask(client, "SET a 2\r\n").starts_with("-"));
  CHECK(f.Ask(client, "GET a\r\n") == "$1\r\n1\r\n");
  CHECK(f.Ask(client, "EXPIRE a 100\r\n").starts_with("-"));
  CHECK(f.engine.commits() == commits);
  CHECK(f.Ask(client, "DEL a\r\n") == ":1\r\n");
  CHECK(f.engine.commits() == commits + 1);
  // These write where the databases live now, which is bookkeeping and needs no room.
  CHECK(f.Ask(client, "FLUSHDB\r\n") == "+OK\r\n");
  CHECK(f.Ask(client, "FLUSHALL\r\n") == "+OK\r\n");
  CHECK(f.Ask(client, "GET b\r\n") == "$-1\r\n");
  CHECK(f.Ask(client, "SET b 1\r\n").starts_with("-"));
  CHECK(f.Ask(client, "MULTI\r\nSET c 1\r\nEXEC\r\n").find("-EXECABORT") != std::string::npos);

  f.engine.refusal = Status::Ok();
  CHECK(f.Ask(client, "SET b 1\r\n") == "+OK\r\n");
  f.engine.refusal = Status(StatusCode::kUnavailable, "the log failed");
  CHECK(f.Ask(client, "DEL b\r\n").starts_with("-"));
  CHECK(f.Ask(client, "FLUSHALL\r\n").starts_with("-"));
  CHECK(f.Ask(client, "GET b\r\n") == "$1\r\n1\r\n");

  f.engine.refusal = Status::Ok();
  CHECK(f.Ask(client, "SET a 3\r\n") == "+OK\r\n");

  // Refused as a whole, a transaction leaves the session in its database.
  f.Ask(client, "MULTI\r\nSELECT 1\r\nSET a 4\r\n");
  f.engine.refusal = Status(StatusCode::kUnavailable, "the log failed");
  CHECK(f.Ask(client, "EXEC\r\n").starts_with("-MISCONF"));
  CHECK(f.Ask(client, "GET a\r\n") == "$1\r\n3\r\n");
}

TEST_CASE("dispatch: an EXEC that cannot look at what is watched is over all the same") {
  Fixture f;
  Client& client = f.Connect();
  f.Ask(client, "SET a 1\r\nWATCH a\r\nMULTI\r\nGET b\r\n");
  f.engine.read_error = Status(StatusCode::kIoError, "a broken disk");
  CHECK(f.Ask(client, "EXEC\r\n").starts_with("-IOERR"));
  f.engine.read_error = Status::Ok();
  CHECK(f.Ask(client, "GET b\r\n") == "$-1\r\n");
}

TEST_CASE(
    "dispatch: an EXEC that waits sees what is watched change, also behind a queued UNWATCH") {
  Fixture f;
  Client& client = f.Connect();
  Client& other = f.Connect();
  f.Ask(other, "SET a 1\r\nSET b 1\r\n");
  f.Ask(client, "WATCH a\r\nMULTI\r\nUNWATCH\r\nGET b\r\n");
  f.engine.MakeCold(f.KeyOf("b"));
  CHECK(f.Ask(client, "EXEC\r\n") == "");
  f.Ask(other, "SET a 2\r\n");
  f.engine.Arrive();
  CHECK(f.Ask(client, "") == "*-1\r\n");
}

TEST_CASE("dispatch: when the server stops, clients end with their replies") {
  Fixture f;
  f.engine.reports_at_once = false;
  Client& writer = f.Connect();
  f.Ask(writer, "SET a 1\r\n");
  Client& waiting = f.Connect();
  f.engine.MakeCold(f.KeyOf("a"));
  f.Ask(waiting, "GET a\r\nGET b\r\n");
  Client& idle = f.Connect();
  CHECK(idle.state == ClientState::kReading);
  f.turn->EndAllClients([&f](const auto& visit) {
    for (Client& client : f.clients) visit(client);
  });
  f.turn->End();
  CHECK(f.clients.size() == 2);  // the idle one is gone
  f.engine.Report(1);
  f.turn->End();
  CHECK(f.clients.size() == 1);
  f.engine.Arrive();
  f.turn->End();
  CHECK(f.clients.empty());
}

}  // namespace varve
