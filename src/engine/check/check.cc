// engine/check/check.cc: is a closed database sound?
#include "engine/check/check.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/check/check_log.h"
#include "engine/check/check_table.h"
#include "engine/check/check_value_file.h"
#include "engine/check/manifest_records.h"
#include "engine/file_names.h"
#include "engine/version/manifest.h"

namespace varve {

namespace {

using Rest = ManifestRecords::Rest;

class Checker {
 public:
  Checker(Env& env, const std::string& directory, CheckReport* report)
      : env_(env), directory_(directory), report_(report) {}

  Status Run() {
    RETURN_IF_ERROR(ListFiles());
    Result<std::unique_ptr<DirectoryLock>> lock = env_.LockFile(PathOf(kLockFileName));
    if (!lock.ok()) return lock.status();
    // Again: what was there before the lock may be gone.
    RETURN_IF_ERROR(ListFiles());
    AddUpSizes();
    if (const std::optional<uint64_t> manifest = CheckCurrent()) CheckManifest(*manifest);
    if (manifest_end_) JudgeManifestEnd();
    CheckValueFiles();
    CheckTables();
    CheckLogs();
    ListStrangers();
    return Status::Ok();
  }

 private:
  std::string PathOf(Slice name) const { return JoinPath(directory_, name); }
  bool HasData() const { return !tables_.empty() || !segments_.empty() || !value_files_.empty(); }
  // A segment that the manifest needs, or may need.
  bool IsLive(uint64_t segment) const { return !state_ || segment >= state_->first_log_segment; }

  Status ListFiles();
  void AddUpSizes();
  std::optional<uint64_t> CheckCurrent();
  void CheckManifest(uint64_t number);
  void CheckRecords(Slice file, const std::string& name);
  void CheckEdit(const ManifestRecord& record, const std::string& name);
  void CheckState(const std::string& name, uint64_t number);
  void CheckValueFiles();
  void CheckTables();
  void CheckLogs();
  LogToCheck LiveLog() const;
  void JudgeManifestEnd();
  void ListStrangers();

  Env& env_;
  const std::string& directory_;
  CheckReport* const report_;

  // What is there.
  std::vector<std::string> names_;
  std::vector<uint64_t> tables_;
  std::vector<uint64_t> value_files_;
  std::vector<uint64_t> segments_;
  std::vector<uint64_t> manifests_;
  bool has_current_ = false;

