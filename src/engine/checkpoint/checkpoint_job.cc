// engine/checkpoint/checkpoint_job.cc: a database made of files that are there already.
#include "engine/checkpoint/checkpoint_job.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/checkpoint/partial_directory.h"
#include "engine/file_names.h"
#include "engine/version/manifest.h"
#include "env/background.h"

namespace varve {

namespace {

// So much is copied between two looks at `cancelled`.
constexpr uint64_t kCopyChunkBytes = 1u << 20;

class CheckpointJob {
 public:
  CheckpointJob(Env& env, const CheckpointPlan& plan, const CheckpointControl& control,
                CheckpointInfo* info)
      : env_(env),
        plan_(plan),
        control_(control),
        info_(*info),
        target_(plan.target),
        partial_(PartialPath(plan.target)) {}

  Status Run();

 private:
  Status Fill();
  Status FindBytesTotal();
  // Links or copies a table or value file.
  Status AddFile(const std::string& name, uint64_t size_bytes, bool* linked);
  Status AddLogSegment(uint64_t number);
  Status Copy(const std::string& name);
  std::string SourcePath(const std::string& name) const { return JoinPath(plan_.source, name); }
  std::string PathOf(const std::string& name) const { return JoinPath(partial_, name); }
  void Progress(const std::string& name, uint64_t bytes);

  Env& env_;
  const CheckpointPlan& plan_;
  const CheckpointControl& control_;
  CheckpointInfo& info_;
  const std::string target_;
  const std::string partial_;
  uint64_t bytes_total_ = 0;
};

Status CheckpointJob::Run() {
  info_ = CheckpointInfo{.group = plan_.state.flushed_group};
  RETURN_IF_ERROR(RequireVacant(env_, target_));
  RETURN_IF_ERROR(RemovePartial(env_, target_));
  Status status = env_.CreateDirectory(partial_);
  if (status.ok()) status = Fill();
  if (status.ok()) status = FinishPartial(env_, target_);
  if (!status.ok()) (void)RemovePartial(env_, target_);  // what counts is the first error
  return status;
}

Status CheckpointJob::Fill() {
  RETURN_IF_ERROR(FindBytesTotal());
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& table : plan_.state.version->level(level)) {
      bool linked = false;
      RETURN_IF_ERROR(AddFile(TableFileName(table->number), table->size_bytes, &linked));
      ++(linked ? info_.tables_linked : info_.tables_copied);
    }
  }
  for (const LiveValueFile& file : plan_.state.version->value_files()) {
    bool linked = false;
    RETURN_IF_ERROR(AddFile(ValueFileName(file.meta.number), file.meta.size_bytes, &linked));
    ++info_.value_files;
  }
  for (const uint64_t segment : plan_.log_segments) RETURN_IF_ERROR(AddLogSegment(segment));
  // Syncs the directory, and so the tables' names, before there is a CURRENT.
  ManifestWriter manifest(env_, partial_, plan_.state.database_id);
  return manifest.Start(plan_.manifest_number, plan_.state.Snapshot());
}

Status CheckpointJob::FindBytesTotal() {
  bytes_total_ = plan_.state.version->table_bytes() + plan_.state.version->value_bytes();
  for (const uint64_t segment : plan_.log_segments) {
    Result<std::unique_ptr<File>> file =
        env_.Open(SourcePath(LogFileName(segment)), OpenMode::kRead);
    if (!file.ok()) return file.status();
    const Result<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    bytes_total_ += *size;
  }
  return Status::Ok();
}

Status CheckpointJob::AddFile(const std::string& name, uint64_t size_bytes, bool* linked) {
  if (control_.cancelled) return {StatusCode::kAborted, "the checkpoint was cancelled"};
  const Status link = env_.Link(SourcePath(name), PathOf(name));
  if (link.code() == StatusCode::kNotSupported) return Copy(name);
  RETURN_IF_ERROR(link);
  *linked = true;
  Progress(name, size_bytes);
  return Status::Ok();
}

Status CheckpointJob::AddLogSegment(uint64_t number) {
  ++info_.log_segments;
  return Copy(LogFileName(number));
}

Status CheckpointJob::Copy(const std::string& name) {
  Result<std::unique_ptr<File>> from = env_.Open(SourcePath(name), OpenMode::kRead);
  if (!from.ok()) return from.status();
  Result<std::unique_ptr<File>> to = env_.Open(PathOf(name), OpenMode::kCreate);
  if (!to.ok()) return to.status();
  std::string chunk(kCopyChunkBytes, '\0');
  for (uint64_t offset = 0;;) {
    if (control_.cancelled) return {StatusCode::kAborted, "the checkpoint was cancelled"};
    OfferCpu();
    const Result<size_t> read = (*from)->ReadAt(offset, chunk.size(), chunk.data());
    if (!read.ok()) return read.status();
    RETURN_IF_ERROR((*to)->WriteAt(offset, Slice(chunk).substr(0, *read)));
    offset += *read;
    info_.bytes_copied += *read;
    Progress(name, *read);
    if (*read < chunk.size()) return (*to)->Sync();
  }
}

void CheckpointJob::Progress(const std::string& name, uint64_t bytes) {
  info_.bytes += bytes;
  if (control_.on_progress) control_.on_progress(info_.bytes, bytes_total_, name);
}

}  // namespace

Status MakeCheckpoint(Env& env, const CheckpointPlan& plan, const CheckpointControl& control,
                      CheckpointInfo* info) {
  return CheckpointJob(env, plan, control, info).Run();
}

}  // namespace varve
