// engine/values/value_use.cc: the list to bytes and back.
#include "engine/values/value_use.h"

#include "base/coding.h"

namespace varve {

void AppendValueUses(const ValueUses& uses, std::string* to) {
  for (const ValueUse& use : uses) {
    PutVarint(to, use.file);
    PutVarint(to, use.bytes);
  }
}

bool DecodeValueUses(Slice bytes, ValueUses* uses) {
  uint64_t before = 0;
  while (!bytes.empty()) {
    ValueUse use;
    if (!GetVarint(&bytes, &use.file) || !GetVarint(&bytes, &use.bytes)) return false;
    if (use.file <= before || use.bytes == 0) return false;
    before = use.file;
    uses->push_back(use);
  }
  return true;
}

uint64_t BytesOf(const ValueUses& uses) {
  uint64_t bytes = 0;
  for (const ValueUse& use : uses) bytes += use.bytes;
  return bytes;
}

}  // namespace varve
