// tools/offline.h: what the subcommands share that look at a database which is not open.
//
// Threads: main.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/quoted.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/check/report.h"
#include "engine/version/manifest.h"
#include "env/posix_env.h"
#include "server/net/loop.h"
#include "tools/json.h"

namespace varve {

// Exit codes, the same for all of them.
inline constexpr int kExitSound = 0;
inline constexpr int kExitDamaged = 1;
inline constexpr int kExitNotDone = 2;  // bad usage, locked, not there

// The files of this machine.
class OfflineWorld {
 public:
  OfflineWorld() : env_(loop_.handle()) {}
  Env& env() { return env_; }

 private:
  Loop loop_;
  PosixEnv env_;
};

// Paths, as a rule one, switches and options with values, in any order.
class OfflineArguments {
 public:
  // `what` is what the paths are called in the usage.
  OfflineArguments(const char* subcommand, const char* what, std::span<const std::string> arguments,
                   size_t paths = 1);

  // Allowed are those that were asked for before Ok(). False if it was not given.
  bool Switch(const char* name);
  // NAME=VALUE; the last one counts. `what` is what the value is called in the usage.
  std::optional<std::string> Option(const char* name, const char* what);
  // False, after saying how it is used, unless there are as many paths as wanted and nothing unknown.
  bool Ok() const;
  // REQUIRES: Ok().
  const std::string& path(size_t i = 0) const { return paths_[i]; }

 private:
  const char* const subcommand_;
  const char* const what_;
  const size_t paths_wanted_;
  std::vector<std::string> paths_;
  std::string allowed_;                // for the usage
  std::vector<std::string> switches_;  // given, and not asked for yet
};

// A database as its manifest tells it. Nobody else has it while this lives.
struct OfflineDatabase {
  std::unique_ptr<DirectoryLock> lock;
  ManifestContents manifest;
  std::vector<uint64_t> log_segments;  // those that are there and live, in rising order
};

// kNotFound, kLocked, kIoError, and kCorruption if the manifest cannot be read.
Result<OfflineDatabase> OpenOffline(Env& env, const std::string& directory);

// Says what went wrong, and returns kExitNotDone, or kExitDamaged for kCorruption.
int NotDone(const char* subcommand, const Status& status);

// An array of objects: file, offset if there is one, text.
void WriteFindings(JsonWriter& json, const char* key, const std::vector<CheckFinding>& findings);

// "1 problem", "2 problems".
std::string Counted(uint64_t count, const char* noun);

// Sixteen hexadecimal digits: database ids.
std::string Hex(uint64_t number);

}  // namespace varve
