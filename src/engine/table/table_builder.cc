// engine/table/table_builder.cc: entries in key order become a table file.
#include "engine/table/table_builder.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "engine/table/compressor.h"
#include "engine/table/key_bytes.h"
#include "engine/values/value_ref.h"
#include "env/background.h"

namespace varve {

namespace {

// What goes to the file in one write. Also the largest part that passes through the buffer.
constexpr size_t kBufferBytes = 256 * 1024;

size_t TotalSize(std::span<const Slice> pieces) {
  size_t size = 0;
  for (const Slice piece : pieces) size += piece.size();
  return size;
}

// Of pieces as if they were one string, with the part's type behind them.
uint64_t ChecksumOfPieces(std::span<const Slice> pieces, CompressionType type, uint64_t seed) {
  Hasher hasher(seed);
  for (const Slice piece : pieces) hasher.Add(piece);
  const char type_byte = static_cast<char>(type);
  hasher.Add(Slice(&type_byte, kTypeBytes));
  return hasher.Finish();
}

}  // namespace

TableBuilder::TableBuilder(const TableOptions& options, File& file, uint64_t file_number,
                           uint64_t database_id)
    : options_(options),
      file_(file),
      file_number_(file_number),
      database_id_(database_id),
      file_seed_(FileSeed(database_id, file_number)),
      buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)) {
  if (options_.dictionary_sample_bytes > 0 && options_.compression_level > 0) {
    trainer_.emplace(options_.dictionary_sample_bytes, options_.compression_level);
  }
}

Status TableBuilder::Add(const Entry& entry) {
  const size_t shared = CommonPrefixSize(last_key_, entry.key);
  RETURN_IF_ERROR(CheckEntry(entry, shared));
  if (entry.in_value_file) RETURN_IF_ERROR(CountUse(entry));
  if (!block_.empty() &&
      (IsLarge(entry) || block_.SizeWith(entry, shared) > options_.block_bytes)) {
    RETURN_IF_ERROR(FinishBlock());
  }
  // The shortest beginning of this key that is greater than the last one.
  if (block_.empty()) BeginBlock(entry.key.substr(0, shared + 1));
  if (properties_.entries == 0) properties_.smallest_key = entry.key;
  last_key_.resize(shared);
  last_key_.append(entry.key.substr(shared));
  partition_->AddKey(FilterHash(entry.key));
  Count(entry);
  if (IsLarge(entry)) return WriteAlone(entry);
  block_.Add(entry, shared);
  return Status::Ok();
}

Status TableBuilder::CheckEntry(const Entry& entry, size_t shared) const {
  CHECK(entry.kind == EntryKind::kPut ||
        (entry.kind == EntryKind::kTombstone && !entry.in_value_file));
  if (entry.key.size() + entry.value.size() > kTableEntryBytesMax) {
    return Status::InvalidArgument("table " + std::to_string(file_number_) +
                                   ": entry larger than " + std::to_string(kTableEntryBytesMax));
  }
  if (properties_.entries > 0 && entry.key.substr(shared) <= Slice(last_key_).substr(shared)) {
    return Status::Corruption("table " + std::to_string(file_number_) +
                              ": keys to be written are not in order");
  }
  return Status::Ok();
}

Status TableBuilder::CountUse(const Entry& entry) {
  ValueRef ref;
  if (!DecodeValueRef(entry.value, &ref)) {
    return Status::Corruption("table " + std::to_string(file_number_) +
                              ": a reference to a value that is none");
  }
  value_uses_[ref.file] += ref.record_bytes;
  return Status::Ok();
}

void TableBuilder::Count(const Entry& entry) {
  ++properties_.entries;
  properties_.key_bytes += entry.key.size();
  if (entry.kind == EntryKind::kTombstone) {
    ++properties_.tombstones;
    return;
  }
  properties_.value_bytes += entry.value.size();
  if (entry.expire_at_ms == 0) return;
  const int64_t at_ms = entry.expire_at_ms;
  expiry_.Add({std::max<int64_t>(at_ms, 1), entry.tag, entry.key});
  const bool first = properties_.expiring++ == 0;
  properties_.first_expiry_ms = first ? at_ms : std::min(properties_.first_expiry_ms, at_ms);
  properties_.last_expiry_ms = first ? at_ms : std::max(properties_.last_expiry_ms, at_ms);
}

