// engine/cache/table_cache.h: what the loop has in memory of each live table.
//
// A table begins as its description. The first lookup opens it, the first lookup in a stretch of its keys brings
// that partition; what nobody used since the hand last came by is dropped again (CLOCK: Corbato, "A Paging
// Experiment with the Multics System", 1968). Using what is there costs no hashing and no list: a
// pointer, and a bit that is set.
//
// A value file is kept likewise: it has a reader, and no partitions.
//
// Nothing is dropped but by MakeRoom and Erase. So what a command got stays where it is until it has run.
//
//   table 12   reader   [partition 0] [ - ] [partition 2] ...
//   table 13      -
//   table 17   reader   [ - ] ...                              <- hand
//
// Units      bytes, as the parts reckon them. What running commands and jobs hold beyond that is not counted.
// Threads    Loop only.
// Ownership  A Table lives as long as anyone holds it; the cache holds those that are live.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "engine/table/table_reader.h"
#include "engine/values/value_file_reader.h"
#include "engine/version/file_meta.h"

namespace varve {

class TableCache {
 public:
  class Table {
   public:
    explicit Table(uint64_t number) : number_(number) {}

    uint64_t number() const { return number_; }
    // Null if it is not open.
    const std::shared_ptr<const TableReader>& reader() {
      referenced_ = true;
      return reader_;
    }
    // Of a value file: null if it is not open.
    const std::shared_ptr<const ValueFileReader>& value_reader() {
      referenced_ = true;
      return value_reader_;
    }
    // Null if it is not in memory. REQUIRES: the table is open.
    const std::shared_ptr<const Partition>& partition(size_t i) {
      slots_[i].referenced = true;
      return slots_[i].partition;
    }

   private:
    friend class TableCache;
    struct Slot {
      std::shared_ptr<const Partition> partition;
      bool referenced = false;
    };

    const uint64_t number_;
    std::shared_ptr<const TableReader> reader_;
    std::shared_ptr<const ValueFileReader> value_reader_;
    bool referenced_ = false;
    std::vector<Slot> slots_;
    size_t partitions_ = 0;  // in memory
    uint64_t bytes_ = 0;     // of reader and partitions
    bool live_ = true;
  };
  using TableRef = std::shared_ptr<Table>;

  // The table or value file of that number, which is live from now on.
  TableRef Add(uint64_t number);
  // It is no longer.
  void Erase(uint64_t number);
  // Null if it is not live.
  Table* Find(uint64_t number);

  // Keep what was read, unless the table is dead.
  void KeepReader(Table& table, std::shared_ptr<const TableReader> reader);
  void KeepValueReader(Table& file, std::shared_ptr<const ValueFileReader> reader);
  void KeepPartition(Table& table, size_t i, std::shared_ptr<const Partition> partition);

  bool Fits() const { return memory_bytes_ <= capacity_bytes_ && open_ <= open_max_; }
  // Moves the hand on until all fits, but for a bounded number of steps. False: there is more to do.
  bool MakeRoom();

  void SetCapacity(uint64_t capacity_bytes) { capacity_bytes_ = capacity_bytes; }
  // Tables and value files open at the same time, each of which costs a file descriptor.
  void SetOpenMax(size_t open_max) { open_max_ = open_max; }

  uint64_t memory_bytes() const { return memory_bytes_; }
  size_t open_tables() const { return open_; }

 private:
  // One step of the hand. False: there is no table.
  bool Step();
  void Close(Table& table);
  void Drop(Table& table, Table::Slot& slot);
  void Charge(Table& table, int64_t bytes);

  uint64_t capacity_bytes_ = 0;
  size_t open_max_ = 0;
  std::map<uint64_t, TableRef> tables_;
  uint64_t memory_bytes_ = 0;
  size_t open_ = 0;
  // The hand: the next slot of that table, or of the one behind it if it is gone.
  uint64_t hand_table_ = 0;
  size_t hand_slot_ = 0;
};

}  // namespace varve
