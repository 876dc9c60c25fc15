// engine/entry.h: what the engine keeps, one key's worth of it.
//
// Records in memory, payloads of the log and blocks of tables all hold entries. There is one version
// per key: an entry in a newer source shadows the same key in every older one.
//
// The creates bit makes counting keys O(1). It says that the count of the key's prefix went up
// when this entry was written, because its writer knew that nothing lay below. An entry
// without it was counted as an overwrite; where a merge finds that nothing lies
// below after all, it reports +1 and sets the bit. See count_settlement.h.
#pragma once

#include <cstdint>

#include "base/shared_bytes.h"
#include "base/slice.h"

namespace varve {

// On disk, in the low two bits of an entry's flags. Never renumber.
enum class EntryKind : uint8_t {
  kPut = 1,
  kTombstone = 2,  // the key is deleted; hides it in older sources
  kPrefixTombstone =
      3,  // every key under this prefix is dead for ever; only in batches and the log
};
static_assert(sizeof(EntryKind) == 1);

inline constexpr uint8_t kTagMax = 15;

struct Entry {
  Slice key;
  EntryKind kind = EntryKind::kPut;
  bool creates = false;
  uint8_t tag = 0;           // the caller's own, kept beside the value; at most kTagMax
  int64_t expire_at_ms = 0;  // wall clock, ms since 1970; 0 means never
  Slice value;               // puts only
  // The value lies in a value file, and `value` is the reference to it (values/value_ref.h). Of tables and
  // scans only: records, batches and the log hold all their values themselves.
  bool in_value_file = false;
};

// What a Get found. Valid until the next commit, or until its ReadScope ends, whichever is first;
// `shared` (set for large values) outlives both.
struct Value {
  uint8_t tag = 0;
  int64_t expire_at_ms = 0;
  Slice bytes;
  SharedBytes shared;
};

// The bits of an entry's flags byte, the same in the log and in tables. Never renumber.
//   0-1  kind      2  creates      3  has an expiry      4-7  tag
// A kind of 0 is a put whose value lies in a value file; it occurs in tables only.
inline constexpr uint8_t kEntryKindMask = 0x03;
inline constexpr uint8_t kKindInValueFile = 0;
inline constexpr uint8_t kEntryCreates = 0x04;
inline constexpr uint8_t kEntryHasExpiry = 0x08;
inline constexpr unsigned kEntryTagShift = 4;

inline uint8_t EntryFlags(const Entry& e) {
  const unsigned kind = e.in_value_file ? kKindInValueFile : static_cast<unsigned>(e.kind);
  return static_cast<uint8_t>(kind | (e.creates ? kEntryCreates : 0u) |
                              (e.expire_at_ms != 0 ? kEntryHasExpiry : 0u) |
                              static_cast<unsigned>(e.tag) << kEntryTagShift);
}

// Values at least this large are held in SharedBytes, never copied on the loop.
inline constexpr size_t kSharedValueBytesMin = 64 * 1024;

// Keys and values Redis allows: 512 MB.
inline constexpr size_t kKeyBytesMax = 512u << 20;
inline constexpr size_t kValueBytesMax = 512u << 20;

}  // namespace varve
