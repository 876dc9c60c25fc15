// engine/values/value_file_reader.cc: opening a value file, reading its records.
#include "engine/values/value_file_reader.h"

#include <cstring>
#include <optional>

#include "base/coding.h"
#include "base/hash.h"
#include "engine/table/compressor.h"
#include "engine/values/value_file_format.h"
#include "env/background.h"

namespace varve {

size_t LoadedValue::charge_bytes() const {
  constexpr size_t kAllocatorBytes = 48;  // rounding up, control block
  return sizeof(*this) + kAllocatorBytes + size_;
}

ValueFileReader::ValueFileReader(std::unique_ptr<File> file, std::string path, uint64_t file_number,
                                 uint64_t database_id)
    : file_(std::move(file)),
      path_(std::move(path)),
      file_number_(file_number),
      database_id_(database_id),
      file_seed_(FileSeed(database_id, file_number)) {}

// --- One record ---

Result<std::shared_ptr<const LoadedValue>> ValueFileReader::Read(const ValueRef& ref,
                                                                 Slice key) const {
  return LoadValue(&File::ReadAt, ref, key);
}

Result<std::shared_ptr<const LoadedValue>> ValueFileReader::TryRead(const ValueRef& ref,
                                                                    Slice key) const {
  if (ref.record_bytes > kTryReadValueBytesMax || ref.value_bytes > kTryReadValueBytesMax) {
    return Status::Pending();
  }
  return LoadValue(&File::TryReadAt, ref, key);
}

Result<ValueFileReader::Record> ValueFileReader::ReadRecord(const ValueRef& ref, Slice key) const {
  return LoadFor(&File::ReadAt, ref, key);
}

Result<std::shared_ptr<const LoadedValue>> ValueFileReader::LoadValue(ReadCall call,
                                                                      const ValueRef& ref,
                                                                      Slice key) const {
  Result<Record> record = LoadFor(call, ref, key);
  if (!record.ok()) return record.status();
  return Decode(ref.offset, ref.value_bytes, std::move(*record));
}

Result<std::shared_ptr<const LoadedValue>> ValueFileReader::DecodeFor(const ValueRef& ref,
                                                                      Slice key,
                                                                      Slice stored) const {
  if (stored.size() != ref.record_bytes) {
    return CorruptAt("file ends too early", ref.offset + stored.size());
  }
  auto bytes = std::make_unique_for_overwrite<char[]>(stored.size());
  std::memcpy(bytes.get(), stored.data(), stored.size());
  Result<Record> record = Verified(ref.offset, std::move(bytes), stored.size());
  if (!record.ok()) return record.status();
  if (record->key != key) return CorruptAt("value of another key", ref.offset);
  return Decode(ref.offset, ref.value_bytes, std::move(*record));
}

Result<ValueFileReader::Record> ValueFileReader::LoadFor(ReadCall call, const ValueRef& ref,
                                                         Slice key) const {
  Result<Record> record = Load(call, ref.offset, static_cast<size_t>(ref.record_bytes));
  if (record.ok() && record->key != key) return CorruptAt("value of another key", ref.offset);
  return record;
}

Result<ValueFileReader::Record> ValueFileReader::Load(ReadCall call, uint64_t offset,
                                                      size_t size) const {
  auto bytes = std::make_unique_for_overwrite<char[]>(size);
  RETURN_IF_ERROR(ReadBytes(call, offset, size, bytes.get()));
  return Verified(offset, std::move(bytes), size);
}

Result<ValueFileReader::Record> ValueFileReader::Verified(uint64_t offset,
                                                          std::unique_ptr<char[]> bytes,
                                                          size_t size) const {
  Record record;
  record.bytes = std::move(bytes);
  record.size = size;
  const Slice all(record.bytes.get(), size);
  const Slice covered = all.substr(sizeof(uint64_t));
  if (LoadFixed64(all.data()) != Hash(covered, PartSeed(file_seed_, offset))) {
    return CorruptAt("bad checksum", offset);
  }
  const uint64_t key_size = LoadFixed32(all.data() + kValueRecordKeySizeAt);
  const uint64_t stored_size = LoadFixed32(all.data() + kValueRecordStoredSizeAt);
  if (kValueRecordHeaderBytes + key_size + stored_size != size) {
    return CorruptAt("malformed value record", offset);
  }
  record.type = static_cast<CompressionType>(all[kValueRecordTypeAt]);
  if (record.type != CompressionType::kNone && record.type != CompressionType::kZstd) {
    return CorruptAt("unknown compression", offset);
  }
  record.key = all.substr(kValueRecordHeaderBytes, static_cast<size_t>(key_size));
  record.stored = all.substr(size - static_cast<size_t>(stored_size));
  return record;
}

Result<std::shared_ptr<const LoadedValue>> ValueFileReader::Decode(uint64_t offset,
                                                                   uint64_t value_bytes,
                                                                   Record record) const {
  if (record.type == CompressionType::kNone) {
    if (value_bytes != 0 && value_bytes != record.stored.size()) {
      return CorruptAt("value of another size", offset);
    }
    const Slice value = record.stored;
    return std::make_shared<const LoadedValue>(std::move(record.bytes), record.size, value);
  }
  const std::optional<uint64_t> size = DecompressedSize(record.stored);
  if (!size || *size > kValueRecordBytesMax || (value_bytes != 0 && value_bytes != *size)) {
    return CorruptAt("value of another size", offset);
  }
  auto bytes = std::make_unique_for_overwrite<char[]>(static_cast<size_t>(*size));
  if (!Decompress(record.stored, bytes.get(), static_cast<size_t>(*size))) {
    return CorruptAt("value that does not decompress", offset);
  }
  const Slice value(bytes.get(), static_cast<size_t>(*size));
  return std::make_shared<const LoadedValue>(std::move(bytes), value.size(), value);
}

// --- The whole file ---

Result<ValueFileReader::Record> ValueFileReader::ReadRecordAt(uint64_t offset, uint64_t end) const {
  char header[kValueRecordHeaderBytes];
  if (end < offset || end - offset < sizeof(header)) return CorruptAt("no record", offset);
  OfferCpu();
  RETURN_IF_ERROR(ReadBytes(&File::ReadAt, offset, sizeof(header), header));
  const uint64_t size = sizeof(header) + uint64_t{LoadFixed32(header + kValueRecordKeySizeAt)} +
                        LoadFixed32(header + kValueRecordStoredSizeAt);
  if (size > end - offset) return CorruptAt("bad checksum", offset);
  return Load(&File::ReadAt, offset, static_cast<size_t>(size));
}

Status ValueFileReader::CheckHeader() const {
  char bytes[kValueFileHeaderBytes];
  RETURN_IF_ERROR(ReadBytes(&File::ReadAt, 0, sizeof(bytes), bytes));
  const Slice header(bytes, sizeof(bytes));
  if (!header.starts_with(kValueFileMagic)) return CorruptAt("no value file header", 0);
  if (LoadFixed64(bytes + kValueFileChecksumAt) !=
      Checksum(header.substr(0, kValueFileChecksumAt))) {
    return CorruptAt("bad checksum", 0);
  }
  RETURN_IF_ERROR(CheckVersion(header));
  if (LoadFixed64(bytes + kValueFileDatabaseAt) != database_id_) {
    return CorruptAt("value file of another database", 0);
  }
  if (LoadFixed64(bytes + kValueFileNumberAt) != file_number_) {
    return CorruptAt("value file of another number", 0);
  }
  return Status::Ok();
}

Status ValueFileReader::CheckVersion() const {
  char bytes[kValueFileHeaderBytes];
  const Result<size_t> read = file_->ReadAt(0, sizeof(bytes), bytes);
  if (!read.ok()) return read.status();
  const Slice header(bytes, *read);
  const bool sound =
      header.size() == sizeof(bytes) && header.starts_with(kValueFileMagic) &&
      LoadFixed64(bytes + kValueFileChecksumAt) == Checksum(header.substr(0, kValueFileChecksumAt));
  return sound ? CheckVersion(header) : Status::Ok();
}

Status ValueFileReader::CheckVersion(Slice header) const {
  const uint32_t version = LoadFixed32(header.data() + kValueFileVersionAt);
  if (version == kValueFileFormatVersion) return Status::Ok();
  return Status::Corruption(path_ + ": value file format " + std::to_string(version) +
                            ", this program knows " + std::to_string(kValueFileFormatVersion));
}

Status ValueFileReader::Verify(uint64_t file_bytes, uint64_t records) const {
  const Result<uint64_t> size = file_->Size();
  if (!size.ok()) return size.status();
  if (*size != file_bytes) return CorruptAt("wrong file size, ends", *size);
  RETURN_IF_ERROR(CheckHeader());
  uint64_t offset = kValueFileHeaderBytes;
  for (; offset < file_bytes; --records) {
    if (records == 0) return CorruptAt("more records than expected", offset);
    const Result<Record> record = ReadRecordAt(offset, file_bytes);
    if (!record.ok()) return record.status();
    offset += record->size;
  }
  return records == 0 ? Status::Ok() : CorruptAt("fewer records than expected, ends", offset);
}

Status ValueFileReader::ReadBytes(ReadCall call, uint64_t offset, size_t size, char* to) const {
  const Result<size_t> read = (file_.get()->*call)(offset, size, to);
  if (!read.ok()) return read.status();
  if (*read != size) return CorruptAt("file ends too early", offset + *read);
  return Status::Ok();
}

Status ValueFileReader::CorruptAt(const char* what, uint64_t offset) const {
  return Status::Corruption(path_ + ": " + what + " at " + std::to_string(offset));
}

}  // namespace varve
