// data/scan_cursor.h: numbers that stand for a place in a scan.
//
// A client carries a scan's place as a number, which in Redis is a place in a hash table. Ours is
// a key, and a key does not fit a number; so the server remembers, for each cursor it gave
// out, the last key that the scan has looked at, and forgets the least recently used beyond a
// bound.
//
//   cursor, below 2^53 so that clients which keep numbers as doubles keep it whole:
//     bits 32-52  drawn once per server start: cursors of a former life are not taken for ours
//     bits  0-31  counted up from 1
//
// A cursor that is unknown - forgotten, of a former life, of another database, made up - starts the
// scan over. That keeps Redis' guarantees, which are: what is there from start to end
// of a full scan is returned, perhaps more than once. And a cursor stays known after it was
// used: a client that lost the answer may ask again.
//
// Threads: loop. Nothing is written to disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "base/slice.h"

namespace varve {

inline constexpr size_t kScanCursorsMax = 64 * 1024;
inline constexpr size_t kScanCursorBytesMax = 16u << 20;

class ScanCursors {
 public:
  // `seed` gives the bits of this life.
  explicit ScanCursors(uint64_t seed, size_t cursors_max = kScanCursorsMax,
                       size_t bytes_max = kScanCursorBytesMax);

  // A new cursor for a scan of `database` that has looked at all keys up to `position`. Never 0.
  // The newest cursor is kept whatever its size.
  uint64_t Save(int database, Slice position);

  // The position, or null if the scan is to start over. Valid until the next Save.
  const std::string* Find(uint64_t cursor, int database);

  size_t size() const { return by_number_.size(); }
  size_t memory_bytes() const { return bytes_; }

 private:
  struct Place {
    uint32_t number;
    int database;
    std::string position;
  };
  void ForgetOldest();

  const uint64_t life_;  // in its place, bits 32-52
  const size_t cursors_max_;
  const size_t bytes_max_;
  uint32_t last_number_ = 0;
  size_t bytes_ = 0;
  std::list<Place> places_;  // least recently used first
  std::unordered_map<uint32_t, std::list<Place>::iterator> by_number_;
};

}  // namespace varve
