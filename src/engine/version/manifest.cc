// engine/version/manifest.cc: the manifest on disk, written and read.
#include "engine/version/manifest.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "base/planted_bug.h"
#include "engine/file_names.h"

namespace varve {

namespace {

constexpr char kMagic[] = "VarveMan";
constexpr size_t kMagicBytes = 8;
static_assert(sizeof(kMagic) == kMagicBytes + 1);

// Where the fields lie: see manifest.h.
constexpr size_t kHeaderVersionAt = 8;
constexpr size_t kHeaderDatabaseAt = 16;
constexpr size_t kHeaderNumberAt = 24;
constexpr size_t kHeaderChecksumAt = 32;
static_assert(kHeaderChecksumAt + sizeof(uint64_t) == kManifestHeaderBytes);

constexpr size_t kRecordLengthAt = 8;
constexpr size_t kRecordHeaderCheckAt = 12;
static_assert(kRecordHeaderCheckAt + sizeof(uint32_t) == kManifestRecordHeaderBytes);
static_assert(kManifestHeaderBytes % kManifestAlignBytes == 0);

constexpr uint64_t Align(uint64_t offset) {
  return (offset + kManifestAlignBytes - 1) / kManifestAlignBytes * kManifestAlignBytes;
}

uint32_t HeaderCheck(uint64_t database_id, const char* record) {
  return static_cast<uint32_t>(
      Hash(Slice(record + kRecordLengthAt, sizeof(uint32_t)), database_id));
}

std::string EncodeHeader(uint64_t database_id, uint64_t number) {
  std::string header(kMagic, kMagicBytes);
  PutFixed32(&header, kManifestFormatVersion);
  PutFixed32(&header, 0);
  PutFixed64(&header, database_id);
  PutFixed64(&header, number);
  PutFixed64(&header, Checksum(header));
  return header;
}

// Padding included.
std::string EncodeRecord(uint64_t database_id, const VersionEdit& edit) {
  std::string record(kManifestRecordHeaderBytes, '\0');
  edit.EncodeTo(&record);
  const size_t length = record.size() - kManifestRecordHeaderBytes;
  CHECK(length > 0 && length <= UINT32_MAX);
  StoreFixed32(record.data() + kRecordLengthAt, static_cast<uint32_t>(length));
  StoreFixed32(record.data() + kRecordHeaderCheckAt, HeaderCheck(database_id, record.data()));
  StoreFixed64(record.data(), Hash(Slice(record).substr(kRecordLengthAt), database_id));
  record.resize(Align(record.size()));
  return record;
}

// Sets `payload` if a valid record begins at `offset`.
bool DecodeRecord(Slice file, uint64_t offset, uint64_t database_id, Slice* payload) {
  const Slice rest = file.substr(std::min<uint64_t>(offset, file.size()));
  if (rest.size() < kManifestRecordHeaderBytes) return false;
  const uint32_t length = LoadFixed32(rest.data() + kRecordLengthAt);
  if (LoadFixed32(rest.data() + kRecordHeaderCheckAt) != HeaderCheck(database_id, rest.data()) ||
      length == 0 || length > rest.size() - kManifestRecordHeaderBytes) {
    return false;
  }
  const Slice record = rest.substr(0, kManifestRecordHeaderBytes + length);
  if (LoadFixed64(record.data()) != Hash(record.substr(kRecordLengthAt), database_id)) return false;
  *payload = record.substr(kManifestRecordHeaderBytes);
  return true;
}

// The line that CURRENT holds.
std::string CurrentLine(uint64_t number) {
  const std::string name = ManifestFileName(number);
  char checksum[2 * sizeof(uint64_t) + 1];
  std::snprintf(checksum, sizeof(checksum), "%016llx",
                static_cast<unsigned long long>(Checksum(name)));
  return name + " " + checksum + "\n";
}

}  // namespace

// --- ManifestWriter ---

ManifestWriter::ManifestWriter(Env& env, std::string directory, uint64_t database_id)
    : env_(env), directory_(std::move(directory)), database_id_(database_id) {}

Status ManifestWriter::Start(uint64_t number, const VersionEdit& snapshot) {
  ok_ = false;
  files_.clear();
  if (Status s = StartFiles(number, snapshot); !s.ok()) {
    files_.clear();
    RemoveManifest(env_, directory_, number);  // nothing names it yet
    return s;
  }
  RETURN_IF_ERROR(ReplaceFile(env_, directory_, kCurrentFileName, CurrentLine(number)));
  number_ = number;
  ok_ = true;
  return Status::Ok();
}

Status ManifestWriter::StartFiles(uint64_t number, const VersionEdit& snapshot) {
  CHECK(snapshot.database_id == database_id_);
  const std::string bytes =
      EncodeHeader(database_id_, number) + EncodeRecord(database_id_, snapshot);
  for (const std::string& name : {ManifestFileName(number), ManifestCopyFileName(number)}) {
    Result<std::unique_ptr<File>> file = env_.Open(JoinPath(directory_, name), OpenMode::kCreate);
    if (!file.ok()) return file.status();
    files_.push_back(std::move(*file));
    RETURN_IF_ERROR(files_.back()->WriteAt(0, bytes));
    RETURN_IF_ERROR(files_.back()->Sync());
  }
  RETURN_IF_ERROR(env_.SyncDirectory(directory_));
  size_bytes_ = snapshot_bytes_ = bytes.size();
  return Status::Ok();
}

Status ManifestWriter::Append(const VersionEdit& edit) {
  CHECK(ok_);
  ok_ = false;  // until all has succeeded
  const std::string record = EncodeRecord(database_id_, edit);
  for (const std::unique_ptr<File>& file : files_) {
    RETURN_IF_ERROR(file->WriteAt(size_bytes_, record));
    if (!Planted(PlantedBug::kManifestNotSynced)) RETURN_IF_ERROR(file->Sync());
  }
  size_bytes_ += record.size();
  ok_ = true;
  return Status::Ok();
}

void RemoveManifest(Env& env, const std::string& directory, uint64_t number) {
  (void)env.Remove(JoinPath(directory, ManifestFileName(number)));
  (void)env.Remove(JoinPath(directory, ManifestCopyFileName(number)));
}

// --- Reading ---

namespace {

Result<uint64_t> ReadCurrent(Env& env, const std::string& directory) {
  const std::string path = JoinPath(directory, kCurrentFileName);
  const Result<std::string> line = ReadWholeFile(env, path);
  if (!line.ok()) return line.status();
  const Slice name = Slice(*line).substr(0, line->find(' '));
  const std::optional<FileName> file = ParseFileName(name);
  if (!file || file->kind != FileKind::kManifest || *line != CurrentLine(file->number)) {
    return Status::Corruption(path + ": does not name a manifest, or its checksum is bad");
  }
  return file->number;
}

// Without CURRENT there is no database, unless there is data.
Status CheckNoData(Env& env, const std::string& directory) {
  const Result<std::vector<std::string>> names = env.List(directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::optional<FileName> file = ParseFileName(name);
    if (!file || (file->kind != FileKind::kTable && file->kind != FileKind::kLog)) continue;
    return Status::Corruption(JoinPath(directory, kCurrentFileName) +
                              ": missing, though there is " + name);
  }
  return Status::NotFound();
}

// The newest there is, readable or not; 0: none.
Result<uint64_t> NewestManifest(Env& env, const std::string& directory) {
  const Result<std::vector<std::string>> names = env.List(directory);
  if (!names.ok()) return names.status();
  uint64_t newest = 0;
  for (const std::string& name : *names) {
    const std::optional<FileName> file = ParseFileName(name);
    if (!file) continue;
    const bool manifest =
        file->kind == FileKind::kManifest || file->kind == FileKind::kManifestCopy;
    if (manifest) newest = std::max(newest, file->number);
  }
  return newest;
}

class Reader {
 public:
  Reader(std::string path, Slice file) : path_(std::move(path)), file_(file) {}

