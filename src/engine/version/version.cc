// engine/version/version.cc: versions, asked and changed.
#include "engine/version/version.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace varve {

namespace {

bool NewerFirst(const FileRef& a, const FileRef& b) { return a->number > b->number; }
bool SmallerFirst(const FileRef& a, const FileRef& b) { return a->smallest < b->smallest; }

std::string Name(const FileMeta& file) {
  return "table " + std::to_string(file.number) + " in level " + std::to_string(file.level);
}

// What must be true of a table by itself.
Status CheckFile(const FileMeta& file, int level) {
  const char* what = nullptr;
  if (file.level != level) what = "is in another level";
  if (file.number == 0) what = "has no number";
  if (file.size_bytes == 0 || file.entries == 0) what = "is empty";
  if (file.smallest > file.largest) what = "ends before it begins";
  if (file.tombstones > file.entries) what = "has more tombstones than entries";
  if (file.expiring > file.entries) what = "has more expiring entries than entries";
  if (file.expiring > 0 && file.first_expiry_ms > file.last_expiry_ms) {
    what = "expires before it begins to";
  }
  if (what == nullptr) return Status::Ok();
  return Status::Corruption(Name(file) + " " + what);
}

// What must be true of the tables of a level together.
Status CheckOrder(const FileList& files, int level) {
  for (size_t i = 1; i < files.size(); ++i) {
    const FileMeta& before = *files[i - 1];
    const FileMeta& file = *files[i];
    const bool fine = level == 0 ? before.number > file.number : before.largest < file.smallest;
    if (!fine) {
      return Status::Corruption(Name(before) + (level == 0 ? " is not newer than " : " overlaps ") +
                                "table " + std::to_string(file.number));
    }
  }
  return Status::Ok();
}

ValueFileList::const_iterator LowerBoundOf(const ValueFileList& files, uint64_t number) {
  return std::lower_bound(
      files.begin(), files.end(), number,
      [](const LiveValueFile& file, uint64_t wanted) { return file.meta.number < wanted; });
}

std::string Name(const ValueFileMeta& file) { return "value file " + std::to_string(file.number); }

Status CheckValueFile(const ValueFileMeta& file) {
  if (file.number > 0 && file.records > 0 && file.size_bytes > kValueFileHeaderBytes) {
    return Status::Ok();
  }
  return Status::Corruption(Name(file) + " is empty or has no number");
}

// Adds to (or, with a sign of -1, takes from) the live bytes of `files` what a table refers to.
Status CountUses(const FileMeta& table, int sign, ValueFileList* files) {
  for (const ValueUse& use : table.value_uses) {
    const auto at = files->begin() + (LowerBoundOf(*files, use.file) - files->cbegin());
    if (at == files->end() || at->meta.number != use.file) {
      return Status::Corruption(Name(table) + " refers to value file " + std::to_string(use.file) +
                                ", which is not there");
    }
    at->live_bytes += sign < 0 ? 0 - use.bytes : use.bytes;
  }
  return Status::Ok();
}

}  // namespace

uint64_t BytesOf(const FileList& files) {
  uint64_t bytes = 0;
  for (const FileRef& file : files) bytes += file->size_bytes;
  return bytes;
}

// --- Version ---

Version::Version() {
  static const auto kNoFiles = std::make_shared<const FileList>();
  for (Level& level : levels_) level.files = kNoFiles;
  static const auto kNoValueFiles = std::make_shared<const ValueFileList>();
  values_.files = kNoValueFiles;
}

Result<std::shared_ptr<const Version>> Version::Apply(const VersionEdit& edit) const {
  VersionBuilder builder(*this);
  RETURN_IF_ERROR(builder.Add(edit));
  return builder.Finish();
}

size_t Version::table_count() const {
  size_t count = 0;
  for (const Level& level : levels_) count += level.files->size();
  return count;
}

uint64_t Version::table_bytes() const {
  uint64_t bytes = 0;
  for (const Level& level : levels_) bytes += level.bytes;
  return bytes;
}

Version::Values Version::ValuesOf(ValueFileList files) {
  Values values;
  for (const LiveValueFile& file : files) {
    values.bytes += file.meta.size_bytes;
    values.live_bytes += file.live_bytes;
    values.records += file.meta.records;
  }
  values.files = std::make_shared<const ValueFileList>(std::move(files));
  return values;
}

