// server/checkpoints.cc: BGSAVE and SAVE: checkpoints of the database, one directory each.
#include "server/checkpoints.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/log.h"
#include "engine/checkpoint/checkpoint_job.h"
#include "engine/checkpoint/partial_directory.h"
#include "engine/file_names.h"

namespace varve {

namespace {

constexpr Slice kDirectoryName = "checkpoints";

std::string NameAt(int64_t wall_ms) {
  const time_t seconds = wall_ms / 1000;
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  std::snprintf(text, sizeof(text), "%04d%02d%02dT%02d%02d%02d.%03dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(wall_ms % 1000));
  return text;
}

// Whether NameAt makes such names.
bool IsOurs(Slice name) {
  constexpr Slice kShape = "00000000T000000.000Z";
  return name.size() == kShape.size() &&
         std::equal(name.begin(), name.end(), kShape.begin(), [](char c, char shape) {
           return shape == '0' ? c >= '0' && c <= '9' : c == shape;
         });
}

// On a worker. Only one checkpoint is made at a time, so whatever is partial, a crash has left.
Status Prepare(Env& env, const std::string& data_directory, const std::string& directory) {
  if (!env.Exists(directory)) RETURN_IF_ERROR(env.CreateDirectory(directory));
  // Whoever made it may not have got so far.
  RETURN_IF_ERROR(env.SyncDirectory(data_directory));
  const Result<std::vector<std::string>> names = env.List(directory);
  if (!names.ok()) return names.status();
  for (Slice name : *names) {
    if (!name.ends_with(kPartialSuffix)) continue;
    name.remove_suffix(kPartialSuffix.size());
    if (!IsOurs(name)) continue;
    const Status removed = RemovePartial(env, JoinPath(directory, name));
    if (!removed.ok()) Log(LogLevel::kWarning, "checkpoints: %s", removed.ToString().c_str());
  }
  return Status::Ok();
}

// On a worker.
Status RemoveOldest(Env& env, const std::string& directory, const std::string& newest,
                    size_t checkpoints_max) {
  Result<std::vector<std::string>> names = env.List(directory);
  if (!names.ok()) return names.status();
  // Never the one that was just made, even if the clock went back.
  std::erase_if(*names, [&](const std::string& name) { return !IsOurs(name) || name == newest; });
  const size_t others_max = checkpoints_max - 1;
  if (names->size() <= others_max) return Status::Ok();
  names->resize(names->size() - others_max);
  for (const std::string& name : *names) {
    RETURN_IF_ERROR(RemoveWhole(env, JoinPath(directory, name)));
    Log(LogLevel::kNotice, "checkpoints: removed %s", name.c_str());
  }
  return Status::Ok();
}

}  // namespace

Checkpoints::Checkpoints(Engine& engine, Env& env, const Config& config)
    : engine_(engine), env_(env), config_(config) {}

void Checkpoints::Start(std::function<void(const Status&)> done) {
  CHECK(!running_);
  running_ = true;
  done_ = std::move(done);
  started_wall_ms_ = env_.WallMs();
  entries_at_start_ = engine_.stats().entries_written;
  const std::string directory = JoinPath(config_.dir, kDirectoryName);
  auto status = std::make_shared<Status>();
  env_.Schedule(
      Lane::kCheckpoint,
      [&env = env_, data_directory = config_.dir, directory, status] {
        *status = Prepare(env, data_directory, directory);
      },
      [this, alive = std::weak_ptr<bool>(alive_), directory, status] {
        if (alive.expired()) return;
        status->ok() ? Make(directory) : End(*status);
      });
}

void Checkpoints::Make(const std::string& directory) {
  const std::string name = NameAt(started_wall_ms_);
  engine_.Checkpoint(JoinPath(directory, name), [this, alive = std::weak_ptr<bool>(alive_),
                                                 name](const Result<CheckpointInfo>& made) {
    if (alive.expired()) return;
    made.ok() ? Prune(name) : End(made.status());
  });
}

void Checkpoints::Prune(const std::string& newest) {
  if (config_.checkpoints_max == 0) return End(Status::Ok());
  auto status = std::make_shared<Status>();
  env_.Schedule(
      Lane::kCheckpoint,
      [&env = env_, directory = JoinPath(config_.dir, kDirectoryName), newest,
       checkpoints_max = static_cast<size_t>(config_.checkpoints_max),
       status] { *status = RemoveOldest(env, directory, newest, checkpoints_max); },
      [this, alive = std::weak_ptr<bool>(alive_), status] {
        if (alive.expired()) return;
        if (!status->ok()) {
          Log(LogLevel::kWarning, "checkpoints: an old one stays: %s", status->ToString().c_str());
        }
        End(Status::Ok());
      });
}

void Checkpoints::End(const Status& status) {
  running_ = false;
  last_failed_ = !status.ok();
  const int64_t now_ms = env_.WallMs();
  last_took_ms_ = std::max<int64_t>(now_ms - started_wall_ms_, 0);
  if (status.ok()) {
    ++made_;
    last_wall_ms_ = now_ms;
    entries_at_last_ = entries_at_start_;
  }
  if (const auto done = std::exchange(done_, nullptr)) done(status);
}

}  // namespace varve
