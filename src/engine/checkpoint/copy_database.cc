// engine/checkpoint/copy_database.cc: a copy of a database that is not open.
#include "engine/checkpoint/copy_database.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/file_names.h"
#include "engine/version/manifest.h"

namespace varve {

namespace {

Status CheckFile(Env& env, const std::string& path, uint64_t size_bytes) {
  Result<std::unique_ptr<File>> file = env.Open(path, OpenMode::kRead);
  if (file.status().is_not_found()) {
    return Status::Corruption(path + ": missing, though the manifest names it");
  }
  if (!file.ok()) return file.status();
  const Result<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size == size_bytes) return Status::Ok();
  return Status::Corruption(path + ": " + std::to_string(*size) + " bytes, but the manifest says " +
                            std::to_string(size_bytes));
}

Status CheckFiles(Env& env, const std::string& directory, const Version& version) {
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& table : version.level(level)) {
      const std::string path = JoinPath(directory, TableFileName(table->number));
      RETURN_IF_ERROR(CheckFile(env, path, table->size_bytes));
    }
  }
  for (const LiveValueFile& file : version.value_files()) {
    const std::string path = JoinPath(directory, ValueFileName(file.meta.number));
    RETURN_IF_ERROR(CheckFile(env, path, file.meta.size_bytes));
  }
  return Status::Ok();
}

// As recovery finds them.
Result<std::vector<uint64_t>> LiveLogSegments(Env& env, const std::string& directory,
                                              uint64_t first) {
  const Result<std::vector<std::string>> names = env.List(directory);
  if (!names.ok()) return names.status();
  std::vector<uint64_t> segments;
  for (const std::string& name : *names) {
    const std::optional<FileName> file = ParseFileName(name);
    if (!file || file->kind != FileKind::kLog || file->number < first) continue;
    segments.push_back(file->number);
  }
  return segments;
}

}  // namespace

Status CopyDatabase(Env& env, const std::string& source, const std::string& target,
                    const CheckpointControl& control, CheckpointInfo* info) {
  // Before the lock, whose file would otherwise be made where no database is.
  if (!env.Exists(JoinPath(source, kCurrentFileName))) {
    return {StatusCode::kNotFound, source + ": no database there"};
  }
  const Result<std::unique_ptr<DirectoryLock>> lock = env.LockFile(JoinPath(source, kLockFileName));
  if (!lock.ok()) return lock.status();
  Result<ManifestContents> contents = ReadManifest(env, source);
  if (!contents.ok()) return contents.status();
  RETURN_IF_ERROR(CheckFiles(env, source, *contents->state.version));
  Result<std::vector<uint64_t>> segments =
      LiveLogSegments(env, source, contents->state.first_log_segment);
  if (!segments.ok()) return segments.status();
  CheckpointPlan plan;
  plan.source = source;
  plan.target = target;
  plan.state = std::move(contents->state);
  plan.manifest_number = contents->number;
  plan.log_segments = std::move(*segments);
  return MakeCheckpoint(env, plan, control, info);
}

}  // namespace varve
