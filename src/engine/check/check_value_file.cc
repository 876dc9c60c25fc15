// engine/check/check_value_file.cc: is one value file sound, and do references lead to what they should?
#include "engine/check/check_value_file.h"

#include "base/coding.h"
#include "engine/file_names.h"
#include "engine/values/value_file_format.h"

namespace varve {

namespace {

// A file descriptor each.
constexpr size_t kOpenFilesMax = 64;

// The message of a reader's error without the path and the offset, which stand beside it in the report.
std::string WhatOf(const Status& status, const std::string& path) {
  std::string text(status.message());
  if (text.starts_with(path + ": ")) text.erase(0, path.size() + 2);
  if (const size_t at = text.rfind(" at "); at != std::string::npos) text.erase(at);
  return text;
}

// What the header says; nothing if there is none.
std::optional<uint64_t> DatabaseIdOf(const File& file) {
  char bytes[kValueFileHeaderBytes];
  const Result<size_t> read = file.ReadAt(0, sizeof(bytes), bytes);
  if (!read.ok() || *read != sizeof(bytes)) return std::nullopt;
  return LoadFixed64(bytes + kValueFileDatabaseAt);
}

}  // namespace

void CheckValueFile(Env& env, const ValueFileToCheck& what, CheckReport* report) {
  const std::string name = ValueFileName(what.number);
  const std::string path = JoinPath(what.directory, name);
  Result<std::unique_ptr<File>> file = env.Open(path, OpenMode::kRead);
  if (!file.ok()) {
    const bool missing = file.status().is_not_found();
    return report->AddProblem(
        name, std::nullopt,
        missing ? "missing, though the manifest names it" : std::string(file.status().message()));
  }
  const Result<uint64_t> size = (*file)->Size();
  const uint64_t file_bytes = size.ok() ? *size : 0;
  ++report->totals().value_files;
  ++report->totals().files;
  report->totals().bytes += file_bytes;
  if (what.meta != nullptr && what.meta->size_bytes != file_bytes) {
    report->AddProblem(name, std::nullopt,
                       "the manifest says size " + std::to_string(what.meta->size_bytes) +
                           ", found " + std::to_string(file_bytes));
  }
  const std::optional<uint64_t> database_id =
      what.database_id ? what.database_id : DatabaseIdOf(**file);
  const ValueFileReader reader(std::move(*file), path, what.number, database_id.value_or(0));
  if (const Status header = reader.CheckHeader(); !header.ok()) {
    report->AddProblem(name, 0, WhatOf(header, path));
    if (!database_id || header.code() != StatusCode::kCorruption) return;
  }
  uint64_t records = 0;
  uint64_t offset = kValueFileHeaderBytes;
  for (; offset < file_bytes; ++records) {
    Result<ValueFileReader::Record> record = reader.ReadRecordAt(offset, file_bytes);
    if (!record.ok()) return report->AddProblem(name, offset, WhatOf(record.status(), path));
    const uint64_t record_bytes = record->size;
    const Status decoded = reader.Decode(offset, 0, std::move(*record)).status();
    if (!decoded.ok()) report->AddProblem(name, offset, WhatOf(decoded, path));
    report->Progress(name, record_bytes);
    offset += record_bytes;
  }
  report->totals().values += records;
  if (what.meta != nullptr && what.meta->records != records) {
    report->AddProblem(name, std::nullopt,
                       "the manifest says records " + std::to_string(what.meta->records) +
                           ", found " + std::to_string(records));
  }
}

void ValueReferences::Follow(const ValueRef& ref, Slice key) {
  const ValueFileReader* reader = Reader(ref.file);
  if (reader == nullptr) return;
  const Status status = reader->Read(ref, key).status();
  if (status.ok()) return;
  report_->AddProblem(ValueFileName(ref.file), ref.offset, WhatOf(status, reader->path()));
}

const ValueFileReader* ValueReferences::Reader(uint64_t number) {
  if (const auto it = open_.find(number); it != open_.end()) return it->second.get();
  if (missing_.contains(number)) return nullptr;
  const std::string path = JoinPath(directory_, ValueFileName(number));
  Result<std::unique_ptr<File>> file = env_.Open(path, OpenMode::kRead);
  if (!file.ok()) {
    missing_.insert(number);
    return nullptr;
  }
  if (open_.size() >= kOpenFilesMax) open_.clear();
  return open_
      .emplace(number, std::make_unique<const ValueFileReader>(std::move(*file), path, number,
                                                               database_id_))
      .first->second.get();
}

}  // namespace varve
