// engine/table/table_reader.h: an open table.
//
// Opening reads and verifies the end of the file: footer, properties, the index over the partitions, and the
// dictionary if there is one. That is a few kilobytes, which stay in memory as long as the reader does; partitions and blocks
// are read when they are asked for, and kept by whoever wants to. A point lookup goes
//
//   FindPartition   index: the one partition that may know the key
//   ReadPartition   its filter answers "no" for about 99 of 100 absent keys; its index names the block
//   ReadBlock       file -> checksum -> decompress -> Block
//
// Threads    any; a reader never changes.
// Errors     kCorruption and kIoError name path and offset; kNotSupported: a later format; kPending only from
//            TryReadBlock.
// Ownership  shared_ptr: a scan or a job may outlive the version that named the table. The reader
//            owns its File; whether the file is to be removed is its owner's business.
// See also: table_format.h (bytes), partition.h, block_reader.h, iterators/table_iterator.h,
// cache/table_cache.h, cache/block_cache.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/table/block_reader.h"
#include "engine/table/dictionary.h"
#include "engine/table/index.h"
#include "engine/table/partition.h"
#include "engine/table/table_format.h"
#include "engine/table/table_properties.h"
#include "env/env.h"

namespace varve {

// Larger blocks TryReadBlock leaves to a reader thread even if the page cache has them: what it
// does, it does on the loop, and a block of this size already takes it about 0.1 ms.
inline constexpr size_t kTryReadBytesMax = 128 * 1024;

// As stored, of one read that brings several blocks.
inline constexpr size_t kReadAheadBytesMax = 256 * 1024;

class TableReader {
 public:
  // `path` is for messages only. The file must be that database's table of that number.
  static Result<std::shared_ptr<TableReader>> Open(std::unique_ptr<File> file, std::string path,
                                                   uint64_t file_number, uint64_t database_id);

  // Partitions in key order; there is one at least.
  size_t partition_count() const { return index_.blocks(); }
  // The only one that may know `key`. There is always one, also for a key outside of the table's range.
  size_t FindPartition(Slice key) const { return index_.Find(key); }
  BlockHandle PartitionAt(size_t i) const { return index_.BlockAt(i); }
  // Keys below it are in partition i at most. REQUIRES: i + 1 < partition_count().
  Slice SeparatorBehind(size_t i) const { return index_.SeparatorBehind(i); }

  // May wait for the disk.
  Result<std::shared_ptr<const Partition>> ReadPartition(size_t i) const;
  // kPending instead of waiting.
  Result<std::shared_ptr<const Partition>> TryReadPartition(size_t i) const;

  // Blocks of the expiry index, in its order.
  size_t expiry_block_count() const { return expiry_index_.blocks(); }
  BlockHandle ExpiryBlockAt(size_t i) const { return expiry_index_.BlockAt(i); }
  // The one that `expiry_key` would be in. REQUIRES: expiry_block_count() > 0.
  size_t FindExpiryBlockIndex(Slice expiry_key) const { return expiry_index_.Find(expiry_key); }

  // May wait for the disk.
  Result<std::shared_ptr<const Block>> ReadBlock(BlockHandle handle) const;
  // kPending instead of waiting, or for a block too large for the loop: see kTryReadBytesMax.
  Result<std::shared_ptr<const Block>> TryReadBlock(BlockHandle handle) const;

  struct PlacedBlock {
    uint64_t offset;
    std::shared_ptr<const Block> block;
  };
  // Block `asked` of the partition, and in `others` the rest of [begin, end), by one read. The one asked for
  // alone may fail; what is damaged of the others is left out, and what is too far from it: the read takes
  // kReadAheadBytesMax at most. May wait for the disk.
  Result<std::shared_ptr<const Block>> ReadBlocks(const Partition& partition, size_t asked,
                                                  size_t begin, size_t end,
                                                  std::vector<PlacedBlock>* others) const;

  // For who reads by other ways, such as many blocks at once: the file and its bytes, and what is made from
  // handle.size + kTrailerBytes of them.
  const File& file() const { return *file_; }
  Status ReadBytes(uint64_t offset, size_t size, char* to) const;
  Result<std::shared_ptr<const Block>> DecodeBlock(BlockHandle handle, Slice stored) const;
  Result<std::shared_ptr<const Partition>> DecodePartition(size_t i, Slice stored) const;

  // Reads all there is and checks it against its checksums: the first damage. May wait for the disk.
  Status Verify() const;
  struct Verified {
    uint64_t bytes = 0;  // that were read
    // Of the blocks so far: the next one begins here. Absent if that is not known.
    std::optional<uint64_t> blocks_end = 0;
    std::vector<Status> damages;
  };
  // The same in parts, partition after partition, adding to what has been verified before. Behind damage it goes on.
  void VerifyPartition(size_t i, Verified* verified) const;
  void VerifyExpiryBlocks(Verified* verified) const;

  const TableProperties& properties() const { return properties_; }
  Slice smallest_key() const { return properties_.smallest_key; }
  Slice largest_key() const { return properties_.largest_key; }
  const std::string& path() const { return path_; }
  uint64_t file_number() const { return file_number_; }
  // Of what stays in memory.
  size_t memory_bytes() const;

 private:
  using ReadCall = Result<size_t> (File::*)(uint64_t, size_t, char*) const;

  TableReader(std::unique_ptr<File> file, std::string path, uint64_t file_number,
              uint64_t database_id);

  Status ReadEnd(uint64_t database_id);
  Status CheckFooter(const TableFooter& footer, uint64_t size, uint64_t database_id) const;
  Status CheckLayout(const TableFooter& footer) const;
  // `bytes` are those from the index on.
  Status ReadParts(const TableFooter& footer, Slice bytes);
  Status ReadDictionary(const TableFooter& footer);
  Result<std::shared_ptr<const Partition>> LoadPartition(ReadCall call, size_t i) const;
  // The contents of a part that is never compressed.
  Result<Slice> PlainPart(BlockHandle part, Slice stored) const;

  Status Read(ReadCall call, uint64_t offset, size_t size, char* to) const;
  Result<std::shared_ptr<const Block>> LoadBlock(ReadCall call, BlockHandle handle) const;
  // Whether all of a part has been read.
  Status CheckSize(BlockHandle part, Slice stored) const;
  // Checks a part's trailer and returns its type.
  Result<CompressionType> VerifyPart(BlockHandle part, Slice stored) const;
  Status VerifyStored(BlockHandle part) const;
  void VerifyStored(BlockHandle part, Verified* verified) const;
  Result<std::shared_ptr<const Block>> MakeBlock(BlockHandle handle, std::unique_ptr<char[]> bytes,
                                                 size_t size) const;
  Result<std::shared_ptr<const Block>> DecompressBlock(BlockHandle handle, CompressionType type,
                                                       Slice frame) const;
  Status CorruptAt(const char* what, uint64_t offset) const;

  const std::unique_ptr<File> file_;
  const std::string path_;
  const uint64_t file_number_;
  const uint64_t file_seed_;
  Index index_;  // over the partitions
  Index expiry_index_;
  std::unique_ptr<const Dictionary> dictionary_;  // null if there is none
  TableProperties properties_;
};

}  // namespace varve
