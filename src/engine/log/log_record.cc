// engine/log/log_record.cc: headers of the log, made and checked.
#include "engine/log/log_record.h"

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"

namespace varve {

namespace {

// Where the fields lie: see log_format.h.
constexpr size_t kLengthAt = 8;
constexpr size_t kSegmentAt = 16;
constexpr size_t kGroupAt = 24;
constexpr size_t kSyncedGroupAt = 32;
constexpr size_t kTypeAt = 40;
constexpr size_t kHeaderCheckAt = 44;
static_assert(kHeaderCheckAt + sizeof(uint32_t) == kLogRecordHeaderBytes);

constexpr size_t kFileVersionAt = 8;
constexpr size_t kFileDatabaseAt = 16;
constexpr size_t kFileSegmentAt = 24;
constexpr size_t kFileChecksumAt = 32;
static_assert(kFileChecksumAt + sizeof(uint64_t) == kLogFileHeaderBytes);

uint32_t HeaderCheck(uint64_t database_id, const char* header) {
  const Slice guarded(header + kLengthAt, kHeaderCheckAt - kLengthAt);
  return static_cast<uint32_t>(Hash(guarded, database_id));
}

uint64_t StreamedChecksum(uint64_t database_id, const char* header,
                          std::span<const Slice> payload) {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset_withSeed(&state, database_id);
  XXH3_64bits_update(&state, header + kLengthAt, kLogRecordHeaderBytes - kLengthAt);
  for (const Slice& part : payload) XXH3_64bits_update(&state, part.data(), part.size());
  return XXH3_64bits_digest(&state);
}

}  // namespace

void EncodeLogHeader(uint64_t database_id, const LogRecordHeader& header,
                     std::span<const Slice> payload, char* to) {
  uint64_t length = 0;
  for (const Slice& part : payload) length += part.size();
  StoreFixed64(to + kLengthAt, length);
  StoreFixed64(to + kSegmentAt, header.segment);
  StoreFixed64(to + kGroupAt, header.group);
  StoreFixed64(to + kSyncedGroupAt, header.synced_group);
  StoreFixed32(to + kTypeAt, static_cast<uint32_t>(header.type));
  StoreFixed32(to + kHeaderCheckAt, HeaderCheck(database_id, to));
  StoreFixed64(to, StreamedChecksum(database_id, to, payload));
}

Status WriteLogRecord(File& file, uint64_t database_id, uint64_t offset,
                      const LogRecordHeader& header, Slice bytes,
                      const std::vector<Splice>& splices) {
  DCHECK(offset % kLogAlignBytes == 0);
  char encoded[kLogRecordHeaderBytes];
  std::vector<Slice> parts;
  parts.reserve(2 * splices.size() + 3);
  parts.emplace_back(encoded, sizeof(encoded));
  size_t from = 0;
  uint64_t length = bytes.size();
  for (const Splice& splice : splices) {
    parts.push_back(bytes.substr(from, splice.position - from));
    parts.push_back(splice.value.slice());
    from = splice.position;
    length += splice.value.size();
  }
  parts.push_back(bytes.substr(from));
  EncodeLogHeader(database_id, header, std::span(parts).subspan(1), encoded);

  static constexpr char kZeros[kLogAlignBytes] = {};
  const uint64_t padding = LogRecordBytes(length) - kLogRecordHeaderBytes - length;
  if (padding > 0) parts.emplace_back(kZeros, padding);
  return file.WriteAt(offset, parts);
}

bool DecodeLogHeader(uint64_t database_id, uint64_t segment, const char* from,
                     LogRecordHeader* header) {
  // The cheapest test first: a search comes by here for every eighth byte of a file.
  if (LoadFixed64(from + kSegmentAt) != segment) return false;
  if (LoadFixed32(from + kHeaderCheckAt) != HeaderCheck(database_id, from)) return false;
  const uint32_t type = LoadFixed32(from + kTypeAt);
  if (type != static_cast<uint32_t>(LogRecordType::kData) &&
      type != static_cast<uint32_t>(LogRecordType::kSeal)) {
    return false;
  }
  header->segment = segment;
  header->group = LoadFixed64(from + kGroupAt);
  header->synced_group = LoadFixed64(from + kSyncedGroupAt);
  header->type = static_cast<LogRecordType>(type);
  header->length = LoadFixed64(from + kLengthAt);
  return true;
}

bool LogChecksumMatches(uint64_t database_id, Slice record) {
  return LoadFixed64(record.data()) == Hash(record.substr(kLengthAt), database_id);
}

std::string EncodeLogFileHeader(uint64_t database_id, uint64_t segment) {
  std::string header(kLogMagic, kLogMagicBytes);
  PutFixed32(&header, kLogFormatVersion);
  PutFixed32(&header, 0);
  PutFixed64(&header, database_id);
  PutFixed64(&header, segment);
  PutFixed64(&header, Checksum(header));
  return header;
}

Status CheckLogFileHeader(Slice bytes, uint64_t database_id, uint64_t segment, Slice path) {
  if (bytes.size() < kLogFileHeaderBytes || !bytes.starts_with(kLogMagic) ||
      LoadFixed64(bytes.data() + kFileChecksumAt) != Checksum(bytes.substr(0, kFileChecksumAt))) {
    return Status::NotFound();
  }
  const uint32_t version = LoadFixed32(bytes.data() + kFileVersionAt);
  if (version != kLogFormatVersion) {
    return Status::Corruption(std::string(path) + ": log format " + std::to_string(version) +
                              ", this program knows " + std::to_string(kLogFormatVersion));
  }
  if (LoadFixed64(bytes.data() + kFileDatabaseAt) != database_id) {
    return Status::Corruption(std::string(path) + ": belongs to another database");
  }
  if (LoadFixed64(bytes.data() + kFileSegmentAt) != segment) return Status::NotFound();
  return Status::Ok();
}

}  // namespace varve