  Result<ManifestContents> Read(uint64_t number) {
    contents_.number = number;
    contents_.file = BaseName(path_);
    RETURN_IF_ERROR(ReadHeader());
    RETURN_IF_ERROR(ReadRecords());
    Result<std::shared_ptr<const Version>> version = builder_.Finish();
    if (!version.ok()) return At(file_.size(), version.status());
    RETURN_IF_ERROR(At(file_.size(), (*version)->Check()));
    contents_.state.version = std::move(*version);
    return std::move(contents_);
  }

 private:
  Status ReadHeader();
  Status ReadRecords();
  Status ReadRecord(Slice payload);
  Status CheckTail();

  // Adds where it happened.
  Status At(uint64_t offset, Status status) const {
    if (status.ok()) return status;
    return Status(status.code(), path_ + ": " + std::string(status.message()) + " (at offset " +
                                     std::to_string(offset) + ")");
  }

  const std::string path_;
  const Slice file_;
  uint64_t database_id_ = 0;
  ManifestContents contents_;
  const Version empty_;
  VersionBuilder builder_{empty_};
};

Status Reader::ReadHeader() {
  if (file_.size() < kManifestHeaderBytes || !file_.starts_with(kMagic) ||
      LoadFixed64(file_.data() + kHeaderChecksumAt) !=
          Checksum(file_.substr(0, kHeaderChecksumAt))) {
    return Status::Corruption(path_ + ": bad header");
  }
  const uint32_t version = LoadFixed32(file_.data() + kHeaderVersionAt);
  if (version != kManifestFormatVersion) {
    return Status::Corruption(path_ + ": manifest format " + std::to_string(version) +
                              ", this program knows " + std::to_string(kManifestFormatVersion));
  }
  if (LoadFixed64(file_.data() + kHeaderNumberAt) != contents_.number) {
    return Status::Corruption(path_ + ": is manifest " +
                              std::to_string(LoadFixed64(file_.data() + kHeaderNumberAt)));
  }
  database_id_ = LoadFixed64(file_.data() + kHeaderDatabaseAt);
  contents_.size_bytes = kManifestHeaderBytes;
  return Status::Ok();
}

Status Reader::ReadRecords() {
  Slice payload;
  while (DecodeRecord(file_, contents_.size_bytes, database_id_, &payload)) {
    RETURN_IF_ERROR(At(contents_.size_bytes, ReadRecord(payload)));
    contents_.size_bytes += Align(kManifestRecordHeaderBytes + payload.size());
    ++contents_.edits;
  }
  // The snapshot was synced before CURRENT named the file.
  if (contents_.edits == 0) return At(contents_.size_bytes, Status::Corruption("no snapshot"));
  if (contents_.state.database_id != database_id_) {
    return Status::Corruption(path_ + ": header and snapshot disagree on the database");
  }
  return CheckTail();
}

Status Reader::ReadRecord(Slice payload) {
  const Result<VersionEdit> edit = VersionEdit::Decode(payload);
  if (!edit.ok()) return edit.status();
  RETURN_IF_ERROR(contents_.state.ApplyCounters(*edit));
  return builder_.Add(*edit);
}

// Torn or damaged?
Status Reader::CheckTail() {
  const uint64_t end = contents_.size_bytes;
  if (end >= file_.size()) {
    contents_.size_bytes = file_.size();  // the last record's padding may be cut off
    return Status::Ok();
  }
  const Slice tail = file_.substr(end);
  contents_.torn = tail.find_first_not_of('\0') != Slice::npos;
  Slice payload;
  for (uint64_t offset = end + kManifestAlignBytes; contents_.torn && offset < file_.size();
       offset += kManifestAlignBytes) {
    if (!DecodeRecord(file_, offset, database_id_, &payload)) continue;
    return At(end, Status::Corruption("bad record, with a good one behind it at offset " +
                                      std::to_string(offset)));
  }
  return Status::Ok();
}

// Which of two files tells what the state is.
Result<ManifestContents> Either(Result<ManifestContents> manifest, Result<ManifestContents> copy) {
  if (manifest.ok() && copy.ok()) {
    if (manifest->state.database_id != copy->state.database_id) {
      return Status::Corruption(manifest->file + " and " + copy->file + " are of two databases");
    }
    const bool copy_has_more = copy->edits > manifest->edits;
    return copy_has_more ? std::move(copy) : std::move(manifest);
  }
  if (!manifest.ok() && !copy.ok()) {
    return manifest.status().is_not_found() ? copy.status() : manifest.status();
  }
  Result<ManifestContents>& readable = manifest.ok() ? manifest : copy;
  const Status other = manifest.ok() ? copy.status() : manifest.status();
  const bool lost = other.is_not_found() || other.code() == StatusCode::kCorruption;
  // It may have an edit that counts. If it is lost, that cannot be helped.
  if (readable->torn && !lost) return other;
  // A database of a former version has no copy yet.
  const bool never_made = manifest.ok() && other.is_not_found();
  if (!never_made) readable->damage = other;
  return std::move(readable);
}

Result<ManifestContents> ReadNumber(Env& env, const std::string& directory, uint64_t number) {
  const std::string path = JoinPath(directory, ManifestFileName(number));
  const std::string copy_path = JoinPath(directory, ManifestCopyFileName(number));
  Result<ManifestContents> contents =
      Either(ReadManifestFile(env, path, number), ReadManifestFile(env, copy_path, number));
  if (contents.ok() || !contents.status().is_not_found()) return contents;
  return Status::Corruption(path + ": missing, though CURRENT names it");
}

}  // namespace

Result<ManifestContents> ReadManifest(Env& env, const std::string& directory) {
  const Result<uint64_t> number = ReadCurrent(env, directory);
  if (number.ok()) return ReadNumber(env, directory, *number);
  const Status damage =
      number.status().is_not_found() ? CheckNoData(env, directory) : number.status();
  if (damage.code() != StatusCode::kCorruption) return damage;
  const Result<uint64_t> newest = NewestManifest(env, directory);
  if (!newest.ok()) return newest.status();
  if (*newest == 0) return damage;
  Result<ManifestContents> contents = ReadNumber(env, directory, *newest);
  if (!contents.ok())
    return contents.status().code() == StatusCode::kCorruption ? damage : contents.status();
  contents->damage = damage;
  return contents;
}

Result<ManifestContents> ReadManifestFile(Env& env, const std::string& path, uint64_t number) {
  const Result<std::string> file = ReadWholeFile(env, path);
  if (!file.ok()) return file.status();
  return Reader(path, *file).Read(number);
}

}  // namespace varve
