// engine/version/manifest.h: the manifest on disk, written and read.
//
// A manifest is a header and then records, each one edit; the first is a snapshot. CURRENT names
// the manifest in use. Beside each manifest lies a copy, the same bytes in another file: without a manifest
// nobody knows which table is newer than which, and no bad sector is to cost that.
//
//   manifest header
//   offset  size  field        All integers are little-endian.
//        0     8  magic        "VarveMan"
//        8     4  version      kManifestFormatVersion
//       12     4  reserved     zero
//       16     8  database id
//       24     8  number       the one in the file's name
//       32     8  checksum     XXH3 of bytes [0, 32)
//
//   record, at an offset that is a multiple of 8
//   offset  size  field
//        0     8  checksum      XXH3, seeded with the database id, of bytes [8, 16 + length)
//        8     4  length        of the payload, in bytes; never 0
//       12     4  header check  the low half of XXH3, seeded likewise, of bytes [8, 12)
//       16        payload       a VersionEdit; then zeros up to a multiple of 8
//
//   CURRENT: one line of text, the manifest's name and, in hex, the XXH3 of that name:
//   MANIFEST-000012 6f8e2de37ccdf1ae
//
// A record is valid if and only if it fits the file and both checks match. Each is synced before
// the next is written, so an invalid record at the end is a torn one, and dropped; with a valid one
// behind it the manifest is damaged. (log_format.h says why there are two checks and a seed.)
//
// An edit counts once both files have it, the manifest first. So each of them alone tells all that counts, unless it ends
// with an invalid record: that may have been one that counted, and then the other file has it whole.
//
// A new manifest comes into use in steps; after each, a crash leaves one whole manifest in charge:
//
//   1. write the snapshot to new files      CURRENT names the old manifest, which stays whole
//   2. sync the files, then the directory   likewise
//   3. replace CURRENT                      the old one or the new one: both tell the same state
//   4. remove the old manifest              the caller's part, once Start has returned Ok
//
// So without CURRENT the manifest with the greatest number is as good as the one in charge, if it can be read.
//
// If step 3 fails it is open which of the two is in charge, so neither may be written to: the
// writer is dead until a later Start has succeeded.
//
// Change together: manifest.cc, tools, docs/FORMATS.md, tests/compat/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/status.h"
#include "engine/version/manifest_state.h"
#include "engine/version/version_edit.h"
#include "env/env.h"

namespace varve {

inline constexpr uint32_t kManifestFormatVersion = 1;
inline constexpr size_t kManifestHeaderBytes = 40;
inline constexpr size_t kManifestRecordHeaderBytes = 16;
inline constexpr size_t kManifestAlignBytes = 8;

// Threads    One at a time. Waits for the disk: the engine calls it on its manifest lane.
// Errors     After any of them the writer is dead: ok() is false, and what was to be recorded may
//            or may not be on disk. Start() with a new number and the full state revives it. Until
//            then no file may be removed that either state needs.
class ManifestWriter {
 public:
  // `env` must outlive the writer. Dead until Start().
  ManifestWriter(Env& env, std::string directory, uint64_t database_id);

  // Makes the new manifest `number`, beginning with `snapshot`, and puts it in charge.
  // REQUIRES: snapshot is ManifestState::Snapshot(); no file has that number.
  Status Start(uint64_t number, const VersionEdit& snapshot);

  // Ok means that the edit survives a power cut. REQUIRES: ok().
  Status Append(const VersionEdit& edit);

  bool ok() const { return ok_; }
  uint64_t number() const { return number_; }
  // Grows with every edit; Start() anew when it is large beside its snapshot.
  uint64_t size_bytes() const { return size_bytes_; }
  uint64_t snapshot_bytes() const { return snapshot_bytes_; }

 private:
  Status StartFiles(uint64_t number, const VersionEdit& snapshot);

  Env& env_;
  const std::string directory_;
  const uint64_t database_id_;
  std::vector<std::unique_ptr<File>> files_;  // the manifest, its copy
  uint64_t number_ = 0;
  uint64_t size_bytes_ = 0;
  uint64_t snapshot_bytes_ = 0;
  bool ok_ = false;
};

// Both files of a manifest, as far as they are there. What cannot be removed now is removed at the next open.
void RemoveManifest(Env& env, const std::string& directory, uint64_t number);

struct ManifestContents {
  ManifestState state;
  uint64_t number = 0;      // of the manifest in charge
  std::string file;         // its name, or that of its copy: where this was read
  uint64_t size_bytes = 0;  // as far as it is valid
  uint64_t edits = 0;       // the snapshot included
  // Bytes behind the last valid record that are not all zeros: an edit was being written when the
  // power failed. It is as if it never was; the engine starts a new manifest at every open.
  bool torn = false;
  // What is wrong with the other file or with CURRENT, and was not needed.
  Status damage;
};

// The state of the database in `directory`, by whichever file can be read. kNotFound if there is none there: no
// CURRENT, and no table or log segment either. (A new database gets its first manifest before its first segment.)
Result<ManifestContents> ReadManifest(Env& env, const std::string& directory);

// One file, whoever is in charge.
Result<ManifestContents> ReadManifestFile(Env& env, const std::string& path, uint64_t number);

}  // namespace varve