  uint64_t manifest_ = 0;  // in charge; 0: nobody knows
  std::optional<uint64_t> database_id_;
  std::optional<ManifestState> state_;
  std::optional<uint64_t> manifest_end_;  // where something begins that is no record
  std::map<uint64_t, const FileMeta*> named_tables_;
};

// --- What is there ---

Status Checker::ListFiles() {
  Result<std::vector<std::string>> names = env_.List(directory_);
  if (!names.ok()) return names.status();
  names_ = std::move(*names);
  tables_.clear();
  value_files_.clear();
  segments_.clear();
  manifests_.clear();
  has_current_ = false;
  for (const std::string& name : names_) {
    const std::optional<FileName> file = ParseFileName(name);
    if (!file) continue;
    switch (file->kind) {
      case FileKind::kTable: tables_.push_back(file->number); break;
      case FileKind::kValues: value_files_.push_back(file->number); break;
      case FileKind::kLog: segments_.push_back(file->number); break;
      case FileKind::kManifest: manifests_.push_back(file->number); break;
      case FileKind::kCurrent: has_current_ = true; break;
      case FileKind::kLock:
      case FileKind::kReserve:
      case FileKind::kTemporary: break;
    }
  }
  // Names sort as their numbers do, until these outgrow their zeros.
  for (auto* numbers : {&tables_, &value_files_, &segments_, &manifests_}) {
    std::sort(numbers->begin(), numbers->end());
  }
  if (HasData() || has_current_ || !manifests_.empty()) return Status::Ok();
  return {StatusCode::kNotFound, directory_ + ": no database here"};
}

void Checker::AddUpSizes() {
  uint64_t bytes = 0;
  for (const std::string& name : names_) {
    const std::optional<FileName> file = ParseFileName(name);
    if (!file || (file->kind != FileKind::kTable && file->kind != FileKind::kValues &&
                  file->kind != FileKind::kLog && file->kind != FileKind::kManifest)) {
      continue;
    }
    const Result<std::unique_ptr<File>> opened = env_.Open(PathOf(name), OpenMode::kRead);
    if (!opened.ok()) continue;
    const Result<uint64_t> size = (*opened)->Size();
    if (size.ok()) bytes += *size;
  }
  report_->SetBytesTotal(bytes);
}

// --- CURRENT and the manifest ---

std::optional<uint64_t> Checker::CheckCurrent() {
  const std::string name = kCurrentFileName;
  if (!has_current_) {
    if (HasData()) {
      report_->AddProblem(name, std::nullopt, "missing, though there is data");
    } else {
      report_->AddNote(name, std::nullopt, "missing: a database that was never used");
    }
    return std::nullopt;
  }
  const Result<std::string> contents = ReadWholeFile(env_, PathOf(name));
  if (!contents.ok()) {
    report_->AddProblem(name, std::nullopt, std::string(contents.status().message()));
    return std::nullopt;
  }
  ++report_->totals().files;
  report_->totals().bytes += contents->size();
  const std::optional<uint64_t> number = ParseCurrent(*contents);
  if (!number) report_->AddProblem(name, 0, "does not name a manifest, or its checksum is bad");
  return number;
}

void Checker::CheckManifest(uint64_t number) {
  manifest_ = number;
  const std::string name = ManifestFileName(number);
  const Result<std::string> file = ReadWholeFile(env_, PathOf(name));
  if (!file.ok()) {
    report_->AddProblem(name, std::nullopt,
                        file.status().is_not_found() ? "missing, though CURRENT names it"
                                                     : std::string(file.status().message()));
    return;
  }
  ++report_->totals().files;
  report_->totals().bytes += file->size();
  report_->Progress(name, file->size());
  CheckRecords(*file, name);
  CheckState(name, number);
}

void Checker::CheckRecords(Slice file, const std::string& name) {
  ManifestRecords records(file);
  if (records.header_fault() != nullptr) {
    report_->AddProblem(name, 0, records.header_fault());
  } else if (records.number() != manifest_) {
    report_->AddProblem(name, 0,
                        "is manifest " + std::to_string(records.number()) + " under another name");
  } else {
    database_id_ = records.database_id();
  }
  for (;;) {
    ManifestRecord record;
    while (records.Next(&record)) CheckEdit(record, name);
    const uint64_t bad_at = records.offset();
    const Rest rest = records.rest();
    if (!records.SkipBadBytes()) {
      if (rest != Rest::kNothing) manifest_end_ = bad_at;
      break;
    }
    report_->AddProblem(
        name, bad_at,
        "bad record, with a good one behind it at " + std::to_string(records.offset()));
  }
  if (report_->totals().manifest_edits == 0) {
    report_->AddProblem(name, kManifestHeaderBytes, "no snapshot");
  }
}

void Checker::CheckEdit(const ManifestRecord& record, const std::string& name) {
  ++report_->totals().manifest_edits;
  if (!record.padded) {
    report_->AddProblem(name, record.offset + kManifestRecordHeaderBytes + record.payload.size(),
                        "padding that is not zeros");
  }
  const Result<VersionEdit> edit = VersionEdit::Decode(record.payload);
  if (!edit.ok()) {
    report_->AddProblem(name, record.offset, std::string(edit.status().message()));
  }
}

// The whole of it, by who opens the database.
void Checker::CheckState(const std::string& name, uint64_t number) {
  Result<ManifestContents> contents = ReadManifestFile(env_, directory_, number);
  if (!contents.ok()) {
    if (!report_->HasProblem(name)) {
      report_->AddProblem(name, std::nullopt, std::string(contents.status().message()));
    }
    return;
  }
  state_ = std::move(contents->state);
  database_id_ = state_->database_id;
  if (number >= state_->next_file_number) {
    report_->AddProblem(name, std::nullopt,
                        "says that the next file is " + std::to_string(state_->next_file_number));
  }
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& table : state_->version->level(level)) {
      named_tables_.emplace(table->number, table.get());
    }
  }
}

