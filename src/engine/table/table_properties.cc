// engine/table/table_properties.cc: properties to bytes and back.
//
// One list, kFields, says which tag stands for which number; both directions walk it. Threads: any.
#include "engine/table/table_properties.h"

#include "base/coding.h"

namespace varve {

namespace {

// On disk. Never renumber.
enum Tag : uint64_t {
  kEntries = 1,
  kTombstones = 2,
  kExpiring = 3,
  kFirstExpiryMs = 4,
  kLastExpiryMs = 5,
  kKeyBytes = 6,
  kValueBytes = 7,
  kDataBytes = 8,
  kSmallestKey = 9,
  kLargestKey = 10,
  kExpiryIndex = 11,
  kRawBytes = 12,
  kValueUses = 13,
  kDictionaryBytes = 14,
};

struct NumberField {
  Tag tag;
  uint64_t TableProperties::*member;
};
constexpr NumberField kNumberFields[] = {
    {kEntries, &TableProperties::entries},
    {kTombstones, &TableProperties::tombstones},
    {kExpiring, &TableProperties::expiring},
    {kKeyBytes, &TableProperties::key_bytes},
    {kValueBytes, &TableProperties::value_bytes},
    {kDataBytes, &TableProperties::data_bytes},
    {kRawBytes, &TableProperties::raw_bytes},
    {kDictionaryBytes, &TableProperties::dictionary_bytes},
};

struct TimeField {
  Tag tag;
  int64_t TableProperties::*member;
};
constexpr TimeField kTimeFields[] = {
    {kFirstExpiryMs, &TableProperties::first_expiry_ms},
    {kLastExpiryMs, &TableProperties::last_expiry_ms},
};

struct BytesField {
  Tag tag;
  std::string TableProperties::*member;
};
constexpr BytesField kBytesFields[] = {
    {kSmallestKey, &TableProperties::smallest_key},
    {kLargestKey, &TableProperties::largest_key},
    {kExpiryIndex, &TableProperties::expiry_index},
};

void PutNumber(std::string* to, Tag tag, uint64_t number) {
  PutVarint(to, tag);
  PutVarint(to, VarintSize(number));
  PutVarint(to, number);
}

bool DecodeNumber(Slice bytes, uint64_t* number) {
  return GetVarint(&bytes, number) && bytes.empty();
}

// True also for a tag that is not known.
bool DecodeField(uint64_t tag, Slice bytes, TableProperties* properties) {
  for (const NumberField& field : kNumberFields) {
    if (field.tag == tag) return DecodeNumber(bytes, &(properties->*field.member));
  }
  for (const TimeField& field : kTimeFields) {
    if (field.tag != tag) continue;
    uint64_t number = 0;
    if (!DecodeNumber(bytes, &number)) return false;
    properties->*field.member = static_cast<int64_t>(number);
    return true;
  }
  for (const BytesField& field : kBytesFields) {
    if (field.tag == tag) properties->*field.member = bytes;
  }
  return tag != kValueUses || DecodeValueUses(bytes, &properties->value_uses);
}

}  // namespace

std::string EncodeProperties(const TableProperties& properties) {
  std::string bytes;
  for (const NumberField& field : kNumberFields) {
    PutNumber(&bytes, field.tag, properties.*field.member);
  }
  for (const TimeField& field : kTimeFields) {
    PutNumber(&bytes, field.tag, static_cast<uint64_t>(properties.*field.member));
  }
  for (const BytesField& field : kBytesFields) {
    PutVarint(&bytes, field.tag);
    PutLengthPrefixed(&bytes, properties.*field.member);
  }
  if (!properties.value_uses.empty()) {
    std::string uses;
    AppendValueUses(properties.value_uses, &uses);
    PutVarint(&bytes, kValueUses);
    PutLengthPrefixed(&bytes, uses);
  }
  return bytes;
}

bool DecodeProperties(Slice bytes, TableProperties* properties) {
  while (!bytes.empty()) {
    uint64_t tag = 0;
    Slice field;
    if (!GetVarint(&bytes, &tag) || !GetLengthPrefixed(&bytes, &field)) return false;
    if (!DecodeField(tag, field, properties)) return false;
  }
  return true;
}

std::optional<BlockHandle> DictionaryPart(const TableFooter& footer,
                                          const TableProperties& properties,
                                          uint64_t partitions_end) {
  const uint64_t gap = footer.index.offset - partitions_end;
  const uint64_t size = gap > kTrailerBytes ? gap - kTrailerBytes : 0;
  if (size != properties.dictionary_bytes || (size == 0 && gap > 0)) return std::nullopt;
  return BlockHandle{partitions_end, size};
}

}  // namespace varve
