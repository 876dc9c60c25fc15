// engine/checkpoint/partial_directory.cc: a directory that becomes a database, or stops being one, all at once.
#include "engine/checkpoint/partial_directory.h"

#include <vector>

#include "base/planted_bug.h"
#include "base/result.h"
#include "engine/file_names.h"

namespace varve {

namespace {

std::string WithoutSlashes(const std::string& path) {
  const size_t last = path.find_last_not_of('/');
  return last == std::string::npos ? path : path.substr(0, last + 1);
}

}  // namespace

std::string PartialPath(const std::string& directory) {
  return WithoutSlashes(directory).append(kPartialSuffix);
}

Status RequireVacant(Env& env, const std::string& directory) {
  const Result<std::vector<std::string>> names = env.List(directory);
  if (!names.ok()) return names.status().is_not_found() ? Status::Ok() : names.status();
  if (names->empty()) return Status::Ok();
  return Status::InvalidArgument(directory + ": is there already, and not empty");
}

Status FinishPartial(Env& env, const std::string& directory) {
  RETURN_IF_ERROR(env.Rename(PartialPath(directory), WithoutSlashes(directory)));
  if (Planted(PlantedBug::kCheckpointNameNotSynced)) return Status::Ok();
  return env.SyncDirectory(ParentDirectory(directory));
}

Status RemoveWhole(Env& env, const std::string& directory) {
  RETURN_IF_ERROR(RemovePartial(env, directory));
  RETURN_IF_ERROR(env.Rename(WithoutSlashes(directory), PartialPath(directory)));
  return RemovePartial(env, directory);
}

Status RemovePartial(Env& env, const std::string& directory) {
  const std::string partial = PartialPath(directory);
  if (!env.Exists(partial)) return Status::Ok();
  // It may have been a whole one until it was renamed, just now or before a crash: a power cut may keep what is
  // removed within, and not the renaming.
  RETURN_IF_ERROR(env.SyncDirectory(ParentDirectory(partial)));
  const Result<std::vector<std::string>> names = env.List(partial);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (ParseFileName(name)) RETURN_IF_ERROR(env.Remove(JoinPath(partial, name)));
  }
  return env.RemoveDirectory(partial);
}

}  // namespace varve
