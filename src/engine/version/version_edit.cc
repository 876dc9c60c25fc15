// engine/version/version_edit.cc: edits to bytes and back.
#include "engine/version/version_edit.h"

#include "base/coding.h"
#include "engine/engine_stats.h"  // kLevels

namespace varve {

namespace {

// On disk. Never renumber.
enum class EditTag : uint8_t {
  kFormatVersion = 1,
  kDatabaseId = 2,
  kNextFileNumber = 3,
  kFirstLogSegment = 4,
  kFlushedGroup = 5,
  kTableRemoved = 6,
  kTableAdded = 7,
  kLogEndAdded = 8,
  kLogEndRemoved = 9,
  kCount = 10,
  kDeadPrefixAdded = 11,
  kDeadPrefixRemoved = 12,
  kValueFileAdded = 13,
};

// --- Writing ---

// Collects one field's body and appends it, with tag and size, when it ends.
class FieldWriter {
 public:
  FieldWriter(std::string* to, EditTag tag) : to_(to), tag_(tag) {}
  ~FieldWriter() {
    PutVarint(to_, static_cast<uint64_t>(tag_));
    PutLengthPrefixed(to_, body_);
  }
  FieldWriter(const FieldWriter&) = delete;
  FieldWriter& operator=(const FieldWriter&) = delete;

  FieldWriter& Varint(uint64_t value) { return PutVarint(&body_, value), *this; }
  FieldWriter& Fixed(uint64_t value) { return PutFixed64(&body_, value), *this; }
  FieldWriter& Fixed(int64_t value) { return Fixed(static_cast<uint64_t>(value)); }
  FieldWriter& Bytes(Slice bytes) { return PutLengthPrefixed(&body_, bytes), *this; }
  FieldWriter& Uses(const ValueUses& uses) { return AppendValueUses(uses, &body_), *this; }

 private:
  std::string* const to_;
  const EditTag tag_;
  std::string body_;
};

void EncodeNumber(std::string* to, EditTag tag, const std::optional<uint64_t>& number) {
  if (number) FieldWriter(to, tag).Varint(*number);
}

void EncodeFile(std::string* to, const FileMeta& file) {
  FieldWriter(to, EditTag::kTableAdded)
      .Varint(static_cast<uint64_t>(file.level))
      .Varint(file.number)
      .Varint(file.size_bytes)
      .Varint(file.entries)
      .Varint(file.tombstones)
      .Varint(file.expiring)
      .Fixed(file.first_expiry_ms)
      .Fixed(file.last_expiry_ms)
      .Bytes(file.smallest)
      .Bytes(file.largest)
      .Uses(file.value_uses);
}

// --- Reading ---

// Takes one field's body apart. The first thing that does not fit is remembered, so that there is
// one test for all.
class FieldReader {
 public:
  explicit FieldReader(Slice body) : rest_(body) {}

  uint64_t Varint() {
    uint64_t value = 0;
    ok_ = ok_ && GetVarint(&rest_, &value);
    return value;
  }
  int Level() {
    const uint64_t level = Varint();
    ok_ = ok_ && level < static_cast<uint64_t>(kLevels);
    return ok_ ? static_cast<int>(level) : 0;
  }
  uint64_t Fixed() {
    uint64_t value = 0;
    ok_ = ok_ && GetFixed64(&rest_, &value);
    return value;
  }
  int64_t FixedSigned() { return static_cast<int64_t>(Fixed()); }
  std::string Bytes() {
    Slice bytes;
    ok_ = ok_ && GetLengthPrefixed(&rest_, &bytes);
    return std::string(bytes);
  }
  // All that is left.
  ValueUses Uses() {
    ValueUses uses;
    ok_ = ok_ && DecodeValueUses(rest_, &uses);
    rest_ = {};
    return uses;
  }
  bool Finish() const { return ok_ && rest_.empty(); }

