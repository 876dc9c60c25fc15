// engine/version/manifest_state.h: everything the manifest says, as of its last edit.
//
// Threads    As a value: the loop owns the one in use.
// Ownership  The version is shared; the rest is copied.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/status.h"
#include "engine/version/dead_prefixes.h"
#include "engine/version/version.h"
#include "engine/version/version_edit.h"

namespace varve {

struct ManifestState {
  uint64_t database_id = 0;
  uint64_t next_file_number = 1;
  uint64_t first_log_segment = 0;  // 0: there is no log yet
  uint64_t flushed_group = 0;
  std::map<uint64_t, uint64_t> log_ends;               // segment -> offset
  std::map<std::string, int64_t, std::less<>> counts;  // counted prefix -> keys
  DeadPrefixes dead_prefixes;
  std::shared_ptr<const Version> version = std::make_shared<Version>();

  // Applies all of `edit` or nothing. kCorruption if it makes no sense here.
  Status Apply(const VersionEdit& edit);

  // The edit that makes this state from an empty one.
  VersionEdit Snapshot() const;

  // All but the tables: the part of Apply that is cheap. Refuses what makes no sense.
  Status ApplyCounters(const VersionEdit& edit);
};

}  // namespace varve
