// engine/check/manifest_records.cc: a manifest record by record, sound or not.
#include "engine/check/manifest_records.h"

#include <algorithm>
#include <cstdio>

#include "base/coding.h"
#include "base/hash.h"
#include "engine/file_names.h"
#include "engine/version/manifest.h"

namespace varve {

namespace {

// Where the fields lie: see manifest.h.
constexpr size_t kHeaderVersionAt = 8;
constexpr size_t kHeaderDatabaseAt = 16;
constexpr size_t kHeaderNumberAt = 24;
constexpr size_t kHeaderChecksumAt = 32;
constexpr size_t kLengthAt = 8;
constexpr size_t kHeaderCheckAt = 12;

constexpr uint64_t Align(uint64_t offset) {
  return (offset + kManifestAlignBytes - 1) / kManifestAlignBytes * kManifestAlignBytes;
}

bool IsZeros(Slice bytes) { return bytes.find_first_not_of('\0') == Slice::npos; }

bool HeaderCheckMatches(Slice record, uint64_t database_id) {
  const Slice length = record.substr(kLengthAt, sizeof(uint32_t));
  return LoadFixed32(record.data() + kHeaderCheckAt) ==
         static_cast<uint32_t>(Hash(length, database_id));
}

}  // namespace

ManifestRecords::ManifestRecords(Slice file) : file_(file), offset_(kManifestHeaderBytes) {
  if (file_.size() < kManifestHeaderBytes) {
    header_fault_ = "too short for a manifest";
    return;
  }
  format_version_ = LoadFixed32(file_.data() + kHeaderVersionAt);
  database_id_ = LoadFixed64(file_.data() + kHeaderDatabaseAt);
  number_ = LoadFixed64(file_.data() + kHeaderNumberAt);
  if (!file_.starts_with(kManifestMagic)) {
    header_fault_ = "not a manifest";
  } else if (LoadFixed64(file_.data() + kHeaderChecksumAt) !=
             Checksum(file_.substr(0, kHeaderChecksumAt))) {
    header_fault_ = "bad header";
  } else if (format_version_ != kManifestFormatVersion) {
    header_fault_ = "a format newer than this program";
  }
}

bool ManifestRecords::Decode(uint64_t offset, Slice* payload) const {
  const Slice rest = file_.substr(std::min<uint64_t>(offset, file_.size()));
  if (rest.size() < kManifestRecordHeaderBytes) return false;
  const uint32_t length = LoadFixed32(rest.data() + kLengthAt);
  if (!HeaderCheckMatches(rest, database_id_) || length == 0 ||
      length > rest.size() - kManifestRecordHeaderBytes) {
    return false;
  }
  const Slice record = rest.substr(0, kManifestRecordHeaderBytes + length);
  *payload = record.substr(kManifestRecordHeaderBytes);
  return LoadFixed64(record.data()) == Hash(record.substr(kLengthAt), database_id_);
}

bool ManifestRecords::Next(ManifestRecord* record) {
  if (!Decode(offset_, &record->payload)) return false;
  record->offset = offset_;
  const uint64_t end = offset_ + kManifestRecordHeaderBytes + record->payload.size();
  offset_ = Align(end);
  record->padded = IsZeros(file_.substr(end, offset_ - end));
  return true;
}

bool ManifestRecords::SkipBadBytes() {
  Slice payload;
  for (uint64_t at = offset_ + kManifestAlignBytes; at < file_.size(); at += kManifestAlignBytes) {
    if (!Decode(at, &payload)) continue;
    offset_ = at;
    return true;
  }
  return false;
}

ManifestRecords::Rest ManifestRecords::rest() const {
  if (offset_ >= file_.size()) return Rest::kNothing;
  const Slice rest = file_.substr(offset_);
  if (IsZeros(rest)) return Rest::kNothing;
  if (rest.size() < kManifestRecordHeaderBytes) return Rest::kCutShort;
  const uint32_t length = LoadFixed32(rest.data() + kLengthAt);
  const bool cut =
      HeaderCheckMatches(rest, database_id_) && length > rest.size() - kManifestRecordHeaderBytes;
  return cut ? Rest::kCutShort : Rest::kBad;
}

std::optional<uint64_t> ParseCurrent(Slice contents) {
  const Slice name = contents.substr(0, contents.find(' '));
  const std::optional<FileName> file = ParseFileName(name);
  if (!file || file->kind != FileKind::kManifest) return std::nullopt;
  char rest[32];
  std::snprintf(rest, sizeof(rest), " %016llx\n", static_cast<unsigned long long>(Checksum(name)));
  if (contents.substr(name.size()) != rest) return std::nullopt;
  return file->number;
}

}  // namespace varve
