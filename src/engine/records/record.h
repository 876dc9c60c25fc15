// engine/records/record.h: one key and its value in memory, in one allocation.
//
//   header (8) | key size (4, long keys only) | key | expiry (8, if any) | value or SharedBytes | room (4, if roomy)
//
// Memory is what a hot key costs, so the header is eight bytes and sizes are as narrow as
// ordinary keys need: keys up to 16383 bytes and values below kSharedValueBytesMin are inline; longer keys
// spend four bytes more, larger values hold a SharedBytes in place of the bytes.
// How much was allocated follows from what it holds, as the allocator rounds it: nobody has to ask the allocator, which
// would miss the cache. Only a record whose value has shrunk, roomy, says so behind it, where there is room by then.
//
// The life of a record:
//
//            Insert                    Freeze                 flush installed
//   (none) ---------> dirty, active ---------> dirty, frozen ---------------> clean ---> evicted
//                      ^   | overwritten in place     | overwritten: a new        | overwritten in
//                      |___|                          | record takes its slot,    | place: dirty,
//                                                     v this one is superseded    v active again
//
// Threads    The loop writes. A worker reads key, flags and value of frozen records, and the key of active
//            ones; `state` is the loop's alone. Hence each is a member of its own: no bit that one
//            thread changes shares a byte with one that another reads.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <new>

#include "base/check.h"
#include "base/coding.h"
#include "engine/entry.h"

namespace varve {

// What a record says about its key. The values of EntryKind, and:
inline constexpr uint8_t kRecordAbsent = 0;  // clean: no table has it. Dirty: replaced within its
                                             // own generation, to be skipped by the flush

class Record {
 public:
  static constexpr size_t kInlineKeyBytesMax = (1u << 14) - 1;

  // An allocated record holding `entry`. `shared` is kept instead of entry.value if it is set.
  // `kind` may be kRecordAbsent. Not in any generation, not referenced.
  static Record* New(const Entry& entry, const SharedBytes& shared, uint8_t kind);
  static void Delete(Record* record);
  // The same record in another place, packed with others of its size (base/heap.h). Null if there is no memory.
  static Record* CopyPacked(const Record* record);

  // Replaces all but the key if it fits this allocation, and returns whether it did.
  // REQUIRES: no worker reads this record's value.
  bool Assign(const Entry& entry, const SharedBytes& shared, uint8_t kind);

  // --- What it holds ---
  Slice key() const {
    const char* at = body();
    if (key_bits_ & kLongKey) return {at + sizeof(uint32_t), LoadFixed32(at)};
    return {at, static_cast<size_t>(key_bits_ & kInlineKeyBytesMax)};
  }
  uint8_t kind() const { return flags_ & kEntryKindMask; }
  bool is_put() const { return kind() == static_cast<uint8_t>(EntryKind::kPut); }
  bool creates() const { return (flags_ & kEntryCreates) != 0; }
  void set_creates(bool creates) {
    flags_ = static_cast<uint8_t>(creates ? flags_ | kEntryCreates : flags_ & ~kEntryCreates);
  }
  uint8_t tag() const { return static_cast<uint8_t>(flags_ >> kEntryTagShift); }
  int64_t expire_at_ms() const {
    return (flags_ & kEntryHasExpiry) ? LoadFixed<int64_t>(after_key()) : 0;
  }
  Slice value() const {
    if (key_bits_ & kShared) return shared_value().slice();
    return {value_bytes(), value_size_};
  }
  bool is_shared() const { return (key_bits_ & kShared) != 0; }
  const SharedBytes& shared_value() const {
    return *std::launder(reinterpret_cast<const SharedBytes*>(value_bytes_aligned()));
  }
  // Borrows from the record. REQUIRES: a put or a tombstone.
  Entry entry() const;

  // --- What the loop keeps about it ---
  // Generations are known by a number from 1 to 15 while they live; 0 is clean.
  uint8_t generation() const { return state_ & kGenerationMask; }
  void set_generation(uint8_t generation) {
    state_ = static_cast<uint8_t>((state_ & ~kGenerationMask) | generation);
  }
  bool dirty() const { return generation() != 0; }
  // Looked at since the eviction hand came by.
  bool referenced() const { return (state_ & kReferenced) != 0; }
  void set_referenced(bool referenced) {
    state_ = static_cast<uint8_t>(referenced ? state_ | kReferenced : state_ & ~kReferenced);
  }
  // No longer in the record table; freed with its generation.
  bool superseded() const { return (state_ & kSuperseded) != 0; }
  void set_superseded() { state_ |= kSuperseded; }
  // The low 16 bits of the group that wrote it.
  uint16_t group_low() const { return group_low_; }
  void set_group_low(uint16_t low) { group_low_ = low; }

  // Marks a record that was replaced within its own, active generation.
  void MakeObsolete() { flags_ = static_cast<uint8_t>(flags_ & ~kEntryKindMask); }

  // Memory the record takes, as the allocator rounds it, a shared value included.
  size_t charge_bytes() const {
    return allocated_bytes() + (is_shared() ? shared_value().size() : 0);
  }

 private:
  static constexpr uint16_t kLongKey = 1u << 14;
  static constexpr uint16_t kShared = 1u << 15;
  static constexpr uint8_t kGenerationMask = 0x0f;
  static constexpr uint8_t kReferenced = 0x10;
  static constexpr uint8_t kSuperseded = 0x20;
  static constexpr uint8_t kRoomy = 0x40;
  static constexpr size_t kHeaderBytes = 8;

  static size_t BytesNeeded(size_t key_size, bool has_expiry, bool shared, size_t value_size);
  size_t bytes_needed() const {
    return BytesNeeded(key().size(), (flags_ & kEntryHasExpiry) != 0, is_shared(), value_size_);
  }
  size_t allocated_bytes() const;
  void StoreRest(const Entry& entry, const SharedBytes& shared, uint8_t kind);

  const char* body() const { return reinterpret_cast<const char*>(this) + kHeaderBytes; }
  char* body() { return reinterpret_cast<char*>(this) + kHeaderBytes; }
  const char* after_key() const {
    const Slice k = key();
    return k.data() + k.size();
  }
  const char* value_bytes() const {
    return after_key() + ((flags_ & kEntryHasExpiry) ? sizeof(int64_t) : 0);
  }
  const char* value_bytes_aligned() const {
    const auto at = reinterpret_cast<uintptr_t>(value_bytes());
    return value_bytes() + ((alignof(SharedBytes) - at) & (alignof(SharedBytes) - 1));
  }

  uint16_t group_low_;
  uint8_t flags_;  // as entry.h lays them out; the kind may be kRecordAbsent
  uint8_t state_;
  uint16_t key_bits_;  // 14 bits of size, kLongKey, kShared; fixed for life
  uint16_t value_size_;
};
static_assert(sizeof(Record) == 8);
static_assert(kSharedValueBytesMin <= 1u << 16, "inline sizes are 16 bits");

}  // namespace varve
