// data/databases.h: which space each numbered database lives in.
//
// One small record under KeyKind::kMeta, "databases", changed in the same batch as what it is
// about: FLUSHDB takes a number out of it, the next write puts a new one in, SWAPDB exchanges two.
// The map in memory changes when the batch commits.
//
//   record value:  next space id (varint), number of databases (varint),
//                  then per database its space id (varint; 0 = none)
//
//   two databases, the first in space 1, the second never written to:  02 02 01 00
//
// A record may name more databases than the server is configured for: theirs are kept as they are.
// Change together: databases.cc, docs/FORMATS.md.
//
// Threads: loop.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/slice.h"
#include "data/key_format.h"

namespace varve {

struct Databases {
  std::vector<SpaceId> spaces;  // by database index; 0: empty, no space yet
  SpaceId next_space = 1;

  // Not in the record: the commit group of the last change. Whoever reads through the map depends
  // on it.
  uint64_t changed_in_group = 0;

  std::string Encode() const;
  // kCorruption if the bytes make no sense.
  static Result<Databases> Decode(Slice bytes);
  // The record's key.
  static std::string RecordKey();
};

// What a server could be configured for, at most.
inline constexpr size_t kDatabasesMax = 1u << 20;

}  // namespace varve
