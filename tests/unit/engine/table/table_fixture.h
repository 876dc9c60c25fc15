// tests/unit/engine/table/table_fixture.h: tables made for tests, in a simulated world.
//
// Include it before <doctest/doctest.h>: its CHECK is ours.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "engine/file_names.h"
#include "engine/table/table_builder.h"
#include "engine/table/table_directory.h"
#include "engine/version/file_meta.h"
#include "env/sim_env.h"

namespace varve {

// What a table should hold: everything of an Entry but the key.
struct Row {
  EntryKind kind = EntryKind::kPut;
  bool creates = false;
  uint8_t tag = 0;
  int64_t expire_at_ms = 0;
  std::string value;

  bool operator==(const Row&) const = default;
};
using Rows = std::map<std::string, Row>;

inline Entry ToEntry(const std::string& key, const Row& row) {
  return {key, row.kind, row.creates, row.tag, row.expire_at_ms, row.value};
}
inline Row ToRow(const Entry& e) {
  return {e.kind, e.creates, e.tag, e.expire_at_ms, std::string(e.value)};
}

inline std::string RandomBytes(Random& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.Next());
  return bytes;
}

// Keys of few letters and many lengths, so that one is often the beginning of another; among the
// letters some that sort wrongly if taken as signed or as the end of a string.
inline std::string RandomKey(Random& random) {
  constexpr Slice kLetters("a\0b\xff", 4);
  std::string key;
  for (uint64_t left = random.Uniform(12); left > 0; --left) {
    key.push_back(kLetters[random.Uniform(kLetters.size())]);
  }
  if (random.OneIn(50)) key.append(300, 'k');
  return key;
}

inline Row RandomRow(Random& random, size_t value_bytes_max) {
  Row row;
  row.creates = random.OneIn(2);
  row.tag = static_cast<uint8_t>(random.Uniform(kTagMax + 1));
  if (random.OneIn(5)) {
    row.kind = EntryKind::kTombstone;
    return row;
  }
  if (random.OneIn(4)) row.expire_at_ms = static_cast<int64_t>(1 + random.Uniform(1u << 30));
  const size_t size = random.Uniform(value_bytes_max + 1);
  row.value = random.OneIn(2) ? std::string(size, 'v') : RandomBytes(random, size);
  return row;
}

inline Rows RandomRows(Random& random, size_t count, size_t value_bytes_max) {
  Rows rows;
  for (size_t i = 0; i < count; ++i) {
    rows[RandomKey(random)] = RandomRow(random, value_bytes_max);
  }
  return rows;
}

inline constexpr uint64_t kDatabase = 0x1234;

class TableWorld {
 public:
  TableWorld() : env(1) {
    CHECK(env.CreateDirectory("db").ok());
    env.set_pending_percent(0);
  }

  static std::string Path(uint64_t number) { return JoinPath("db", TableFileName(number)); }
  TableDirectory tables() { return {&env, "db", kDatabase}; }

  Result<TableProperties> TryBuild(uint64_t number, const Rows& rows,
                                   const TableOptions& options = {}) {
    Result<std::unique_ptr<File>> file = env.Open(Path(number), OpenMode::kCreate);
    if (!file.ok()) return file.status();
    TableBuilder builder(options, **file, number, kDatabase);
    for (const auto& [key, row] : rows) RETURN_IF_ERROR(builder.Add(ToEntry(key, row)));
    return builder.Finish();
  }

  Result<std::shared_ptr<TableReader>> TryOpen(uint64_t number, uint64_t database = kDatabase) {
    Result<std::unique_ptr<File>> file = env.Open(Path(number), OpenMode::kRead);
    if (!file.ok()) return file.status();
    return TableReader::Open(std::move(*file), Path(number), number, database);
  }

  std::shared_ptr<TableReader> Build(uint64_t number, const Rows& rows,
                                     const TableOptions& options = {}) {
    const Result<TableProperties> built = TryBuild(number, rows, options);
    CHECK(built.ok());
    const Result<std::shared_ptr<TableReader>> table = TryOpen(number);
    CHECK(table.ok());
    return *table;
  }

  SimEnv env;
};

inline FileRef MetaOf(const TableReader& table) {
  auto meta = std::make_shared<FileMeta>();
  meta->number = table.file_number();
  meta->smallest = table.smallest_key();
  meta->largest = table.largest_key();
  return meta;
}

// Of all partitions, in order.
inline std::vector<BlockHandle> BlocksOf(const TableReader& table) {
  std::vector<BlockHandle> blocks;
  for (size_t i = 0; i < table.partition_count(); ++i) {
    const auto partition = table.ReadPartition(i);
    CHECK(partition.ok());
    for (size_t b = 0; b < (*partition)->blocks(); ++b) blocks.push_back((*partition)->BlockAt(b));
  }
  return blocks;
}

inline Result<BlockHandle> FindBlock(const TableReader& table, const std::string& key) {
  const auto partition = table.ReadPartition(table.FindPartition(key));
  if (!partition.ok()) return partition.status();
  return (*partition)->Find(key);
}

// As a point lookup goes. kNotFound if the table has no entry for the key.
inline Result<Row> Lookup(const TableReader& table, const std::string& key) {
  const auto partition = table.ReadPartition(table.FindPartition(key));
  if (!partition.ok()) return partition.status();
  if (!(*partition)->MayContain(FilterHash(key))) return StatusCode::kNotFound;
  const Result<std::shared_ptr<const Block>> block = table.ReadBlock((*partition)->Find(key));
  if (!block.ok()) return block.status();
  Entry entry;
  if (!(*block)->Find(key, &entry)) return StatusCode::kNotFound;
  return ToRow(entry);
}

}  // namespace varve
