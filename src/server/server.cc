// server/server.cc: start, run, stop.
#include "server/server.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "base/log.h"
#include "commands/table.h"
#include "data/key_format.h"
#include "engine/compaction/policy.h"
#include "env/posix_env.h"
#include "server/banner.h"
#include "server/machine.h"
#include "server/process.h"

namespace varve {

namespace {

// File descriptors: for tables that are kept open if the system allows as many, and for log segments, inputs of
// compactions, the standard ones.
constexpr uint64_t kOpenTablesWanted = 4096;
constexpr uint64_t kFilesReserved = 1024;

// How long a stop waits for clients to take their last replies, and for commands that wait for
// data.
constexpr uint64_t kStopWaitMs = 5000;

Durability DurabilityOf(const Config& config) {
  if (config.appendfsync == "always") return Durability::kAlways;
  return config.appendfsync == "no" ? Durability::kNo : Durability::kEverySecond;
}

PolicyKind PolicyKindOf(const Config& config) {
  return ParsePolicyKind(config.compaction_policy).value_or(PolicyKind::kLeveled);
}

LogLevel LogLevelOf(const Config& config) {
  if (config.loglevel == "debug") return LogLevel::kDebug;
  if (config.loglevel == "verbose") return LogLevel::kVerbose;
  return config.loglevel == "warning" ? LogLevel::kWarning : LogLevel::kNotice;
}

uint64_t MemoryLimitOf(const Config& config) {
  if (config.memory_limit_bytes > 0) return static_cast<uint64_t>(config.memory_limit_bytes);
  return UsableMemoryBytes() / 2;
}

std::string MakeRunId(Env& env) {
  std::string id;
  for (int i = 0; i < 3; ++i) {
    char text[17];
    std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(env.RandomU64()));
    id.append(text);
  }
  id.resize(40);
  return id;
}

}  // namespace

Server::Server(Config config, LoadConfigFunction load_config)
    : config_(std::move(config)), load_config_(std::move(load_config)) {}

Server::~Server() {
  loop_.OnTurn(nullptr, nullptr);
  for (const Bound& bound : bound_) close(bound.descriptor);
}

// --- Start -------------------------------------------------------------------------------------

Status Server::Start() {
  RETURN_IF_ERROR(SetLogFile(config_.logfile));
  SetLogLevel(LogLevelOf(config_));
  signal(SIGPIPE, SIG_IGN);

  env_ = std::make_unique<PosixEnv>(loop_.handle(), PosixEnvOptions{.io_uring = config_.io_uring});
  run_id_ = MakeRunId(*env_);
  started_ms_ = env_->WallMs();
  memory_limit_bytes_ = MemoryLimitOf(config_);
  supervised_ = config_.supervised == "systemd" ||
                (config_.supervised == "auto" && std::getenv("NOTIFY_SOCKET") != nullptr);
  stats_.commands.resize(static_cast<size_t>(CommandCount()));

  const uint64_t clients_wanted = static_cast<uint64_t>(config_.maxclients);
  const uint64_t files = RaiseFileLimit(clients_wanted + kOpenTablesWanted + kFilesReserved);
  const uint64_t shared = files - std::min(kFilesReserved, files / 2);
  open_tables_max_ = std::min(kOpenTablesWanted, shared / 4);
  clients_max_possible_ = shared - open_tables_max_;
  if (clients_max_possible_ < clients_wanted) {
    Log(LogLevel::kWarning,
        "maxclients %llu needs more open files than the system allows: using %zu",
        static_cast<unsigned long long>(clients_wanted), clients_max_possible_);
  }
  ApplyLimits();

  PrintBanner(config_, memory_limit_bytes_);
  RETURN_IF_ERROR(Bind());
  // The signals first: opening may take long, and a stop shall be possible before its end.
  loop_.OnSignal(SIGTERM, [this] { OnStopSignal(); });
  loop_.OnSignal(SIGINT, [this] { OnStopSignal(); });
  loop_.OnSignal(SIGHUP, [this] { OnReloadSignal(); });
  RETURN_IF_ERROR(OpenEngine());
  RETURN_IF_ERROR(LoadDatabases());
  Connect();
  if (!config_.pidfile.empty()) RETURN_IF_ERROR(WritePidFile(config_.pidfile));
  Accept();
  return Status::Ok();
}

Status Server::Bind() {
  if (config_.port != 0) RETURN_IF_ERROR(BindTcp());
  if (!config_.unixsocket.empty()) {
    const Result<int> descriptor =
        ListenUnix(config_.unixsocket, static_cast<unsigned>(config_.unixsocketperm),
                   static_cast<int>(config_.tcp_backlog));
    if (!descriptor.ok()) return descriptor.status();
    bound_.push_back({*descriptor, config_.unixsocket, config_.unixsocket});
  }
  if (bound_.empty()) {
    return Status::InvalidArgument("nothing to listen on: set port and bind, or unixsocket");
  }
  return Status::Ok();
}

