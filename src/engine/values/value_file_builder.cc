// engine/values/value_file_builder.cc: values become a value file.
#include "engine/values/value_file_builder.h"

#include <algorithm>
#include <cstring>

#include "base/coding.h"
#include "base/hash.h"
#include "engine/table/compressor.h"
#include "engine/values/value_file_format.h"
#include "env/background.h"

namespace varve {

namespace {

// What goes to the file in one write.
constexpr size_t kBufferBytes = 256 * 1024;

}  // namespace

ValueFileBuilder::ValueFileBuilder(File& file, uint64_t file_number, uint64_t database_id)
    : file_(file),
      file_number_(file_number),
      file_seed_(FileSeed(database_id, file_number)),
      buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)) {
  char* const header = buffer_.get();
  std::memcpy(header, kValueFileMagic.data(), kValueFileMagic.size());
  StoreFixed32(header + kValueFileVersionAt, kValueFileFormatVersion);
  StoreFixed32(header + kValueFileReservedAt, 0);
  StoreFixed64(header + kValueFileDatabaseAt, database_id);
  StoreFixed64(header + kValueFileNumberAt, file_number);
  StoreFixed64(header + kValueFileChecksumAt, Checksum(Slice(header, kValueFileChecksumAt)));
  offset_ = buffered_bytes_ = kValueFileHeaderBytes;
}

Result<ValueRef> ValueFileBuilder::Add(Slice key, Slice value, int compression_level) {
  if (compression_level == 0) return AddStored(key, CompressionType::kNone, value, value.size());
  // Pages that the compressed value does not fill are never touched.
  const auto compressed = std::make_unique_for_overwrite<char[]>(CompressedBytesMax(value.size()));
  const size_t size = Compress({&value, 1}, value.size(), compression_level, compressed.get());
  if (size == 0) return AddStored(key, CompressionType::kNone, value, value.size());
  return AddStored(key, CompressionType::kZstd, Slice(compressed.get(), size), value.size());
}

Result<ValueRef> ValueFileBuilder::AddStored(Slice key, CompressionType type, Slice stored,
                                             uint64_t value_bytes) {
  const uint64_t size = kValueRecordHeaderBytes + key.size() + stored.size();
  if (size > kValueRecordBytesMax) {
    return Status::InvalidArgument("value file " + std::to_string(file_number_) +
                                   ": record larger than " + std::to_string(kValueRecordBytesMax));
  }
  char header[kValueRecordHeaderBytes];
  StoreFixed32(header + kValueRecordKeySizeAt, static_cast<uint32_t>(key.size()));
  StoreFixed32(header + kValueRecordStoredSizeAt, static_cast<uint32_t>(stored.size()));
  header[kValueRecordTypeAt] = static_cast<char>(type);
  Hasher hasher(PartSeed(file_seed_, offset_));
  hasher.Add(Slice(header, sizeof(header)).substr(sizeof(uint64_t)));
  hasher.Add(key);
  hasher.Add(stored);
  StoreFixed64(header, hasher.Finish());

  const Slice pieces[] = {Slice(header, sizeof(header)), key, stored};
  if (Status s = Write(pieces, static_cast<size_t>(size)); !s.ok()) return s;
  const ValueRef ref{file_number_, offset_, size, value_bytes};
  offset_ += size;
  ++records_;
  return ref;
}

Status ValueFileBuilder::Write(std::span<const Slice> pieces, size_t size) {
  OfferCpu();
  if (buffered_bytes_ + size > kBufferBytes) RETURN_IF_ERROR(FlushBuffer());
  if (size > kBufferBytes) return file_.WriteAt(offset_, pieces);
  char* to = buffer_.get() + buffered_bytes_;
  for (const Slice piece : pieces) to = std::copy(piece.begin(), piece.end(), to);
  buffered_bytes_ += size;
  return Status::Ok();
}

Status ValueFileBuilder::FlushBuffer() {
  if (buffered_bytes_ == 0) return Status::Ok();
  RETURN_IF_ERROR(file_.WriteAt(offset_ - buffered_bytes_, Slice(buffer_.get(), buffered_bytes_)));
  buffered_bytes_ = 0;
  return Status::Ok();
}

}  // namespace varve
