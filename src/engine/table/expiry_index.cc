// engine/table/expiry_index.cc: which keys of a table expire when.
#include "engine/table/expiry_index.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "base/result.h"
#include "engine/table/block_builder.h"
#include "engine/table/index.h"
#include "engine/table/key_bytes.h"

namespace varve {

namespace {
constexpr size_t kStretchBytes = sizeof(uint64_t);
}  // namespace

std::string ExpiryKeyOf(uint64_t stretch) {
  std::string key(kStretchBytes, '\0');
  StoreFixed64(key.data(), __builtin_bswap64(stretch));
  return key;
}

bool DecodeExpiring(const Entry& entry, Expiring* expiring) {
  if (entry.kind != EntryKind::kPut || entry.in_value_file) return false;
  if (entry.key.size() < kStretchBytes || entry.value.size() != 1) return false;
  const uint64_t stretch = __builtin_bswap64(LoadFixed64(entry.key.data()));
  const int64_t into_ms = static_cast<unsigned char>(entry.value[0]);
  constexpr int64_t kEndOfTimeMs = std::numeric_limits<int64_t>::max();
  if (into_ms >= kExpiryStretchMs || stretch > ExpiryStretchOf(kEndOfTimeMs)) return false;
  const int64_t begin_ms = static_cast<int64_t>(stretch) * kExpiryStretchMs;
  if (into_ms > kEndOfTimeMs - begin_ms || begin_ms + into_ms == 0) return false;
  *expiring = {begin_ms + into_ms, entry.tag, entry.key.substr(kStretchBytes)};
  return true;
}

void ExpiryIndexBuilder::Add(const Expiring& expiring) {
  const uint64_t stretch = ExpiryStretchOf(expiring.at_ms);
  places_.push_back({stretch, encoded_.size()});
  encoded_.push_back(static_cast<char>(expiring.at_ms % kExpiryStretchMs));
  encoded_.push_back(static_cast<char>(expiring.tag));
  PutVarint(&encoded_, kStretchBytes + expiring.key.size());
  encoded_.append(ExpiryKeyOf(stretch)).append(expiring.key);
}

Status ExpiryIndexBuilder::Finish(size_t block_bytes, uint64_t begin, const WriteBlock& write,
                                  std::string* index) {
  CHECK(!empty());
  std::sort(places_.begin(), places_.end());

  BlockBuilder block;
  IndexBuilder blocks;
  Slice last_key;
  const auto end_block = [&]() -> Status {
    uint64_t end = 0;
    RETURN_IF_ERROR(write(block.Finish(), &end));
    blocks.EndBlock(end - begin);
    block.Reset();
    return Status::Ok();
  };
  for (const Place& place : places_) {
    Slice rest = Slice(encoded_).substr(place.offset);
    Entry entry;
    entry.value = rest.substr(0, 1);
    entry.tag = static_cast<uint8_t>(rest[1]);
    rest.remove_prefix(2);
    uint64_t key_size = 0;
    CHECK(GetVarint(&rest, &key_size));
    entry.key = rest.substr(0, key_size);

    const size_t shared = CommonPrefixSize(last_key, entry.key);
    if (!block.empty() && block.SizeWith(entry, shared) > block_bytes) RETURN_IF_ERROR(end_block());
    if (block.empty()) blocks.BeginBlock(entry.key.substr(0, shared + 1));
    block.Add(entry, shared);
    last_key = entry.key;
  }
  RETURN_IF_ERROR(end_block());
  *index = blocks.Finish();
  return Status::Ok();
}

}  // namespace varve
