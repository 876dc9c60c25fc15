// engine/check/check_table.cc: is one table sound, and what the manifest says of it?
#include "engine/check/check_table.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "engine/check/table_parts.h"
#include "engine/file_names.h"
#include "engine/table/expiry_index.h"
#include "engine/table/table_reader.h"

namespace varve {

namespace {

uint64_t Fingerprint(const Expiring& expiring) {
  return Hash(expiring.key, static_cast<uint64_t>(expiring.at_ms) << 8 | expiring.tag);
}

class TableChecker {
 public:
  TableChecker(const TableToCheck& what, const File& file, CheckReport* report)
      : what_(what),
        name_(TableFileName(what.number)),
        report_(report),
        parts_(file, what.number, what.database_id,
               [this](uint64_t offset, std::string text) { Problem(offset, std::move(text)); }) {
    if (what_.dead_prefixes == nullptr) return;
    for (const auto& [prefix, tables_below] : what_.dead_prefixes->prefixes()) {
      if (tables_below <= what_.number) dead_.Add(prefix, tables_below);
    }
  }

  // True if it found nothing wrong.
  bool Run() {
    parts_.Open();
    blocks_missing_ = !parts_.index();
    report_->Progress(name_, FileBytes() - PartitionsEnd());
    for (size_t i = 0; i < parts_.partition_count(); ++i) CheckPartition(i);
    if (!blocks_missing_ && data_end_ != parts_.footer()->data_end) {
      Problem(data_end_, "data that no partition leads to");
    }
    CheckExpiryBlocks();
    if (parts_.properties() && !blocks_missing_) CompareWithProperties();
    if (parts_.properties() && what_.meta != nullptr) CompareWithManifest();
    return !complained_;
  }

 private:
  uint64_t FileBytes() const { return parts_.footer() ? parts_.footer()->file_bytes : 0; }
  uint64_t PartitionsEnd() const { return parts_.footer() ? parts_.footer()->index.offset : 0; }

  void CheckPartition(size_t i);
  void CheckBlock(const Partition& partition, size_t i);
  void CheckEntry(const Entry& entry, const Partition& partition, size_t block, uint64_t offset);
  void CheckReference(const Entry& entry, uint64_t offset);
  void CompareUses(const char* who, const ValueUses& said, const ValueUses& found);
  void CheckExpiryBlocks();
  bool CheckExpiryBlock(size_t i);
  void CheckExpiring(const Entry& entry, size_t block, uint64_t offset);
  void CompareWithProperties();
  void CompareWithManifest();

  void Problem(std::optional<uint64_t> offset, std::string text) {
    complained_ = true;
    report_->AddProblem(name_, offset, std::move(text));
  }
  template <typename Value>
  void Compare(const char* who, const char* what, Value said, Value found) {
    if (said == found) return;
    Problem(std::nullopt, std::string(who) + " says " + what + " " + std::to_string(said) +
                              ", found " + std::to_string(found));
  }

  const TableToCheck& what_;
  const std::string name_;
  CheckReport* const report_;
  TableParts parts_;
  DeadPrefixes dead_;  // when the table was written
  bool complained_ = false;
  bool blocks_missing_ = false;  // some could not be read, so sums mean nothing

  size_t partition_ = 0;   // that is being checked
  uint64_t data_end_ = 0;  // of the blocks that partitions have led to
  TableProperties found_;
  std::map<uint64_t, uint64_t> found_uses_;  // value file -> bytes
  std::string last_key_;