void TableBuilder::BeginBlock(Slice separator) {
  if (!partition_) {
    partition_.emplace(options_.filter_bits_per_key, offset_);
    partitions_.push_back({std::string(separator), {}});
  }
  partition_->BeginBlock(separator);
}

Status TableBuilder::FinishBlock() {
  const Slice contents = block_.Finish();
  BlockHandle handle;
  RETURN_IF_ERROR(
      WritePart({&contents, 1}, options_.compression_level, &handle, dictionary_.get()));
  properties_.raw_bytes += contents.size();
  if (trainer_) {
    trainer_->Add(contents, handle.size);
    if (trainer_->full()) TrainDictionary();
  }
  BlockWritten(handle);
  return Status::Ok();
}

Status TableBuilder::WriteAlone(const Entry& entry) {
  const std::array<Slice, 3> pieces = block_.EncodeAlone(entry);
  BlockHandle handle;
  RETURN_IF_ERROR(WritePart(pieces, options_.compression_level, &handle));
  properties_.raw_bytes += TotalSize(pieces);
  BlockWritten(handle);
  return Status::Ok();
}

void TableBuilder::TrainDictionary() {
  dictionary_bytes_ = trainer_->Train();
  trainer_.reset();
  if (!dictionary_bytes_.empty()) {
    dictionary_ = CompressionDictionary::Make(dictionary_bytes_, options_.compression_level);
  }
  if (!dictionary_) dictionary_bytes_.clear();
  dictionary_is_useless_ = !dictionary_;
}

Status TableBuilder::WriteDictionary() {
  if (dictionary_bytes_.empty()) return Status::Ok();
  const Slice contents = dictionary_bytes_;
  BlockHandle handle;
  RETURN_IF_ERROR(WritePart({&contents, 1}, 0, &handle));
  properties_.dictionary_bytes = handle.size;
  return Status::Ok();
}

void TableBuilder::BlockWritten(BlockHandle handle) {
  partition_->EndBlock(handle.end());
  block_.Reset();
  if (partition_->blocks() == kPartitionBlocks) FinishPartition();
}

void TableBuilder::FinishPartition() {
  partitions_.back().contents = partition_->Finish();
  partition_bytes_ += partitions_.back().separator.size() + partitions_.back().contents.size() + 32;
  partition_.reset();
}

// With the dictionary between them and their index.
Status TableBuilder::WritePartitions(BlockHandle* index) {
  if (partition_) FinishPartition();
  const uint64_t begin = offset_;
  IndexBuilder partitions;
  for (const FinishedPartition& partition : partitions_) {
    const Slice contents = partition.contents;
    BlockHandle handle;
    RETURN_IF_ERROR(WritePart({&contents, 1}, 0, &handle));
    partitions.BeginBlock(partition.separator);
    partitions.EndBlock(handle.end() - begin);
  }
  RETURN_IF_ERROR(WriteDictionary());
  const std::string contents = partitions.Finish();
  const Slice piece = contents;
  return WritePart({&piece, 1}, 0, index);
}

Status TableBuilder::WriteExpiryBlocks() {
  const auto write = [this](Slice contents, uint64_t* end) -> Status {
    BlockHandle handle;
    RETURN_IF_ERROR(WritePart({&contents, 1}, options_.compression_level, &handle));
    *end = handle.end();
    return Status::Ok();
  };
  return expiry_.Finish(options_.block_bytes, offset_, write, &properties_.expiry_index);
}

Result<TableProperties> TableBuilder::Finish() {
  CHECK(entries() > 0);
  if (!block_.empty()) RETURN_IF_ERROR(FinishBlock());
  properties_.data_bytes = offset_;
  properties_.largest_key = last_key_;
  for (const auto& [file, bytes] : value_uses_) properties_.value_uses.push_back({file, bytes});
  if (!expiry_.empty()) RETURN_IF_ERROR(WriteExpiryBlocks());

  TableFooter footer;
  footer.data_end = properties_.data_bytes;
  footer.partitions = offset_;
  RETURN_IF_ERROR(WritePartitions(&footer.index));
  const std::string properties = EncodeProperties(properties_);
  const Slice piece = properties;
  RETURN_IF_ERROR(WritePart({&piece, 1}, 0, &footer.properties));
  properties_.expiry_index = {};  // nobody else wants it
  RETURN_IF_ERROR(FlushBuffer());

  properties_.file_bytes = offset_ + sizeof(TableFooter);
  footer.database_id = database_id_;
  footer.file_number = file_number_;
  footer.file_bytes = properties_.file_bytes;
  footer.version = kTableFormatVersion;
  footer.checksum = FooterChecksum(footer);
  footer.magic = kTableMagic;
  const Slice bytes(reinterpret_cast<const char*>(&footer), sizeof(footer));
  RETURN_IF_ERROR(file_.WriteAt(offset_, bytes));
  return properties_;
}

