// tools/stats.cc: varve-tool stats: the inventory, as text and as JSON.
#include "tools/stats.h"

#include <cinttypes>
#include <cstdio>

#include "base/log.h"
#include "engine/file_names.h"
#include "tools/inventory.h"
#include "tools/json.h"
#include "tools/offline.h"

namespace varve {

namespace {

constexpr char kName[] = "stats";

const char* EndOf(const SegmentInventory& segment) {
  return segment.is_void ? "void" : ToString(segment.end);
}

// --- Text ---

void PrintTotals(const std::string& name, const TableTotals& totals) {
  std::printf("%-13s %6" PRIu64 " %10s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %6.2f %10s",
              name.c_str(), totals.tables, FormatBytes(totals.bytes).c_str(), totals.entries,
              totals.tombstones, totals.expiring, totals.ratio(),
              FormatBytes(totals.partition_bytes).c_str());
}

void PrintRange(const std::string& smallest, const std::string& largest) {
  std::printf("  %s .. %s\n", Quoted(smallest).c_str(), Quoted(largest).c_str());
}

void PrintTables(const Inventory& inventory, bool each_table) {
  std::printf("%-13s %6s %10s %12s %12s %12s %6s %10s  %s\n", "level", "tables", "size", "entries",
              "tombstones", "expiring", "ratio", "partitions", "keys");
  for (size_t level = 0; level < inventory.levels.size(); ++level) {
    const LevelInventory& counted = inventory.levels[level];
    if (counted.tables.empty()) continue;
    PrintTotals(std::to_string(level), counted.totals);
    PrintRange(counted.smallest, counted.largest);
    if (!each_table) continue;
    for (const TableInventory& table : counted.tables) {
      PrintTotals(" " + TableFileName(table.meta->number), table.totals);
      PrintRange(table.meta->smallest, table.meta->largest);
    }
  }
  PrintTotals("all", inventory.totals);
  std::printf("\n");
}

void PrintValueFiles(const Version& version, bool each_file) {
  if (version.value_files().empty()) return;
  if (each_file) {
    for (const LiveValueFile& file : version.value_files()) {
      std::printf("%s: %s with %s, %s in use\n", ValueFileName(file.meta.number).c_str(),
                  FormatBytes(file.meta.size_bytes).c_str(),
                  Counted(file.meta.records, "value").c_str(),
                  FormatBytes(file.live_bytes).c_str());
    }
  }
  std::printf(
      "%s: %s with %s, %s in use\n\n", Counted(version.value_files().size(), "value file").c_str(),
      FormatBytes(version.value_bytes()).c_str(), Counted(version.value_records(), "value").c_str(),
      FormatBytes(version.live_value_bytes()).c_str());
}

void PrintSegments(const Inventory& inventory) {
  uint64_t groups = 0;
  for (const SegmentInventory& segment : inventory.segments) {
    groups += segment.groups;
    std::printf("%s: %s", LogFileName(segment.number).c_str(), FormatBytes(segment.bytes).c_str());
    if (segment.groups > 0) {
      std::printf(", groups %" PRIu64 " to %" PRIu64 ", %s in %s", segment.first_group,
                  segment.last_group, Counted(segment.entries, "change").c_str(),
                  FormatBytes(segment.payload_bytes).c_str());
    }
    std::printf(", ends at %" PRIu64 ": %s\n", segment.end_offset, EndOf(segment));
  }
  std::printf("log: %s with %s\n", Counted(inventory.segments.size(), "segment").c_str(),
              Counted(groups, "group").c_str());
}

void PrintText(const Inventory& inventory, bool each_table) {
  const ManifestContents& manifest = inventory.manifest;
  const ManifestState& state = manifest.state;
  std::printf("database %s\n", Hex(state.database_id).c_str());
  std::printf("%s: %s, %s; next file %" PRIu64 ", all up to group %" PRIu64 " is in tables\n\n",
              manifest.file.c_str(), Counted(manifest.edits, "edit").c_str(),
              FormatBytes(manifest.size_bytes).c_str(), state.next_file_number,
              state.flushed_group);
  PrintTables(inventory, each_table);
  std::printf("\n");
  PrintValueFiles(*state.version, each_table);
  PrintSegments(inventory);
  for (const auto& [prefix, tables_below] : state.dead_prefixes.prefixes()) {
    std::printf("dead: %s, in tables below %" PRIu64 "\n", Quoted(prefix).c_str(), tables_below);
  }
  for (const auto& [prefix, keys] : state.counts) {
    std::printf("count: %s has %" PRId64 " keys in tables\n", Quoted(prefix).c_str(), keys);
  }
  std::printf("reserve: %s\n", FormatBytes(inventory.reserve_bytes).c_str());
  for (const CheckFinding& finding : inventory.unreadable) {
    std::printf("unreadable: %s\n", finding.ToString().c_str());
  }
}

// --- JSON ---

// Of an object that its caller began, and ends.
void WriteTotals(JsonWriter& json, const TableTotals& totals) {
  json.Field("bytes", totals.bytes).Field("entries", totals.entries);
  json.Field("tombstones", totals.tombstones).Field("expiring", totals.expiring);
  json.Field("key_bytes", totals.key_bytes).Field("value_bytes", totals.value_bytes);
  json.Field("data_bytes", totals.data_bytes).Field("ratio", totals.ratio());
  json.Field("partition_bytes", totals.partition_bytes);
}

void WriteTables(JsonWriter& json, const LevelInventory& level) {
  json.Key("list").BeginArray();
  for (const TableInventory& table : level.tables) {
    json.BeginObject().Field("number", table.meta->number);
    WriteTotals(json, table.totals);
    json.Field("smallest", table.meta->smallest).Field("largest", table.meta->largest);
    json.EndObject();
  }
  json.EndArray();
}

void WriteLevels(JsonWriter& json, const Inventory& inventory, bool each_table) {
  json.Key("levels").BeginArray();
  for (size_t number = 0; number < inventory.levels.size(); ++number) {
    const LevelInventory& level = inventory.levels[number];
    if (level.tables.empty()) continue;
    json.BeginObject().Field("level", uint64_t{number}).Field("tables", level.totals.tables);
    WriteTotals(json, level.totals);
    json.Field("smallest", level.smallest).Field("largest", level.largest);
    if (each_table) WriteTables(json, level);
    json.EndObject();
  }
  json.EndArray();
  json.Key("all").BeginObject().Field("tables", inventory.totals.tables);
  WriteTotals(json, inventory.totals);
  json.EndObject();
}

void WriteValueFiles(JsonWriter& json, const Version& version) {
  json.Key("value_files").BeginArray();
  for (const LiveValueFile& file : version.value_files()) {
    json.BeginObject().Field("number", file.meta.number).Field("bytes", file.meta.size_bytes);
    json.Field("records", file.meta.records).Field("live_bytes", file.live_bytes).EndObject();
  }
  json.EndArray();
  json.Field("value_bytes", version.value_bytes());
  json.Field("live_value_bytes", version.live_value_bytes());
}

void WriteSegments(JsonWriter& json, const Inventory& inventory) {
  json.Key("segments").BeginArray();
  for (const SegmentInventory& segment : inventory.segments) {
    json.BeginObject().Field("number", segment.number).Field("bytes", segment.bytes);
    json.Field("end", EndOf(segment)).Field("end_offset", segment.end_offset);
    json.Field("groups", segment.groups).Field("first_group", segment.first_group);
    json.Field("last_group", segment.last_group).Field("entries", segment.entries);
    json.Field("payload_bytes", segment.payload_bytes).EndObject();
  }
  json.EndArray();
}

void WriteManifest(JsonWriter& json, const ManifestContents& manifest) {
  const ManifestState& state = manifest.state;
  json.Field("database", Hex(state.database_id)).Field("manifest", manifest.number);
  json.Field("manifest_bytes", manifest.size_bytes).Field("manifest_edits", manifest.edits);
  json.Field("next_file_number", state.next_file_number);
  json.Field("first_log_segment", state.first_log_segment);
  json.Field("flushed_group", state.flushed_group);
  json.Key("dead_prefixes").BeginArray();
  for (const auto& [prefix, tables_below] : state.dead_prefixes.prefixes()) {
    json.BeginObject().Field("prefix", prefix).Field("tables_below", tables_below).EndObject();
  }
  json.EndArray();
  json.Key("counts").BeginArray();
  for (const auto& [prefix, keys] : state.counts) {
    json.BeginObject().Field("prefix", prefix).Field("keys", keys).EndObject();
  }
  json.EndArray();
}

void PrintJson(const std::string& directory, const Inventory& inventory, bool each_table) {
  JsonWriter json;
  json.BeginObject().Field("directory", directory);
  WriteManifest(json, inventory.manifest);
  WriteLevels(json, inventory, each_table);
  WriteValueFiles(json, *inventory.manifest.state.version);
  WriteSegments(json, inventory);
  json.Field("reserve_bytes", inventory.reserve_bytes);
  WriteFindings(json, "unreadable", inventory.unreadable);
  json.EndObject();
  std::printf("%s\n", json.text().c_str());
}

}  // namespace

int RunStats(std::span<const std::string> arguments) {
  OfflineArguments args(kName, "DIR", arguments);
  const bool as_json = args.Switch("--json");
  const bool each_table = args.Switch("--tables");
  if (!args.Ok()) return kExitNotDone;
  OfflineWorld world;
  const Result<OfflineDatabase> database = OpenOffline(world.env(), args.path());
  if (!database.ok()) return NotDone(kName, database.status());
  const Inventory inventory = TakeInventory(world.env(), args.path(), *database);
  if (as_json) {
    PrintJson(args.path(), inventory, each_table);
  } else {
    PrintText(inventory, each_table);
  }
  return inventory.unreadable.empty() ? kExitSound : kExitDamaged;
}

}  // namespace varve
