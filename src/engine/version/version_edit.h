// engine/version/version_edit.h: one change of the database's state, as the manifest records it.
//
// The fields that are set change something, all together or not at all. The first edit of a
// manifest is a snapshot: it says everything, from nothing.
//
//   edit:   field after field, each   tag (varint) | body size (varint) | body
//
//   tag  field               body (all integers varints unless said otherwise)
//     1  format version      version
//     2  database id         8 bytes, little-endian
//     3  next file number    number
//     4  first log segment   number
//     5  flushed group       group
//     6  table removed       level | number
//     7  table added         level | number | size | entries | tombstones | expiring |
//                            first and last expiry (8 bytes each, little-endian) |
//                            smallest and largest key (size, bytes) |
//                            to the end of the body: value file | bytes referred to, by rising number
//     8  log end added       segment | offset
//     9  log end removed     segment
//    10  count               prefix (size, bytes) | keys (8 bytes, little-endian; 0: forget it)
//    11  dead prefix added   prefix (size, bytes) | tables below (see dead_prefixes.h)
//    12  dead prefix removed prefix (size, bytes)
//    13  value file added    number | size | records
//
// There is no field for a value file that goes: it is part of the version as long as a table refers to it, and
// goes with the edit that removes the last one.
//
// An unknown tag is refused: whoever wrote it relied on its being understood.
//
//   Segment 9 is the first live one, all up to group 300 is in tables:   04 01 09 05 02 ac 02
//
// Change together: version_edit.cc, manifest_state.cc, tools, docs/FORMATS.md, tests/compat/.
// Threads: any; a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/slice.h"
#include "engine/version/file_meta.h"

namespace varve {

inline constexpr uint64_t kDatabaseFormatVersion = 1;

struct VersionEdit {
  struct RemovedFile {
    int level;
    uint64_t number;
    bool operator==(const RemovedFile&) const = default;
  };
  // The segment is valid only up to `offset`: whatever lies behind was given up.
  struct LogEndMark {
    uint64_t segment;
    uint64_t offset;
    bool operator==(const LogEndMark&) const = default;
  };
  struct DeadPrefix {
    std::string prefix;
    uint64_t tables_below;
    bool operator==(const DeadPrefix&) const = default;
  };

  // Set in snapshots only.
  std::optional<uint64_t> format_version;
  std::optional<uint64_t> database_id;

  std::optional<uint64_t> next_file_number;   // no file has this number or a greater one
  std::optional<uint64_t> first_log_segment;  // older segments are not needed any more
  std::optional<uint64_t> flushed_group;      // the newest group that is wholly in tables

  // Removals come first: a table that changes level is removed from one and added to the other.
  std::vector<RemovedFile> removed;
  std::vector<FileRef> added;
  // Gone by themselves with the last table that refers to them.
  std::vector<ValueFileMeta> value_files_added;

  std::vector<LogEndMark> log_ends_added;
  std::vector<uint64_t> log_ends_removed;
  std::vector<std::pair<std::string, int64_t>> counts;  // absolute, as of flushed_group
  std::vector<DeadPrefix> dead_prefixes_added;
  std::vector<std::string> dead_prefixes_removed;

  void Add(FileRef file) { added.push_back(std::move(file)); }
  void Remove(const FileMeta& file) { removed.push_back({file.level, file.number}); }
  // Removes `file` from its level and adds it to `level`.
  void Move(const FileMeta& file, int level);

  void EncodeTo(std::string* to) const;
  // kCorruption if the bytes are no edit. Does not know where they came from: the caller adds that.
  static Result<VersionEdit> Decode(Slice bytes);
};

}  // namespace varve
