// engine/file_names.h: what the files of a database directory are called.
//
//   000012.table      entries in key order; never changes once a version names it
//   000013.log        a log segment
//   000015.values     values that tables refer to; never changes once a version names it
//   MANIFEST-000014   which tables and segments make up the database
//   MANIFEST-000014.copy   the same bytes once more
//   CURRENT           the name of the manifest in use
//   LOCK              held while a process has the directory open
//   RESERVE           room for the day the disk is full, see disk_reserve.h
//   CURRENT.tmp       any *.tmp: being written by ReplaceFile; rubbish after a crash
//
// One counter numbers all files, so a number belongs to one file for ever. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/slice.h"

namespace varve {

enum class FileKind : uint8_t {
  kTable,
  kLog,
  kManifest,
  kManifestCopy,
  kCurrent,
  kLock,
  kReserve,
  kTemporary,
  kValues
};

struct FileName {
  FileKind kind;
  uint64_t number;  // 0 for kinds without one

  bool operator==(const FileName&) const = default;
};

inline constexpr char kCurrentFileName[] = "CURRENT";
inline constexpr char kLockFileName[] = "LOCK";
inline constexpr char kReserveFileName[] = "RESERVE";

// REQUIRES: number > 0.
std::string TableFileName(uint64_t number);
std::string LogFileName(uint64_t number);
std::string ValueFileName(uint64_t number);
std::string ManifestFileName(uint64_t number);
std::string ManifestCopyFileName(uint64_t number);

// Nothing if no function above would have made `name`: such files are not ours to touch.
std::optional<FileName> ParseFileName(Slice name);

// "directory/name".
std::string JoinPath(const std::string& directory, Slice name);
// "a/b", "a/b/" -> "a"; "a" -> "."; "/a" -> "/".
std::string ParentDirectory(const std::string& path);
// "a/b", "a/b/" -> "b".
Slice BaseName(Slice path);

}  // namespace varve
