// engine/table/table_reader.cc: opening a table, reading its blocks.
//
// Opening mostly takes one read: what is needed of the end of the file is seldom more than kEndBytes. Nothing
// is used before its checksum has matched, and nothing after that is trusted to make sense: a wrong
// size or order is corruption too, never a wrong access.
#include "engine/table/table_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "engine/table/compressor.h"
#include "env/background.h"

namespace varve {

namespace {

// Blocks of usual size are read into one buffer per thread and leave it decompressed or copied; a
// larger one gets its own, which becomes the block's if it was stored as it is.
constexpr size_t kScratchBytes = 64 * 1024;

// Index and properties of most tables, and the footer.
constexpr size_t kEndBytes = 8 * 1024;

char* Scratch() {
  thread_local const std::unique_ptr<char[]> scratch =
      std::make_unique_for_overwrite<char[]>(kScratchBytes);
  return scratch.get();
}

}  // namespace

Result<std::shared_ptr<TableReader>> TableReader::Open(std::unique_ptr<File> file, std::string path,
                                                       uint64_t file_number, uint64_t database_id) {
  std::shared_ptr<TableReader> table(
      new TableReader(std::move(file), std::move(path), file_number, database_id));
  RETURN_IF_ERROR(table->ReadEnd(database_id));
  return table;
}

TableReader::TableReader(std::unique_ptr<File> file, std::string path, uint64_t file_number,
                         uint64_t database_id)
    : file_(std::move(file)),
      path_(std::move(path)),
      file_number_(file_number),
      file_seed_(FileSeed(database_id, file_number)) {}

Status TableReader::ReadEnd(uint64_t database_id) {
  const Result<uint64_t> size = file_->Size();
  if (!size.ok()) return size.status();
  if (*size < sizeof(TableFooter)) return CorruptAt("too short for a table, ends", *size);

  std::string bytes(static_cast<size_t>(std::min<uint64_t>(*size, kEndBytes)), '\0');
  RETURN_IF_ERROR(ReadBytes(*size - bytes.size(), bytes.size(), bytes.data()));
  TableFooter footer;
  std::memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer), sizeof(footer));
  RETURN_IF_ERROR(CheckFooter(footer, *size, database_id));
  const auto wanted = static_cast<size_t>(*size - footer.index.offset);
  if (wanted > bytes.size()) {
    bytes.resize(wanted);
    RETURN_IF_ERROR(ReadBytes(footer.index.offset, wanted, bytes.data()));
  }
  return ReadParts(footer, Slice(bytes).substr(bytes.size() - wanted));
}

Status TableReader::CheckFooter(const TableFooter& footer, uint64_t size,
                                uint64_t database_id) const {
  const uint64_t offset = size - sizeof(TableFooter);
  if (footer.magic != kTableMagic) return CorruptAt("no table footer", offset);
  if (footer.checksum != FooterChecksum(footer)) return CorruptAt("bad checksum", offset);
  if (footer.version != kTableFormatVersion) {
    return {StatusCode::kNotSupported, path_ + ": table format " + std::to_string(footer.version) +
                                           ", this program knows " +
                                           std::to_string(kTableFormatVersion)};
  }
  if (footer.database_id != database_id) return CorruptAt("table of another database", offset);
  if (footer.file_number != file_number_) return CorruptAt("table of another number", offset);
  if (footer.file_bytes != size) return CorruptAt("wrong file size in footer", offset);
  return CheckLayout(footer);
}

// The parts must fill what is before the footer. Their ends are computed where they cannot wrap
// around: no size is larger than the file.
Status TableReader::CheckLayout(const TableFooter& footer) const {
  const uint64_t end = footer.file_bytes - sizeof(TableFooter);
  for (const BlockHandle& part : {footer.index, footer.properties}) {
    if (part.offset > end || part.size > end - part.offset) {
      return CorruptAt("part beyond the file in footer", end);
    }
  }
  if (footer.data_end > footer.partitions || footer.partitions > footer.index.offset ||
      footer.index.end() != footer.properties.offset || footer.properties.end() != end) {
    return CorruptAt("parts that do not follow each other in footer", end);
  }
  return Status::Ok();
}

