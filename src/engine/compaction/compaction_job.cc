// engine/compaction/compaction_job.cc: merging, dropping, settling, writing.
#include "engine/compaction/compaction_job.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/planted_bug.h"
#include "engine/file_names.h"
#include "engine/iterators/level_iterator.h"
#include "engine/iterators/merging_iterator.h"
#include "engine/iterators/table_iterator.h"
#include "engine/table/table_builder.h"
#include "engine/values/value_file_builder.h"

namespace varve {

namespace {

// The value files a job writes, one after the other.
class OutputValues {
 public:
  OutputValues(const TableJobContext& context, TableJobResult* result)
      : context_(context), result_(result) {}

  // Writes the value of a put, and has the entry refer to it. What it refers with is valid until the next call.
  Status Separate(Entry* entry) {
    RETURN_IF_ERROR(BeginIfNeeded());
    return Refer(builder_->Add(entry->key, entry->value, context_.options.compression_level),
                 entry);
  }

  // If the entry's value lies in one of `files`, moves it.
  Status Move(const std::set<uint64_t>& files, Entry* entry) {
    ValueRef ref;
    if (!DecodeValueRef(entry->value, &ref)) {
      return Status::Corruption("a table refers to a value with what is no reference");
    }
    if (!files.contains(ref.file)) return Status::Ok();
    std::shared_ptr<const ValueFileReader>& source = sources_[ref.file];
    if (!source) {
      Result<std::shared_ptr<const ValueFileReader>> opened =
          context_.tables().OpenValues(ref.file);
      if (!opened.ok()) return Leave(ref, opened.status());
      source = std::move(*opened);
    }
    const Result<ValueFileReader::Record> record = source->ReadRecord(ref, entry->key);
    if (!record.ok()) return Leave(ref, record.status());
    result_->bytes_read += ref.record_bytes;
    RETURN_IF_ERROR(BeginIfNeeded());
    return Refer(builder_->AddStored(entry->key, record->type, record->stored, ref.value_bytes),
                 entry);
  }

  // Everything written is on the disk and verified after this, but for the directory.
  Status Finish() { return builder_ ? FinishFile() : Status::Ok(); }

  void RemoveAll() {
    builder_.reset();
    file_.reset();
    for (size_t i = 0; i < begun_; ++i) {
      (void)context_.env->Remove(Path(context_.value_file_numbers[i]));
    }
    result_->value_outputs.clear();
  }

 private:
  std::string Path(uint64_t number) const { return context_.tables().PathOfValues(number); }

  Status BeginIfNeeded() {
    // The one with the last number is never ended: what is reserved is enough if nothing is larger than expected.
    const bool last = begun_ == context_.value_file_numbers.size();
    if (builder_ && !last && builder_->file_bytes() >= context_.options.value_file_bytes) {
      RETURN_IF_ERROR(FinishFile());
    }
    if (builder_) return Status::Ok();
    CHECK(!last);
    number_ = context_.value_file_numbers[begun_++];
    Result<std::unique_ptr<File>> file = context_.env->Open(Path(number_), OpenMode::kCreate);
    if (!file.ok()) return file.status();
    file_ = std::move(*file);
    builder_.emplace(*file_, number_, context_.database_id);
    return Status::Ok();
  }

  // What cannot be read stays where it is; whoever asks for it will be told.
  Status Leave(const ValueRef& ref, const Status& why) {
    result_->unreadable_value_files.insert(ref.file);
    result_->unreadable_because = why;
    return Status::Ok();
  }

  Status Refer(const Result<ValueRef>& ref, Entry* entry) {
    if (!ref.ok()) return ref.status();
    reference_.clear();
    AppendValueRef(*ref, &reference_);
    entry->value = reference_;
    entry->in_value_file = true;
    return Status::Ok();
  }

