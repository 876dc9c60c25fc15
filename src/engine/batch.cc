// engine/batch.cc: entries to bytes and back.
#include "engine/batch.h"

#include <cstring>

#include "base/check.h"
#include "base/coding.h"

namespace varve {

namespace {

// Up to this many entries a search from the front is cheaper than hashing keys: a transaction
// of a few commands never builds the index.
constexpr size_t kSearchedEntriesMax = 16;

constexpr size_t kExpiryBytes = 8;

}  // namespace

// --- Batch ---

// Appends all of the entry but its value, for which it leaves `copied_size` bytes of room. Returns
// where they begin.
char* Batch::Append(const Entry& entry, size_t value_size, size_t copied_size) {
  DCHECK(entry.tag <= kTagMax);
  const bool put = entry.kind == EntryKind::kPut;
  const size_t head_size = 1 + VarintSize(entry.key.size()) + (put ? VarintSize(value_size) : 0) +
                           (entry.expire_at_ms != 0 ? kExpiryBytes : 0) + entry.key.size();
  const size_t start = bytes_.size();
  bytes_.resize(start + head_size + copied_size);

  char* to = bytes_.data() + start;
  *to++ = static_cast<char>(EntryFlags(entry));
  to = EncodeVarint(to, entry.key.size());
  if (put) to = EncodeVarint(to, value_size);
  if (entry.expire_at_ms != 0) {
    StoreFixed(to, entry.expire_at_ms);
    to += kExpiryBytes;
  }
  entry.key.copy(to, entry.key.size());
  ++entries_;
  return to + entry.key.size();
}

void Batch::Put(Slice key, uint8_t tag, int64_t expire_at_ms, Slice value) {
  if (value.size() >= kSharedValueBytesMin) {
    return Put(key, tag, expire_at_ms, SharedBytes::CopyOf(value));
  }
  char* const to = Append({.key = key, .tag = tag, .expire_at_ms = expire_at_ms, .value = value},
                          value.size(), value.size());
  value.copy(to, value.size());
  ++data_puts_;
}

void Batch::Put(Slice key, uint8_t tag, int64_t expire_at_ms, const SharedBytes& value) {
  if (value.size() < kSharedValueBytesMin) return Put(key, tag, expire_at_ms, value.slice());
  Append({.key = key, .tag = tag, .expire_at_ms = expire_at_ms, .value = value.slice()},
         value.size(), 0);
  splices_.push_back({bytes_.size(), value});
  spliced_bytes_ += value.size();
  ++data_puts_;
}

void Batch::PutBookkeeping(Slice key, Slice value) {
  Put(key, 0, 0, value);
  --data_puts_;
}

void Batch::Delete(Slice key) {
  Append({.key = key, .kind = EntryKind::kTombstone, .value = {}}, 0, 0);
}

void Batch::DeletePrefix(Slice prefix) {
  Append({.key = prefix, .kind = EntryKind::kPrefixTombstone, .value = {}}, 0, 0);
}

void Batch::Clear() { TruncateTo({}); }

void Batch::TruncateTo(const Mark& mark) {
  CHECK(mark.bytes <= bytes_.size() && mark.splices <= splices_.size());
  bytes_.resize(mark.bytes);
  splices_.resize(mark.splices);
  spliced_bytes_ = mark.spliced_bytes;
  entries_ = mark.entries;
  data_puts_ = mark.data_puts;
  if (indexed_to_.offset > mark.bytes) {
    // An indexed key may have had an earlier entry, which the index forgot. Begin again.
    index_.clear();
    indexed_to_ = {0, 0};
  }
}

bool Batch::Find(Slice key, Entry* entry, SharedBytes* shared) const {
  BatchReader reader(bytes_, splices_);
  if (entries_ <= kSearchedEntriesMax) {
    bool found = false;
    while (reader.Next()) {
      if (reader.entry().key != key || reader.entry().kind == EntryKind::kPrefixTombstone) continue;
      *entry = reader.entry();
      *shared = reader.shared();
      found = true;  // but a later one wins
    }
    return found;
  }

  reader.Seek(indexed_to_.offset, indexed_to_.splices_before);
  while (reader.Next()) {
    if (reader.entry().kind != EntryKind::kPrefixTombstone) {
      index_.insert_or_assign(
          std::string(reader.entry().key),
          Place{reader.flags_offset(), reader.splices_used() - (reader.shared() ? 1u : 0u)});
    }
    indexed_to_ = {reader.next_offset(), reader.splices_used()};
  }
  const auto place = index_.find(std::string(key));
  if (place == index_.end()) return false;
  reader.Seek(place->second.offset, place->second.splices_before);
  CHECK(reader.Next());
  *entry = reader.entry();
  *shared = reader.shared();
  return true;
}

// --- BatchReader ---

bool BatchReader::Next() {
  if (!ok_ || offset_ >= bytes_.size()) return false;
  ok_ = false;  // until the whole entry has made sense

  flags_offset_ = offset_;
  Slice rest = bytes_.substr(offset_);
  const auto flags = static_cast<unsigned char>(rest.front());
  rest.remove_prefix(1);
  if ((flags & kEntryKindMask) == 0) return false;
  entry_.kind = static_cast<EntryKind>(flags & kEntryKindMask);
  entry_.creates = (flags & kEntryCreates) != 0;
  entry_.tag = static_cast<uint8_t>(flags >> kEntryTagShift);
  const bool put = entry_.kind == EntryKind::kPut;

  uint64_t key_size = 0;
  uint64_t value_size = 0;
  if (!GetVarint(&rest, &key_size)) return false;
  if (put && !GetVarint(&rest, &value_size)) return false;
  entry_.expire_at_ms = 0;
  if ((flags & kEntryHasExpiry) != 0) {
    if (rest.size() < kExpiryBytes) return false;
    entry_.expire_at_ms = LoadFixed<int64_t>(rest.data());
    rest.remove_prefix(kExpiryBytes);
  }
  if (key_size > rest.size()) return false;
  entry_.key = rest.substr(0, key_size);
  rest.remove_prefix(key_size);

  offset_ = bytes_.size() - rest.size();
  if (shared_) shared_ = SharedBytes();
  const bool spliced = put && splices_ != nullptr && splice_ < splices_->size() &&
                       (*splices_)[splice_].position == offset_;
  if (spliced) {
    shared_ = (*splices_)[splice_++].value;
    if (shared_.size() != value_size) return false;
    entry_.value = shared_.slice();
  } else {
    if (value_size > rest.size()) return false;
    entry_.value = rest.substr(0, value_size);
    offset_ += value_size;
  }
  return ok_ = true;
}

}  // namespace varve
