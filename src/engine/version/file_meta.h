// engine/version/file_meta.h: what is known of a table, or a value file, without opening it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/slice.h"
#include "engine/values/value_use.h"

namespace varve {

struct FileMeta {
  uint64_t number = 0;
  int level = 0;
  uint64_t size_bytes = 0;  // of the file
  std::string smallest;     // first and last key, both in the table
  std::string largest;
  uint64_t entries = 0;  // tombstones included
  uint64_t tombstones = 0;
  // Entries with an expiry, and the range of their times; meaningless if there are none.
  uint64_t expiring = 0;
  int64_t first_expiry_ms = 0;
  int64_t last_expiry_ms = 0;
  ValueUses value_uses;  // what it refers to

  bool Overlaps(Slice first, Slice last) const { return smallest <= last && first <= largest; }
  bool Spans(Slice key) const { return smallest <= key && key <= largest; }

  bool operator==(const FileMeta&) const = default;
};

// A table's description never changes: a table that moves to another level gets a new one.
using FileRef = std::shared_ptr<const FileMeta>;

struct ValueFileMeta {
  uint64_t number = 0;
  uint64_t size_bytes = 0;  // of the file
  uint64_t records = 0;

  bool operator==(const ValueFileMeta&) const = default;
};

}  // namespace varve