  Status FinishFile() {
    RETURN_IF_ERROR(builder_->Finish());
    const ValueFileMeta meta{number_, builder_->file_bytes(), builder_->records()};
    builder_.reset();
    RETURN_IF_ERROR(file_->Sync());
    // The same file, read back: what does not verify is never installed.
    auto reader = std::make_shared<const ValueFileReader>(std::move(file_), Path(number_), number_,
                                                          context_.database_id);
    RETURN_IF_ERROR(reader->Verify(meta.size_bytes, meta.records));
    result_->bytes_written += meta.size_bytes;
    result_->value_bytes_written += meta.size_bytes;
    result_->value_outputs.push_back({meta, std::move(reader)});
    return Status::Ok();
  }

  const TableJobContext& context_;
  TableJobResult* result_;
  size_t begun_ = 0;
  uint64_t number_ = 0;
  std::unique_ptr<File> file_;
  std::optional<ValueFileBuilder> builder_;
  std::map<uint64_t, std::shared_ptr<const ValueFileReader>> sources_;  // of what is moved
  std::string reference_;
};

// The tables a job writes, one after the other.
class OutputTables {
 public:
  OutputTables(const TableJobContext& context, int level, TableJobResult* result)
      : context_(context),
        level_(level),
        result_(result),
        table_options_(TableOptions::From(context.options)) {
    if (level > 0) table_options_.dictionary_sample_bytes = context.options.dictionary_sample_bytes;
  }

  Status Add(const Entry& entry) {
    if (!builder_) RETURN_IF_ERROR(Begin());
    RETURN_IF_ERROR(builder_->Add(entry));
    // Level 0 tables are never cut: their number is their age. Nor is the one with the last number:
    // output that is not compressed as its input was can be many times as large as expected.
    if (level_ == 0 || begun_ == context_.file_numbers.size()) return Status::Ok();
    const bool full = builder_->EstimatedFileBytes() >= context_.options.table_bytes;
    return full ? FinishTable() : Status::Ok();
  }

  // Everything written is durable and verified after this.
  Status Finish() {
    if (builder_) RETURN_IF_ERROR(FinishTable());
    if (!result_->outputs.empty() && !Planted(PlantedBug::kTableNameNotSynced)) {
      RETURN_IF_ERROR(context_.env->SyncDirectory(context_.options.directory));
    }
    return Status::Ok();
  }

  void RemoveAll() {
    builder_.reset();
    file_.reset();
    for (size_t i = 0; i < begun_; ++i) (void)context_.env->Remove(Path(context_.file_numbers[i]));
    result_->outputs.clear();
  }

 private:
  std::string Path(uint64_t number) const { return context_.tables().PathOf(number); }

  Status Begin() {
    CHECK(begun_ < context_.file_numbers.size());
    number_ = context_.file_numbers[begun_++];
    Result<std::unique_ptr<File>> file = context_.env->Open(Path(number_), OpenMode::kCreate);
    if (!file.ok()) return file.status();
    file_ = std::move(*file);
    builder_.emplace(table_options_, *file_, number_, context_.database_id);
    return Status::Ok();
  }

  Status FinishTable() {
    const Result<TableProperties> written = builder_->Finish();
    // One try a job: its tables are alike.
    if (builder_->dictionary_is_useless()) table_options_.dictionary_sample_bytes = 0;
    builder_.reset();
    if (!written.ok()) return written.status();
    if (!Planted(PlantedBug::kTableNotSynced)) RETURN_IF_ERROR(file_->Sync());
    // The same file, read back: what does not verify is never installed.
    Result<std::shared_ptr<TableReader>> reader =
        TableReader::Open(std::move(file_), Path(number_), number_, context_.database_id);
    if (!reader.ok()) return reader.status();
    RETURN_IF_ERROR((*reader)->Verify());
    const TableProperties& p = (*reader)->properties();
    auto meta = std::make_shared<FileMeta>();
    meta->number = number_;
    meta->level = level_;
    meta->size_bytes = p.file_bytes;
    meta->smallest = p.smallest_key;
    meta->largest = p.largest_key;
    meta->entries = p.entries;
    meta->tombstones = p.tombstones;
    meta->expiring = p.expiring;
    meta->first_expiry_ms = p.first_expiry_ms;
    meta->last_expiry_ms = p.last_expiry_ms;
    meta->value_uses = p.value_uses;
    result_->bytes_written += p.file_bytes;
    result_->dictionaries += p.dictionary_bytes > 0 ? 1 : 0;
    result_->outputs.push_back({std::move(meta), std::move(*reader)});
    return Status::Ok();
  }

