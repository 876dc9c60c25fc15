// engine/records/record.cc: building, overwriting and freeing records.
#include "engine/records/record.h"

#include "base/heap.h"

namespace varve {

size_t Record::BytesNeeded(size_t key_size, bool has_expiry, bool shared, size_t value_size) {
  return kHeaderBytes + key_size + (key_size > kInlineKeyBytesMax ? sizeof(uint32_t) : 0) +
         (has_expiry ? sizeof(int64_t) : 0) +
         (shared ? sizeof(SharedBytes) + alignof(SharedBytes) - 1 : value_size);
}

Record* Record::New(const Entry& entry, const SharedBytes& shared, uint8_t kind) {
  const bool is_shared = static_cast<bool>(shared);
  CHECK(is_shared || entry.value.size() < kSharedValueBytesMin);
  void* memory = AllocateRounded(
      BytesNeeded(entry.key.size(), entry.expire_at_ms != 0, is_shared, entry.value.size()));
  if (memory == nullptr) throw std::bad_alloc();
  Record* record = new (memory) Record;
  record->group_low_ = 0;
  record->state_ = 0;
  record->key_bits_ = is_shared ? kShared : 0;
  char* to = record->body();
  if (entry.key.size() > kInlineKeyBytesMax) {
    record->key_bits_ |= kLongKey;
    StoreFixed32(to, static_cast<uint32_t>(entry.key.size()));
    to += sizeof(uint32_t);
  } else {
    record->key_bits_ |= static_cast<uint16_t>(entry.key.size());
  }
  if (!entry.key.empty()) std::memcpy(to, entry.key.data(), entry.key.size());
  record->StoreRest(entry, shared, kind);
  if (is_shared) new (const_cast<char*>(record->value_bytes_aligned())) SharedBytes(shared);
  return record;
}

void Record::Delete(Record* record) {
  const size_t bytes = record->allocated_bytes();
  if (record->is_shared()) record->shared_value().~SharedBytes();
  FreeRounded(record, bytes);
}

Record* Record::CopyPacked(const Record* record) {
  const size_t bytes = record->allocated_bytes();
  void* memory = AllocatePacked(bytes);
  if (memory == nullptr) return nullptr;
  std::memcpy(memory, static_cast<const void*>(record), bytes);
  auto* copy = static_cast<Record*>(memory);
  if (record->is_shared()) {
    new (const_cast<char*>(copy->value_bytes_aligned())) SharedBytes(record->shared_value());
  }
  return copy;
}

bool Record::Assign(const Entry& entry, const SharedBytes& shared, uint8_t kind) {
  if (is_shared() || shared) return false;
  const size_t needed =
      BytesNeeded(key().size(), entry.expire_at_ms != 0, false, entry.value.size());
  const size_t allocated = allocated_bytes();
  // A record that shrank a lot is better made anew than kept with its air.
  if (needed > allocated || needed + 512 < allocated / 2) return false;
  StoreRest(entry, shared, kind);
  if (RoundedSize(needed) == allocated) {
    state_ &= static_cast<uint8_t>(~kRoomy);
  } else {
    // Two sizes of the allocator are further apart than this is long.
    state_ |= kRoomy;
    StoreFixed32(reinterpret_cast<char*>(this) + needed, static_cast<uint32_t>(allocated));
  }
  return true;
}

size_t Record::allocated_bytes() const {
  const size_t needed = bytes_needed();
  return (state_ & kRoomy) ? LoadFixed32(reinterpret_cast<const char*>(this) + needed)
                           : RoundedSize(needed);
}

void Record::StoreRest(const Entry& entry, const SharedBytes& shared, uint8_t kind) {
  flags_ = static_cast<uint8_t>((EntryFlags(entry) & ~kEntryKindMask) | kind);
  value_size_ = shared ? 0 : static_cast<uint16_t>(entry.value.size());
  const Slice k = key();
  char* to = const_cast<char*>(k.data()) + k.size();
  if (entry.expire_at_ms != 0) {
    StoreFixed(to, entry.expire_at_ms);
    to += sizeof(int64_t);
  }
  if (!shared && !entry.value.empty()) std::memcpy(to, entry.value.data(), entry.value.size());
}

Entry Record::entry() const {
  Entry e;
  e.key = key();
  e.kind = static_cast<EntryKind>(kind());
  e.creates = creates();
  e.tag = tag();
  e.expire_at_ms = expire_at_ms();
  if (is_put()) e.value = value();
  return e;
}

}  // namespace varve
