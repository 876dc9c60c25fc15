// engine/checkpoint.cc: a copy of the database, in another directory, while writes go on.
//
//   asked    everything dirty is flushed, as by Flush: then tables alone make up a state that the
//            database had
//   pinned   that state is copied - a version is shared - and its files are not removed any more
//   linked   a worker makes a database of them: checkpoint/checkpoint_job.h
//   done     what was to be removed meanwhile is removed; the caller is told
//
//     Checkpoint --> waits ---------------> links ---------------> EndCheckpoint
//                      | LinkCheckpoint       | Close: cancelled        ^
//                      `-- Flushed: it failed; Close -------------------'
//
// Why not link the log, too, and leave out the flush? Segments are recycled, so they would have to be copied; and
// what lies in the log may be as much as a generation, while a flush of it is due anyway.
//
// Exactly the commits up to a group. A flush leaves out what a later generation has declared
// dead, for the log would bury it again after a crash. A checkpoint has no log, so while one waits, flushes write
// such keys: see MaybeFlush. (Flushes that began before know only of deaths that the checkpoint has as well.)
//
// Threads: loop; the job on kCheckpoint.
#include <utility>

#include "base/log.h"
#include "engine/checkpoint/checkpoint_job.h"
#include "engine/engine_impl.h"

namespace varve {

struct EngineImpl::RunningCheckpoint {
  std::string directory;
  std::function<void(Result<CheckpointInfo>)> done;
  // From LinkCheckpoint on.
  std::shared_ptr<const Version> pinned;
  std::set<uint64_t> pinned_files;  // tables and value files
  // Of those that are not part of the database any more.
  std::vector<std::string> paths_to_remove;
  uint64_t bytes_to_remove = 0;
  CheckpointControl control;
};

void EngineImpl::Checkpoint(const std::string& directory,
                            std::function<void(Result<CheckpointInfo>)> done) {
  if (closing_) return done(Status(StatusCode::kAborted, "shutting down"));
  if (checkpoint_) return done(Status(StatusCode::kUnavailable, "a checkpoint is under way"));
  if (!reserve_->status().ok()) return done(reserve_->status());
  checkpoint_ = std::make_shared<RunningCheckpoint>();
  checkpoint_->directory = directory;
  checkpoint_->done = std::move(done);
  Flush([this, waiting = std::weak_ptr<RunningCheckpoint>(checkpoint_)](const Status&) {
    if (!waiting.expired()) LinkCheckpoint();  // else it has failed meanwhile
  });
}

bool EngineImpl::CheckpointWaits() const { return checkpoint_ && !checkpoint_->pinned; }

void EngineImpl::LinkCheckpoint() {
  auto plan = std::make_shared<CheckpointPlan>();
  plan->source = options_.directory;
  plan->target = checkpoint_->directory;
  plan->state = state_;
  plan->manifest_number = NewFileNumber();
  plan->state.next_file_number = next_file_number_;
  plan->state.first_log_segment = 0;  // it has no log yet, as a new database
  plan->state.log_ends.clear();

  checkpoint_->pinned = state_.version;
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& file : state_.version->level(level)) {
      checkpoint_->pinned_files.insert(file->number);
    }
  }
  for (const LiveValueFile& file : state_.version->value_files()) {
    checkpoint_->pinned_files.insert(file.meta.number);
  }
  auto info = std::make_shared<CheckpointInfo>();
  auto status = std::make_shared<Status>();
  env_.Schedule(
      Lane::kCheckpoint,
      [&env = env_, plan, checkpoint = checkpoint_, info, status] {
        *status = MakeCheckpoint(env, *plan, checkpoint->control, info.get());
      },
      [this, alive = alive(), info, status] {
        if (alive.expired()) return;
        EndCheckpoint(status->ok() ? Result<CheckpointInfo>(*info)
                                   : Result<CheckpointInfo>(*status));
      });
}

bool EngineImpl::HoldForCheckpoint(uint64_t number, uint64_t size_bytes, const std::string& path) {
  if (!checkpoint_ || !checkpoint_->pinned_files.contains(number)) return false;
  checkpoint_->paths_to_remove.push_back(path);
  checkpoint_->bytes_to_remove += size_bytes;
  return true;
}

void EngineImpl::CancelCheckpoint() {
  if (!checkpoint_) return;
  checkpoint_->control.cancelled = true;
  if (CheckpointWaits()) EndCheckpoint(Status(StatusCode::kAborted, "shutting down"));
}

void EngineImpl::EndCheckpoint(const Result<CheckpointInfo>& outcome) {
  const std::shared_ptr<RunningCheckpoint> ended = std::exchange(checkpoint_, nullptr);
  RemoveFiles(std::move(ended->paths_to_remove));
  if (outcome.ok()) {
    ++stats_.checkpoints;
    Log(LogLevel::kNotice, "engine: checkpoint %s: group %llu, %llu tables linked, %llu copied, %s",
        ended->directory.c_str(), static_cast<unsigned long long>(outcome->group),
        static_cast<unsigned long long>(outcome->tables_linked),
        static_cast<unsigned long long>(outcome->tables_copied),
        FormatBytes(outcome->bytes).c_str());
  } else {
    // Not last_error: the database is none the worse for it.
    Log(LogLevel::kWarning, "engine: checkpoint %s: %s", ended->directory.c_str(),
        outcome.status().ToString().c_str());
  }
  ended->done(outcome);
}

void EngineImpl::AddCheckpointStats(EngineStats* stats) const {
  stats->checkpoint_running = checkpoint_ != nullptr;
  if (checkpoint_) stats->checkpoint_held_bytes = checkpoint_->bytes_to_remove;
}

}  // namespace varve