uint64_t TableBuilder::EstimatedFileBytes() const {
  return offset_ + block_.size_bytes() + partition_bytes_ +
         (partition_ ? partition_->size_bytes() : 0) + expiry_.size_bytes() +
         value_uses_.size() * 2 * kVarintBytesMax + 2 * last_key_.size() +
         dictionary_bytes_.size() + 4 * kTrailerBytes + sizeof(TableFooter);
}

Status TableBuilder::WritePart(std::span<const Slice> pieces, int compression_level,
                               BlockHandle* handle, const CompressionDictionary* dictionary) {
  OfferCpu();
  const size_t size = TotalSize(pieces);
  if (size + kTrailerBytes > kBufferBytes) {
    return WriteLargePart(pieces, size, compression_level, handle);
  }
  if (buffered_bytes_ + size + kTrailerBytes > kBufferBytes) RETURN_IF_ERROR(FlushBuffer());

  char* const begin = buffer_.get() + buffered_bytes_;
  const size_t compressed_size = Compress(pieces, size, compression_level, begin, dictionary);
  char* end = begin + compressed_size;
  if (compressed_size == 0) {
    for (const Slice piece : pieces) end = std::copy(piece.begin(), piece.end(), end);
  }
  *handle = {offset_, static_cast<uint64_t>(end - begin)};
  const CompressionType compressed =
      dictionary != nullptr ? CompressionType::kZstdWithDictionary : CompressionType::kZstd;
  *end++ = static_cast<char>(compressed_size > 0 ? compressed : CompressionType::kNone);
  StoreFixed64(end,
               Hash(Slice(begin, static_cast<size_t>(end - begin)), PartSeed(file_seed_, offset_)));
  buffered_bytes_ += static_cast<size_t>(handle->size) + kTrailerBytes;
  offset_ = handle->end();
  return Status::Ok();
}

// Past the buffer. What is compressed needs memory of its own, but only as much as it fills: pages
// of the rest are never touched.
Status TableBuilder::WriteLargePart(std::span<const Slice> pieces, size_t size,
                                    int compression_level, BlockHandle* handle) {
  RETURN_IF_ERROR(FlushBuffer());
  std::vector<Slice> contents(pieces.begin(), pieces.end());
  CompressionType type = CompressionType::kNone;
  std::unique_ptr<char[]> compressed;
  if (compression_level != 0) {
    compressed = std::make_unique_for_overwrite<char[]>(CompressedBytesMax(size));
    const size_t compressed_size = Compress(pieces, size, compression_level, compressed.get());
    if (compressed_size > 0) {
      type = CompressionType::kZstd;
      contents = {Slice(compressed.get(), compressed_size)};
    }
  }
  char trailer[kTrailerBytes];
  trailer[0] = static_cast<char>(type);
  StoreFixed64(trailer + kTypeBytes,
               ChecksumOfPieces(contents, type, PartSeed(file_seed_, offset_)));
  *handle = {offset_, TotalSize(contents)};
  contents.emplace_back(trailer, sizeof(trailer));
  RETURN_IF_ERROR(file_.WriteAt(offset_, contents));
  offset_ = handle->end();
  return Status::Ok();
}

Status TableBuilder::FlushBuffer() {
  if (buffered_bytes_ == 0) return Status::Ok();
  const Slice bytes(buffer_.get(), buffered_bytes_);
  RETURN_IF_ERROR(file_.WriteAt(offset_ - buffered_bytes_, bytes));
  buffered_bytes_ = 0;
  return Status::Ok();
}

}  // namespace varve