// Whether what ends the manifest was torn by a power cut or is damage: then what is known of the state is
// not the newest, and tables and log must not be blamed for that.
void Checker::JudgeManifestEnd() {
  CheckReport report_of_log;
  const LogVerdict log = CheckLog(env_, LiveLog(), &report_of_log);
  const std::string name = ManifestFileName(manifest_);
  // A seal that is older than this manifest says nothing of the life in which it was written.
  if (log.sealed_segment > manifest_) {
    report_->AddProblem(name, *manifest_end_,
                        "bad record, though the database was closed in good order");
  } else if (!report_of_log.sound()) {
    report_->AddProblem(name, *manifest_end_,
                        "bad record, and the log does not go with the manifest that lacks it");
  } else {
    report_->AddNote(name, *manifest_end_,
                     "torn record: a change that was being written, and never counted");
    return;
  }
  named_tables_.clear();
  state_.reset();
}

// --- Value files, tables and log ---

void Checker::CheckValueFiles() {
  if (state_) {
    for (const LiveValueFile& file : state_->version->value_files()) {
      CheckValueFile(env_, {directory_, file.meta.number, database_id_, &file.meta}, report_);
    }
    return;
  }
  for (const uint64_t number : value_files_) {
    CheckValueFile(env_, {directory_, number, database_id_, nullptr}, report_);
  }
}

void Checker::CheckTables() {
  std::optional<ValueReferences> references;
  if (database_id_) references.emplace(env_, directory_, *database_id_, report_);
  TableToCheck table;
  table.directory = directory_;
  table.database_id = database_id_;
  table.references = references ? &*references : nullptr;
  if (state_) {
    table.dead_prefixes = &state_->dead_prefixes;
    table.version = state_->version.get();
    for (const auto& [number, meta] : named_tables_) {
      table.number = number;
      table.meta = meta;
      CheckTable(env_, table, report_);
    }
    return;
  }
  for (const uint64_t number : tables_) {
    table.number = number;
    CheckTable(env_, table, report_);
  }
}

LogToCheck Checker::LiveLog() const {
  LogToCheck log{directory_, {}, state_ ? &*state_ : nullptr};
  for (const uint64_t segment : segments_) {
    if (IsLive(segment)) log.segments.push_back(segment);
  }
  return log;
}

void Checker::CheckLogs() { (void)CheckLog(env_, LiveLog(), report_); }

void Checker::ListStrangers() {
  for (const std::string& name : names_) {
    const std::optional<FileName> file = ParseFileName(name);
    bool named = false;
    if (file) {
      switch (file->kind) {
        case FileKind::kTable: named = !state_ || named_tables_.contains(file->number); break;
        case FileKind::kValues:
          named = !state_ || state_->version->FindValueFile(file->number) != nullptr;
          break;
        case FileKind::kLog: named = IsLive(file->number); break;
        case FileKind::kManifest: named = file->number == manifest_; break;
        case FileKind::kTemporary: break;
        case FileKind::kCurrent:
        case FileKind::kLock:
        case FileKind::kReserve: named = true; break;
      }
    }
    if (!named) report_->AddStranger(name);
  }
}

}  // namespace

Status CheckDatabase(Env& env, const std::string& directory, CheckReport* report) {
  return Checker(env, directory, report).Run();
}

}  // namespace varve
