// tools/inventory.h: what a closed database consists of, in numbers.
//
// From the manifest, and from what stands at the end of each table and at the head of each group of
// the log: no data block is read. Hence no word on whether it is all sound, which is for
// engine/check to say; what could not be read is counted as absent, and listed.
//
// Units      Bytes.
// Memory     The manifest's state, 100 bytes a table beside it, and one record of the log.
// Threads    main.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/check/report.h"
#include "engine/log/log_reader.h"
#include "tools/offline.h"

namespace varve {

struct TableTotals {
  uint64_t tables = 0;
  uint64_t bytes = 0;  // of the files
  uint64_t entries = 0;
  uint64_t tombstones = 0;
  uint64_t expiring = 0;
  uint64_t key_bytes = 0;  // before compression
  uint64_t value_bytes = 0;
  uint64_t data_bytes = 0;       // keys and values as they lie in the files
  uint64_t partition_bytes = 0;  // filters and indexes

  void Add(const TableTotals& other);
  // How many bytes of keys and values one byte of a file holds; 0 if there are none.
  double ratio() const;
};

struct TableInventory {
  FileRef meta;
  TableTotals totals;
};

struct LevelInventory {
  std::vector<TableInventory> tables;  // in the level's order
  TableTotals totals;
  std::string smallest;  // keys; meaningless without tables
  std::string largest;
};

struct SegmentInventory {
  uint64_t number = 0;
  uint64_t bytes = 0;  // of the file
  bool is_void = false;
  SegmentEnd end = SegmentEnd::kNone;
  uint64_t end_offset = 0;
  uint64_t groups = 0;
  uint64_t first_group = 0;  // of these; 0 if there are none
  uint64_t last_group = 0;
  uint64_t entries = 0;
  uint64_t payload_bytes = 0;
};

struct Inventory {
  ManifestContents manifest;
  std::array<LevelInventory, kLevels> levels;
  TableTotals totals;
  std::vector<SegmentInventory> segments;  // in rising order
  uint64_t reserve_bytes = 0;
  std::vector<CheckFinding> unreadable;
};

Inventory TakeInventory(Env& env, const std::string& directory, const OfflineDatabase& database);

}  // namespace varve
