// tools/backup.cc: varve-tool backup and restore: arguments, progress, outcome.
#include "tools/backup.h"

#include <cstdio>
#include <vector>

#include "base/log.h"
#include "engine/checkpoint/copy_database.h"
#include "env/posix_env.h"
#include "server/net/loop.h"
#include "tools/json.h"
#include "tools/progress_line.h"

namespace varve {

namespace {

constexpr int kExitDone = 0;
constexpr int kExitNotDone = 2;

struct Subcommand {
  const char* name;
  const char* usage;
  const char* when_locked;
};

constexpr Subcommand kBackup = {
    "backup", "DIR TO [--json]",
    "A server has it open. BGSAVE makes a checkpoint in DIR/checkpoints: back that up."};
constexpr Subcommand kRestore = {"restore", "CHECKPOINT DIR [--json]",
                                 "A server has it open. Stop it first."};

struct Arguments {
  std::string source;
  std::string target;
  bool json = false;
};

// False, after saying how it is used, unless they are as they should be.
bool Parse(const Subcommand& subcommand, std::span<const std::string> words, Arguments* arguments) {
  std::vector<std::string> paths;
  bool known = true;
  for (const std::string& word : words) {
    if (word == "--json") {
      arguments->json = true;
    } else if (word.starts_with("-")) {
      known = false;
    } else {
      paths.push_back(word);
    }
  }
  if (!known || paths.size() != 2) {
    std::fprintf(stderr, "varve-tool %s %s\n", subcommand.name, subcommand.usage);
    return false;
  }
  arguments->source = paths[0];
  arguments->target = paths[1];
  return true;
}

int NotDone(const Subcommand& subcommand, const Status& status) {
  std::fprintf(stderr, "varve-tool %s: %s\n", subcommand.name,
               std::string(status.message()).c_str());
  if (status.code() == StatusCode::kLocked) std::fprintf(stderr, "%s\n", subcommand.when_locked);
  return kExitNotDone;
}

std::string CountedTables(uint64_t count) {
  return std::to_string(count) + (count == 1 ? " table" : " tables");
}

void PrintText(const Arguments& arguments, const CheckpointInfo& info) {
  std::printf("%s: %s, %s", arguments.target.c_str(),
              CountedTables(info.tables_linked + info.tables_copied).c_str(),
              FormatBytes(info.bytes).c_str());
  if (info.tables_linked > 0) {
    std::printf("; %s linked", CountedTables(info.tables_linked).c_str());
  }
  if (info.bytes_copied > 0) std::printf("; %s copied", FormatBytes(info.bytes_copied).c_str());
  std::printf("\n");
}

void PrintJson(const Arguments& arguments, const CheckpointInfo& info) {
  JsonWriter json;
  json.BeginObject().Field("source", Slice(arguments.source));
  json.Field("target", Slice(arguments.target));
  json.Field("tables_linked", info.tables_linked).Field("tables_copied", info.tables_copied);
  json.Field("value_files", info.value_files).Field("log_segments", info.log_segments);
  json.Field("bytes", info.bytes).Field("bytes_copied", info.bytes_copied).EndObject();
  std::printf("%s\n", json.text().c_str());
}

int Run(const Subcommand& subcommand, std::span<const std::string> words) {
  Arguments arguments;
  if (!Parse(subcommand, words, &arguments)) return kExitNotDone;
  Loop loop;
  PosixEnv env(loop.handle());
  CheckpointInfo info;
  Status status;
  {
    ProgressLine progress(env);
    CheckpointControl control;
    control.on_progress = [&progress](uint64_t done, uint64_t total, const std::string& file) {
      progress.Show(done, total, file);
    };
    status = CopyDatabase(env, arguments.source, arguments.target, control, &info);
  }
  if (!status.ok()) return NotDone(subcommand, status);
  arguments.json ? PrintJson(arguments, info) : PrintText(arguments, info);
  return kExitDone;
}

}  // namespace

int RunBackup(std::span<const std::string> arguments) { return Run(kBackup, arguments); }

int RunRestore(std::span<const std::string> arguments) { return Run(kRestore, arguments); }

}  // namespace varve
