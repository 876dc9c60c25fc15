// server/instance.cc: a database and its clients: opened, configured, closed.
#include "server/instance.h"

#include <cstdio>
#include <utility>

#include "base/log.h"
#include "commands/table.h"
#include "data/key_format.h"
#include "engine/compaction/policy.h"

namespace varve {

namespace {

Durability DurabilityOf(const Config& config) {
  if (config.appendfsync == "always") return Durability::kAlways;
  return config.appendfsync == "no" ? Durability::kNo : Durability::kEverySecond;
}

PolicyKind PolicyKindOf(const Config& config) {
  return ParsePolicyKind(config.compaction_policy).value_or(PolicyKind::kLeveled);
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

Instance::Instance(Config config, Env& env, Host host)
    : config_(std::move(config)),
      env_(env),
      host_(std::move(host)),
      run_id_(MakeRunId(env)),
      started_ms_(env.WallMs()),
      memory_limit_bytes_(MemoryLimitOf(config_)),
      latency_(env) {
  stats_.commands.resize(static_cast<size_t>(CommandCount()));
  ApplyLimits();
  ApplyLatencyThreshold();
}

Instance::~Instance() = default;

// --- Opening -----------------------------------------------------------------------------------

Status Instance::Open() {
  RETURN_IF_ERROR(OpenEngine());
  RETURN_IF_ERROR(LoadDatabases());
  Connect();
  return Status::Ok();
}

Status Instance::OpenEngine() {
  Options options;
  options.directory = config_.dir;
  options.durability = DurabilityOf(config_);
  options.memory_limit_bytes = memory_limit_bytes_;
  options.compression_level = static_cast<int>(config_.compression_level);
  if (!config_.compression_dictionary) options.dictionary_sample_bytes = 0;
  options.compaction_policy = PolicyKindOf(config_);
  options.value_file_threshold_bytes = static_cast<uint64_t>(config_.value_file_threshold_bytes);
  options.open_tables_max = host_.open_tables_max;
  options.scrub_bytes_per_second = static_cast<uint64_t>(config_.scrub_bytes_per_second);
  options.counted_prefix_size = CountedPrefixSize;
  if (host_.tune) host_.tune(options);
  Result<std::unique_ptr<Engine>> engine = Engine::Open(options, env_);
  if (!engine.ok()) return engine.status();
  engine_ = std::move(*engine);
  checkpoints_ = std::make_unique<Checkpoints>(*engine_, env_, config_);
  return Status::Ok();
}

Status Instance::LoadDatabases() {
  const std::string key = Databases::RecordKey();
  ReadScope scope;
  Value value;
  Status status = engine_->Get(key, scope, &value);
  while (status.is_pending()) {
    bool ready = false;
    scope.WhenReady([&ready] { ready = true; });
    env_.RunUntil([&ready] { return ready; });
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
void Instance::Connect() {
  dispatcher_ = std::make_unique<Dispatcher>(
      Dispatcher::Parts{*engine_, env_, databases_, *this, watches_, limits_, stats_, latency_});
  dispatcher_->OnRan(host_.ran);
  turn_ = std::make_unique<Turn>(
      Turn::Parts{*engine_, env_, *dispatcher_, limits_, stats_, host_.set_busy,
                  [this](Client& client) { clients_->Destroy(client); }});
  clients_ = std::make_unique<Clients>(
      Clients::Parts{config_, limits_, watches_, stats_, host_.open_connection});
  clients_->SetTurn(*turn_);
  expiry_ = std::make_unique<ExpiryCycle>(
      ExpiryCycle::Parts{*engine_, env_, databases_, watches_, stats_});
  cron_ = std::make_unique<Cron>(Cron::Parts{env_, *engine_, *clients_, *expiry_, stats_, latency_,
                                             host_.measure_memory, host_.tick});
  cron_->SetMemoryLimit(memory_limit_bytes_);
  engine_->OnLogWork(
      [this](LogWork work, uint64_t took_us) { latency_.CountLogWork(work, took_us); });
}

// --- Closing -----------------------------------------------------------------------------------

void Instance::EndClients() {
  turn_->EndAllClients([this](const auto& visit) { clients_->ForEach(visit); });
}

Status Instance::Close() {
  cron_ = nullptr;
  expiry_ = nullptr;
  clients_ = nullptr;
  return engine_->Close();
}

// --- Config ------------------------------------------------------------------------------------

void Instance::Apply(const Config& next) {
  const bool open_to_all = next.requirepass.empty() && !config_.requirepass.empty();
  config_ = next;
  host_.configured(config_);
  ApplyLimits();
  ApplyLatencyThreshold();
  memory_limit_bytes_ = MemoryLimitOf(config_);
  engine_->SetDurability(DurabilityOf(config_));
  engine_->SetCompactionPolicy(PolicyKindOf(config_));
  engine_->SetScrubRate(static_cast<uint64_t>(config_.scrub_bytes_per_second));
  engine_->SetMemoryLimit(memory_limit_bytes_);
  cron_->SetMemoryLimit(memory_limit_bytes_);
  if (open_to_all) clients_->ForEach([](Client& c) { c.session.authenticated = true; });
}

void Instance::ApplyLatencyThreshold() {
  latency_.SetThreshold(static_cast<uint64_t>(config_.latency_monitor_threshold_ms));
}

void Instance::ApplyLimits() {
  RequestLimits& requests = limits_.requests;
  requests.bulk_bytes_max = config_.proto_max_bulk_bytes;
  requests.query_buffer_bytes_max = static_cast<size_t>(config_.client_query_buffer_bytes);
  limits_.requests_no_auth = requests;
  limits_.requests_no_auth.authenticated = false;
  limits_.output = config_.client_output_limits.normal;
  limits_.output_pubsub = config_.client_output_limits.pubsub;
  limits_.idle_seconds_max = config_.timeout_seconds;
  if (const auto most = static_cast<int64_t>(host_.clients_max); config_.maxclients > most) {
    Log(LogLevel::kWarning,
        "maxclients %lld needs more open files than the system allows: using %lld",
        static_cast<long long>(config_.maxclients), static_cast<long long>(most));
    config_.maxclients = most;
  }
  limits_.clients_max = static_cast<size_t>(config_.maxclients);
}

}  // namespace varve
