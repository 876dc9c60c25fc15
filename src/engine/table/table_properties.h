// engine/table/table_properties.h: what is known of a table without reading its data.
//
// On disk, in the properties block, each property is
//
//   varint tag | varint size | size bytes (numbers: one varint)
//
// Tags never change meaning. One that is not known is skipped: properties may be added without
// a new format version as long as a table can be read without knowing them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/slice.h"
#include "engine/table/table_format.h"
#include "engine/values/value_use.h"

namespace varve {

struct TableProperties {
  uint64_t entries = 0;
  uint64_t tombstones = 0;
  uint64_t expiring = 0;        // puts with an expiry
  int64_t first_expiry_ms = 0;  // of those, the earliest and the latest; 0 if there are none
  int64_t last_expiry_ms = 0;
  uint64_t key_bytes = 0;         // before compression
  uint64_t value_bytes = 0;       // references included, but not what they lead to
  uint64_t data_bytes = 0;        // data blocks as they lie in the file
  uint64_t raw_bytes = 0;         // their contents before compression
  uint64_t dictionary_bytes = 0;  // 0: there is none
  std::string smallest_key;
  std::string largest_key;
  std::string expiry_index;  // over the expiry blocks, see expiry_index.h; empty if nothing expires
  ValueUses value_uses;      // what it refers to, by number of the file
  uint64_t file_bytes = 0;   // from the footer, not from the properties block

  bool operator==(const TableProperties&) const = default;
};

std::string EncodeProperties(const TableProperties& properties);

// False if the bytes make no sense. Leaves file_bytes alone.
bool DecodeProperties(Slice bytes, TableProperties* properties);

// The dictionary fills what is left between the partitions and the index. Size 0 if there is none;
// nothing if that is not what the properties say. REQUIRES: partitions_end <= footer.index.offset.
std::optional<BlockHandle> DictionaryPart(const TableFooter& footer,
                                          const TableProperties& properties,
                                          uint64_t partitions_end);

}  // namespace varve
