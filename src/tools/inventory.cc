// tools/inventory.cc: what a closed database consists of, in numbers.
#include "tools/inventory.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "engine/batch.h"
#include "engine/check/table_parts.h"
#include "engine/file_names.h"
#include "engine/log/log_format.h"

namespace varve {

void TableTotals::Add(const TableTotals& other) {
  tables += other.tables;
  bytes += other.bytes;
  entries += other.entries;
  tombstones += other.tombstones;
  expiring += other.expiring;
  key_bytes += other.key_bytes;
  value_bytes += other.value_bytes;
  data_bytes += other.data_bytes;
  partition_bytes += other.partition_bytes;
}

double TableTotals::ratio() const {
  if (data_bytes == 0) return 0;
  return static_cast<double>(key_bytes + value_bytes) / static_cast<double>(data_bytes);
}

namespace {

class Counter {
 public:
  Counter(Env& env, const std::string& directory, const OfflineDatabase& database)
      : env_(env), directory_(directory), database_(database) {}

  Inventory Count() {
    inventory_.manifest = database_.manifest;
    for (int level = 0; level < kLevels; ++level) CountLevel(level);
    for (const uint64_t segment : database_.log_segments) CountSegment(segment);
    if (const auto file = Open(kReserveFileName, true)) inventory_.reserve_bytes = SizeOf(*file);
    return std::move(inventory_);
  }

 private:
  const ManifestState& state() const { return database_.manifest.state; }

  void CountLevel(int level);
  TableTotals CountTable(const FileMeta& meta);
  void CountSegment(uint64_t number);
  void CountGroups(const File& file, const std::string& name, SegmentInventory* segment);

  // Null, after noting why, if it cannot be opened.
  std::unique_ptr<File> Open(const std::string& name, bool may_be_missing);
  static uint64_t SizeOf(const File& file) {
    const Result<uint64_t> size = file.Size();
    return size.ok() ? *size : 0;
  }
  void Unreadable(const std::string& file, std::optional<uint64_t> offset, Slice text) {
    inventory_.unreadable.push_back({file, offset, std::string(text)});
  }

  Env& env_;
  const std::string& directory_;
  const OfflineDatabase& database_;
  Inventory inventory_;
};

std::unique_ptr<File> Counter::Open(const std::string& name, bool may_be_missing) {
  Result<std::unique_ptr<File>> file = env_.Open(JoinPath(directory_, name), OpenMode::kRead);
  if (file.ok()) return std::move(*file);
  if (may_be_missing && file.status().is_not_found()) return nullptr;
  Unreadable(name, std::nullopt, file.status().message());
  return nullptr;
}

void Counter::CountLevel(int level) {
  LevelInventory& counted = inventory_.levels[static_cast<size_t>(level)];
  for (const FileRef& meta : state().version->level(level)) {
    const TableTotals totals = CountTable(*meta);
    const bool first = counted.tables.empty();
    counted.smallest = first ? meta->smallest : std::min(counted.smallest, meta->smallest);
    counted.largest = first ? meta->largest : std::max(counted.largest, meta->largest);
    counted.tables.push_back({meta, totals});
    counted.totals.Add(totals);
  }
  inventory_.totals.Add(counted.totals);
}

// What the manifest says, and what else the table itself says.
TableTotals Counter::CountTable(const FileMeta& meta) {
  TableTotals totals;
  totals.tables = 1;
  totals.bytes = meta.size_bytes;
  totals.entries = meta.entries;
  totals.tombstones = meta.tombstones;
  totals.expiring = meta.expiring;
  const std::string name = TableFileName(meta.number);
  const std::unique_ptr<File> file = Open(name, false);
  if (!file) return totals;
  TableParts parts(
      *file, meta.number, state().database_id,
      [&](uint64_t offset, const std::string& text) { Unreadable(name, offset, text); });
  parts.Open();
  if (parts.footer()) {
    totals.partition_bytes = parts.footer()->index.offset - parts.footer()->partitions;
  }
  if (parts.properties()) {
    totals.key_bytes = parts.properties()->key_bytes;
    totals.value_bytes = parts.properties()->value_bytes;
    totals.data_bytes = parts.properties()->data_bytes;
  }
  return totals;
}

void Counter::CountSegment(uint64_t number) {
  const std::string name = LogFileName(number);
  const std::unique_ptr<File> file = Open(name, false);
  if (!file) return;
  SegmentInventory segment;
  segment.number = number;
  segment.bytes = SizeOf(*file);
  CountGroups(*file, name, &segment);
  inventory_.segments.push_back(segment);
}

void Counter::CountGroups(const File& file, const std::string& name, SegmentInventory* segment) {
  std::optional<uint64_t> known_end;
  const auto mark = state().log_ends.find(segment->number);
  if (mark != state().log_ends.end()) known_end = mark->second;
  segment->is_void = known_end && *known_end <= kLogFileHeaderBytes;
  if (segment->is_void) return;

  LogReader reader(file, name, segment->number, state().database_id, known_end);
  LogRecord record;
  while (reader.Next(&record)) {
    if (record.header.type == LogRecordType::kSeal) continue;
    if (segment->groups++ == 0) segment->first_group = record.header.group;
    segment->last_group = record.header.group;
    segment->payload_bytes += record.payload.size();
    BatchReader entries(record.payload);
    while (entries.Next()) ++segment->entries;
  }
  if (!reader.status().ok()) Unreadable(name, reader.offset(), reader.status().message());
  segment->end = reader.end();
  segment->end_offset = reader.offset();
}

}  // namespace

Inventory TakeInventory(Env& env, const std::string& directory, const OfflineDatabase& database) {
  return Counter(env, directory, database).Count();
}

}  // namespace varve
