// server/services.cc: what commands ask of the server. See commands/services.h.
#include <algorithm>

#include "base/log.h"
#include "commands/table.h"
#include "resp/errors.h"
#include "server/info.h"
#include "server/instance.h"

namespace varve {

// --- Authentication ----------------------------------------------------------------------------

bool Instance::PasswordRequired() const { return !config_.requirepass.empty(); }

// Takes as long for any password of the same length, so that time tells nothing of how much was
// right.
bool Instance::CheckPassword(Slice user, Slice password) const {
  if (user != "default") return false;
  const Slice wanted = config_.requirepass;
  if (wanted.empty()) return true;
  unsigned difference = wanted.size() == password.size() ? 0 : 1;
  for (size_t i = 0; i < password.size(); ++i) {
    difference |= static_cast<unsigned>(static_cast<unsigned char>(password[i]) ^
                                        static_cast<unsigned char>(wanted[i % wanted.size()]));
  }
  return difference == 0;
}

// --- Clients -----------------------------------------------------------------------------------

std::string Instance::DescribeClient(const Session& session) const {
  const Client* client = clients_->Find(session.id);
  return client == nullptr ? "" : clients_->Describe(*client) + "\n";
}

std::string Instance::DescribeClients(const std::function<bool(const Session&)>& wanted) const {
  std::string lines;
  clients_->ForEach([&](const Client& client) {
    if (client.state != ClientState::kGone && wanted(client.session)) {
      lines.append(clients_->Describe(client)).append("\n");
    }
  });
  return lines;
}

int Instance::KillClients(const Session& me, const ClientFilter& filter) {
  return clients_->Kill(me, filter);
}

// --- Watched keys ------------------------------------------------------------------------------

void Instance::Watch(Session& session, int database, Slice key, bool exists_now) {
  watches_.Watch(session, database, key, exists_now);
}

void Instance::Unwatch(Session& session) { watches_.Unwatch(session); }

void Instance::ForEachWatched(
    const Session& session,
    const std::function<void(int database, Slice key, bool existed)>& visit) const {
  watches_.ForEachWatched(session, visit);
}

// --- Config ------------------------------------------------------------------------------------

std::vector<std::pair<std::string, std::string>> Instance::ConfigGet(
    std::span<const Slice> patterns) const {
  return GetConfig(config_, patterns);
}

Status Instance::ConfigSet(std::span<const std::pair<Slice, Slice>> values) {
  Config next = config_;
  RETURN_IF_ERROR(SetConfig(values, &next));
  if (next.maxclients > static_cast<int64_t>(host_.clients_max)) {
    return Status::ClientError(
        errors::ConfigSetFailed("maxclients", "the system does not allow that many open files"));
  }
  Apply(next);
  return Status::Ok();
}

// The file is read and replaced by a worker; its client waits, and its command is run again for the
// result.
Status Instance::ConfigRewrite() {
  if (config_.file.empty()) return Status::ClientError(std::string(errors::kNoConfigFile));
  const uint64_t id = dispatcher_->running()->session.id;
  const auto [rewrite, is_new] = rewrites_.try_emplace(id);
  if (rewrite->second) {
    Status result = *std::move(rewrite->second);
    rewrites_.erase(rewrite);
    if (result.ok()) Log(LogLevel::kNotice, "config: rewrote %s", config_.file.c_str());
    return result.ok() ? Status::Ok()
                       : Status::ClientError(errors::ConfigRewriteFailed(result.message()));
  }
  if (!is_new) return Status::Pending();

  auto result = std::make_shared<Status>();
  std::weak_ptr<ReadScope::Wait> wait = dispatcher_->running_view().scope().Expect();
  env_.Schedule(
      Lane::kManifest,
      [&env = env_, config = config_, result] {
        const Result<std::string> text = ReadWholeFile(env, config.file);
        if (!text.ok()) return void(*result = text.status());
        const Result<std::string> rewritten = RewriteConfig(*text, config);
        if (!rewritten.ok()) return void(*result = rewritten.status());
        const size_t slash = config.file.rfind('/');
        const bool here = slash == std::string::npos;
        *result = ReplaceFile(env, here ? "." : config.file.substr(0, slash + 1),
                              here ? config.file : config.file.substr(slash + 1), *rewritten);
      },
      [this, id, result, wait = std::move(wait)] {
        if (wait.expired()) {
          rewrites_.erase(id);  // The client has gone meanwhile.
          return;
        }
        rewrites_[id] = *result;
        ReadScope::Arrived(wait, nullptr);
      });
  return Status::Pending();
}

void Instance::ResetStats() {
  const uint64_t memory_peak_bytes = stats_.memory_peak_bytes;
  // In place: the dispatcher holds on to the row of the command that runs.
  for (CommandStats& command : stats_.commands) command = {};
  std::vector<CommandStats> commands = std::move(stats_.commands);
  stats_ = ServerStats();
  stats_.commands = std::move(commands);
  stats_.memory_peak_bytes = memory_peak_bytes;
  dispatcher_->ForgetTimes();
}

const Histogram* Instance::CommandTimes(const Command& command) const {
  return stats_.commands[static_cast<size_t>(CommandIndex(command))].times_ns.get();
}

// --- The server --------------------------------------------------------------------------------

std::string Instance::Info(std::span<const Slice> sections) const {
  return FormatInfo({config_, stats_, *clients_, databases_, *engine_, *checkpoints_, run_id_,
                     env_.WallMs(), started_ms_, memory_limit_bytes_, host_.supervised},
                    sections);
}

int64_t Instance::LastSaveUnixTime() const {
  const int64_t saved_ms = checkpoints_->last_wall_ms();
  return (saved_ms != 0 ? saved_ms : started_ms_) / 1000;
}

Status Instance::BackgroundSave() {
  if (checkpoints_->running()) return errors::Refuse(errors::kSaveInProgress);
  checkpoints_->Start([](const Status&) {});  // INFO tells
  return Status::Ok();
}

// As in ConfigRewrite, the client waits and its command is run again for the result.
Status Instance::Save() {
  const uint64_t id = dispatcher_->running()->session.id;
  if (const auto save = saves_.find(id); save != saves_.end()) {
    if (!save->second) return Status::Pending();
    Status result = *std::move(save->second);
    saves_.erase(save);
    return result.ok() ? Status::Ok() : Status::ClientError(errors::SaveFailed(result.message()));
  }
  if (checkpoints_->running()) return errors::Refuse(errors::kSaveInProgress);
  saves_.emplace(id, std::nullopt);
  std::weak_ptr<ReadScope::Wait> wait = dispatcher_->running_view().scope().Expect();
  checkpoints_->Start([this, id, wait = std::move(wait)](const Status& result) {
    if (wait.expired()) {
      saves_.erase(id);  // The client has gone meanwhile.
      return;
    }
    saves_[id] = result;
    ReadScope::Arrived(wait, nullptr);
  });
  return Status::Pending();
}

void Instance::Shutdown(bool) { host_.stop(); }

void Instance::SleepUs(uint64_t us) {
  host_.sleep(us);
  turn_->ForgetNow();
}

int64_t Instance::WallUs() const { return env_.WallUs(); }

}  // namespace varve