Status Server::BindTcp() {
  for (const std::string& configured : config_.bind) {
    const bool optional = configured.starts_with('-');
    const std::string address = optional ? configured.substr(1) : configured;
    const int port = static_cast<int>(config_.port);
    const Result<int> descriptor = ListenTcp(address, port, static_cast<int>(config_.tcp_backlog));
    if (descriptor.ok()) {
      const bool is_v6 = address.find(':') != std::string::npos;
      const std::string host = is_v6 ? "[" + address + "]" : address;
      bound_.push_back({*descriptor, host + ":" + std::to_string(port), ""});
    } else if (!optional || !descriptor.status().is_not_found()) {
      return descriptor.status();
    }
  }
  return Status::Ok();
}

Status Server::OpenEngine() {
  Options options;
  options.directory = config_.dir;
  options.durability = DurabilityOf(config_);
  options.memory_limit_bytes = memory_limit_bytes_;
  options.compression_level = static_cast<int>(config_.compression_level);
  if (!config_.compression_dictionary) options.dictionary_sample_bytes = 0;
  options.compaction_policy = PolicyKindOf(config_);
  options.value_file_threshold_bytes = static_cast<uint64_t>(config_.value_file_threshold_bytes);
  options.open_tables_max = open_tables_max_;
  options.counted_prefix_size = CountedPrefixSize;
  Result<std::unique_ptr<Engine>> engine = Engine::Open(options, *env_);
  if (!engine.ok()) return engine.status();
  engine_ = std::move(*engine);
  checkpoints_ = std::make_unique<Checkpoints>(*engine_, *env_, config_);
  return Status::Ok();
}

Status Server::LoadDatabases() {
  const std::string key = Databases::RecordKey();
  ReadScope scope;
  Value value;
  Status status = engine_->Get(key, scope, &value);
  while (status.is_pending()) {
    bool ready = false;
    scope.WhenReady([&ready] { ready = true; });
    env_->RunUntil([&ready] { return ready; });
    status = engine_->Get(key, scope, &value);
  }
  if (status.ok()) {
    Result<Databases> decoded = Databases::Decode(value.bytes);
    if (!decoded.ok()) return decoded.status();
    databases_ = std::move(*decoded);
  } else if (!status.is_not_found()) {
    return status;
  }
  // More than configured may be there, with data in them: they stay reachable.
  const size_t count = static_cast<size_t>(config_.databases);
  if (databases_.spaces.size() < count) databases_.spaces.resize(count);
  return Status::Ok();
}

// Makes the parts and tells them of each other.
void Server::Connect() {
  dispatcher_ = std::make_unique<Dispatcher>(
      Dispatcher::Parts{*engine_, *env_, databases_, *this, watches_, limits_, stats_});
  turn_ = std::make_unique<Turn>(Turn::Parts{
      *engine_, *env_, *dispatcher_, limits_, stats_, [this](bool busy) { loop_.SetBusy(busy); },
      [this](Client& client) { clients_->Destroy(client); }});
  clients_ = std::make_unique<Clients>(Clients::Parts{
      config_, limits_, watches_, stats_, [this](int descriptor, Connection::Owner& owner) {
        return Connection::Open(loop_, descriptor, owner);
      }});
  clients_->SetTurn(*turn_);
  expiry_ = std::make_unique<ExpiryCycle>(
      ExpiryCycle::Parts{*engine_, *env_, databases_, watches_, stats_});
  cron_ = std::make_unique<Cron>(*env_, *engine_, *clients_, *expiry_, stats_);
  cron_->SetMemoryLimit(memory_limit_bytes_);
  cron_->OnTick([this] {
    loop_rest_.Sample(env_->MonotonicUs(), WorkedUs(), env_->job_cpu_wait_us(),
                      static_cast<uint64_t>(config_.loop_rest_us));
    stats_.loop_rest_us = loop_rest_.us();
  });
  loop_.OnTurn([this] { EndTurn(true); }, [this] { EndTurn(false); });
}

void Server::Accept() {
  std::string places;
  for (const Bound& bound : std::exchange(bound_, {})) {
    listeners_.push_back(std::make_unique<Listener>(
        loop_, bound.descriptor, bound.unix_path,
        [this](const AcceptedSocket& socket) { clients_->Accept(socket); }));
    places.append(places.empty() ? "" : ", ").append(bound.where);
  }
  Log(LogLevel::kNotice, "ready: %s", places.c_str());
  if (supervised_ && !NotifySupervisor("READY=1\n")) {
    Log(LogLevel::kWarning, "supervised systemd, but nobody listens at $NOTIFY_SOCKET");
  }
}

// --- Run and stop ------------------------------------------------------------------------------