const LiveValueFile* Version::FindValueFile(uint64_t number) const {
  const auto it = LowerBoundOf(*values_.files, number);
  return it != values_.files->end() && it->meta.number == number ? &*it : nullptr;
}

size_t Version::LowerBound(int level, Slice key) const {
  DCHECK(level >= 1);
  const FileList& files = this->level(level);
  const auto found =
      std::lower_bound(files.begin(), files.end(), key,
                       [](const FileRef& file, Slice wanted) { return file->largest < wanted; });
  return static_cast<size_t>(found - files.begin());
}

const FileMeta* Version::Find(int level, Slice key) const {
  const FileList& files = this->level(level);
  const size_t index = LowerBound(level, key);
  return index < files.size() && files[index]->smallest <= key ? files[index].get() : nullptr;
}

FileList Version::Overlapping(int level, Slice smallest, Slice largest) const {
  const FileList& files = this->level(level);
  FileList result;
  if (level == 0) {
    std::copy_if(files.begin(), files.end(), std::back_inserter(result),
                 [&](const FileRef& file) { return file->Overlaps(smallest, largest); });
    return result;
  }
  for (size_t i = LowerBound(level, smallest); i < files.size() && files[i]->smallest <= largest;
       ++i) {
    result.push_back(files[i]);
  }
  return result;
}

uint64_t Version::OverlappingBytes(int level, Slice smallest, Slice largest) const {
  const FileList& files = this->level(level);
  uint64_t bytes = 0;
  if (level == 0) {
    for (const FileRef& file : files) {
      if (file->Overlaps(smallest, largest)) bytes += file->size_bytes;
    }
    return bytes;
  }
  for (size_t i = LowerBound(level, smallest); i < files.size() && files[i]->smallest <= largest;
       ++i) {
    bytes += files[i]->size_bytes;
  }
  return bytes;
}

bool Version::MayHoldBelow(int level, Slice key) const { return OverlapsBelow(level, key, key); }

bool Version::OverlapsBelow(int level, Slice smallest, Slice largest) const {
  for (int below = level + 1; below < kLevels; ++below) {
    const FileList& files = this->level(below);
    const size_t index = LowerBound(below, smallest);
    if (index < files.size() && files[index]->smallest <= largest) return true;
  }
  return false;
}

Status Version::Check() const {
  std::set<uint64_t> numbers;
  for (int level = 0; level < kLevels; ++level) {
    const FileList& files = this->level(level);
    for (const FileRef& file : files) {
      RETURN_IF_ERROR(CheckFile(*file, level));
      if (!numbers.insert(file->number).second) {
        return Status::Corruption(Name(*file) + " is there twice");
      }
    }
    RETURN_IF_ERROR(CheckOrder(files, level));
    if (BytesOf(files) != level_bytes(level)) {
      return Status::Corruption("level " + std::to_string(level) + " is badly summed up");
    }
  }
  return CheckValues(numbers);
}

Status Version::CheckValues(const std::set<uint64_t>& table_numbers) const {
  ValueFileList counted = value_files();
  for (LiveValueFile& file : counted) {
    RETURN_IF_ERROR(CheckValueFile(file.meta));
    if (table_numbers.contains(file.meta.number)) {
      return Status::Corruption(Name(file.meta) + " has the number of a table");
    }
    file.live_bytes = 0;
  }
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& table : this->level(level)) {
      RETURN_IF_ERROR(CountUses(*table, 1, &counted));
    }
  }
  for (size_t i = 0; i < counted.size(); ++i) {
    if (counted[i].live_bytes != value_files()[i].live_bytes || counted[i].live_bytes == 0) {
      return Status::Corruption(Name(counted[i].meta) + " is badly summed up");
    }
  }
  return Status::Ok();
}

// --- TableWalk ---

const FileMeta* TableWalk::Next() {
  const FileList& newest = version_.level(0);
  while (level_ == 0) {
    if (level0_index_ == newest.size()) {
      level_ = 1;
      break;
    }
    const FileMeta& file = *newest[level0_index_++];
    if (file.Spans(key_)) return &file;
  }
  while (level_ < kLevels) {
    if (const FileMeta* file = version_.Find(level_++, key_)) return file;
  }
  return nullptr;
}

