// engine/iterators/block_source.cc: reading ahead of an iterator on a worker.
#include "engine/iterators/block_source.h"

#include <algorithm>

namespace varve {

Result<std::shared_ptr<const Block>> DirectBlockSource::Fetch(
    const std::shared_ptr<const TableReader>& table,
    const std::shared_ptr<const Partition>& partition, size_t i) {
  const BlockHandle handle = partition->BlockAt(i);
  const size_t size = static_cast<size_t>(handle.size) + kTrailerBytes;
  if (!Holds(*table, handle)) {
    if (size > readahead_bytes_max_) return table->ReadBlock(handle);
    const bool continues = table_ == table && handle.offset <= window_offset_ + window_bytes_ &&
                           handle.offset >= window_offset_;
    readahead_bytes_ = continues ? readahead_bytes_ * 2 : kReadaheadBytesMin;
    readahead_bytes_ = std::clamp(readahead_bytes_, size, readahead_bytes_max_);
    RETURN_IF_ERROR(FillFrom(table, handle.offset));
  }
  return table->DecodeBlock(handle, Slice(window_.get() + (handle.offset - window_offset_), size));
}

bool DirectBlockSource::Holds(const TableReader& table, BlockHandle handle) const {
  return table_.get() == &table && handle.offset >= window_offset_ &&
         handle.end() <= window_offset_ + window_bytes_;
}

Status DirectBlockSource::FillFrom(const std::shared_ptr<const TableReader>& table,
                                   uint64_t offset) {
  if (!window_) window_ = std::make_unique_for_overwrite<char[]>(readahead_bytes_max_);
  table_ = table;
  window_offset_ = offset;
  window_bytes_ = 0;  // Until the read has come.
  const uint64_t left = table->properties().data_bytes - offset;
  const auto size = static_cast<size_t>(std::min<uint64_t>(left, readahead_bytes_));
  RETURN_IF_ERROR(table->ReadBytes(offset, size, window_.get()));
  window_bytes_ = size;
  return Status::Ok();
}

}  // namespace varve
