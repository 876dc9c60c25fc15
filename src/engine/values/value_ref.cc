// engine/values/value_ref.cc: references to bytes and back.
#include "engine/values/value_ref.h"

#include "engine/values/value_file_format.h"

namespace varve {

void AppendValueRef(const ValueRef& ref, std::string* to) {
  PutVarint(to, ref.file);
  PutVarint(to, ref.offset);
  PutVarint(to, ref.record_bytes);
  PutVarint(to, ref.value_bytes);
}

bool DecodeValueRef(Slice bytes, ValueRef* ref) {
  return GetVarint(&bytes, &ref->file) && GetVarint(&bytes, &ref->offset) &&
         GetVarint(&bytes, &ref->record_bytes) && GetVarint(&bytes, &ref->value_bytes) &&
         bytes.empty() && ref->file > 0 && ref->offset >= kValueFileHeaderBytes &&
         ref->record_bytes >= kValueRecordHeaderBytes &&
         ref->record_bytes <= kValueRecordBytesMax && ref->value_bytes <= kValueRecordBytesMax;
}

}  // namespace varve
