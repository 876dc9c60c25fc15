// engine/table/expiry_index.cc: which data blocks of a table hold what expires when.
#include "engine/table/expiry_index.h"

#include <algorithm>

#include "base/check.h"
#include "base/result.h"
#include "engine/table/block_builder.h"
#include "engine/table/index.h"
#include "engine/table/key_bytes.h"

namespace varve {

std::string EncodeExpiryKey(const ExpiryPlace& place) {
  std::string key;
  for (int shift = 56; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(place.stretch >> shift));
  }
  for (int shift = 24; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(place.block >> shift));
  }
  return key;
}

bool DecodeExpiryKey(Slice key, ExpiryPlace* place) {
  if (key.size() != kExpiryKeyBytes) return false;
  *place = {};
  for (const char c : key.substr(0, 8)) {
    place->stretch = place->stretch << 8 | static_cast<unsigned char>(c);
  }
  for (const char c : key.substr(8)) {
    place->block = place->block << 8 | static_cast<unsigned char>(c);
  }
  return true;
}

void ExpiryIndexBuilder::Add(int64_t expire_at_ms, uint32_t block) {
  const ExpiryPlace place{ExpiryStretchOf(std::max<int64_t>(expire_at_ms, 1)), block};
  if (places_.empty() || places_.back() != place) places_.push_back(place);
}

Status ExpiryIndexBuilder::Finish(size_t block_bytes, uint64_t begin, const WriteBlock& write,
                                  std::string* index) {
  CHECK(!empty());
  std::sort(places_.begin(), places_.end());
  places_.erase(std::unique(places_.begin(), places_.end()), places_.end());

  BlockBuilder block;
  IndexBuilder blocks;
  std::string last_key;
  const auto end_block = [&]() -> Status {
    uint64_t end = 0;
    RETURN_IF_ERROR(write(block.Finish(), &end));
    blocks.EndBlock(end - begin);
    block.Reset();
    return Status::Ok();
  };
  for (const ExpiryPlace& place : places_) {
    std::string key = EncodeExpiryKey(place);
    Entry entry;
    entry.key = key;
    const size_t shared = CommonPrefixSize(last_key, entry.key);
    if (!block.empty() && block.SizeWith(entry, shared) > block_bytes) RETURN_IF_ERROR(end_block());
    if (block.empty()) blocks.BeginBlock(entry.key.substr(0, shared + 1));
    block.Add(entry, shared);
    last_key = std::move(key);
  }
  RETURN_IF_ERROR(end_block());
  *index = blocks.Finish();
  return Status::Ok();
}

}  // namespace varve
