// tools/offline.cc: what the subcommands share that look at a database which is not open.
#include "tools/offline.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "engine/file_names.h"

namespace varve {

// --- Arguments ---

OfflineArguments::OfflineArguments(const char* subcommand, const char* what,
                                   std::span<const std::string> arguments, size_t paths)
    : subcommand_(subcommand), what_(what), paths_wanted_(paths) {
  for (const std::string& argument : arguments) {
    if (argument.starts_with("--")) {
      switches_.push_back(argument);
    } else {
      paths_.push_back(argument);
    }
  }
}

bool OfflineArguments::Switch(const char* name) {
  allowed_.append(" [").append(name).append("]");
  return std::erase(switches_, name) > 0;
}

std::optional<std::string> OfflineArguments::Option(const char* name, const char* what) {
  allowed_.append(" [").append(name).append("=").append(what).append("]");
  const std::string prefix = std::string(name) + "=";
  std::optional<std::string> value;
  std::erase_if(switches_, [&](const std::string& given) {
    if (!given.starts_with(prefix)) return false;
    value = given.substr(prefix.size());
    return true;
  });
  return value;
}

bool OfflineArguments::Ok() const {
  if (paths_.size() == paths_wanted_ && switches_.empty()) return true;
  std::fprintf(stderr, "varve-tool %s %s%s\n", subcommand_, what_, allowed_.c_str());
  return false;
}

// --- The database ---

Result<OfflineDatabase> OpenOffline(Env& env, const std::string& directory) {
  const Result<std::vector<std::string>> names = env.List(directory);
  if (!names.ok()) return names.status();
  // Where there is no database no lock is left behind.
  const auto is_ours = [](const std::string& name) {
    const std::optional<FileName> file = ParseFileName(name);
    return file && file->kind != FileKind::kTemporary && file->kind != FileKind::kLock;
  };
  const Status none(StatusCode::kNotFound, directory + ": no database here");
  if (std::none_of(names->begin(), names->end(), is_ours)) return none;

  OfflineDatabase database;
  Result<std::unique_ptr<DirectoryLock>> lock = env.LockFile(JoinPath(directory, kLockFileName));
  if (!lock.ok()) return lock.status();
  database.lock = std::move(*lock);
  Result<ManifestContents> manifest = ReadManifest(env, directory);
  if (!manifest.ok()) return manifest.status().is_not_found() ? none : manifest.status();
  database.manifest = std::move(*manifest);

  const Result<std::vector<std::string>> locked_names = env.List(directory);
  if (!locked_names.ok()) return locked_names.status();
  for (const std::string& name : *locked_names) {
    const std::optional<FileName> file = ParseFileName(name);
    if (file && file->kind == FileKind::kLog &&
        file->number >= database.manifest.state.first_log_segment) {
      database.log_segments.push_back(file->number);
    }
  }
  std::sort(database.log_segments.begin(), database.log_segments.end());
  return database;
}

int NotDone(const char* subcommand, const Status& status) {
  std::fprintf(stderr, "varve-tool %s: %s\n", subcommand, std::string(status.message()).c_str());
  if (status.code() == StatusCode::kLocked) {
    std::fprintf(stderr, "Stop the server first: only what is not open can be looked at.\n");
  }
  return status.code() == StatusCode::kCorruption ? kExitDamaged : kExitNotDone;
}

// --- Output ---

void WriteFindings(JsonWriter& json, const char* key, const std::vector<CheckFinding>& findings) {
  json.Key(key).BeginArray();
  for (const CheckFinding& finding : findings) {
    json.BeginObject().Field("file", finding.file);
    if (finding.offset) json.Field("offset", *finding.offset);
    json.Field("text", finding.text).EndObject();
  }
  json.EndArray();
}

std::string Counted(uint64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string Hex(uint64_t number) {
  char text[2 * sizeof(number) + 1];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(number));
  return text;
}

}  // namespace varve
