// server/checkpoints.h: BGSAVE and SAVE: checkpoints of the database, one directory each.
//
//   DIR/checkpoints/20261121T160551.123Z      when it was asked for, in UTC
//
//     Start: make DIR/checkpoints, remove what a crash left there
//       --> Engine::Checkpoint
//             --> remove the oldest beyond checkpoints-max --> done
//
// Names sort by time; what has another name is left alone. Varve needs none of them: they are there to be
// backed up, and may be removed by anyone at any time.
//
// Threads    Loop. Directories are made and removed on Lane::kCheckpoint.
// Errors     Start's go to `done` and into the figures that INFO tells. That an old checkpoint could not be removed
//            is only logged: the new one is there.
// See also: engine/checkpoint.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "engine/engine.h"
#include "env/env.h"
#include "server/config.h"

namespace varve {

class Checkpoints {
 public:
  // All must outlive it; `config` may change.
  Checkpoints(Engine& engine, Env& env, const Config& config);
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  // REQUIRES: !running(). `done` runs when the checkpoint is durable, or with why there is none.
  void Start(std::function<void(const Status&)> done);

  // --- For INFO and LASTSAVE ---
  bool running() const { return running_; }
  int64_t started_wall_ms() const { return started_wall_ms_; }  // of the newest
  uint64_t made() const { return made_; }                       // since the server started
  bool last_failed() const { return last_failed_; }
  int64_t last_took_ms() const { return last_took_ms_; }  // -1: there was none
  int64_t last_wall_ms() const { return last_wall_ms_; }  // when it was done; 0 likewise
  uint64_t entries_at_last() const {
    return entries_at_last_;
  }  // EngineStats::entries_written then

 private:
  void Make(const std::string& directory);
  void Prune(const std::string& newest);
  void End(const Status& status);

  Engine& engine_;
  Env& env_;
  const Config& config_;
  bool running_ = false;
  std::function<void(const Status&)> done_;
  int64_t started_wall_ms_ = 0;
  uint64_t entries_at_start_ = 0;
  uint64_t made_ = 0;
  bool last_failed_ = false;
  int64_t last_took_ms_ = -1;
  int64_t last_wall_ms_ = 0;
  uint64_t entries_at_last_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace varve
