// engine/table/table_directory.h: the tables and value files of a database, by number.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/table/table_reader.h"
#include "engine/values/value_file_reader.h"
#include "env/env.h"

namespace varve {

struct TableDirectory {
  Env* env = nullptr;
  std::string path;
  uint64_t database_id = 0;

  std::string PathOf(uint64_t number) const;
  // May wait for the disk.
  Result<std::shared_ptr<const TableReader>> Open(uint64_t number) const;

  std::string PathOfValues(uint64_t number) const;
  // May wait for the disk.
  Result<std::shared_ptr<const ValueFileReader>> OpenValues(uint64_t number) const;
};

}  // namespace varve
