// engine/check/repair.h: all that can be read of a damaged database, as a new one.
//
//   tables   merged, newest first. Behind damage it goes on. What is older than keys that were lost, or may have been as far
//            as filters know, does not come back: it may have been replaced (iterators/lost_ranges.h)
//   log      replayed on top, up to where a group is missing
//
// The damaged database stays as it is. Its manifest has to be sound: without it nobody knows which table is the newest.
//
// Threads    the loop's: it runs an engine of its own, and the Env's loop. Waits for the disk.
// Memory     A memtable and a few blocks of each run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/iterators/lost_ranges.h"
#include "engine/options.h"
#include "env/env.h"

namespace varve {

struct RepairReport {
  // A value that could not be read, and so its key.
  struct LostValue {
    std::string key;
    std::string why;
  };

  uint64_t keys = 0;        // taken over from tables
  uint64_t groups = 0;      // from the log
  uint64_t last_group = 0;  // everything that is taken over was written up to this one
  uint64_t bytes = 0;       // of keys and values, of both
  // Newer values of some of these keys may have been there, and have been taken over.
  std::vector<LostRange> lost_ranges;
  std::vector<LostValue> lost_values;
  std::string log_ends_early;  // and why: what was written last is lost. Or empty

  bool complete() const {
    return lost_ranges.empty() && lost_values.empty() && log_ends_early.empty();
  }
};

struct RepairRequest {
  std::string source;
  std::string target;  // not there yet, or empty
  Options options;     // of the new database, but for its directory and durability
  // Without it the rest would be taken for something else. If it may be among what is lost, nothing is done.
  std::string needed_key;
  // Called now and then: bytes of tables read, of how many.
  std::function<void(uint64_t done, uint64_t total)> on_progress = [](uint64_t, uint64_t) {};
};

// Ok: all that can be read is in `target`, closed in good order; `report` says what is not. It is made as TARGET.partial: a
// crash may leave that, and the next attempt removes it. Else there is no target, unless the very last sync failed:
// kNotFound (no database), kLocked, kCorruption (the manifest, or the needed key), kInvalidArgument (the target), kIoError,
// kNoSpace.
Status RepairDatabase(Env& env, const RepairRequest& request, RepairReport* report);

}  // namespace varve