  const TableJobContext& context_;
  const int level_;
  TableJobResult* result_;
  TableOptions table_options_;
  size_t begun_ = 0;
  uint64_t number_ = 0;
  std::unique_ptr<File> file_;
  std::optional<TableBuilder> builder_;
};

// Whether any table of a deeper level may hold a key, for keys in rising order.
class Below {
 public:
  Below(const Version& version, int level) {
    for (int l = level + 1; l < kLevels; ++l) levels_.push_back({&version.level(l), 0});
  }
  bool MayHold(Slice key) {
    for (auto& [files, at] : levels_) {
      while (at < files->size() && (*files)[at]->largest < key) ++at;
      if (at < files->size() && (*files)[at]->smallest <= key) return true;
    }
    return false;
  }

 private:
  std::vector<std::pair<const FileList*, size_t>> levels_;
};

// The newest entry of a key, taken out of an iterator that moves on.
class KeptEntry {
 public:
  void Take(const Entry& entry) {
    entry_ = entry;
    key_.assign(entry.key);
    value_.assign(entry.value);
    entry_.key = key_;
    entry_.value = value_;
  }
  Entry& entry() { return entry_; }

 private:
  Entry entry_;
  std::string key_;
  std::string value_;
};

class Compaction {
 public:
  Compaction(const TableJobContext& context, const CompactionInputs& inputs,
             CompactionProgress* progress, TableJobResult* result)
      : context_(context),
        progress_(progress),
        below_(*inputs.version, inputs.plan.output_level),
        relocate_(inputs.plan.relocate),
        values_(context, result),
        outputs_(context, inputs.plan.output_level, result),
        result_(result) {}

  Status Run(EntryIterator& merge) {
    uint64_t merged = 0;
    for (merge.SeekToFirst(); merge.Valid();) {
      RETURN_IF_ERROR(TakeKey(merge, &merged));
      progress_->entries_merged.store(merged, std::memory_order_relaxed);
    }
    RETURN_IF_ERROR(merge.status());
    RETURN_IF_ERROR(values_.Finish());
    return outputs_.Finish();
  }
  void RemoveAll() {
    outputs_.RemoveAll();
    values_.RemoveAll();
  }

 private:
  // All entries of one key, newest first, become one or none. Adds to `merged` how many there were.
  Status TakeKey(EntryIterator& merge, uint64_t* merged) {
    newest_.Take(merge.entry());
    Entry& entry = newest_.entry();
    bool creates = entry.creates;
    int settled = 0;
    ++*merged;
    for (merge.Next(); merge.Valid() && merge.entry().key == entry.key; merge.Next()) {
      const bool below_is_put = merge.entry().kind == EntryKind::kPut;
      // The one above was counted for what it believed to lie here.
      settled += creates ? -static_cast<int>(below_is_put) : static_cast<int>(!below_is_put);
      creates = merge.entry().creates;
      ++*merged;
      ++result_->entries_dropped;
    }
    RETURN_IF_ERROR(merge.status());
    if (context_.dead_prefixes.Covers(entry.key)) {
      ++result_->entries_dropped;
      return Status::Ok();
    }
    const bool nothing_below = !below_.MayHold(entry.key);
    if (nothing_below && !creates) {
      ++settled;
      creates = true;
    }
    if (entry.kind == EntryKind::kPut && entry.expire_at_ms != 0 &&
        entry.expire_at_ms <= context_.now_ms) {
      --settled;
      entry.kind = EntryKind::kTombstone;
      entry.tag = 0;
      entry.expire_at_ms = 0;
      entry.value = Slice();
      entry.in_value_file = false;
    }
    if (settled != 0) Settle(entry.key, settled);
    // A tombstone with nothing below it has done its work.
    const bool done = creates || Planted(PlantedBug::kTombstoneForgotten);
    if (entry.kind == EntryKind::kTombstone && done) {
      ++result_->entries_dropped;
      return Status::Ok();
    }
    entry.creates = creates;
    if (entry.in_value_file && !relocate_.empty()) RETURN_IF_ERROR(values_.Move(relocate_, &entry));
    return outputs_.Add(entry);
  }

