// data/databases.cc: the databases record, written and read back.
#include "data/databases.h"

#include <algorithm>

#include "base/coding.h"

namespace varve {

std::string Databases::Encode() const {
  std::string bytes;
  PutVarint(&bytes, next_space);
  PutVarint(&bytes, spaces.size());
  for (const SpaceId space : spaces) PutVarint(&bytes, space);
  return bytes;
}

Result<Databases> Databases::Decode(Slice bytes) {
  Databases decoded;
  uint64_t count = 0;
  if (!GetVarint(&bytes, &decoded.next_space) || !GetVarint(&bytes, &count) ||
      count > kDatabasesMax || decoded.next_space == 0) {
    return Status::Corruption("the record of databases has no valid head");
  }
  decoded.spaces.resize(count);
  for (SpaceId& space : decoded.spaces) {
    if (!GetVarint(&bytes, &space) || space >= decoded.next_space) {
      return Status::Corruption("the record of databases names a space that was never given out");
    }
  }
  if (!bytes.empty()) return Status::Corruption("the record of databases is too long");

  // Two databases in one space would share their keys.
  std::vector<SpaceId> sorted = decoded.spaces;
  std::sort(sorted.begin(), sorted.end());
  const auto used = std::upper_bound(sorted.begin(), sorted.end(), SpaceId{0});
  if (std::adjacent_find(used, sorted.end()) != sorted.end()) {
    return Status::Corruption("the record of databases names a space twice");
  }
  return decoded;
}

std::string Databases::RecordKey() {
  std::string key;
  AppendPrefix(&key, KeyKind::kMeta, 0);
  key.append("databases");
  return key;
}

}  // namespace varve