Status TableReader::ReadParts(const TableFooter& footer, Slice bytes) {
  const auto part = [&](BlockHandle handle) {
    const auto begin = static_cast<size_t>(handle.offset - footer.index.offset);
    return PlainPart(handle, bytes.substr(begin, static_cast<size_t>(handle.size) + kTrailerBytes));
  };
  const Result<Slice> index_bytes = part(footer.index);
  if (!index_bytes.ok()) return index_bytes.status();
  const Result<Slice> properties_bytes = part(footer.properties);
  if (!properties_bytes.ok()) return properties_bytes.status();

  std::optional<Index> index = Index::Make(*index_bytes, footer.partitions);
  if (!index || index->end() > footer.index.offset) {
    return CorruptAt("malformed index", footer.index.offset);
  }
  index_ = *std::move(index);
  const bool has_expiry_blocks = footer.partitions > footer.data_end;
  if (!DecodeProperties(*properties_bytes, &properties_) ||
      properties_.data_bytes != footer.data_end ||
      has_expiry_blocks != (properties_.expiring > 0)) {
    return CorruptAt("malformed properties", footer.properties.offset);
  }
  if (has_expiry_blocks) {
    std::optional<Index> expiry = Index::Make(properties_.expiry_index, footer.data_end);
    if (!expiry || expiry->end() != footer.partitions) {
      return CorruptAt("malformed expiry index", footer.properties.offset);
    }
    expiry_index_ = *std::move(expiry);
  }
  properties_.expiry_index = {};  // its bytes are in expiry_index_
  properties_.file_bytes = footer.file_bytes;
  return ReadDictionary(footer);
}

Status TableReader::ReadDictionary(const TableFooter& footer) {
  const std::optional<BlockHandle> part = DictionaryPart(footer, properties_, index_.end());
  if (!part) return CorruptAt("dictionary of a wrong size in properties", footer.properties.offset);
  if (part->size == 0) return Status::Ok();
  std::string stored(static_cast<size_t>(part->size) + kTrailerBytes, '\0');
  RETURN_IF_ERROR(ReadBytes(part->offset, stored.size(), stored.data()));
  const Result<Slice> bytes = PlainPart(*part, stored);
  if (!bytes.ok()) return bytes.status();
  dictionary_ = Dictionary::Make(*bytes);
  return dictionary_ ? Status::Ok() : CorruptAt("malformed dictionary", part->offset);
}

Result<Slice> TableReader::PlainPart(BlockHandle part, Slice stored) const {
  const Result<CompressionType> type = VerifyPart(part, stored);
  if (!type.ok()) return type.status();
  if (*type != CompressionType::kNone) return CorruptAt("unexpected compression", part.offset);
  return stored.substr(0, static_cast<size_t>(part.size));
}

Result<std::shared_ptr<const Partition>> TableReader::ReadPartition(size_t i) const {
  return LoadPartition(&File::ReadAt, i);
}

Result<std::shared_ptr<const Partition>> TableReader::TryReadPartition(size_t i) const {
  if (PartitionAt(i).size > kTryReadBytesMax) return Status::Pending();
  return LoadPartition(&File::TryReadAt, i);
}

Result<std::shared_ptr<const Partition>> TableReader::LoadPartition(ReadCall call, size_t i) const {
  const BlockHandle handle = PartitionAt(i);
  const size_t size = static_cast<size_t>(handle.size) + kTrailerBytes;
  std::unique_ptr<char[]> large;
  if (size > kScratchBytes) large = std::make_unique_for_overwrite<char[]>(size);
  char* const bytes = large ? large.get() : Scratch();
  RETURN_IF_ERROR(Read(call, handle.offset, size, bytes));
  return DecodePartition(i, Slice(bytes, size));
}

Result<std::shared_ptr<const Partition>> TableReader::DecodePartition(size_t i,
                                                                      Slice stored) const {
  const BlockHandle handle = PartitionAt(i);
  RETURN_IF_ERROR(CheckSize(handle, stored));
  const Result<Slice> contents = PlainPart(handle, stored);
  if (!contents.ok()) return contents.status();
  std::shared_ptr<const Partition> partition = Partition::Make(*contents, properties_.data_bytes);
  // A block's number tells its partition: see kPartitionBlocks.
  const bool last = i + 1 == partition_count();
  if (!partition || (!last && partition->blocks() != kPartitionBlocks)) {
    return CorruptAt("malformed partition", handle.offset);
  }
  return partition;
}

Result<std::shared_ptr<const Block>> TableReader::ReadBlock(BlockHandle handle) const {
  return LoadBlock(&File::ReadAt, handle);
}

Result<std::shared_ptr<const Block>> TableReader::TryReadBlock(BlockHandle handle) const {
  if (handle.size > kTryReadBytesMax) return Status::Pending();
  return LoadBlock(&File::TryReadAt, handle);
}

