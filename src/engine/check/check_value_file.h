// engine/check/check_value_file.h: is one value file sound, and do references lead to what they should?
//
//   header      magic, checksum, database, number
//   records     fill the file without a gap; each one's checksum, and that it decompresses
//   sums        size and number of records are what the manifest says
//   references  each leads to a record of its key and its size: asked for by check_table.cc
//
// Behind a record whose size is not to be believed no further one is found: those that are in use are
// still checked, by the references to them.
//
// Threads: any, one at a time. Memory: one value.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "engine/check/report.h"
#include "engine/values/value_file_reader.h"
#include "engine/version/file_meta.h"
#include "env/env.h"

namespace varve {

struct ValueFileToCheck {
  std::string directory;
  uint64_t number = 0;
  std::optional<uint64_t> database_id;  // absent: nobody knows
  const ValueFileMeta* meta = nullptr;  // what the manifest says; null if it cannot be read
};

void CheckValueFile(Env& env, const ValueFileToCheck& what, CheckReport* report);

// Follows references, of any number of tables.
class ValueReferences {
 public:
  ValueReferences(Env& env, std::string directory, uint64_t database_id, CheckReport* report)
      : env_(env), directory_(std::move(directory)), database_id_(database_id), report_(report) {}

  // A fault is reported as one of the value file's. A file that cannot be opened is left to CheckValueFile.
  void Follow(const ValueRef& ref, Slice key);

 private:
  // Null if it cannot be opened.
  const ValueFileReader* Reader(uint64_t number);

  Env& env_;
  const std::string directory_;
  const uint64_t database_id_;
  CheckReport* const report_;
  std::map<uint64_t, std::unique_ptr<const ValueFileReader>> open_;  // some of them
  std::set<uint64_t> missing_;
};

}  // namespace varve
