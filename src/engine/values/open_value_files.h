// engine/values/open_value_files.h: the values that tables refer to, for a walk over them.
//
// Keeps some files open. Threads: a worker, one at a time; waits for the disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "base/result.h"
#include "engine/entry.h"
#include "engine/table/table_directory.h"
#include "engine/values/value_file_reader.h"

namespace varve {

class OpenValueFiles {
 public:
  explicit OpenValueFiles(TableDirectory files) : files_(std::move(files)) {}

  // The value of an entry that refers to it. REQUIRES: entry.in_value_file.
  Result<std::shared_ptr<const LoadedValue>> Read(const Entry& entry);

 private:
  Result<std::shared_ptr<const ValueFileReader>> Open(uint64_t number);

  const TableDirectory files_;
  std::map<uint64_t, std::shared_ptr<const ValueFileReader>> open_;
};

}  // namespace varve
