// engine/checkpoint/partial_directory.cc: a directory that becomes a database, or stops being one, all at once.
#include "engine/checkpoint/partial_directory.h"

#include <memory>
#include <utility>
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

// Takes the database's lock, if anybody ever opened it.
Status LockIfUsed(Env& env, const std::string& directory, std::unique_ptr<DirectoryLock>* held) {
  const std::string path = JoinPath(directory, kLockFileName);
  if (!env.Exists(path)) return Status::Ok();
  Result<std::unique_ptr<DirectoryLock>> lock = env.LockFile(path);
  if (!lock.ok()) return lock.status();
  *held = std::move(*lock);
  return Status::Ok();
}

// REQUIRES: nobody uses it.
Status RemoveFiles(Env& env, const std::string& partial) {
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

}  // namespace

std::string PartialPath(const std::string& directory) {
  return WithoutSlashes(directory).append(kPartialSuffix);
}

Status RequireVacant(Env& env, const std::string& directory) {
  // At the next start of a database around it, such a name would be taken for a file to be removed.
  if (ParseFileName(BaseName(directory))) {
    return Status::InvalidArgument(directory + ": a name that the database's own files have");
  }
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
  std::unique_ptr<DirectoryLock> held;
  RETURN_IF_ERROR(LockIfUsed(env, directory, &held));
  RETURN_IF_ERROR(RemovePartial(env, directory));
  RETURN_IF_ERROR(env.Rename(WithoutSlashes(directory), PartialPath(directory)));
  return RemoveFiles(env, PartialPath(directory));
}

Status RemovePartial(Env& env, const std::string& directory) {
  const std::string partial = PartialPath(directory);
  if (!env.Exists(partial)) return Status::Ok();
  std::unique_ptr<DirectoryLock> held;
  RETURN_IF_ERROR(LockIfUsed(env, partial, &held));
  return RemoveFiles(env, partial);
}

}  // namespace varve