Result<std::shared_ptr<const Block>> TableReader::ReadBlocks(
    const Partition& partition, size_t asked, size_t begin, size_t end,
    std::vector<PlacedBlock>* others) const {
  const BlockHandle handle = partition.BlockAt(asked);
  const auto fits = [&partition](size_t first, size_t last) {
    const uint64_t bytes = partition.BlockAt(last).end() - partition.BlockAt(first).offset;
    return bytes <= kReadAheadBytesMax;
  };
  size_t first = asked;
  size_t last = asked;
  while (last + 1 < end && fits(first, last + 1)) ++last;
  while (first > begin && fits(first - 1, last)) --first;
  if (first == last) return ReadBlock(handle);
  const uint64_t offset = partition.BlockAt(first).offset;
  const auto size = static_cast<size_t>(partition.BlockAt(last).end() - offset);
  const auto bytes = std::make_unique_for_overwrite<char[]>(size);
  // If not all of it can be read, the one asked for may still be.
  if (!ReadBytes(offset, size, bytes.get()).ok()) return ReadBlock(handle);
  const auto decode = [&](BlockHandle block) {
    const auto stored_size = static_cast<size_t>(block.size) + kTrailerBytes;
    return DecodeBlock(block, Slice(bytes.get() + (block.offset - offset), stored_size));
  };
  for (size_t i = first; i <= last; ++i) {
    if (i == asked) continue;
    const BlockHandle other = partition.BlockAt(i);
    if (Result<std::shared_ptr<const Block>> block = decode(other); block.ok()) {
      others->push_back({other.offset, std::move(*block)});
    }
  }
  return decode(handle);
}

Status TableReader::ReadBytes(uint64_t offset, size_t size, char* to) const {
  return Read(&File::ReadAt, offset, size, to);
}

Status TableReader::Read(ReadCall call, uint64_t offset, size_t size, char* to) const {
  const Result<size_t> read = (file_.get()->*call)(offset, size, to);
  if (!read.ok()) return read.status();
  if (*read != size) return CorruptAt("file ends too early", offset + *read);
  return Status::Ok();
}

Result<std::shared_ptr<const Block>> TableReader::LoadBlock(ReadCall call,
                                                            BlockHandle handle) const {
  const size_t size = static_cast<size_t>(handle.size) + kTrailerBytes;
  if (size <= kScratchBytes) {
    RETURN_IF_ERROR(Read(call, handle.offset, size, Scratch()));
    return DecodeBlock(handle, Slice(Scratch(), size));
  }
  auto bytes = std::make_unique_for_overwrite<char[]>(size);
  RETURN_IF_ERROR(Read(call, handle.offset, size, bytes.get()));
  const Slice stored(bytes.get(), size);
  const Result<CompressionType> type = VerifyPart(handle, stored);
  if (!type.ok()) return type.status();
  const Slice contents = stored.substr(0, size - kTrailerBytes);
  return *type != CompressionType::kNone ? DecompressBlock(handle, *type, contents)
                                         : MakeBlock(handle, std::move(bytes), contents.size());
}

Result<std::shared_ptr<const Block>> TableReader::DecodeBlock(BlockHandle handle,
                                                              Slice stored) const {
  RETURN_IF_ERROR(CheckSize(handle, stored));
  const Result<CompressionType> type = VerifyPart(handle, stored);
  if (!type.ok()) return type.status();
  const Slice contents = stored.substr(0, static_cast<size_t>(handle.size));
  if (*type != CompressionType::kNone) return DecompressBlock(handle, *type, contents);
  auto bytes = std::make_unique_for_overwrite<char[]>(contents.size());
  std::memcpy(bytes.get(), contents.data(), contents.size());
  return MakeBlock(handle, std::move(bytes), contents.size());
}

Status TableReader::CheckSize(BlockHandle part, Slice stored) const {
  if (stored.size() == part.size + kTrailerBytes) return Status::Ok();
  return CorruptAt("file ends too early", part.offset + stored.size());
}

Result<CompressionType> TableReader::VerifyPart(BlockHandle part, Slice stored) const {
  OfferCpu();
  const Slice covered = stored.substr(0, stored.size() - sizeof(uint64_t));
  const uint64_t checksum = LoadFixed64(covered.data() + covered.size());
  if (checksum != Hash(covered, PartSeed(file_seed_, part.offset))) {
    return CorruptAt("bad checksum", part.offset);
  }
  const auto type = static_cast<CompressionType>(covered.back());
  const bool needs_dictionary = type == CompressionType::kZstdWithDictionary;
  if (type > CompressionType::kZstdWithDictionary || (needs_dictionary && !dictionary_)) {
    return CorruptAt("unknown compression", part.offset);
  }
  return type;
}