// --- VersionBuilder ---

Status VersionBuilder::Add(const VersionEdit& edit) {
  for (const VersionEdit::RemovedFile& file : edit.removed) {
    Change& change = changes_[static_cast<size_t>(file.level)];
    if (change.added.erase(file.number) == 1) continue;
    if (!change.removed.insert(file.number).second) {
      return Status::Corruption("table " + std::to_string(file.number) + " is removed twice");
    }
  }
  for (const FileRef& file : edit.added) {
    RETURN_IF_ERROR(CheckFile(*file, file->level));
    Change& change = changes_[static_cast<size_t>(file->level)];
    if (!change.added.emplace(file->number, file).second) {
      return Status::Corruption(Name(*file) + " is added twice");
    }
  }
  for (const ValueFileMeta& file : edit.value_files_added) {
    RETURN_IF_ERROR(CheckValueFile(file));
    if (!value_files_added_.emplace(file.number, file).second ||
        base_.FindValueFile(file.number) != nullptr) {
      return Status::Corruption(Name(file) + " is added twice");
    }
  }
  return Status::Ok();
}

Result<std::shared_ptr<const Version>> VersionBuilder::Finish() const {
  auto version = std::make_shared<Version>(base_);
  for (int level = 0; level < kLevels; ++level) {
    const Change& change = changes_[static_cast<size_t>(level)];
    if (change.removed.empty() && change.added.empty()) continue;
    Result<Version::Level> changed = FinishLevel(level);
    if (!changed.ok()) return changed.status();
    version->levels_[static_cast<size_t>(level)] = std::move(*changed);
  }
  Result<Version::Values> values = FinishValues();
  if (!values.ok()) return values.status();
  version->values_ = std::move(*values);
  return std::shared_ptr<const Version>(std::move(version));
}

Result<Version::Level> VersionBuilder::FinishLevel(int level) const {
  const Change& change = changes_[static_cast<size_t>(level)];
  const auto in_order = level == 0 ? NewerFirst : SmallerFirst;

  FileList kept;
  const FileList& base = base_.level(level);
  kept.reserve(base.size());
  std::copy_if(base.begin(), base.end(), std::back_inserter(kept),
               [&](const FileRef& file) { return !change.removed.contains(file->number); });
  if (base.size() - kept.size() != change.removed.size()) {
    return Status::Corruption("an edit removes a table that is not in level " +
                              std::to_string(level));
  }
  FileList added;
  for (const auto& [number, file] : change.added) added.push_back(file);
  std::sort(added.begin(), added.end(), in_order);

  auto files = std::make_shared<FileList>();
  files->reserve(kept.size() + added.size());
  std::merge(std::make_move_iterator(kept.begin()), std::make_move_iterator(kept.end()),
             added.begin(), added.end(), std::back_inserter(*files), in_order);
  RETURN_IF_ERROR(CheckOrder(*files, level));
  return Version::Level{files, BytesOf(*files)};
}

// Less what removed tables referred to, more what added ones do, and nothing that nobody refers to.
Result<Version::Values> VersionBuilder::FinishValues() const {
  ValueFileList files = base_.value_files();
  for (const auto& [number, meta] : value_files_added_) {
    files.insert(LowerBoundOf(files, number), LiveValueFile{meta});
  }
  for (int level = 0; level < kLevels; ++level) {
    const Change& change = changes_[static_cast<size_t>(level)];
    if (!change.removed.empty() && !base_.value_files().empty()) {
      for (const FileRef& file : base_.level(level)) {
        if (change.removed.contains(file->number)) RETURN_IF_ERROR(CountUses(*file, -1, &files));
      }
    }
    for (const auto& [number, file] : change.added) RETURN_IF_ERROR(CountUses(*file, 1, &files));
  }
  std::erase_if(files, [](const LiveValueFile& file) { return file.live_bytes == 0; });
  for (const LiveValueFile& file : files) {
    if (file.live_bytes <= file.meta.size_bytes - kValueFileHeaderBytes) continue;
    return Status::Corruption(Name(file.meta) + " is referred to for more than it holds");
  }
  return Version::ValuesOf(std::move(files));
}

}  // namespace varve
