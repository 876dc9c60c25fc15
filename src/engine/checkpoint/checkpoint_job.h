// engine/checkpoint/checkpoint_job.h: a database made of files that are there already.
//
//   1. clean      what a crash left of an earlier attempt is removed
//   2. directory  NAME.partial is made
//   3. tables     linked, for they never change; copied and synced where links are impossible
//   4. log        copied and synced: a segment is recycled, and a link to it would change with it
//   5. manifest   a snapshot, synced with the directory; then CURRENT, likewise
//   6. name       NAME.partial is renamed to NAME, and the parent synced
//
// So what is called NAME is a whole database, at any moment and after any crash. A crash leaves a NAME.partial
// at most (partial_directory.h); the next attempt at NAME removes it.
//
// Whoever has a link needs no pin: the file lives as long as its last name. Until then the source
// must not remove it; see engine/checkpoint.cc.
//
// Threads    A worker; waits for the disk.
// Errors     Name the file. What was made is removed again, as far as the disk allows. Only if the last sync
//            fails, NAME is there: it is whole, but a power cut may take it back.
// See also: copy_database.h (of a closed one), version/manifest.h (the order within 5).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/slice.h"
#include "base/status.h"
#include "engine/checkpoint/checkpoint_info.h"
#include "engine/version/manifest_state.h"
#include "env/env.h"

namespace varve {

// What it is to be made of.
struct CheckpointPlan {
  std::string source;  // directory
  std::string target;  // directory: must be empty or not there; its parent must be there
  ManifestState state;
  uint64_t manifest_number = 0;
  std::vector<uint64_t> log_segments;
};

// Between the worker and whoever waits for it.
struct CheckpointControl {
  // The one thing that the loop tells a running job: a copy may take hours, and a stop of the server must not.
  std::atomic<bool> cancelled = false;
  // Runs on the worker: bytes linked or copied, of how many, and the file. May be empty.
  std::function<void(uint64_t done, uint64_t total, const std::string& file)> on_progress;
};

// kInvalidArgument: the target is not empty; kAborted: cancelled.
Status MakeCheckpoint(Env& env, const CheckpointPlan& plan, const CheckpointControl& control,
                      CheckpointInfo* info);

}  // namespace varve
