// engine/check/table_parts.cc: a table part by part, sound or not.
#include "engine/check/table_parts.h"

#include <utility>

#include "base/coding.h"
#include "base/hash.h"
#include "engine/table/compressor.h"

namespace varve {

TableParts::TableParts(const File& file, std::optional<uint64_t> file_number,
                       std::optional<uint64_t> database_id, Complain complain)
    : file_(file),
      file_number_(file_number),
      database_id_(database_id),
      complain_(std::move(complain)) {}

void TableParts::Open() {
  footer_ = ReadFooter();
  if (!footer_) return;
  // A table under a wrong name is still a table.
  file_seed_ = FileSeed(footer_->database_id, footer_->file_number);
  ReadProperties();
  ReadIndex();
  ReadDictionary();
}

std::optional<TableFooter> TableParts::ReadFooter() {
  const Result<uint64_t> size = file_.Size();
  if (!size.ok()) {
    ComplainAt(0, std::string(size.status().message()));
    return std::nullopt;
  }
  if (*size < sizeof(TableFooter)) {
    ComplainAt(0, "too short for a table: " + std::to_string(*size) + " bytes");
    return std::nullopt;
  }
  const uint64_t offset = *size - sizeof(TableFooter);
  const auto bad = [&](std::string what) -> std::optional<TableFooter> {
    ComplainAt(offset, std::move(what));
    return std::nullopt;
  };
  TableFooter footer;
  if (!Read(offset, sizeof(footer), reinterpret_cast<char*>(&footer))) return std::nullopt;
  if (footer.magic != kTableMagic) return bad("no table footer");
  if (footer.checksum != FooterChecksum(footer)) return bad("bad checksum of the footer");
  if (footer.version != kTableFormatVersion) {
    return bad("table format " + std::to_string(footer.version) + ", this program knows " +
               std::to_string(kTableFormatVersion));
  }
  if (database_id_ && footer.database_id != *database_id_) {
    ComplainAt(offset, "belongs to another database");
  }
  if (file_number_ && footer.file_number != *file_number_) {
    ComplainAt(offset, "is table " + std::to_string(footer.file_number) + " under another name");
  }
  if (footer.file_bytes != *size) {
    return bad("the footer says that the file has " + std::to_string(footer.file_bytes) +
               " bytes, not " + std::to_string(*size));
  }
  if (!LayoutIsSound(footer)) return bad("the footer's parts do not fill the file");
  return footer;
}

bool TableParts::LayoutIsSound(const TableFooter& footer) const {
  const uint64_t end = footer.file_bytes - sizeof(TableFooter);
  for (const BlockHandle& part : {footer.index, footer.properties}) {
    if (part.offset > end || part.size > end - part.offset) return false;
  }
  return footer.data_end <= footer.partitions && footer.partitions <= footer.index.offset &&
         footer.index.end() == footer.properties.offset && footer.properties.end() == end;
}

void TableParts::ReadProperties() {
  const auto contents = ReadPlainPart(footer_->properties);
  if (!contents) return;
  TableProperties properties;
  const bool has_expiry_blocks = footer_->partitions > footer_->data_end;
  if (!DecodeProperties(contents->slice(), &properties) ||
      properties.data_bytes != footer_->data_end ||
      has_expiry_blocks != (properties.expiring > 0)) {
    return ComplainAt(footer_->properties.offset, "malformed properties");
  }
  properties.file_bytes = footer_->file_bytes;
  if (has_expiry_blocks) {
    expiry_index_ = Index::Make(properties.expiry_index, footer_->data_end);
    if (expiry_index_ && expiry_index_->end() != footer_->partitions) expiry_index_.reset();
    if (!expiry_index_) ComplainAt(footer_->properties.offset, "malformed expiry index");
  }
  properties_ = std::move(properties);
}

void TableParts::ReadIndex() {
  const auto contents = ReadPlainPart(footer_->index);
  if (!contents) return;
  index_ = Index::Make(contents->slice(), footer_->partitions);
  if (index_ && index_->end() > footer_->index.offset) index_.reset();
  if (!index_) ComplainAt(footer_->index.offset, "malformed index");
}

// Its place is known without the properties: it is whatever the other parts leave.
void TableParts::ReadDictionary() {
  if (!index_) return;
  const BlockHandle rest{index_->end(), footer_->index.offset - index_->end()};
  if (properties_ && !DictionaryPart(*footer_, *properties_, rest.offset)) {
    ComplainAt(footer_->properties.offset, "dictionary of a wrong size in properties");
  }
  if (rest.size <= kTrailerBytes) return;
  dictionary_part_ = {rest.offset, rest.size - kTrailerBytes};
  const auto contents = ReadPlainPart(dictionary_part_);
  if (!contents) return;
  dictionary_ = Dictionary::Make(contents->slice());
  if (!dictionary_) ComplainAt(dictionary_part_.offset, "malformed dictionary");
}

std::shared_ptr<const Partition> TableParts::ReadPartition(size_t i) {
  const BlockHandle handle = PartitionAt(i);
  const auto contents = ReadPlainPart(handle);
  if (!contents) return nullptr;
  std::shared_ptr<const Partition> partition =
      Partition::Make(contents->slice(), footer_->data_end);
  const bool last = i + 1 == partition_count();
  if (partition && !last && partition->blocks() != kPartitionBlocks) partition = nullptr;
  if (!partition) ComplainAt(handle.offset, "malformed partition");
  return partition;
}

std::shared_ptr<const Block> TableParts::ReadBlock(BlockHandle handle) {
  std::optional<Contents> contents = ReadPart(handle);
  if (!contents) return nullptr;
  std::shared_ptr<const Block> block = Block::Make(std::move(contents->bytes), contents->size);
  if (!block) ComplainAt(handle.offset, "malformed block");
  return block;
}

std::optional<TableParts::Contents> TableParts::ReadPlainPart(BlockHandle part) {
  std::optional<Contents> contents = ReadPart(part);
  if (!contents || contents->type == CompressionType::kNone) return contents;
  ComplainAt(part.offset, "unexpected compression");
  return std::nullopt;
}

std::optional<TableParts::Contents> TableParts::ReadPart(BlockHandle part) {
  const size_t stored_size = static_cast<size_t>(part.size);
  Contents stored;
  stored.bytes = std::make_unique_for_overwrite<char[]>(stored_size + kTrailerBytes);
  stored.size = stored_size;
  if (!Read(part.offset, stored_size + kTrailerBytes, stored.bytes.get())) return std::nullopt;
  const Slice covered(stored.bytes.get(), stored_size + kTypeBytes);
  const uint64_t checksum = LoadFixed64(covered.data() + covered.size());
  if (checksum != Hash(covered, PartSeed(file_seed_, part.offset))) {
    ComplainAt(part.offset, "bad checksum");
    return std::nullopt;
  }
  stored.type = static_cast<CompressionType>(covered.back());
  if (stored.type == CompressionType::kNone) return stored;
  const std::optional<uint64_t> size = DecompressedSize(stored.slice());
  if (stored.type > CompressionType::kZstdWithDictionary || !size || *size > kBlockBytesMax) {
    ComplainAt(part.offset, "unknown compression");
    return std::nullopt;
  }
  const bool with_dictionary = stored.type == CompressionType::kZstdWithDictionary;
  if (with_dictionary && !dictionary_) {
    ComplainAt(part.offset, "needs the table's dictionary, which is not there");
    return std::nullopt;
  }
  Contents contents{std::make_unique_for_overwrite<char[]>(static_cast<size_t>(*size)),
                    static_cast<size_t>(*size), stored.type};
  if (Decompress(stored.slice(), contents.bytes.get(), contents.size,
                 with_dictionary ? dictionary_.get() : nullptr)) {
    return contents;
  }
  ComplainAt(part.offset, "does not decompress");
  return std::nullopt;
}

bool TableParts::Read(uint64_t offset, size_t size, char* to) {
  const Result<size_t> read = file_.ReadAt(offset, size, to);
  if (!read.ok()) {
    ComplainAt(offset, std::string(read.status().message()));
  } else if (*read != size) {
    ComplainAt(offset, "the file ends too early, at " + std::to_string(offset + *read));
  }
  return read.ok() && *read == size;
}

void TableParts::ComplainAt(uint64_t offset, std::string what) {
  complained_ = true;
  complain_(offset, std::move(what));
}

}  // namespace varve