void Server::EndTurn(bool after_events) {
  turn_->End();
  if (!after_events) return Rest();
  const uint64_t worked_us = WorkedUs();
  turn_us_ = worked_us - std::exchange(worked_us_, worked_us);
  cron_->CountTurn(turn_us_);
}

uint64_t Server::WorkedUs() const { return loop_.AwakeUs() - rested_us_; }

void Server::Rest() {
  const uint64_t rest_us = loop_rest_.AfterTurnUs(turn_us_);
  // Replies that wait for the log leave as soon as it has them.
  if (rest_us == 0 || engine_->reported_group() < engine_->last_commit_group()) return;
  const uint64_t begin_us = env_->MonotonicUs();
  std::this_thread::sleep_for(std::chrono::microseconds(rest_us));
  rested_us_ += env_->MonotonicUs() - begin_us;
}

int Server::Run() {
  env_->RunUntil([this] { return stop_requested_; });
  return Stop();
}

int Server::Stop() {
  stopping_ = true;
  Log(LogLevel::kNotice, "stopping: %zu clients", clients_->size());
  if (supervised_) NotifySupervisor("STOPPING=1\n");
  listeners_.clear();
  turn_->EndAllClients([this](const auto& visit) { clients_->ForEach(visit); });

  bool waited_enough = false;
  const Env::TimerId timer =
      env_->RunAfter(kStopWaitMs, [&waited_enough] { waited_enough = true; });
  env_->RunUntil([&] { return waited_enough || clients_->size() == 0; });
  env_->CancelTimer(timer);
  if (clients_->size() > 0) {
    Log(LogLevel::kWarning, "%zu clients have not taken their last replies", clients_->size());
  }

  // The engine runs the loop while it closes; nobody is to ask anything of it then.
  loop_.OnTurn(nullptr, nullptr);
  cron_ = nullptr;
  expiry_ = nullptr;
  clients_ = nullptr;
  const Status closed = engine_->Close();
  if (!config_.pidfile.empty()) RemovePidFile(config_.pidfile);
  if (!closed.ok()) {
    Log(LogLevel::kWarning, "close: %s", closed.ToString().c_str());
    return 1;
  }
  Log(LogLevel::kNotice, "stopped");
  return 0;
}

void Server::OnStopSignal() {
  if (stopping_ || stop_requested_) {
    // Nothing acknowledged is lost: it is in the log.
    Log(LogLevel::kWarning, "second signal: stopped at once");
    _exit(1);
  }
  stop_requested_ = true;
}

void Server::OnReloadSignal() {
  if (reloading_ || !turn_) return;
  reloading_ = true;
  auto loaded = std::make_shared<std::optional<Result<Config>>>();
  env_->Schedule(
      Lane::kManifest, [this, loaded] { loaded->emplace(load_config_()); },
      [this, loaded] {
        reloading_ = false;
        const Result<Config>& config = **loaded;
        if (!config.ok()) {
          Log(LogLevel::kWarning, "reload: %s: nothing changed",
              std::string(config.status().message()).c_str());
          return;
        }
        for (const std::string& name : ChangedAtStartOnly(config_, *config)) {
          Log(LogLevel::kWarning, "reload: %s changes at the next start", name.c_str());
        }
        Config next = config_;
        CopyChangeable(*config, &next);
        Apply(next);
        Log(LogLevel::kNotice, "reload: done");
      });
}

// --- Config ------------------------------------------------------------------------------------

// Takes over a configuration that differs in what may change at run time.
void Server::Apply(const Config& next) {
  const bool open_to_all = next.requirepass.empty() && !config_.requirepass.empty();
  config_ = next;
  SetLogLevel(LogLevelOf(config_));
  ApplyLimits();
  memory_limit_bytes_ = MemoryLimitOf(config_);
  engine_->SetDurability(DurabilityOf(config_));
  engine_->SetCompactionPolicy(PolicyKindOf(config_));
  engine_->SetMemoryLimit(memory_limit_bytes_);
  cron_->SetMemoryLimit(memory_limit_bytes_);
  if (open_to_all) clients_->ForEach([](Client& c) { c.session.authenticated = true; });
}

void Server::ApplyLimits() {
  RequestLimits& requests = limits_.requests;
  requests.bulk_bytes_max = config_.proto_max_bulk_bytes;
  requests.query_buffer_bytes_max = static_cast<size_t>(config_.client_query_buffer_bytes);
  limits_.requests_no_auth = requests;
  limits_.requests_no_auth.authenticated = false;
  limits_.output = config_.client_output_limits.normal;
  limits_.output_pubsub = config_.client_output_limits.pubsub;
  limits_.idle_seconds_max = config_.timeout_seconds;
  limits_.clients_max = std::min(clients_max_possible_, static_cast<size_t>(config_.maxclients));
}

}  // namespace varve
