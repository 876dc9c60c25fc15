// engine/iterators/block_source.h: where an iterator gets tables, partitions and blocks from.
//
// On the loop that is the engine, with its caches and kPending for what must come from the disk; on
// a worker a DirectBlockSource.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/result.h"
#include "engine/table/table_directory.h"
#include "engine/version/file_meta.h"

namespace varve {

class BlockSource {
 public:
  virtual ~BlockSource() = default;

  // kPending, of any of them: not here yet, but on its way; make the iterator again when it has come.
  virtual Result<std::shared_ptr<const TableReader>> Open(const FileMeta& table) = 0;
  virtual Result<std::shared_ptr<const Partition>> FetchPartition(
      const std::shared_ptr<const TableReader>& table, size_t i) = 0;
  // Block `i` of the partition.
  virtual Result<std::shared_ptr<const Block>> Fetch(
      const std::shared_ptr<const TableReader>& table,
      const std::shared_ptr<const Partition>& partition, size_t i) = 0;
};

// Reads past all caches, and blocks ahead of an iterator that goes forward.
//
// A first read brings one block's neighbourhood; each read that continues the last one doubles, up
// to the limit. Threads: worker, one at a time. One for each iterator: two that take turns would
// throw away each other's bytes.
class DirectBlockSource final : public BlockSource {
 public:
  static constexpr size_t kReadaheadBytesMin = 64 * 1024;
  static constexpr size_t kReadaheadBytesMax = 512 * 1024;

  explicit DirectBlockSource(TableDirectory tables, size_t readahead_bytes_max = kReadaheadBytesMax)
      : tables_(std::move(tables)), readahead_bytes_max_(readahead_bytes_max) {}

  Result<std::shared_ptr<const TableReader>> Open(const FileMeta& table) override {
    return tables_.Open(table.number);
  }
  Result<std::shared_ptr<const Partition>> FetchPartition(
      const std::shared_ptr<const TableReader>& table, size_t i) override {
    return table->ReadPartition(i);
  }
  Result<std::shared_ptr<const Block>> Fetch(const std::shared_ptr<const TableReader>& table,
                                             const std::shared_ptr<const Partition>& partition,
                                             size_t i) override;

 private:
  bool Holds(const TableReader& table, BlockHandle handle) const;
  Status FillFrom(const std::shared_ptr<const TableReader>& table, uint64_t offset);

  const TableDirectory tables_;
  const size_t readahead_bytes_max_;
  size_t readahead_bytes_ = 0;  // of the last read
  // [window_offset_, window_offset_ + window_bytes_) of table_'s file.
  std::shared_ptr<const TableReader> table_;
  std::unique_ptr<char[]> window_;
  uint64_t window_offset_ = 0;
  size_t window_bytes_ = 0;
};

}  // namespace varve
