// server/instance.h: one Varve: a database and its clients, apart from the process and the sockets around it.
//
//   Open        open the engine -> load the databases -> ready for clients
//   EndTurn     after each turn of whoever runs the loop
//   EndClients  no more commands; what was promised is sent
//   Close       close the engine
//
// Everything it knows of the world comes through an Env and a Host: the server (server.h) gives it those of a process,
// the simulation those of a world whose power fails. It is what commands know as Services; that part is in services.cc.
//
// Threads    Loop.
// Ownership  Env, and what the functions of Host stand on, outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/services.h"
#include "data/databases.h"
#include "engine/engine.h"
#include "env/env.h"
#include "server/checkpoints.h"
#include "server/clients.h"
#include "server/config.h"
#include "server/cron.h"
#include "server/dispatch.h"
#include "server/expiry_cycle.h"
#include "server/latency_monitor.h"
#include "server/limits.h"
#include "server/machine.h"
#include "server/stats.h"
#include "server/turn.h"
#include "server/watch.h"

namespace varve {

class Instance final : public Services {
 public:
  // What only the process around it can do or knows.
  struct Host {
    std::function<std::unique_ptr<Connection>(int descriptor, Connection::Owner& owner)>
        open_connection;
    std::function<void(bool)> set_busy;  // while busy, the loop is not to sleep
    std::function<void()> tick;          // ten times a second
    std::function<void()> stop;          // SHUTDOWN
    std::function<void(const Config&)>
        configured;                          // options that are about the process may have changed
    std::function<void(uint64_t us)> sleep;  // DEBUG SLEEP
    std::function<ProcessMemory()> measure_memory;
    // For simulations, and else null: see Dispatcher::OnRan; and what makes a database's parts small.
    std::function<void(const Dispatcher::Ran&)> ran;
    std::function<void(Options&)> tune;
    size_t clients_max = 0;      // by file descriptors
    size_t open_tables_max = 0;  // likewise
    bool supervised = false;     // for INFO
  };
  Instance(Config config, Env& env, Host host);
  ~Instance() override;
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Runs the loop until it is open. An error's message is all an operator needs to read.
  Status Open();
  bool is_open() const { return turn_ != nullptr; }

  // All that follow: REQUIRES is_open().
  void Accept(const AcceptedSocket& socket) { clients_->Accept(socket); }
  // See Turn::End.
  void EndTurn() { turn_->End(); }
  // The loop has made a turn that took so long.
  void CountTurn(uint64_t us) { cron_->CountTurn(us); }

  // No client is served from now on but those that wait for data.
  void EndClients();
  size_t client_count() const { return clients_->size(); }
  // Runs the loop until the engine has closed; nothing else is to be called then.
  Status Close();

  const Config& config() const { return config_; }
  // Takes over a configuration that differs in what may change at run time.
  void Apply(const Config& next);
  uint64_t memory_limit_bytes() const { return memory_limit_bytes_; }
  ServerStats& stats() { return stats_; }
  Engine& engine() { return *engine_; }

  // --- Services ---
  bool PasswordRequired() const override;
  bool CheckPassword(Slice user, Slice password) const override;
  std::string DescribeClient(const Session& session) const override;
  std::string DescribeClients(const std::function<bool(const Session&)>& wanted) const override;
  int KillClients(const Session& me, const ClientFilter& filter) override;
  void Watch(Session& session, int database, Slice key, bool exists_now) override;
  void Unwatch(Session& session) override;
  void ForEachWatched(
      const Session& session,
      const std::function<void(int database, Slice key, bool existed)>& visit) const override;
  std::vector<std::pair<std::string, std::string>> ConfigGet(
      std::span<const Slice> patterns) const override;
  Status ConfigSet(std::span<const std::pair<Slice, Slice>> values) override;
  Status ConfigRewrite() override;
  void ResetStats() override;
  bool LatencyMonitorIsOn() const override { return latency_.on(); }
  std::vector<LatencyEvent> LatencyEvents() const override { return latency_.events(); }
  bool ResetLatency(LatencyKind kind) override { return latency_.Reset(kind); }
  const Histogram* CommandTimes(const Command& command) const override;
  std::string Info(std::span<const Slice> sections) const override;
  int64_t LastSaveUnixTime() const override;
  Status BackgroundSave() override;
  Status Save() override;
  void Shutdown(bool now) override;
  void SleepUs(uint64_t us) override;
  int64_t WallUs() const override;

 private:
  Status OpenEngine();
  Status LoadDatabases();
  void Connect();
  void ApplyLimits();
  void ApplyLatencyThreshold();

  Config config_;
  Env& env_;
  const Host host_;
  const std::string run_id_;
  const int64_t started_ms_;
  uint64_t memory_limit_bytes_;

  ClientLimits limits_;
  ServerStats stats_;
  LatencyMonitor latency_;
  WatchRegistry watches_;
  Databases databases_;
  // CONFIG REWRITE under way, by client: no result until it is done.
  std::map<uint64_t, std::optional<Status>> rewrites_;
  std::map<uint64_t, std::optional<Status>> saves_;  // SAVE, likewise

  // Each stands on those above it, and is destroyed before them.
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Checkpoints> checkpoints_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Turn> turn_;
  std::unique_ptr<Clients> clients_;
  std::unique_ptr<ExpiryCycle> expiry_;
  std::unique_ptr<Cron> cron_;
};

}  // namespace varve
