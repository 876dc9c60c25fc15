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

LogLevel LogLevelOf(const Config& config) {
  if (config.loglevel == "debug") return LogLevel::kDebug;
  if (config.loglevel == "verbose") return LogLevel::kVerbose;
  return config.loglevel == "warning" ? LogLevel::kWarning : LogLevel::kNotice;
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
  supervised_ = config_.supervised == "systemd" ||
                (config_.supervised == "auto" && std::getenv("NOTIFY_SOCKET") != nullptr);
  MakeInstance();

  PrintBanner(config_, instance_->memory_limit_bytes());
  RETURN_IF_ERROR(Bind());
  // The signals first: opening may take long, and a stop shall be possible before its end.
  loop_.OnSignal(SIGTERM, [this] { OnStopSignal(); });
  loop_.OnSignal(SIGINT, [this] { OnStopSignal(); });
  loop_.OnSignal(SIGHUP, [this] { OnReloadSignal(); });
  RETURN_IF_ERROR(instance_->Open());
  worked_us_ = WorkedUs();  // that was no turn
  loop_.OnTurn([this] { EndTurn(true); }, [this] { EndTurn(false); });
  if (!config_.pidfile.empty()) RETURN_IF_ERROR(WritePidFile(config_.pidfile));
  Accept();
  return Status::Ok();
}

void Server::MakeInstance() {
  const uint64_t wanted = static_cast<uint64_t>(config_.maxclients) + kOpenTablesWanted;
  const uint64_t files = RaiseFileLimit(wanted + kFilesReserved);
  const uint64_t shared = files - std::min(kFilesReserved, files / 2);
  const uint64_t tables = std::min(kOpenTablesWanted, shared / 4);
  instance_ = std::make_unique<Instance>(
      config_, *env_,
      Instance::Host{
          .open_connection =
              [this](int descriptor, Connection::Owner& owner) {
                return Connection::Open(loop_, descriptor, owner);
              },
          .set_busy = [this](bool busy) { loop_.SetBusy(busy); },
          .tick = [this] { SampleRest(); },
          .stop = [this] { stop_requested_ = true; },
          .configured = [](const Config& config) { SetLogLevel(LogLevelOf(config)); },
          .sleep = [](uint64_t us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); },
          .measure_memory = MeasureMemory,
          .ran = nullptr,
          .tune = nullptr,
          .clients_max = shared - tables,
          .open_tables_max = tables,
          .supervised = supervised_,
      });
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

void Server::Accept() {
  std::string places;
  for (const Bound& bound : std::exchange(bound_, {})) {
    listeners_.push_back(std::make_unique<Listener>(
        loop_, bound.descriptor, bound.unix_path,
        [this](const AcceptedSocket& socket) { instance_->Accept(socket); }));
    places.append(places.empty() ? "" : ", ").append(bound.where);
  }
  Log(LogLevel::kNotice, "ready: %s", places.c_str());
  if (supervised_ && !NotifySupervisor("READY=1\n")) {
    Log(LogLevel::kWarning, "supervised systemd, but nobody listens at $NOTIFY_SOCKET");
  }
}

// --- Run and stop ------------------------------------------------------------------------------

void Server::EndTurn(bool after_events) {
  if (!after_events) {
    // The log has often been written to before the loop gets to sleep: those replies leave at once.
    env_->StayAwake();
    instance_->EndTurn();
    Rest();
    env_->MaySleep();
    LookBeforeSleep();
    return;
  }
  // In this order, for a group that was being written lets the next one go when it has come back: with all of this turn.
  instance_->EndTurn();
  env_->StayAwake();
  // Both of its parts are rounded.
  const uint64_t worked_us = std::max(WorkedUs(), worked_us_);
  turn_us_ = worked_us - std::exchange(worked_us_, worked_us);
  instance_->CountTurn(turn_us_);
}

void Server::SampleRest() {
  loop_rest_.Sample(env_->MonotonicUs(), WorkedUs(), env_->job_cpu_wait_us(),
                    static_cast<uint64_t>(instance_->config().loop_rest_us));
  instance_->stats().loop_rest_us = loop_rest_.us();
}

uint64_t Server::WorkedUs() const { return loop_.AwakeUs() - idle_us_; }

void Server::Rest() {
  const uint64_t rest_us = loop_rest_.AfterTurnUs(turn_us_);
  // Replies that wait for the log leave as soon as it has them.
  const Engine& engine = instance_->engine();
  if (rest_us == 0 || engine.reported_group() < engine.last_commit_group()) return;
  const uint64_t begin_us = env_->MonotonicUs();
  std::this_thread::sleep_for(std::chrono::microseconds(rest_us));
  idle_us_ += env_->MonotonicUs() - begin_us;
}

void Server::LookBeforeSleep() {
  const auto most_us = static_cast<uint64_t>(instance_->config().busy_poll_us);
  // Jobs may have no core but ours, and what they finish is not among the events.
  if (most_us == 0 || env_->pending_jobs() > 0 || !loop_.WillSleep() || !busy_poll_.Try()) return;
  const uint64_t begin_us = env_->MonotonicUs();
  const bool found = loop_.LookForEvents(most_us);
  const uint64_t took_us = env_->MonotonicUs() - begin_us;
  idle_us_ += took_us;
  busy_poll_.Did(found);
  ServerStats& stats = instance_->stats();
  ++stats.busy_polls;
  if (found) ++stats.busy_polls_found;
  stats.busy_polled_us += took_us;
}

int Server::Run() {
  env_->RunUntil([this] { return stop_requested_; });
  return Stop();
}

int Server::Stop() {
  stopping_ = true;
  Log(LogLevel::kNotice, "stopping: %zu clients", instance_->client_count());
  if (supervised_) NotifySupervisor("STOPPING=1\n");
  listeners_.clear();
  instance_->EndClients();

  bool waited_enough = false;
  const Env::TimerId timer =
      env_->RunAfter(kStopWaitMs, [&waited_enough] { waited_enough = true; });
  env_->RunUntil([&] { return waited_enough || instance_->client_count() == 0; });
  env_->CancelTimer(timer);
  if (const size_t left = instance_->client_count(); left > 0) {
    Log(LogLevel::kWarning, "%zu clients have not taken their last replies", left);
  }

  // The engine runs the loop while it closes; nobody is to ask anything of it then.
  loop_.OnTurn(nullptr, nullptr);
  const Status closed = instance_->Close();
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
  if (reloading_ || !instance_->is_open()) return;
  reloading_ = true;
  auto loaded = std::make_shared<std::optional<Result<Config>>>();
  env_->Schedule(
      Lane::kManifest, [this, loaded] { loaded->emplace(load_config_()); },
      [this, loaded] {
        reloading_ = false;
        if (stopping_) return;
        const Result<Config>& config = **loaded;
        if (!config.ok()) {
          Log(LogLevel::kWarning, "reload: %s: nothing changed",
              std::string(config.status().message()).c_str());
          return;
        }
        const Config& now = instance_->config();
        for (const std::string& name : ChangedAtStartOnly(now, *config)) {
          Log(LogLevel::kWarning, "reload: %s changes at the next start", name.c_str());
        }
        Config next = now;
        CopyChangeable(*config, &next);
        instance_->Apply(next);
        Log(LogLevel::kNotice, "reload: done");
      });
}

}  // namespace varve
