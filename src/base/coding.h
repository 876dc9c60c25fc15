// base/coding.h: integers as bytes. Little-endian where only we read them, big-endian
// where their order as bytes must be their order as numbers.
//
// Varints are LEB128: seven bits a byte, least significant first, at most ten bytes.
// Decoders take a Slice by reference, consume what they read, and return false (leaving
// the Slice alone) when the bytes run out or make no sense. Threads: any.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/slice.h"

namespace varve {

static_assert(std::endian::native == std::endian::little, "the formats are read in place");

inline constexpr size_t kVarintBytesMax = 10;

template <typename T>
T LoadFixed(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}
inline uint32_t LoadFixed32(const char* from) { return LoadFixed<uint32_t>(from); }
inline uint64_t LoadFixed64(const char* from) { return LoadFixed<uint64_t>(from); }

template <typename T>
void StoreFixed(char* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}
inline void StoreFixed32(char* to, uint32_t value) { StoreFixed(to, value); }
inline void StoreFixed64(char* to, uint64_t value) { StoreFixed(to, value); }

inline void PutFixed32(std::string* to, uint32_t value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}
inline void PutFixed64(std::string* to, uint64_t value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Writes at most kVarintBytesMax bytes and returns the end of what was written.
inline char* EncodeVarint(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}
inline void PutVarint(std::string* to, uint64_t value) {
  char bytes[kVarintBytesMax];
  to->append(bytes, static_cast<size_t>(EncodeVarint(bytes, value) - bytes));
}
inline size_t VarintSize(uint64_t value) {
  return value < 0x80 ? 1 : (static_cast<size_t>(std::bit_width(value)) + 6) / 7;
}
inline void PutLengthPrefixed(std::string* to, Slice bytes) {
  PutVarint(to, bytes.size());
  to->append(bytes);
}

bool GetVarintSlow(Slice* from, uint64_t* value);
inline bool GetVarint(Slice* from, uint64_t* value) {
  if (!from->empty() && static_cast<unsigned char>(from->front()) < 0x80) {
    *value = static_cast<unsigned char>(from->front());
    from->remove_prefix(1);
    return true;
  }
  return GetVarintSlow(from, value);
}
bool GetFixed32(Slice* from, uint32_t* value);
bool GetFixed64(Slice* from, uint64_t* value);
// `bytes` borrows from `from`.
bool GetLengthPrefixed(Slice* from, Slice* bytes);

}  // namespace varve
