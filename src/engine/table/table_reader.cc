// engine/table/table_reader.cc: opening a table, reading its blocks.
//
// Opening takes two reads: the footer, then the three parts before it in one go. Nothing is used
// before its checksum has matched, and nothing after that is trusted to make sense: a wrong size or
// order is corruption too, never a wrong access.
#include "engine/table/table_reader.h"

#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "engine/table/compressor.h"

namespace varve {

namespace {

// Blocks of usual size are read into one buffer per thread and leave it decompressed or copied; a
// larger one gets its own, which becomes the block's if it was stored as it is.
constexpr size_t kScratchBytes = 64 * 1024;

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
  const Result<TableFooter> footer = table->ReadFooter(database_id);
  if (!footer.ok()) return footer.status();
  RETURN_IF_ERROR(table->ReadParts(*footer));
  return table;
}

TableReader::TableReader(std::unique_ptr<File> file, std::string path, uint64_t file_number,
                         uint64_t database_id)
    : file_(std::move(file)),
      path_(std::move(path)),
      file_number_(file_number),
      file_seed_(FileSeed(database_id, file_number)) {}

Result<TableFooter> TableReader::ReadFooter(uint64_t database_id) const {
  const Result<uint64_t> size = file_->Size();
  if (!size.ok()) return size.status();
  if (*size < sizeof(TableFooter)) return CorruptAt("too short for a table, ends", *size);

  const uint64_t offset = *size - sizeof(TableFooter);
  TableFooter footer;
  RETURN_IF_ERROR(ReadBytes(offset, sizeof(footer), reinterpret_cast<char*>(&footer)));
  if (footer.magic != kTableMagic) return CorruptAt("no table footer", offset);
  if (footer.checksum != FooterChecksum(footer)) return CorruptAt("bad checksum", offset);
  if (footer.version != kTableFormatVersion) {
    return Status::Corruption(path_ + ": table format " + std::to_string(footer.version) +
                              " in the footer at " + std::to_string(offset) + ", known is " +
                              std::to_string(kTableFormatVersion));
  }
  if (footer.database_id != database_id) return CorruptAt("table of another database", offset);
  if (footer.file_number != file_number_) return CorruptAt("table of another number", offset);
  if (footer.file_bytes != *size) return CorruptAt("wrong file size in footer", offset);
  RETURN_IF_ERROR(CheckLayout(footer));
  return footer;
}

// Filter, index and properties must fill what is between data and footer. Their ends are computed
// where they cannot wrap around: no size is larger than the file.
Status TableReader::CheckLayout(const TableFooter& footer) const {
  const uint64_t end = footer.file_bytes - sizeof(TableFooter);
  for (const BlockHandle& part : {footer.filter, footer.index, footer.properties}) {
    if (part.offset > end || part.size > end - part.offset) {
      return CorruptAt("part beyond the file in footer", end);
    }
  }
  if (footer.filter.end() != footer.index.offset ||
      footer.index.end() != footer.properties.offset || footer.properties.end() != end) {
    return CorruptAt("parts with gaps in footer", end);
  }
  return Status::Ok();
}

Status TableReader::ReadParts(const TableFooter& footer) {
  const uint64_t begin = footer.filter.offset;
  const auto size = static_cast<size_t>(footer.properties.end() - begin);
  const auto bytes = std::make_unique_for_overwrite<char[]>(size);
  RETURN_IF_ERROR(ReadBytes(begin, size, bytes.get()));

  const auto verified = [&](BlockHandle part) -> Result<Slice> {
    const Slice stored(bytes.get() + (part.offset - begin),
                       static_cast<size_t>(part.size) + kTrailerBytes);
    const Result<CompressionType> type = VerifyPart(part, stored);
    if (!type.ok()) return type.status();
    if (*type != CompressionType::kNone) return CorruptAt("unexpected compression", part.offset);
    return stored.substr(0, static_cast<size_t>(part.size));
  };
  const Result<Slice> filter_bytes = verified(footer.filter);
  if (!filter_bytes.ok()) return filter_bytes.status();
  const Result<Slice> index_bytes = verified(footer.index);
  if (!index_bytes.ok()) return index_bytes.status();
  const Result<Slice> properties_bytes = verified(footer.properties);
  if (!properties_bytes.ok()) return properties_bytes.status();

  std::optional<Filter> filter = Filter::Make(*filter_bytes);
  if (!filter) return CorruptAt("malformed filter", footer.filter.offset);
  filter_ = *std::move(filter);
  if (!DecodeProperties(*properties_bytes, &properties_) ||
      properties_.data_bytes > footer.filter.offset ||
      (properties_.data_bytes == footer.filter.offset) != properties_.expiry_index.empty() ||
      properties_.expiry_index.empty() != (properties_.expiring == 0)) {
    return CorruptAt("malformed properties", footer.properties.offset);
  }
  std::optional<Index> index = Index::Make(*index_bytes, properties_.data_bytes);
  if (!index) return CorruptAt("malformed index", footer.index.offset);
  index_ = *std::move(index);
  if (!properties_.expiry_index.empty()) {
    std::optional<Index> expiry =
        Index::Make(properties_.expiry_index, footer.filter.offset - properties_.data_bytes);
    if (!expiry) return CorruptAt("malformed expiry index", footer.properties.offset);
    expiry_index_ = *std::move(expiry);
    properties_.expiry_index = {};  // its bytes are in expiry_index_
  }
  properties_.file_bytes = footer.file_bytes;
  return Status::Ok();
}

Result<std::shared_ptr<const Block>> TableReader::ReadBlock(BlockHandle handle) const {
  return LoadBlock(&File::ReadAt, handle);
}

Result<std::shared_ptr<const Block>> TableReader::TryReadBlock(BlockHandle handle) const {
  if (handle.size > kTryReadBytesMax) return Status::Pending();
  return LoadBlock(&File::TryReadAt, handle);
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
  return *type == CompressionType::kZstd ? DecompressBlock(handle, contents)
                                         : MakeBlock(handle, std::move(bytes), contents.size());
}

Result<std::shared_ptr<const Block>> TableReader::DecodeBlock(BlockHandle handle,
                                                              Slice stored) const {
  CHECK(stored.size() == handle.size + kTrailerBytes);
  const Result<CompressionType> type = VerifyPart(handle, stored);
  if (!type.ok()) return type.status();
  const Slice contents = stored.substr(0, static_cast<size_t>(handle.size));
  if (*type == CompressionType::kZstd) return DecompressBlock(handle, contents);
  auto bytes = std::make_unique_for_overwrite<char[]>(contents.size());
  std::memcpy(bytes.get(), contents.data(), contents.size());
  return MakeBlock(handle, std::move(bytes), contents.size());
}

Result<CompressionType> TableReader::VerifyPart(BlockHandle part, Slice stored) const {
  const Slice covered = stored.substr(0, stored.size() - sizeof(uint64_t));
  const uint64_t checksum = LoadFixed64(covered.data() + covered.size());
  if (checksum != Hash(covered, PartSeed(file_seed_, part.offset))) {
    return CorruptAt("bad checksum", part.offset);
  }
  const auto type = static_cast<CompressionType>(covered.back());
  if (type != CompressionType::kNone && type != CompressionType::kZstd) {
    return CorruptAt("unknown compression", part.offset);
  }
  return type;
}

Result<std::shared_ptr<const Block>> TableReader::DecompressBlock(BlockHandle handle,
                                                                  Slice frame) const {
  const std::optional<uint64_t> size = DecompressedSize(frame);
  if (!size || *size > kBlockBytesMax) return CorruptAt("block of unknown size", handle.offset);
  auto bytes = std::make_unique_for_overwrite<char[]>(static_cast<size_t>(*size));
  if (!Decompress(frame, bytes.get(), static_cast<size_t>(*size))) {
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

size_t TableReader::memory_bytes() const {
  return sizeof(*this) + filter_.memory_bytes() + index_.memory_bytes() +
         expiry_index_.memory_bytes() + path_.capacity() + properties_.smallest_key.capacity() +
         properties_.largest_key.capacity();
}

Status TableReader::CorruptAt(const char* what, uint64_t offset) const {
  return Status::Corruption(path_ + ": " + what + " at " + std::to_string(offset));
}

}  // namespace varve