  void Settle(Slice key, int delta) {
    const Slice prefix = key.substr(0, context_.options.counted_prefix_size(key));
    if (!prefix.empty()) result_->settled[std::string(prefix)] += delta;
  }

  const TableJobContext& context_;
  CompactionProgress* progress_;
  Below below_;
  const std::set<uint64_t>& relocate_;
  OutputValues values_;
  OutputTables outputs_;
  TableJobResult* result_;
  KeptEntry newest_;
};

// Covers an ordinary record: header, key and a value of a hundred bytes or so.
constexpr size_t kPrefetchAhead = 8;
void PrefetchRecord(const Record* record) {
  const char* at = reinterpret_cast<const char*>(record);
  for (size_t line = 0; line < 3; ++line) __builtin_prefetch(at + 64 * line);
}

}  // namespace

TableJobResult FlushGeneration(const TableJobContext& context, const Generation& generation) {
  TableJobResult result;
  OutputValues values(context, &result);
  OutputTables outputs(context, 0, &result);
  const uint64_t threshold = context.options.value_file_threshold_bytes;
  const RecordRun run = SortedRun(generation.records);
  for (size_t i = 0; i < run.size(); ++i) {
    // Neighbours in order lie far apart in memory.
    if (i + kPrefetchAhead < run.size()) PrefetchRecord(run[i + kPrefetchAhead]);
    const Record* record = run[i];
    // Made and deleted within the generation, with nothing below: as if it had never been.
    const bool gone = !record->is_put() && record->creates();
    if (gone || context.dead_prefixes.Covers(record->key())) {
      ++result.entries_dropped;
      continue;
    }
    Entry entry = record->entry();
    const bool large = threshold > 0 && record->is_put() && entry.value.size() >= threshold;
    if (large) result.status = values.Separate(&entry);
    if (result.status.ok()) result.status = outputs.Add(entry);
    if (!result.status.ok()) break;
  }
  if (result.status.ok()) result.status = values.Finish();
  if (result.status.ok()) result.status = outputs.Finish();
  if (!result.status.ok()) {
    outputs.RemoveAll();
    values.RemoveAll();
  }
  return result;
}

TableJobResult RunCompaction(const TableJobContext& context, const CompactionInputs& inputs,
                             CompactionProgress* progress) {
  TableJobResult result;
  // One source each: they read ahead, and a shared one would lose its place.
  std::vector<std::unique_ptr<DirectBlockSource>> sources;
  std::vector<std::unique_ptr<EntryIterator>> children;
  std::vector<const LevelIterator<Direction::kForward>*> runs;  // the same
  const auto add = [&](LevelTables run) {
    sources.push_back(std::make_unique<DirectBlockSource>(context.tables()));
    auto child = std::make_unique<LevelIterator<Direction::kForward>>(run, *sources.back());
    runs.push_back(child.get());
    children.push_back(std::move(child));
  };
  // Newest first: tables of level 0 one by one, those of another level as the run they are.
  const FileList& of_plan = inputs.plan.inputs;
  for (size_t begin = 0, end = 0; begin < of_plan.size(); begin = end) {
    const int level = of_plan[begin]->level;
    for (end = begin + 1; level > 0 && end < of_plan.size() && of_plan[end]->level == level;) ++end;
    add({of_plan.data() + begin, end - begin});
  }
  if (!inputs.plan.next_inputs.empty()) add(inputs.plan.next_inputs);
  for (const auto* files : {&inputs.plan.inputs, &inputs.plan.next_inputs}) {
    for (const FileRef& file : *files) result.bytes_read += file->size_bytes;
  }
  MergingIterator<Direction::kForward> merge(std::move(children));
  Compaction compaction(context, inputs, progress, &result);
  result.status = compaction.Run(merge);
  if (!result.status.ok()) compaction.RemoveAll();
  for (const auto* run : runs) {
    if (!run->status().ok()) result.unreadable_table = run->table().number;
  }
  return result;
}

}  // namespace varve
