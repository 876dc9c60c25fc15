// engine/version/version.h: the set of live tables and value files, immutable.
//
//   level 0     tables as they were flushed, newest first. Their ranges may overlap, the newer
//               one wins. Newer means a greater number: flushes run one at a time.
//   levels 1-31 each a sorted run: ordered by smallest key, ranges disjoint. Which of them are in use,
//               and what their sizes mean, is the business of the compaction policy alone.
//
// An entry in a smaller level shadows the same key in a greater one. That is all the order there is
// between runs, and all that reads, recovery and jobs know; so they need not know the policy.
//
// A value file is part of the version as long as a table of it refers to it; how much of it is alive is the sum of
// what tables say.
//
// Threads    Any: a version never changes. It is held by shared_ptr, for iterators, jobs and
//            waiting reads outlive its replacement.
// Cost       Apply copies the levels it touches, and shares the others with its base.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/slice.h"
#include "engine/engine_stats.h"  // kLevels
#include "engine/values/value_file_format.h"
#include "engine/version/file_meta.h"
#include "engine/version/version_edit.h"

namespace varve {

using FileList = std::vector<FileRef>;
uint64_t BytesOf(const FileList& files);

struct LiveValueFile {
  ValueFileMeta meta;
  uint64_t live_bytes = 0;  // of the records that tables refer to; more than 0

  // What no table refers to any more. The header is neither.
  uint64_t garbage_bytes() const { return meta.size_bytes - kValueFileHeaderBytes - live_bytes; }
};
using ValueFileList = std::vector<LiveValueFile>;  // by rising number

class Version {
 public:
  // Without tables.
  Version();

  // This version after `edit`. kCorruption if the edit makes no sense here: it removes what is not
  // there, adds what is, or lets tables of a level overlap.
  Result<std::shared_ptr<const Version>> Apply(const VersionEdit& edit) const;

  // REQUIRES: 0 <= level < kLevels, here and below.
  const FileList& level(int level) const { return *levels_[static_cast<size_t>(level)].files; }
  uint64_t level_bytes(int level) const { return levels_[static_cast<size_t>(level)].bytes; }
  size_t table_count() const;
  uint64_t table_bytes() const;

  const ValueFileList& value_files() const { return *values_.files; }
  const LiveValueFile* FindValueFile(uint64_t number) const;
  uint64_t value_bytes() const { return values_.bytes; }            // of the files
  uint64_t live_value_bytes() const { return values_.live_bytes; }  // of the records in use
  uint64_t value_records() const { return values_.records; }        // in the files

  // The one table of `level` >= 1 whose range holds `key`, or null.
  const FileMeta* Find(int level, Slice key) const;
  // Tables of `level` whose range meets [smallest, largest], both inclusive, in the level's order.
  FileList Overlapping(int level, Slice smallest, Slice largest) const;
  uint64_t OverlappingBytes(int level, Slice smallest, Slice largest) const;
  // Index of the first table of `level` >= 1 whose largest key is >= `key`.
  size_t LowerBound(int level, Slice key) const;
  // Whether a table in a level greater than `level` may hold `key`. If none can, a tombstone for it
  // that reaches `level` has done its work.
  bool MayHoldBelow(int level, Slice key) const;
  // Likewise for any key of a range.
  bool OverlapsBelow(int level, Slice smallest, Slice largest) const;

  // All invariants anew, from the ranges to the uniqueness of file numbers. For opening and tools.
  Status Check() const;

 private:
  friend class VersionBuilder;

  // Shared by all versions in which the level is the same.
  struct Level {
    std::shared_ptr<const FileList> files;
    uint64_t bytes = 0;
  };
  struct Values {
    std::shared_ptr<const ValueFileList> files;
    uint64_t bytes = 0;
    uint64_t live_bytes = 0;
    uint64_t records = 0;
  };
  static Values ValuesOf(ValueFileList files);
  Status CheckValues(const std::set<uint64_t>& table_numbers) const;

  std::array<Level, kLevels> levels_;
  Values values_;
};

// Walks the tables whose range holds a key from new to old: level 0, then one table at most of
// each level.
//   for (TableWalk walk(version, key); const FileMeta* file = walk.Next();) ...
class TableWalk {
 public:
  // Both must outlive the walk.
  TableWalk(const Version& version, Slice key) : version_(version), key_(key) {}
  // Null at the end.
  const FileMeta* Next();

 private:
  const Version& version_;
  const Slice key_;
  int level_ = 0;
  size_t level0_index_ = 0;
};

// Applies many edits at the price of one: sorts and checks once, in Finish.
class VersionBuilder {
 public:
  explicit VersionBuilder(const Version& base) : base_(base) {}

  Status Add(const VersionEdit& edit);
  // REQUIRES: every Add was Ok.
  Result<std::shared_ptr<const Version>> Finish() const;

 private:
  struct Change {
    std::set<uint64_t> removed;  // from the base
    std::map<uint64_t, FileRef> added;
  };
  Result<Version::Level> FinishLevel(int level) const;
  Result<Version::Values> FinishValues() const;

  const Version& base_;
  std::array<Change, kLevels> changes_;
  std::map<uint64_t, ValueFileMeta> value_files_added_;
};

}  // namespace varve
