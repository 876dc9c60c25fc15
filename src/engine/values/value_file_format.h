// engine/values/value_file_format.h: the bytes of a value file, and of a reference into one.
//
// A value file holds values that are too large to be written again by every compaction. Its records follow the
// header without a gap, to the end of the file; the manifest says how long that is.
//
//   header
//   offset  size  field        All integers are little-endian.
//        0     8  magic        "VarveVal"
//        8     4  version      kValueFileFormatVersion
//       12     4  reserved     zero
//       16     8  database id
//       24     8  number       the one in the file's name
//       32     8  checksum     XXH3 of bytes [0, 32)
//
//   record
//   offset  size  field
//        0     8  checksum     XXH3 of all that follows it in the record, seeded with where the record lies, as a
//                              part of a table is: see PartSeed in table_format.h
//        8     4  key size
//       12     4  value size   as stored
//       16     1  type         CompressionType, of this value by itself
//       17        key          whose value it is
//                 value        stored or compressed, as the type says
//
// A record is valid if and only if it fits the file and its checksum matches. The seed makes a sound record in a
// wrong place a bad one, and the key tells a reference that leads to another's value.
//
// A reference stands in a table in place of the value; the entry's kind says so (see entry.h):
//
//   varint file number | varint offset | varint record bytes | varint value bytes, decompressed
//
//   The first record of file 12, of 5000 bytes stored as they are under the key "ab":
//   0c 28 9b27 8827
//
// Change together: value_ref.cc, value_file_builder.cc, value_file_reader.cc, check/check_value_file.cc,
// tools/dump_value_file.cc, docs/FORMATS.md, tests/compat/
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/slice.h"
#include "engine/entry.h"

namespace varve {

inline constexpr Slice kValueFileMagic = "VarveVal";
inline constexpr uint32_t kValueFileFormatVersion = 1;
inline constexpr size_t kValueFileHeaderBytes = 40;
inline constexpr size_t kValueRecordHeaderBytes = 17;

// Where the fields lie.
inline constexpr size_t kValueFileVersionAt = 8;
inline constexpr size_t kValueFileReservedAt = 12;
inline constexpr size_t kValueFileDatabaseAt = 16;
inline constexpr size_t kValueFileNumberAt = 24;
inline constexpr size_t kValueFileChecksumAt = 32;
inline constexpr size_t kValueRecordKeySizeAt = 8;
inline constexpr size_t kValueRecordStoredSizeAt = 12;
inline constexpr size_t kValueRecordTypeAt = 16;
static_assert(kValueFileChecksumAt + sizeof(uint64_t) == kValueFileHeaderBytes);
static_assert(kValueRecordTypeAt + sizeof(uint8_t) == kValueRecordHeaderBytes);

// No sound record is larger. The slack is for what the layers above put before a client's key and value.
inline constexpr uint64_t kValueRecordBytesMax =
    kValueRecordHeaderBytes + uint64_t{kKeyBytesMax} + kValueBytesMax + (1u << 20);
static_assert(kValueRecordBytesMax <= UINT32_MAX);

}  // namespace varve
