// engine/values/value_ref.h: where a value lies that is not in its table.
//
// The bytes are drawn in value_file_format.h. Threads: any; a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/coding.h"
#include "base/slice.h"

namespace varve {

struct ValueRef {
  uint64_t file = 0;          // number of the value file
  uint64_t offset = 0;        // of the record
  uint64_t record_bytes = 0;  // of the whole record: what the reference keeps alive
  uint64_t value_bytes = 0;   // of the value, decompressed

  bool operator==(const ValueRef&) const = default;
};

inline constexpr size_t kValueRefBytesMax = 4 * kVarintBytesMax;

void AppendValueRef(const ValueRef& ref, std::string* to);
// False if the bytes are no reference.
bool DecodeValueRef(Slice bytes, ValueRef* ref);

}  // namespace varve