Result<std::shared_ptr<const Block>> TableReader::DecompressBlock(BlockHandle handle,
                                                                  CompressionType type,
                                                                  Slice frame) const {
  const std::optional<uint64_t> size = DecompressedSize(frame);
  if (!size || *size > kBlockBytesMax) return CorruptAt("block of unknown size", handle.offset);
  auto bytes = std::make_unique_for_overwrite<char[]>(static_cast<size_t>(*size));
  const bool with_dictionary = type == CompressionType::kZstdWithDictionary;
  if (!Decompress(frame, bytes.get(), static_cast<size_t>(*size),
                  with_dictionary ? dictionary_.get() : nullptr)) {
    return CorruptAt("block that does not decompress", handle.offset);
  }
  return MakeBlock(handle, std::move(bytes), static_cast<size_t>(*size));
}

Result<std::shared_ptr<const Block>> TableReader::MakeBlock(BlockHandle handle,
                                                            std::unique_ptr<char[]> bytes,
                                                            size_t size) const {
  std::shared_ptr<const Block> block = Block::Make(std::move(bytes), size);
  if (!block) return CorruptAt("malformed block", handle.offset);
  return block;
}

Status TableReader::Verify() const {
  Verified verified;
  for (size_t i = 0; i < partition_count() && verified.damages.empty(); ++i) {
    VerifyPartition(i, &verified);
  }
  if (verified.damages.empty()) VerifyExpiryBlocks(&verified);
  return verified.damages.empty() ? Status::Ok() : verified.damages.front();
}

void TableReader::VerifyPartition(size_t i, Verified* verified) const {
  std::optional<uint64_t>& end = verified->blocks_end;
  verified->bytes += PartitionAt(i).size + kTrailerBytes;
  const Result<std::shared_ptr<const Partition>> partition = ReadPartition(i);
  if (!partition.ok()) {
    verified->damages.push_back(partition.status());
    end.reset();
    return;
  }
  if (end && (*partition)->BlockAt(0).offset != *end) {
    verified->damages.push_back(CorruptAt("blocks that do not follow each other", *end));
  }
  for (size_t b = 0; b < (*partition)->blocks(); ++b) {
    VerifyStored((*partition)->BlockAt(b), verified);
  }
  end = (*partition)->end();
  if (i + 1 == partition_count() && *end != properties_.data_bytes) {
    verified->damages.push_back(CorruptAt("data that no partition knows", *end));
  }
}

void TableReader::VerifyExpiryBlocks(Verified* verified) const {
  for (size_t i = 0; i < expiry_block_count(); ++i) VerifyStored(ExpiryBlockAt(i), verified);
}

void TableReader::VerifyStored(BlockHandle part, Verified* verified) const {
  verified->bytes += part.size + kTrailerBytes;
  if (Status status = VerifyStored(part); !status.ok()) {
    verified->damages.push_back(std::move(status));
  }
}

// A large one piece by piece: it may hold the largest value.
Status TableReader::VerifyStored(BlockHandle part) const {
  const uint64_t stored_size = part.size + kTrailerBytes;
  if (stored_size <= kScratchBytes) {
    const Slice stored(Scratch(), static_cast<size_t>(stored_size));
    RETURN_IF_ERROR(ReadBytes(part.offset, stored.size(), Scratch()));
    const Result<CompressionType> type = VerifyPart(part, stored);
    return type.ok() ? Status::Ok() : type.status();
  }
  Hasher hasher(PartSeed(file_seed_, part.offset));
  const uint64_t covered_end = part.offset + part.size + kTypeBytes;
  for (uint64_t at = part.offset; at < covered_end;) {
    const auto size = static_cast<size_t>(std::min<uint64_t>(covered_end - at, kScratchBytes));
    RETURN_IF_ERROR(ReadBytes(at, size, Scratch()));
    hasher.Add(Slice(Scratch(), size));
    at += size;
  }
  char checksum[sizeof(uint64_t)];
  RETURN_IF_ERROR(ReadBytes(covered_end, sizeof(checksum), checksum));
  if (hasher.Finish() != LoadFixed64(checksum)) return CorruptAt("bad checksum", part.offset);
  return Status::Ok();
}

size_t TableReader::memory_bytes() const {
  return sizeof(*this) + index_.memory_bytes() + expiry_index_.memory_bytes() + path_.capacity() +
         properties_.smallest_key.capacity() + properties_.largest_key.capacity() +
         properties_.value_uses.capacity() * sizeof(ValueUse) +
         (dictionary_ ? dictionary_->memory_bytes() : 0);
}

Status TableReader::CorruptAt(const char* what, uint64_t offset) const {
  return Status::Corruption(path_ + ": " + what + " at " + std::to_string(offset));
}

}  // namespace varve
