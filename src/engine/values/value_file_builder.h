// engine/values/value_file_builder.h: values become a value file, one record after the other.
//
// What is written gathers in a buffer and goes to the file whenever that is full. A value that would not fit
// goes past it, from where it lies, so that 512 MB pass through here without a copy.
//
// Nothing is synced: the file counts when the caller has synced it, then its directory, then whatever
// names it.
//
// Threads    worker; one at a time.
// Errors     Those of the file, which name it. After an error there is nothing left to do but to drop the
//            builder and the file.
// See also: value_file_format.h (bytes), value_file_reader.h (the way back).
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"
#include "base/slice.h"
#include "engine/table/table_format.h"
#include "engine/values/value_ref.h"
#include "env/env.h"

namespace varve {

class ValueFileBuilder {
 public:
  // `file` is new and empty.
  ValueFileBuilder(File& file, uint64_t file_number, uint64_t database_id);

  // Compresses the value at zstd's `compression_level`, where that saves.
  Result<ValueRef> Add(Slice key, Slice value, int compression_level);
  // A value of `value_bytes` as another record had it stored.
  Result<ValueRef> AddStored(Slice key, CompressionType type, Slice stored, uint64_t value_bytes);
  // Writes the rest.
  Status Finish() { return FlushBuffer(); }

  uint64_t records() const { return records_; }
  // Of the file, when it is finished now.
  uint64_t file_bytes() const { return offset_; }

 private:
  Status Write(std::span<const Slice> pieces, size_t size);
  Status FlushBuffer();

  File& file_;
  const uint64_t file_number_;
  const uint64_t file_seed_;
  uint64_t records_ = 0;
  uint64_t offset_ = 0;  // of the next record; what is before may still be in the buffer
  std::unique_ptr<char[]> buffer_;
  size_t buffered_bytes_ = 0;
};

}  // namespace varve