  std::vector<uint64_t> expiring_;  // fingerprints of what the expiry index should name
  std::string last_expiry_key_;
  uint64_t expiring_met_ = 0;
};

void TableChecker::CheckPartition(size_t i) {
  partition_ = i;
  const BlockHandle handle = parts_.PartitionAt(i);
  report_->Progress(name_, handle.size + kTrailerBytes);
  const std::shared_ptr<const Partition> partition = parts_.ReadPartition(i);
  if (!partition) {
    blocks_missing_ = true;
    return;
  }
  if (!blocks_missing_ && partition->BlockAt(0).offset != data_end_) {
    Problem(handle.offset, "the partition does not begin where the one before ends");
  }
  data_end_ = partition->end();
  for (size_t b = 0; b < partition->blocks(); ++b) CheckBlock(*partition, b);
}

void TableChecker::CheckBlock(const Partition& partition, size_t i) {
  const BlockHandle handle = partition.BlockAt(i);
  report_->Progress(name_, handle.size + kTrailerBytes);
  const std::shared_ptr<const Block> block = parts_.ReadBlock(handle);
  if (!block) {
    blocks_missing_ = true;
    return;
  }
  ++report_->totals().blocks;
  found_.raw_bytes += block->size_bytes();
  BlockIterator it;
  it.Reset(block);
  for (it.SeekToFirst(); it.Valid(); it.Next()) CheckEntry(it.entry(), partition, i, handle.offset);
}

void TableChecker::CheckEntry(const Entry& entry, const Partition& partition, size_t block,
                              uint64_t offset) {
  // One complaint a block will do: the place is the same.
  if (found_.entries > 0 && entry.key <= last_key_) Problem(offset, "keys out of order");
  if (parts_.index()->Find(entry.key) != partition_ || partition.FindIndex(entry.key) != block) {
    Problem(offset, "the index looks for a key of this block in another one");
  }
  if (!partition.MayContain(FilterHash(entry.key))) {
    Problem(offset, "the filter denies a key of this block");
  }
  if (!dead_.empty() && dead_.Covers(entry.key)) {
    Problem(offset, "a key under a prefix that was dead when the table was written");
  }

  ++report_->totals().entries;
  if (found_.entries++ == 0) found_.smallest_key = entry.key;
  last_key_.assign(entry.key);
  found_.key_bytes += entry.key.size();
  if (entry.kind == EntryKind::kTombstone) {
    ++found_.tombstones;
    return;
  }
  found_.value_bytes += entry.value.size();
  if (entry.in_value_file) CheckReference(entry, offset);
  if (entry.expire_at_ms == 0) return;
  const int64_t at_ms = entry.expire_at_ms;
  const bool first = found_.expiring++ == 0;
  found_.first_expiry_ms = first ? at_ms : std::min(found_.first_expiry_ms, at_ms);
  found_.last_expiry_ms = first ? at_ms : std::max(found_.last_expiry_ms, at_ms);
  expiring_.push_back(Fingerprint({std::max<int64_t>(at_ms, 1), entry.tag, entry.key}));
}

void TableChecker::CheckReference(const Entry& entry, uint64_t offset) {
  ValueRef ref;
  if (!DecodeValueRef(entry.value, &ref)) {
    return Problem(offset, "a reference to a value that is none");
  }
  found_uses_[ref.file] += ref.record_bytes;
  if (what_.version != nullptr && what_.version->FindValueFile(ref.file) == nullptr) {
    return Problem(offset, "a reference to value file " + std::to_string(ref.file) +
                               ", which the manifest does not name");
  }
  if (what_.references != nullptr) what_.references->Follow(ref, entry.key);
}

void TableChecker::CheckExpiryBlocks() {
  std::sort(expiring_.begin(), expiring_.end());
  bool all_read = true;
  for (size_t i = 0; i < parts_.expiry_block_count(); ++i) all_read &= CheckExpiryBlock(i);
  // An index that could not be read has been complained of.
  const bool known = parts_.properties() && (parts_.expiry_index() || !parts_.complained());
  if (!all_read || blocks_missing_ || !known) return;
  if (expiring_met_ == expiring_.size()) return;
  // Behind them, for what lies within may have been complained of.
  Problem(parts_.footer()->partitions, "the expiry index has " + std::to_string(expiring_met_) +
                                           " of " + std::to_string(expiring_.size()) + " keys");
}

// False if it could not be read.
bool TableChecker::CheckExpiryBlock(size_t i) {
  const BlockHandle handle = parts_.ExpiryBlockAt(i);
  report_->Progress(name_, handle.size + kTrailerBytes);
  const std::shared_ptr<const Block> block = parts_.ReadBlock(handle);
  if (!block) return false;
  ++report_->totals().blocks;
  BlockIterator it;
  it.Reset(block);
  for (it.SeekToFirst(); it.Valid(); it.Next()) CheckExpiring(it.entry(), i, handle.offset);
  return true;
}

void TableChecker::CheckExpiring(const Entry& entry, size_t block, uint64_t offset) {
  Expiring expiring;
  if (!DecodeExpiring(entry, &expiring)) {
    return Problem(offset, "an entry of the expiry index that is none");
  }
  if (entry.key <= last_expiry_key_) Problem(offset, "keys of the expiry index out of order");
  if (parts_.expiry_index()->Find(entry.key) != block) {
    Problem(offset, "the index looks for a key of this block in another one");
  }
  last_expiry_key_ = entry.key;
  if (std::binary_search(expiring_.begin(), expiring_.end(), Fingerprint(expiring))) {
    ++expiring_met_;
  } else if (!blocks_missing_) {
    Problem(offset, "the expiry index names a key that does not expire then");
  }
}

void TableChecker::CompareWithProperties() {
  const TableProperties& said = *parts_.properties();
  const char* const who = "the properties block";
  Compare(who, "entries", said.entries, found_.entries);
  Compare(who, "tombstones", said.tombstones, found_.tombstones);
  Compare(who, "expiring", said.expiring, found_.expiring);
  Compare(who, "first expiry", said.first_expiry_ms, found_.first_expiry_ms);
  Compare(who, "last expiry", said.last_expiry_ms, found_.last_expiry_ms);
  Compare(who, "key bytes", said.key_bytes, found_.key_bytes);
  Compare(who, "value bytes", said.value_bytes, found_.value_bytes);
  Compare(who, "raw bytes", said.raw_bytes, found_.raw_bytes);
  ValueUses uses;
  for (const auto& [file, bytes] : found_uses_) uses.push_back({file, bytes});
  CompareUses(who, said.value_uses, uses);
  if (said.smallest_key != found_.smallest_key) {
    Problem(std::nullopt, "the properties block has another smallest key than the table");
  }
  if (said.largest_key != last_key_) {
    Problem(std::nullopt, "the properties block has another largest key than the table");
  }
}

void TableChecker::CompareUses(const char* who, const ValueUses& said, const ValueUses& found) {
  if (said == found) return;
  Compare(who, "value files", said.size(), found.size());
  Compare(who, "bytes in value files", BytesOf(said), BytesOf(found));
  if (said.size() != found.size() || BytesOf(said) != BytesOf(found)) return;
  Problem(std::nullopt, std::string(who) + " says that the table refers to other value files");
}

void TableChecker::CompareWithManifest() {
  const TableProperties& found = *parts_.properties();
  const FileMeta& said = *what_.meta;
  const char* const who = "the manifest";
  Compare(who, "size", said.size_bytes, found.file_bytes);
  Compare(who, "entries", said.entries, found.entries);
  Compare(who, "tombstones", said.tombstones, found.tombstones);
  Compare(who, "expiring", said.expiring, found.expiring);
  Compare(who, "first expiry", said.first_expiry_ms, found.first_expiry_ms);
  Compare(who, "last expiry", said.last_expiry_ms, found.last_expiry_ms);
  CompareUses(who, said.value_uses, found.value_uses);
  if (said.smallest != found.smallest_key) {
    Problem(std::nullopt, "the manifest has another smallest key than the table");
  }
  if (said.largest != found.largest_key) {
    Problem(std::nullopt, "the manifest has another largest key than the table");
  }
}

}  // namespace

void CheckTable(Env& env, const TableToCheck& what, CheckReport* report) {
  const std::string name = TableFileName(what.number);
  const std::string path = JoinPath(what.directory, name);
  Result<std::unique_ptr<File>> file = env.Open(path, OpenMode::kRead);
  if (!file.ok()) {
    const bool missing = file.status().is_not_found();
    report->AddProblem(
        name, std::nullopt,
        missing ? "missing, though the manifest names it" : std::string(file.status().message()));
    return;
  }
  const Result<uint64_t> size = (*file)->Size();
  ++report->totals().tables;
  ++report->totals().files;
  report->totals().bytes += size.ok() ? *size : 0;
  if (!TableChecker(what, **file, report).Run() || !what.database_id) return;
  // The last word is the server's.
  const Result<std::shared_ptr<TableReader>> opened =
      TableReader::Open(std::move(*file), path, what.number, *what.database_id);
  if (!opened.ok()) {
    report->AddProblem(name, std::nullopt, std::string(opened.status().message()));
  }
}

}  // namespace varve
