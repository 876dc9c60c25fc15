// engine/table/table_format.h: the bytes of a table file.
//
//   data block 0 .. n-1    entries in strictly increasing order of their keys (byte order)
//   expiry block 0 .. m-1  which keys expire when (expiry_index.h); none if nothing expires
//   partition 0 .. p-1     filter and index of kPartitionBlocks data blocks each, the last of what is
//                          left (partition.h)
//   dictionary             what zstd was told before it compressed data blocks (dictionary.h); seldom
//                          there. It ends where the index begins, and the properties say its size
//   index block            where each partition begins and ends (index.h)
//   properties block       counts, sizes, key range (table_properties.h)
//   footer                 96 bytes, at the very end
//
// The parts follow each other without a gap, so every byte of the file is under some checksum.
// All integers are little-endian. Offsets and sizes of parts are 64 bits wide.
//
// A part, as it lies in the file. A BlockHandle names it by offset and by size without trailer:
//
//   offset  size  field
//        0     n  contents    stored or compressed, as the type says
//        n     1  type        CompressionType
//      n+1     8  checksum    XXH3 of contents and type, seeded with where they lie: see PartSeed
//
// The seed makes a sound part in the wrong place a bad one: a write that went astray, two files
// that changed names, a file of another database.
//
// A data block, decompressed. A value of at least the block size has a block of its own:
//
//   entry*      varint shared    leading key bytes in common with the entry before: all of
//                                them, save at a restart, where it is 0
//               varint unshared  key bytes that follow
//               flags    (1)     see entry.h; the kind is a put, a put in a value file, or a tombstone
//               varint value     size; puts only; in a value file: of the reference, which is then the value
//                                (values/value_file_format.h)
//               expiry   (8)     ms since 1970; only if flagged
//               key      (unshared)
//               value    (puts)
//   restart*    u32              offset of an entry that stands for itself: the first, then one at
//                                least every kRestartEntries entries or kRestartBytes bytes
//   restarts    u32              how many; at least 1
//
//   Puts "ab" = "x" (tag 1, creates) and deletes "ac":
//   00 02 15 01 6162 78   01 01 02 63   00000000 01000000
//
// The footer:
//
//   offset  size  field
//        0     8  database    id of the database the table belongs to
//        8     8  number      the file's own: files that changed names are found out
//       16     8  size        of the whole file, footer included
//       24     8  data end    where the data blocks end and the expiry blocks begin
//       32     8  partitions  where these end and the partitions begin
//       40    16  index       handles: offset, size
//       56    16  properties
//       72     8  version     kTableFormatVersion
//       80     8  checksum    XXH3 of the 80 bytes before
//       88     8  magic       "VARVETBL"
//
// In every version the footer keeps its size and the places of version, checksum and magic.
//
// A table is valid if and only if the file is as long as its footer says, the parts fill it
// exactly, all checksums match, and database and number are those it was opened as.
// Change together: block_builder.cc, block_reader.cc, dictionary.cc, expiry_index.cc, filter.cc, index.cc, partition.cc,
// table_properties.cc, table_builder.cc, table_reader.cc, check/table_parts.cc, tools/dump_table.cc,
// docs/FORMATS.md, tests/compat/
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/coding.h"
#include "base/hash.h"
#include "engine/entry.h"

namespace varve {

// On disk. Never renumber.
enum class CompressionType : uint8_t {
  kNone = 0,
  kZstd = 1,                // one frame that tells its content's size
  kZstdWithDictionary = 2,  // the same, compressed with the table's dictionary; data blocks only
};
static_assert(sizeof(CompressionType) == 1);

inline constexpr size_t kTypeBytes = 1;
inline constexpr size_t kTrailerBytes = kTypeBytes + sizeof(uint64_t);

// Where a part lies.
struct BlockHandle {
  uint64_t offset = 0;
  uint64_t size = 0;  // of the contents as stored, without trailer

  uint64_t end() const { return offset + size + kTrailerBytes; }
  bool operator==(const BlockHandle&) const = default;
};
static_assert(sizeof(BlockHandle) == 16 && std::is_trivially_copyable_v<BlockHandle>);

// What all checksums of one file are seeded with, and that of the part at `offset`.
inline uint64_t FileSeed(uint64_t database_id, uint64_t file_number) {
  char bytes[16];
  StoreFixed64(bytes, database_id);
  StoreFixed64(bytes + 8, file_number);
  return Checksum(Slice(bytes, sizeof(bytes)));
}
inline uint64_t PartSeed(uint64_t file_seed, uint64_t offset) { return file_seed + offset; }

struct TableFooter {
  uint64_t database_id = 0;
  uint64_t file_number = 0;
  uint64_t file_bytes = 0;
  uint64_t data_end = 0;
  uint64_t partitions = 0;
  BlockHandle index;
  BlockHandle properties;
  uint64_t version = 0;
  uint64_t checksum = 0;
  uint64_t magic = 0;
};
static_assert(sizeof(TableFooter) == 96 && std::is_trivially_copyable_v<TableFooter>);
static_assert(offsetof(TableFooter, index) == 40 && offsetof(TableFooter, version) == 72);
static_assert(offsetof(TableFooter, checksum) == 80 && offsetof(TableFooter, magic) == 88);

inline constexpr uint64_t kTableFormatVersion = 4;
inline constexpr uint64_t kTableMagic = 0x4c42544556524156;  // "VARVETBL"

inline uint64_t FooterChecksum(const TableFooter& footer) {
  return Checksum(Slice(reinterpret_cast<const char*>(&footer), offsetof(TableFooter, checksum)));
}

// Of one partition, which is read and kept in memory as a whole. With values of 100 bytes that makes
// 10,000 keys, 12 KiB of filter and 2 of index; and of these ranges a table of 32 MiB has 60.
inline constexpr size_t kPartitionBlocks = 64;

// A restart costs the prefix of one key; what lies between two is searched entry by entry. The
// second bound keeps that walk to a few cache lines: with 512 instead of 1024 bytes between
// restarts, tables of 100-byte values grew by 0.7% and a search of a block out of cache took a
// fifth less.
inline constexpr size_t kRestartEntries = 16;
inline constexpr size_t kRestartBytes = 512;

// An entry's key and value together. The slack is for what the layers above put before a
// client's key and value.
inline constexpr size_t kTableEntryBytesMax = kKeyBytesMax + kValueBytesMax + (1u << 20);

// Decompressed. No sound block is larger; restart offsets must fit 32 bits.
inline constexpr uint64_t kBlockBytesMax = uint64_t{2} << 30;
static_assert(kTableEntryBytesMax + (1u << 20) <= kBlockBytesMax);
static_assert(kBlockBytesMax <= UINT32_MAX);

}  // namespace varve
