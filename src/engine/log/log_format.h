// engine/log/log_format.h: the bytes of a log segment.
//
// The log is a row of segments, files of a size that is allocated ahead and of which
// only a front part is in use. A segment is a header and then records, one for each group, that is
// for all commits of one turn of the loop:
//
//   segment header
//   offset  size  field        All integers are little-endian.
//        0     8  magic        "VarveLog"
//        8     4  version      kLogFormatVersion
//       12     4  reserved     zero
//       16     8  database id  as in the manifest
//       24     8  segment      the number in the file's name
//       32     8  checksum     XXH3 of bytes [0, 32)
//       40        records
//
//   record, at an offset that is a multiple of 8
//   offset  size  field
//        0     8  checksum      XXH3, seeded, of bytes [8, 48 + length)
//        8     8  length        of the payload, in bytes
//       16     8  segment       this segment's number
//       24     8  group         data: one more than the group before; seal: the group before
//       32     8  synced group  the newest group known to be durable when this was written
//       40     4  type          LogRecordType
//       44     4  header check  the low half of XXH3, seeded, of bytes [8, 44)
//       48        payload       the batches of the group, see engine/batch.h; then zeros up
//                               to a multiple of 8, which belong to no checksum
//
// A record is valid if and only if its header check and its checksum match, it fits the file, its
// type is known and its segment number is the file's own. The first invalid record ends the
// segment. Whether that is a torn tail or damage is decided in log_reader.h; the group numbers are
// for that.
//
// Why two checks: looking for life behind a damaged record tries every eighth byte. The header
// check settles each at the price of 36 bytes, whatever length the bytes there may claim.
//
// Why a seed: files are recycled, and what is left of a former life must not look like data. The
// segment number sees to that, unless a client stored a value that is itself an image of a record.
// The seed is the database id, which is random and never shown to clients, so nobody can make such
// an image.
//
//   Group 42 of segment 3 in database 7, one entry (SET k v), 41 known to be durable:
//   381481fc58f0f21d | 0500000000000000 | 0300000000000000 | 2a00000000000000 |
//   2900000000000000 | 01000000 | bcadd56a | 0101016b76 | 000000
//
// Change together: log_record.cc, log_reader.cc, the log writer, tools, docs/FORMATS.md,
// tests/compat/.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

inline constexpr char kLogMagic[] = "VarveLog";
inline constexpr size_t kLogMagicBytes = 8;
static_assert(sizeof(kLogMagic) == kLogMagicBytes + 1);

inline constexpr uint32_t kLogFormatVersion = 1;

inline constexpr size_t kLogFileHeaderBytes = 40;
inline constexpr size_t kLogRecordHeaderBytes = 48;
inline constexpr size_t kLogAlignBytes = 8;
static_assert(kLogFileHeaderBytes % kLogAlignBytes == 0);
static_assert(kLogRecordHeaderBytes % kLogAlignBytes == 0);

// On disk. Never renumber.
enum class LogRecordType : uint32_t {
  kData = 1,
  kSeal = 2,  // no payload; the log was closed in good order: nothing follows
};
static_assert(sizeof(LogRecordType) == 4);

inline constexpr uint64_t AlignLogOffset(uint64_t offset) {
  return (offset + kLogAlignBytes - 1) / kLogAlignBytes * kLogAlignBytes;
}

// What a record takes in the file, padding included.
inline constexpr uint64_t LogRecordBytes(uint64_t payload_bytes) {
  return AlignLogOffset(kLogRecordHeaderBytes + payload_bytes);
}

}  // namespace varve
