// engine/records/generation.h: the records that will become one table.
//
// The active generation takes every write. Full, it is frozen: from then on its records do not change
// but for `state`, so that a worker can sort and flush them while the loop goes on. When
// its table is installed, its records turn clean or, if superseded, are freed, and it is gone.
//
// A key may stand in the list twice, when a record was replaced within the generation: the older
// one is marked kRecordAbsent, and stays for whoever walks the keys.
//
// Threads    Loop, except where a worker was handed a snapshot of the list.
// Ownership  The record table and the generation share the records: a superseded one is the generation's, and all
//            others the table's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/records/ordered_index.h"
#include "engine/records/record.h"

namespace varve {

struct Generation {
  explicit Generation(uint8_t id_in, uint64_t first_segment_in)
      : id(id_in), first_segment(first_segment_in) {}

  const uint8_t id;              // 1..15, in each of its records
  const uint64_t first_segment;  // the first log segment that holds any of it
  uint64_t last_group = 0;       // newest group with a write to it
  uint64_t memory_bytes = 0;     // of its records, superseded ones included
  uint64_t log_bytes = 0;

  std::vector<Record*> records;  // in the order they came
  OrderedIndex index;            // of the same records, as far as scans asked for it

  // What expires, the earliest on top. A record that was replaced, or has got another time since, stays.
  struct DueRecord {
    int64_t at_ms;
    Record* record;
    bool operator>(const DueRecord& other) const { return at_ms > other.at_ms; }
  };
  std::vector<DueRecord> due;
  void PushDue(Record* record, int64_t at_ms) {
    due.push_back({at_ms, record});
    std::push_heap(due.begin(), due.end(), std::greater<>());
    memory_bytes += sizeof(DueRecord);
  }
  // Of these lists, beside the records.
  size_t list_bytes() const {
    return records.capacity() * sizeof(Record*) + due.capacity() * sizeof(DueRecord);
  }
  DueRecord PopDue() {
    std::pop_heap(due.begin(), due.end(), std::greater<>());
    const DueRecord last = due.back();
    due.pop_back();
    return last;
  }

  // What it did to the number of keys under each counted prefix.
  std::map<std::string, int64_t, std::less<>> count_deltas;
  // Prefixes that died while it was active, and the groups that say so.
  std::vector<std::pair<std::string, uint64_t>> dead_prefixes;

  bool empty() const { return records.empty() && dead_prefixes.empty() && count_deltas.empty(); }
};

}  // namespace varve
