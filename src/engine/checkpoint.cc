// engine/checkpoint.cc: a copy of the database, in another directory, while writes go on.
//
//   pinned   a snapshot of it: see snapshot.cc. Its files are not removed meanwhile
//   linked   a worker makes a database of them: checkpoint/checkpoint_job.h
//   done     the snapshot is let go of; the caller is told
//
//     Checkpoint --> waits --------> links ---------------> EndCheckpoint
//                      |  PinState     | Close: cancelled        ^
//                      `-- it is refused; Close -----------------'
//
// Why not link the log, too, and leave out the flush? Segments are recycled, so they would have to be copied; and
// what lies in the log may be as much as a generation, while a flush of it is due anyway.
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
  std::shared_ptr<const PinnedState> pinned;  // null while it waits
  CheckpointControl control;
};

void EngineImpl::Checkpoint(const std::string& directory,
                            std::function<void(Result<CheckpointInfo>)> done) {
  if (checkpoint_) return done(Status(StatusCode::kUnavailable, "a checkpoint is under way"));
  checkpoint_ = std::make_shared<RunningCheckpoint>();
  checkpoint_->directory = directory;
  checkpoint_->done = std::move(done);
  PinState([this](PinnedOr pinned) {
    if (!pinned.ok()) return EndCheckpoint(pinned.status());
    checkpoint_->pinned = std::move(*pinned);
    LinkCheckpoint();
  });
}

void EngineImpl::LinkCheckpoint() {
  auto plan = std::make_shared<CheckpointPlan>();
  plan->source = options_.directory;
  plan->target = checkpoint_->directory;
  plan->state = checkpoint_->pinned->manifest;
  plan->manifest_number = NewFileNumber();
  plan->state.next_file_number = next_file_number_;
  plan->state.first_log_segment = 0;  // it has no log yet, as a new database
  plan->state.log_ends.clear();
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

void EngineImpl::CancelCheckpoint() {
  if (checkpoint_) checkpoint_->control.cancelled = true;
}

void EngineImpl::EndCheckpoint(const Result<CheckpointInfo>& outcome) {
  const std::shared_ptr<RunningCheckpoint> ended = std::exchange(checkpoint_, nullptr);
  ended->pinned.reset();  // the job may still hold the rest
  CollectPins();
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

}  // namespace varve
