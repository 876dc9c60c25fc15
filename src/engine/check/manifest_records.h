// engine/check/manifest_records.h: a manifest record by record, sound or not.
//
// ReadManifest gives the state or an error. This gives all that is there, with offsets, and can go
// on behind bad bytes: for tools.
//
//   ManifestRecords records(file);
//   do {
//     while (records.Next(&record)) ...            a valid one
//     ... nothing valid at records.offset() ...
//   } while (records.SkipBadBytes());
//
// Threads: one at a time. Borrows the file's bytes. See also: version/manifest.h (the bytes).
#pragma once

#include <cstdint>
#include <optional>

#include "base/slice.h"

namespace varve {

inline constexpr Slice kManifestMagic = "VarveMan";

struct ManifestRecord {
  uint64_t offset = 0;
  Slice payload;        // a VersionEdit
  bool padded = false;  // with zeros, as it should be; or cut off behind the payload
};

class ManifestRecords {
 public:
  // What lies at offset() when there is no valid record.
  enum class Rest : unsigned char {
    kNothing,   // the end of the file, or zeros
    kCutShort,  // the beginning of a record that the file does not hold to its end
    kBad,       // anything else
  };

  explicit ManifestRecords(Slice file);

  // Null if the header is sound, else what is wrong with it. Records are looked for even so, with
  // the database id that it seems to hold.
  const char* header_fault() const { return header_fault_; }
  uint64_t format_version() const { return format_version_; }
  uint64_t database_id() const { return database_id_; }
  uint64_t number() const { return number_; }

  bool Next(ManifestRecord* record);
  // Goes on to the next valid record behind offset(). False if there is none.
  bool SkipBadBytes();
  Rest rest() const;
  uint64_t offset() const { return offset_; }

 private:
  bool Decode(uint64_t offset, Slice* payload) const;

  const Slice file_;
  const char* header_fault_ = nullptr;
  uint64_t format_version_ = 0;
  uint64_t database_id_ = 0;
  uint64_t number_ = 0;
  uint64_t offset_ = 0;
};

// The manifest's number that the contents of CURRENT name; nothing if they are not as they should be.
std::optional<uint64_t> ParseCurrent(Slice contents);

}  // namespace varve
