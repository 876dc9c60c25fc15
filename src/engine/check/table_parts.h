// engine/check/table_parts.h: a table part by part, sound or not.
//
// TableReader refuses a table at its first fault. This tells every fault it meets and reads what
// can be read even so: for tools. The order of trust is that of the file's end: without a footer
// nothing is found, without an index no partition, without a partition none of its blocks.
//
// Units      Memory: index, properties and dictionary of one table, and the partition and block that are being read.
// Threads    one at a time. Borrows the file.
// Errors     go to `complain`, with the offset. What could not be had is then absent.
// See also: table/table_format.h (the bytes), table/table_reader.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/table/block_reader.h"
#include "engine/table/dictionary.h"
#include "engine/table/index.h"
#include "engine/table/partition.h"
#include "engine/table/table_format.h"
#include "engine/table/table_properties.h"
#include "env/env.h"

namespace varve {

class TableParts {
 public:
  using Complain = std::function<void(uint64_t offset, std::string what)>;

  // What is not given as number or database id, the footer is believed.
  TableParts(const File& file, std::optional<uint64_t> file_number,
             std::optional<uint64_t> database_id, Complain complain);

  // Reads all but partitions and blocks.
  void Open();

  const std::optional<TableFooter>& footer() const { return footer_; }
  const std::optional<TableProperties>& properties() const { return properties_; }
  // Over the partitions.
  const std::optional<Index>& index() const { return index_; }
  // Over the expiry blocks; absent also if there are none.
  const std::optional<Index>& expiry_index() const { return expiry_index_; }

  // The dictionary; size 0 if there is none, or nobody knows.
  BlockHandle dictionary() const { return dictionary_part_; }

  size_t partition_count() const { return index_ ? index_->blocks() : 0; }
  BlockHandle PartitionAt(size_t i) const { return index_->BlockAt(i); }
  size_t expiry_block_count() const { return expiry_index_ ? expiry_index_->blocks() : 0; }
  BlockHandle ExpiryBlockAt(size_t i) const { return expiry_index_->BlockAt(i); }

  // Null, after a complaint, if it is not sound.
  std::shared_ptr<const Partition> ReadPartition(size_t i);
  std::shared_ptr<const Block> ReadBlock(BlockHandle handle);

  bool complained() const { return complained_; }

 private:
  // The contents of a part, decompressed.
  struct Contents {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
    CompressionType type = CompressionType::kNone;
    Slice slice() const { return {bytes.get(), size}; }
  };

  std::optional<TableFooter> ReadFooter();
  bool LayoutIsSound(const TableFooter& footer) const;
  std::optional<Contents> ReadPart(BlockHandle part);
  // Of partitions, index and properties, which are never compressed.
  std::optional<Contents> ReadPlainPart(BlockHandle part);
  void ReadProperties();
  void ReadIndex();
  void ReadDictionary();
  bool Read(uint64_t offset, size_t size, char* to);
  void ComplainAt(uint64_t offset, std::string what);

  const File& file_;
  const std::optional<uint64_t> file_number_;
  const std::optional<uint64_t> database_id_;
  const Complain complain_;
  bool complained_ = false;
  uint64_t file_seed_ = 0;

  std::optional<TableFooter> footer_;
  std::optional<TableProperties> properties_;
  std::optional<Index> index_;
  std::optional<Index> expiry_index_;
  BlockHandle dictionary_part_;
  std::unique_ptr<const Dictionary> dictionary_;
};

}  // namespace varve
