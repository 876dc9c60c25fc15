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
    CheckCurrent();
    CheckManifest();
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
  // A manifest, or its copy.
  struct ManifestFile {
    std::string name;
    bool there = false;
    uint64_t edits = 0;
    uint64_t end = 0;                 // of the last edit
    std::optional<uint64_t> bad_end;  // the same, if something begins there that is no record
  };

  void CheckCurrent();
  void CheckManifest();
  ManifestFile CheckManifestFile(const std::string& name);
  void CheckRecords(Slice contents, ManifestFile* file);
  void CheckEdit(const ManifestRecord& record, const std::string& name);
  void CheckState();
  void Compare(const ManifestFile& manifest, const ManifestFile& copy);
  void CheckValueFiles();
  void CheckTables();
  void CheckLogs();
  LogToCheck LiveLog() const;
  void JudgeEnd(const ManifestFile& file);
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

  uint64_t manifest_ = 0;  // in charge, or the newest if nobody knows; 0: there is none
  std::optional<uint64_t> database_id_;
  std::optional<ManifestState> state_;
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
      case FileKind::kManifest:
      case FileKind::kManifestCopy: manifests_.push_back(file->number); break;
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
                  file->kind != FileKind::kLog && file->kind != FileKind::kManifest &&
                  file->kind != FileKind::kManifestCopy)) {
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

void Checker::CheckCurrent() {
  const std::string name = kCurrentFileName;
  // Without it the newest manifest is in charge: see manifest.h.
  if (!manifests_.empty() && (has_current_ || HasData())) manifest_ = manifests_.back();
  if (!has_current_) {
    if (HasData()) {
      report_->AddProblem(name, std::nullopt, "missing, though there is data");
    } else {
      report_->AddNote(name, std::nullopt, "missing: a database that was never used");
    }
    return;
  }
  const Result<std::string> contents = ReadWholeFile(env_, PathOf(name));
  if (!contents.ok()) {
    report_->AddProblem(name, std::nullopt, std::string(contents.status().message()));
    return;
  }
  ++report_->totals().files;
  report_->totals().bytes += contents->size();
  if (const std::optional<uint64_t> number = ParseCurrent(*contents)) {
    manifest_ = *number;
  } else {
    report_->AddProblem(name, 0, "does not name a manifest, or its checksum is bad");
  }
}

void Checker::CheckManifest() {
  if (manifest_ == 0) return;
  const ManifestFile manifest = CheckManifestFile(ManifestFileName(manifest_));
  report_->totals().manifest_edits = manifest.edits;
  const ManifestFile copy = CheckManifestFile(ManifestCopyFileName(manifest_));
  CheckState();
  Compare(manifest, copy);
}

Checker::ManifestFile Checker::CheckManifestFile(const std::string& name) {
  ManifestFile file;
  file.name = name;
  const Result<std::string> contents = ReadWholeFile(env_, PathOf(name));
  if (!contents.ok()) {
    const bool missing = contents.status().is_not_found();
    if (missing && name == ManifestCopyFileName(manifest_)) {
      report_->AddNote(name, std::nullopt, "missing: the manifest is there only once");
    } else {
      report_->AddProblem(
          name, std::nullopt,
          missing ? "missing, though CURRENT names it" : std::string(contents.status().message()));
    }
    return file;
  }
  file.there = true;
  ++report_->totals().files;
  report_->totals().bytes += contents->size();
  report_->Progress(name, contents->size());
  CheckRecords(*contents, &file);
  return file;
}

void Checker::CheckRecords(Slice contents, ManifestFile* file) {
  ManifestRecords records(contents);
  if (records.header_fault() != nullptr) {
    report_->AddProblem(file->name, 0, records.header_fault());
  } else if (records.number() != manifest_) {
    report_->AddProblem(file->name, 0,
                        "is manifest " + std::to_string(records.number()) + " under another name");
  } else {
    database_id_ = records.database_id();
  }
  for (;;) {
    ManifestRecord record;
    for (; records.Next(&record); ++file->edits) CheckEdit(record, file->name);
    file->end = records.offset();
    const Rest rest = records.rest();
    if (!records.SkipBadBytes()) {
      if (rest != Rest::kNothing) file->bad_end = file->end;
      break;
    }
    report_->AddProblem(
        file->name, file->end,
        "bad record, with a good one behind it at " + std::to_string(records.offset()));
  }
  if (file->edits == 0) report_->AddProblem(file->name, kManifestHeaderBytes, "no snapshot");
}

void Checker::CheckEdit(const ManifestRecord& record, const std::string& name) {
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
void Checker::CheckState() {
  const std::string name = ManifestFileName(manifest_);
  Result<ManifestContents> contents = ReadManifest(env_, directory_);
  if (!contents.ok()) {
    if (!report_->HasProblem(name)) {
      report_->AddProblem(name, std::nullopt, std::string(contents.status().message()));
    }
    return;
  }
  state_ = std::move(contents->state);
  database_id_ = state_->database_id;
  if (manifest_ >= state_->next_file_number) {
    report_->AddProblem(name, std::nullopt,
                        "says that the next file is " + std::to_string(state_->next_file_number));
  }
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& table : state_->version->level(level)) {
      named_tables_.emplace(table->number, table.get());
    }
  }
}

// An edit is written to the manifest first: where that ends early it is damaged. Where the copy does, the power may have
// failed in between.
void Checker::Compare(const ManifestFile& manifest, const ManifestFile& copy) {
  const bool both = manifest.there && copy.there && !report_->HasProblem(manifest.name) &&
                    !report_->HasProblem(copy.name);
  if (both && manifest.edits < copy.edits) {
    report_->AddProblem(manifest.name, manifest.end, "ends early: its copy goes on");
  } else if (manifest.bad_end) {
    JudgeEnd(manifest);
  }
  if (both && copy.edits < manifest.edits) {
    CheckReport of_log;
    const std::string what = "ends before " + manifest.name + " does";
    if (CheckLog(env_, LiveLog(), &of_log).sealed_segment > manifest_) {
      report_->AddProblem(copy.name, copy.end,
                          what + ", though the database was closed in good order");
    } else {
      report_->AddNote(copy.name, copy.end, what + ": a change that was being written");
    }
  } else if (copy.bad_end) {
    JudgeEnd(copy);
  }
}

// Whether what ends a manifest was torn by a power cut or is damage: then what is known of the state is
// not the newest, and tables and log must not be blamed for that.
void Checker::JudgeEnd(const ManifestFile& file) {
  CheckReport report_of_log;
  const LogVerdict log = CheckLog(env_, LiveLog(), &report_of_log);
  // A seal that is older than this manifest says nothing of the life in which it was written.
  if (log.sealed_segment > manifest_) {
    report_->AddProblem(file.name, *file.bad_end,
                        "bad record, though the database was closed in good order");
  } else if (!report_of_log.sound()) {
    report_->AddProblem(file.name, *file.bad_end,
                        "bad record, and the log does not go with the manifest that lacks it");
  } else {
    report_->AddNote(file.name, *file.bad_end,
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
        case FileKind::kManifest:
        case FileKind::kManifestCopy: named = file->number == manifest_; break;
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
