// tools/dumper.h: the files of a database, printed one by one.
//
//   dumper.cc        entries, problems
//   dump_manifest.cc edits
//   dump_log.cc      groups
//   dump_table.cc    footer, properties, partitions, blocks
//   dump_value_file.cc  records
//
// Memory: a manifest is read whole; of a table index, properties, one partition and one block, of the log one
// record. Threads: main.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/slice.h"
#include "engine/check/table_parts.h"
#include "engine/entry.h"
#include "engine/values/value_file_reader.h"
#include "engine/version/version_edit.h"
#include "env/env.h"
#include "tools/lines.h"

namespace varve {

inline constexpr size_t kDumpValueBytesMax = 64;

struct DumpOptions {
  bool as_json = false;
  bool entries = true;
  bool values = true;
  bool whole_values = false;
  std::optional<std::string> from;  // the first key
  std::optional<std::string> to;    // behind the last one

  bool has_range() const { return from || to; }
  bool Wants(Slice key) const { return (!from || key >= *from) && (!to || key < *to); }
};

// A log segment, and what is known of it from elsewhere.
struct LogToDump {
  std::string name;
  std::optional<uint64_t> number;  // else what its header says
  std::optional<uint64_t> database_id;
  std::optional<uint64_t> known_end;
};

struct TableToDump {
  std::string name;
  std::optional<uint64_t> number;  // else what its footer says
  std::optional<uint64_t> database_id;
  std::optional<int> level;
};

struct ValueFileToDump {
  std::string name;
  std::optional<uint64_t> number;  // else what its header says
  std::optional<uint64_t> database_id;
};

class Dumper {
 public:
  explicit Dumper(const DumpOptions& options) : options_(options), out_(options.as_json) {}

  void Manifest(const std::string& name, Slice file);
  void Log(const LogToDump& what, const File& file);
  void Table(const TableToDump& what, const File& file);
  void Values(const ValueFileToDump& what, std::unique_ptr<File> file);
  void Problem(const std::string& file, uint64_t offset, Slice text);

  bool found_problems() const { return found_problems_; }

 private:
  void Edit(const VersionEdit& edit, uint64_t offset, uint64_t size);
  void DataBlocks(TableParts& parts);
  void BlocksOf(TableParts& parts, const Partition& partition, size_t first_number);
  void ExpiryBlocks(TableParts& parts);
  void ValueLine(const ValueFileReader& reader, uint64_t offset, ValueFileReader::Record record);
  void EntryLine(const Entry& entry, int depth);
  // Of the line that has begun.
  void ValueOf(Slice value);

  const DumpOptions options_;
  LinePrinter out_;
  bool found_problems_ = false;
};

}  // namespace varve
