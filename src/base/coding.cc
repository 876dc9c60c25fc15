// base/coding.cc: the decoders that do not fit on a line.
#include "base/coding.h"

namespace varve {

bool GetVarintSlow(Slice* from, uint64_t* value) {
  uint64_t result = 0;
  for (size_t i = 0; i < from->size() && i < kVarintBytesMax; ++i) {
    const uint64_t byte = static_cast<unsigned char>((*from)[i]);
    if (i == kVarintBytesMax - 1 && byte > 1) return false;  // would not fit 64 bits
    result |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      *value = result;
      from->remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

bool GetFixed32(Slice* from, uint32_t* value) {
  if (from->size() < sizeof(*value)) return false;
  *value = LoadFixed32(from->data());
  from->remove_prefix(sizeof(*value));
  return true;
}

bool GetFixed64(Slice* from, uint64_t* value) {
  if (from->size() < sizeof(*value)) return false;
  *value = LoadFixed64(from->data());
  from->remove_prefix(sizeof(*value));
  return true;
}

bool GetLengthPrefixed(Slice* from, Slice* bytes) {
  Slice rest = *from;
  uint64_t size = 0;
  if (!GetVarint(&rest, &size) || size > rest.size()) return false;
  *bytes = rest.substr(0, size);
  rest.remove_prefix(size);
  *from = rest;
  return true;
}

}  // namespace varve