 private:
  Slice rest_;
  bool ok_ = true;
};

FileRef DecodeFile(FieldReader& field) {
  auto file = std::make_shared<FileMeta>();
  file->level = field.Level();
  file->number = field.Varint();
  file->size_bytes = field.Varint();
  file->entries = field.Varint();
  file->tombstones = field.Varint();
  file->expiring = field.Varint();
  file->first_expiry_ms = field.FixedSigned();
  file->last_expiry_ms = field.FixedSigned();
  file->smallest = field.Bytes();
  file->largest = field.Bytes();
  file->value_uses = field.Uses();
  return file;
}

// False if nobody knows `tag`. Arguments of braced lists are evaluated from left to right.
bool DecodeField(uint64_t tag, FieldReader& field, VersionEdit* edit) {
  if (tag > UINT8_MAX) return false;
  switch (static_cast<EditTag>(tag)) {
    case EditTag::kFormatVersion: edit->format_version = field.Varint(); return true;
    case EditTag::kDatabaseId: edit->database_id = field.Fixed(); return true;
    case EditTag::kNextFileNumber: edit->next_file_number = field.Varint(); return true;
    case EditTag::kFirstLogSegment: edit->first_log_segment = field.Varint(); return true;
    case EditTag::kFlushedGroup: edit->flushed_group = field.Varint(); return true;
    case EditTag::kTableRemoved:
      edit->removed.push_back({field.Level(), field.Varint()});
      return true;
    case EditTag::kTableAdded: edit->added.push_back(DecodeFile(field)); return true;
    case EditTag::kLogEndAdded:
      edit->log_ends_added.push_back({field.Varint(), field.Varint()});
      return true;
    case EditTag::kLogEndRemoved: edit->log_ends_removed.push_back(field.Varint()); return true;
    case EditTag::kCount: edit->counts.push_back({field.Bytes(), field.FixedSigned()}); return true;
    case EditTag::kDeadPrefixAdded:
      edit->dead_prefixes_added.push_back({field.Bytes(), field.Varint()});
      return true;
    case EditTag::kDeadPrefixRemoved:
      edit->dead_prefixes_removed.push_back(field.Bytes());
      return true;
    case EditTag::kValueFileAdded:
      edit->value_files_added.push_back({field.Varint(), field.Varint(), field.Varint()});
      return true;
  }
  return false;
}

}  // namespace

void VersionEdit::Move(const FileMeta& file, int level) {
  Remove(file);
  auto moved = std::make_shared<FileMeta>(file);
  moved->level = level;
  Add(std::move(moved));
}

void VersionEdit::EncodeTo(std::string* to) const {
  EncodeNumber(to, EditTag::kFormatVersion, format_version);
  if (database_id) FieldWriter(to, EditTag::kDatabaseId).Fixed(*database_id);
  EncodeNumber(to, EditTag::kNextFileNumber, next_file_number);
  EncodeNumber(to, EditTag::kFirstLogSegment, first_log_segment);
  EncodeNumber(to, EditTag::kFlushedGroup, flushed_group);
  for (const RemovedFile& file : removed) {
    FieldWriter(to, EditTag::kTableRemoved)
        .Varint(static_cast<uint64_t>(file.level))
        .Varint(file.number);
  }
  for (const FileRef& file : added) EncodeFile(to, *file);
  for (const ValueFileMeta& file : value_files_added) {
    FieldWriter(to, EditTag::kValueFileAdded)
        .Varint(file.number)
        .Varint(file.size_bytes)
        .Varint(file.records);
  }
  for (const LogEndMark& end : log_ends_added) {
    FieldWriter(to, EditTag::kLogEndAdded).Varint(end.segment).Varint(end.offset);
  }
  for (const uint64_t segment : log_ends_removed) {
    FieldWriter(to, EditTag::kLogEndRemoved).Varint(segment);
  }
  for (const auto& [prefix, keys] : counts) {
    FieldWriter(to, EditTag::kCount).Bytes(prefix).Fixed(keys);
  }
  for (const DeadPrefix& dead : dead_prefixes_added) {
    FieldWriter(to, EditTag::kDeadPrefixAdded).Bytes(dead.prefix).Varint(dead.tables_below);
  }
  for (const std::string& prefix : dead_prefixes_removed) {
    FieldWriter(to, EditTag::kDeadPrefixRemoved).Bytes(prefix);
  }
}

Result<VersionEdit> VersionEdit::Decode(Slice bytes) {
  VersionEdit edit;
  while (!bytes.empty()) {
    uint64_t tag = 0;
    Slice body;
    if (!GetVarint(&bytes, &tag) || !GetLengthPrefixed(&bytes, &body)) {
      return Status::Corruption("edit cut off");
    }
    FieldReader field(body);
    if (!DecodeField(tag, field, &edit)) {
      return Status::Corruption("newer format: unknown field " + std::to_string(tag));
    }
    if (!field.Finish()) return Status::Corruption("bad field " + std::to_string(tag));
  }
  return edit;
}

}  // namespace varve
