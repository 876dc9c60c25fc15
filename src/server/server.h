// server/server.h: the server: everything put together, started, run and stopped.
//
//   Start   listen -> open the engine -> load the databases -> accept
//   Run     the loop, until SIGTERM, SIGINT or SHUTDOWN
//   Stop    accept no more -> let waiting commands finish -> send the replies promised ->
//           close the engine
//
// It is also what commands know as Services; that part is in services.cc.
//
// Threads: the one that constructs it is the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
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
#include "server/limits.h"
#include "server/loop_rest.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/stats.h"
#include "server/turn.h"
#include "server/watch.h"

namespace varve {

class Server final : public Services {
 public:
  // `load_config` is run again at SIGHUP, on another thread.
  using LoadConfigFunction = std::function<Result<Config>()>;
  Server(Config config, LoadConfigFunction load_config);
  ~Server() override;

  // An error's message is all an operator needs to read.
  Status Start();
  // Returns the program's exit code.
  int Run();

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
  std::string Info(std::span<const Slice> sections) const override;
  int64_t LastSaveUnixTime() const override;
  Status BackgroundSave() override;
  Status Save() override;
  void Shutdown(bool now) override;
  void SleepUs(uint64_t us) override;
  int64_t WallUs() const override;

 private:
  // A listening socket before the engine is open: a busy port shall be found before the log is
  // replayed.
  struct Bound {
    int descriptor;
    std::string where;
    std::string unix_path;
  };

  Status Bind();
  Status BindTcp();
  Status OpenEngine();
  Status LoadDatabases();
  void Connect();
  void Accept();
  int Stop();
  void OnStopSignal();
  void OnReloadSignal();

  void Apply(const Config& next);
  void ApplyLimits();
  void EndTurn(bool after_events);
  void Rest();
  // Of the loop, since the start: neither asleep nor at rest.
  uint64_t WorkedUs() const;

  Config config_;
  const LoadConfigFunction load_config_;
  std::string run_id_;
  int64_t started_ms_ = 0;
  uint64_t memory_limit_bytes_ = 0;
  size_t clients_max_possible_ = 0;  // by file descriptors
  size_t open_tables_max_ = 0;
  bool supervised_ = false;
  bool stop_requested_ = false;
  bool stopping_ = false;
  bool reloading_ = false;

  ClientLimits limits_;
  ServerStats stats_;
  WatchRegistry watches_;
  Databases databases_;
  // CONFIG REWRITE under way, by client: no result until it is done.
  std::map<uint64_t, std::optional<Status>> rewrites_;
  std::map<uint64_t, std::optional<Status>> saves_;  // SAVE, likewise

  // Each stands on those above it, and is destroyed before them.
  Loop loop_;
  std::unique_ptr<Env> env_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Checkpoints> checkpoints_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Turn> turn_;
  std::unique_ptr<Clients> clients_;
  std::unique_ptr<ExpiryCycle> expiry_;
  std::unique_ptr<Cron> cron_;
  std::vector<Bound> bound_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  uint64_t worked_us_ = 0;  // as of the end of the last turn
  uint64_t rested_us_ = 0;  // since the start
  uint64_t turn_us_ = 0;    // how long the last turn worked
  LoopRest loop_rest_;
};

}  // namespace varve
