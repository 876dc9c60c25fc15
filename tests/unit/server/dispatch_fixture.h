// tests/unit/server/dispatch_fixture.h: a dispatcher and its turns, with clients whose sockets are strings.
//
// What a client sends is put into its reader as the network would, and what the socket takes is collected. A turn ends
// when the test says so. The engine does as it is told.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "commands/table.h"
#include "env/sim_env.h"
#include "server/dispatch.h"
#include "server/turn.h"
#include "tests/unit/server/scripted_engine.h"

#include <doctest/doctest.h>

namespace varve {

class StringConnection final : public Connection {
 public:
  size_t takes = SIZE_MAX;  // how many more bytes the socket takes
  int error = 0;
  bool reading = true;
  bool wants_writable = false;
  int writes = 0;
  std::string& sent;

  explicit StringConnection(std::string& to) : sent(to) {}

  void SetReading(bool on) override { reading = on; }
  ptrdiff_t Write(std::span<const Slice> slices) override {
    if (error != 0) return -error;
    ++writes;
    ptrdiff_t size = 0;
    for (const Slice slice : slices) {
      const size_t taken = std::min(takes, slice.size());
      sent.append(slice.substr(0, taken));
      takes -= taken;
      size += static_cast<ptrdiff_t>(taken);
    }
    return size;
  }
  void WantWritable(bool on) override { wants_writable = on; }
  int descriptor() const override { return 0; }
};

class SmallServices final : public Services {
 public:
  explicit SmallServices(WatchRegistry& watches) : watches_(watches) {}
  std::string password;
  std::function<int(const ClientFilter&)> kill;
  std::function<void(uint64_t us)> sleep;

  bool PasswordRequired() const override { return !password.empty(); }
  bool CheckPassword(Slice, Slice given) const override { return given == password; }
  std::string DescribeClient(const Session&) const override { return ""; }
  std::string DescribeClients(const std::function<bool(const Session&)>&) const override {
    return "";
  }
  int KillClients(const Session&, const ClientFilter& filter) override { return kill(filter); }
  void Watch(Session& session, int database, Slice key, bool exists) override {
    watches_.Watch(session, database, key, exists);
  }
  void Unwatch(Session& session) override { watches_.Unwatch(session); }
  void ForEachWatched(
      const Session& session,
      const std::function<void(int database, Slice key, bool existed)>& visit) const override {
    watches_.ForEachWatched(session, visit);
  }
  std::vector<std::pair<std::string, std::string>> ConfigGet(
      std::span<const Slice>) const override {
    return {};
  }
  Status ConfigSet(std::span<const std::pair<Slice, Slice>>) override { return Status::Ok(); }
  Status ConfigRewrite() override { return Status::Ok(); }
  void ResetStats() override {}
  bool LatencyMonitorIsOn() const override { return false; }
  std::vector<LatencyEvent> LatencyEvents() const override { return {}; }
  bool ResetLatency(LatencyKind) override { return false; }
  const Histogram* CommandTimes(const Command&) const override { return nullptr; }
  std::string Info(std::span<const Slice>) const override { return ""; }
  int64_t LastSaveUnixTime() const override { return 0; }
  Status BackgroundSave() override { return Status::Ok(); }
  Status Save() override { return Status::Ok(); }
  void Shutdown(bool) override {}
  void SleepUs(uint64_t us) override {
    if (sleep) sleep(us);
  }
  int64_t WallUs() const override { return 1; }

 private:
  WatchRegistry& watches_;
};

struct DispatchFixture {
  SimEnv env{1};
  ScriptedEngine engine;
  Databases databases;
  WatchRegistry watches;
  SmallServices services{watches};
  ClientLimits limits;
  ServerStats stats;
  LatencyMonitor latency{env};
  std::unique_ptr<Dispatcher> dispatcher;
  std::unique_ptr<Turn> turn;
  std::list<Client> clients;
  std::map<uint64_t, std::string> sent;  // by client, also after it is gone
  bool busy = false;

  DispatchFixture() {
    SetLogLevel(LogLevel::kNothing);
    databases.spaces.resize(16);
    limits.output.hard_bytes = 64 << 20;
    limits.requests_no_auth.authenticated = false;
    stats.commands.resize(static_cast<size_t>(CommandCount()));
    dispatcher = std::make_unique<Dispatcher>(
        Dispatcher::Parts{engine, env, databases, services, watches, limits, stats, latency});
    turn = std::make_unique<Turn>(
        Turn::Parts{engine, env, *dispatcher, limits, stats, [this](bool b) { busy = b; },
                    [this](Client& gone) {
                      watches.Unwatch(gone.session);
                      clients.remove_if([&gone](const Client& c) { return &c == &gone; });
                    }});
  }
  ~DispatchFixture() { clients.clear(); }

  Client& Connect() {
    const bool open = !services.PasswordRequired();
    Client& client = clients.emplace_back(sent.size() + 1,
                                          open ? limits.requests : limits.requests_no_auth, *turn);
    client.session.authenticated = open;
    client.no_auth_limits = !open;
    client.connection = std::make_unique<StringConnection>(sent[client.session.id]);
    return client;
  }
  static StringConnection& SocketOf(Client& client) {
    return static_cast<StringConnection&>(*client.connection);
  }

  // As the network brings it: in pieces of what the reader has room for, and at most one in a turn if it makes requests.
  void Send(Client& client, Slice bytes) {
    while (!bytes.empty()) {
      if (!SocketOf(client).reading) turn->End();
      REQUIRE(SocketOf(client).reading);
      const std::span<char> space = client.ReadSpace();
      const size_t size = std::min(space.size(), bytes.size());
      std::memcpy(space.data(), bytes.data(), size);
      bytes.remove_prefix(size);
      client.DidRead(size);
    }
  }
  // What the client has got since it was last asked.
  std::string Received(Client& client) { return std::exchange(SocketOf(client).sent, ""); }
  // Sends, ends the turn, and returns the reply.
  std::string Ask(Client& client, Slice bytes) {
    const uint64_t id = client.session.id;
    Send(client, bytes);
    turn->End();
    return std::exchange(sent[id], "");
  }
  std::string KeyOf(Slice key) const {
    std::string engine_key;
    AppendPrefix(&engine_key, KeyKind::kKey, databases.spaces[0]);
    return engine_key.append(key);
  }
};

}  // namespace varve
