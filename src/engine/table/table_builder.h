// engine/table/table_builder.h: entries in key order become a table file.
//
//   1. add      entries gather in a block; when it is full, or before a value as large as one, it
//               is compressed, sealed with its checksum and put into a write buffer
//      Once there are enough of them, a dictionary may be trained for those to come (dictionary.h)
//   2. write    the buffer goes to the file whenever it is full, not block by block
//   3. finish   expiry blocks, partitions, dictionary, index, properties and footer follow
//
// A large value gets a block of its own that is never assembled: it is compressed or written from
// where it lies, so that 512 MB pass through here without a copy.
//
// Nothing is synced: the table counts when the caller has synced the file, then its directory, then
// whatever names it.
//
// Threads    worker; one at a time.
// Errors     Those of the file, which name it. After an error there is nothing left to do but to
//            drop the builder and the file.
// See also: table_format.h (bytes), table_reader.h (the way back).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/entry.h"
#include "engine/options.h"
#include "engine/table/block_builder.h"
#include "engine/table/dictionary.h"
#include "engine/table/expiry_index.h"
#include "engine/table/index.h"
#include "engine/table/partition.h"
#include "engine/table/table_format.h"
#include "engine/table/table_properties.h"
#include "env/env.h"

namespace varve {

struct TableOptions {
  uint32_t block_bytes = 16 * 1024;  // before compression; only a large entry makes a larger block
  int compression_level = 1;         // zstd; 0 stores blocks as they are
  int filter_bits_per_key = 10;      // 0: no filter
  // A dictionary is trained from so much of the table's beginning, and used if it pays; 0: none.
  size_t dictionary_sample_bytes = 0;

  static TableOptions From(const Options& options) {
    return {options.block_bytes, options.compression_level, options.filter_bits_per_key};
  }
};

class TableBuilder {
 public:
  // `file` is new and empty.
  TableBuilder(const TableOptions& options, File& file, uint64_t file_number, uint64_t database_id);

  // REQUIRES: a put or a tombstone. kCorruption if its key is not greater than the one before:
  // what is merged here may come from a bad table.
  Status Add(const Entry& entry);
  // Writes the rest. REQUIRES: entries() > 0.
  Result<TableProperties> Finish();

  uint64_t entries() const { return properties_.entries; }
  // A dictionary was trained for nothing: what follows in the order of keys is probably no better.
  bool dictionary_is_useless() const { return dictionary_is_useless_; }
  // How long the file would be if it were finished now, a little too much.
  uint64_t EstimatedFileBytes() const;

 private:
  bool IsLarge(const Entry& entry) const { return entry.value.size() >= options_.block_bytes; }

  Status CheckEntry(const Entry& entry, size_t shared) const;
  Status CountUse(const Entry& entry);
  void Count(const Entry& entry);
  void BeginBlock(Slice separator);
  Status FinishBlock();
  Status WriteAlone(const Entry& entry);
  void BlockWritten(BlockHandle handle);
  void FinishPartition();
  Status WriteExpiryBlocks();
  Status WritePartitions(BlockHandle* index);
  void TrainDictionary();
  Status WriteDictionary();
  // A part of the file, in pieces: contents, type, checksum.
  Status WritePart(std::span<const Slice> pieces, int compression_level, BlockHandle* handle,
                   const CompressionDictionary* dictionary = nullptr);
  Status WriteLargePart(std::span<const Slice> pieces, size_t size, int compression_level,
                        BlockHandle* handle);
  Status FlushBuffer();

  const TableOptions options_;
  File& file_;
  const uint64_t file_number_;
  const uint64_t database_id_;
  const uint64_t file_seed_;

  BlockBuilder block_;
  std::optional<DictionaryTrainer> trainer_;  // until it has its sample
  bool dictionary_is_useless_ = false;
  std::string dictionary_bytes_;
  std::unique_ptr<const CompressionDictionary> dictionary_;  // of data blocks from now on; or null
  std::optional<PartitionBuilder> partition_;  // that of the next block, once it has begun
  // Those before, as they will be written. They are a hundredth of the table.
  struct FinishedPartition {
    std::string separator;
    std::string contents;
  };
  std::vector<FinishedPartition> partitions_;
  size_t partition_bytes_ = 0;
  ExpiryIndexBuilder expiry_;
  TableProperties properties_;
  std::map<uint64_t, uint64_t> value_uses_;  // file -> bytes that entries refer to
  std::string last_key_;

  uint64_t offset_ = 0;  // where the next part begins; what is before may still be in the buffer
  std::unique_ptr<char[]> buffer_;
  size_t buffered_bytes_ = 0;
};

}  // namespace varve
