// engine/values/value_file_reader.h: an open value file.
//
// Opening reads nothing: each record's checksum is seeded with database id, file number and place, so it
// vouches for itself. What is read is verified, its key included, before anyone sees it.
//
// Threads    any; a reader never changes.
// Errors     kCorruption and kIoError name path and offset; kPending only from TryRead.
// Ownership  shared_ptr: a load or a job may outlive the version that named the file. The reader owns its File;
//            whether the file is to be removed is its owner's business.
// See also: value_file_format.h (bytes), value_file_builder.h (their writer).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/slice.h"
#include "engine/cache/cached_part.h"
#include "engine/table/table_format.h"
#include "engine/values/value_ref.h"
#include "env/env.h"

namespace varve {

// Larger records TryRead leaves to a reader thread even if the page cache has them: as large as the largest
// block that TableReader::TryReadBlock reads on the loop.
inline constexpr size_t kTryReadValueBytesMax = 128 * 1024;

// A value in memory, decompressed. Never changes.
class LoadedValue final : public CachedPart {
 public:
  // `value` lies within `bytes`, which are `size` long.
  LoadedValue(std::unique_ptr<char[]> bytes, size_t size, Slice value)
      : bytes_(std::move(bytes)), size_(size), value_(value) {}

  Slice slice() const { return value_; }
  size_t charge_bytes() const override;

 private:
  const std::unique_ptr<char[]> bytes_;
  const size_t size_;
  const Slice value_;
};

class ValueFileReader {
 public:
  // A record as it lies in the file, verified.
  struct Record {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
    Slice key;
    CompressionType type = CompressionType::kNone;
    Slice stored;
  };

  // `path` is for messages only. The file must be that database's value file of that number.
  ValueFileReader(std::unique_ptr<File> file, std::string path, uint64_t file_number,
                  uint64_t database_id);

  // What `ref` leads to, if it is `key`'s. May wait for the disk.
  Result<std::shared_ptr<const LoadedValue>> Read(const ValueRef& ref, Slice key) const;
  // kPending instead of waiting, or for a value too large for the loop: see kTryReadValueBytesMax.
  Result<std::shared_ptr<const LoadedValue>> TryRead(const ValueRef& ref, Slice key) const;
  // For who reads by other ways: the file, and the value made from ref.record_bytes of its bytes.
  const File& file() const { return *file_; }
  Result<std::shared_ptr<const LoadedValue>> DecodeFor(const ValueRef& ref, Slice key,
                                                       Slice stored) const;
  // As it is stored: for who moves it elsewhere.
  Result<Record> ReadRecord(const ValueRef& ref, Slice key) const;

  // The record at `offset`, and how long it is, if there is one before `end`: for who walks the file.
  Result<Record> ReadRecordAt(uint64_t offset, uint64_t end) const;
  // The value of a record; `value_bytes` is what the reference says, or 0 for what the record says.
  Result<std::shared_ptr<const LoadedValue>> Decode(uint64_t offset, uint64_t value_bytes,
                                                    Record record) const;

  // Reads all there is and checks it: the header, and `records` records that fill a file of `file_bytes`. May
  // wait for the disk.
  Status Verify(uint64_t file_bytes, uint64_t records) const;
  Status CheckHeader() const;
  // kCorruption if a sound header tells of another version of the format. A damaged one hides nothing: each record has
  // a checksum of its own. May wait for the disk.
  Status CheckVersion() const;

  const std::string& path() const { return path_; }
  uint64_t file_number() const { return file_number_; }
  // Of what stays in memory.
  size_t memory_bytes() const { return sizeof(*this) + path_.capacity(); }

 private:
  using ReadCall = Result<size_t> (File::*)(uint64_t, size_t, char*) const;

  Status CheckVersion(Slice header) const;
  Status ReadBytes(ReadCall call, uint64_t offset, size_t size, char* to) const;
  Result<Record> Load(ReadCall call, uint64_t offset, size_t size) const;
  Result<Record> Verified(uint64_t offset, std::unique_ptr<char[]> bytes, size_t size) const;
  Result<Record> LoadFor(ReadCall call, const ValueRef& ref, Slice key) const;
  Result<std::shared_ptr<const LoadedValue>> LoadValue(ReadCall call, const ValueRef& ref,
                                                       Slice key) const;
  Status CorruptAt(const char* what, uint64_t offset) const;

  const std::unique_ptr<File> file_;
  const std::string path_;
  const uint64_t file_number_;
  const uint64_t database_id_;
  const uint64_t file_seed_;
};

}  // namespace varve
