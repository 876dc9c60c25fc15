// engine/check/check_table.h: is one table sound, and what the manifest says of it?
//
//   parts     footer, index, properties, partitions: checksums, sizes, names; partitions lead to all of the data
//   blocks    each one: checksum, decompression, entries that parse
//   keys      strictly ascending, each in the block where the index looks for it and in the filter,
//             none under a prefix that was dead when the table was written
//   sums      what was found is what the properties and the manifest say: numbers of entries,
//             tombstones and expiring entries, first and last expiry, first and last key
//   values    each reference leads to its key's value, and what they add up to for each value file is what properties
//             and manifest say
//   expiry    the expiry index leads to the blocks with expiring entries, and to no others
//
// Threads: any, one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/check/check_value_file.h"
#include "engine/check/report.h"
#include "engine/version/dead_prefixes.h"
#include "engine/version/file_meta.h"
#include "engine/version/version.h"
#include "env/env.h"

namespace varve {

struct TableToCheck {
  std::string directory;
  uint64_t number = 0;
  std::optional<uint64_t> database_id;  // absent: nobody knows
  const FileMeta* meta = nullptr;       // what the manifest says; null if it cannot be read
  const DeadPrefixes* dead_prefixes = nullptr;
  const Version* version = nullptr;       // null if the manifest cannot be read
  ValueReferences* references = nullptr;  // null: nobody knows which database this is
};

void CheckTable(Env& env, const TableToCheck& what, CheckReport* report);

}  // namespace varve
