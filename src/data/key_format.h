// data/key_format.h: the map of all keys in the tree.
//
//   prefix                     then            what it is
//   kind|n  space id (n bytes) user key        a key of a database
//   kind|n  0 bytes            name            our own: "databases"
//
// The first byte holds the kind in its high four bits and in its low four the number n
// of bytes of the id that follows, big-endian, without leading zeros. So the bytes of a prefix sort
// as the numbers do, no prefix begins another, and a young database spends two bytes a key.
//
// A space is one life of one database: FLUSHDB gives the database a new space, and the old one is
// dead. Space ids are never used twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/slice.h"

namespace varve {

// On disk. Never renumber.
enum class KeyKind : uint8_t {
  kMeta = 1,
  kKey = 2,
  kElement = 3,  // of a large collection, under its collection id
};

using SpaceId = uint64_t;  // 0 is no space

// Types of values, the engine's tag. On disk. Never renumber. At most kTagMax.
enum class ValueType : uint8_t {
  kString = 0,
};

inline constexpr size_t kPrefixBytesMax = 9;

// Appends the prefix of a space or collection to `to`.
void AppendPrefix(std::string* to, KeyKind kind, uint64_t id);

// The space of a user key; nothing if it is no user key.
std::optional<SpaceId> SpaceOfKey(Slice key);

// How long a key's prefix is: kPrefix for user keys (they are counted by space), 0 for all others.
// For Options::counted_prefix_size.
size_t CountedPrefixSize(Slice key);

}  // namespace varve
