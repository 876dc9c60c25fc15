// engine/lookup.cc: a key's way out.
//
//   1. the record table: whatever it says is the newest there is
//   2. tables from new to old, each asked only if the key is in its range and its filter says maybe
//   3. a block: from the cache, from what this command waited for, from the page cache without waiting, or
//      else from a reader thread, and the command is run again when it has come
//
// What a table had to be asked for stays behind as a clean record, an "absent" one for a miss.
//
// Threads: loop; loads on Lane::kRead.
#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "base/prefix.h"
#include "engine/engine_impl.h"

namespace varve {

const OpenTables::Table* OpenTables::Find(size_t level, Slice key) const {
  const std::vector<Table>& tables = levels[level];
  const auto it =
      std::lower_bound(tables.begin(), tables.end(), key,
                       [](const Table& table, Slice k) { return table.meta->largest < k; });
  return it != tables.end() && it->meta->smallest <= key ? &*it : nullptr;
}

const Record* EngineImpl::FindRecord(Slice key, ReadScope& scope) const {
  Record* record = records_.Find(key, records_.HashOf(key));
  if (record == nullptr) return nullptr;
  if (!record->referenced()) record->set_referenced(true);
  const uint64_t newest = last_commit_group_;
  const uint64_t reported = log_->reported_group();
  if (newest > reported && record->dirty()) {
    // Groups that are not reported yet are few, so sixteen bits say which one it was. A record that is older
    // by a multiple of 65536 groups is mistaken for a young one: its reply waits for a group that is on its
    // way to the log, a moment in vain.
    const uint16_t age = static_cast<uint16_t>(newest - record->group_low());
    if (age < newest - reported) scope.DependsOn(newest - age);
  }
  return record;
}

Status EngineImpl::Get(Slice key, ReadScope& scope, Value* value) {
  const Record* record = FindRecord(key, scope);
  if (record == nullptr) {
    ++stats_.record_misses;
    return GetFromTables(key, records_.HashOf(key), scope, value);
  }
  ++stats_.record_hits;
  if (!record->is_put()) return Status::NotFound();
  value->tag = record->tag();
  value->expire_at_ms = record->expire_at_ms();
  value->bytes = record->value();
  value->shared = record->is_shared() ? record->shared_value() : SharedBytes();
  return Status::Ok();
}

void EngineImpl::Prefetch(std::span<const Slice> keys) {
  // A few at a time: more would only push each other out of the line fill buffers.
  constexpr size_t kAtOnce = 16;
  uint64_t hashes[kAtOnce];
  while (!keys.empty()) {
    const size_t n = std::min(keys.size(), kAtOnce);
    for (size_t i = 0; i < n; ++i) records_.PrefetchSlot(hashes[i] = records_.HashOf(keys[i]));
    for (size_t i = 0; i < n; ++i) records_.PrefetchRecord(hashes[i]);
    keys = keys.subspan(n);
  }
}

Status EngineImpl::GetFromTables(Slice key, uint64_t hash, ReadScope& scope, Value* value) {
  if (records_complete_) return Status::NotFound();
  const uint64_t filter_hash = FilterHash(key);
  Entry entry;
  std::shared_ptr<const Block> pin;
  const auto look = [&](const OpenTables::Table& table) -> Status {
    if (!table.reader->MayContain(filter_hash)) {
      ++stats_.filter_negatives;
      return Status::NotFound();
    }
    return FindInTable(table, key, scope, &entry, &pin);
  };
  Status status = Status::NotFound();
  for (const OpenTables::Table& table : tables_->levels[0]) {
    if (!table.meta->Spans(key)) continue;
    if (status = look(table); !status.is_not_found()) break;
  }
  for (size_t level = 1; level < kLevels && status.is_not_found(); ++level) {
    const OpenTables::Table* table = tables_->Find(level, key);
    if (table != nullptr) status = look(*table);
  }
  if (status.is_not_found()) {
    entry.key = key;
    KeepClean(entry, hash, kRecordAbsent);
    return status;
  }
  if (!status.ok()) return status;
  if (entry.kind != EntryKind::kPut) {
    KeepClean(entry, hash, static_cast<uint8_t>(entry.kind));
    return Status::NotFound();
  }
  value->tag = entry.tag;
  value->expire_at_ms = entry.expire_at_ms;
  value->bytes = entry.value;
  if (entry.value.size() >= kSharedValueBytesMin) {
    value->shared = SharedBytes::Alias(entry.value, pin);
  } else {
    KeepClean(entry, hash, static_cast<uint8_t>(entry.kind));
    scope.Pin(std::move(pin));
  }
  return Status::Ok();
}

Status EngineImpl::FindInTable(const OpenTables::Table& table, Slice key, ReadScope& scope,
                               Entry* entry, std::shared_ptr<const Block>* pin) {
  Result<std::shared_ptr<const Block>> block =
      FetchBlock(table.reader, table.reader->FindBlock(key), scope);
  if (!block.ok()) return block.status();
  *pin = std::move(*block);
  return (*pin)->Find(key, entry) ? Status::Ok() : Status::NotFound();
}

void EngineImpl::KeepClean(const Entry& entry, uint64_t hash, uint8_t kind) {
  Record* record = Record::New(entry, SharedBytes(), kind);
  record_bytes_ += record->charge_bytes();
  records_.Insert(record, hash);
  ScheduleUpkeep();
}

Result<std::shared_ptr<const Block>> EngineImpl::FetchBlock(
    const std::shared_ptr<const TableReader>& table, BlockHandle handle, ReadScope& scope) {
  if (const auto& cached = cache_.Lookup(table->file_number(), handle.offset)) {
    ++stats_.block_hits;
    return cached;
  }
  if (const PinnedBlock* pinned = scope.FindBlock(table->file_number(), handle.offset)) {
    if (!pinned->status.ok()) return pinned->status;
    return pinned->block;
  }
  Result<std::shared_ptr<const Block>> block = table->TryReadBlock(handle);
  if (block.ok()) {
    ++stats_.block_reads_nowait;
    cache_.Insert(table->file_number(), handle.offset, *block);
    return block;
  }
  if (!block.status().is_pending()) {
    ++stats_.block_errors;
    NoteError("read", block.status());
    return block;
  }
  std::vector<std::weak_ptr<ReadScope::Wait>>& waits =
      loads_[BlockId{table->file_number(), handle.offset}];
  waits.push_back(scope.Expect());
  if (waits.size() > 1) return Status::Pending();  // someone else has asked already
  ++stats_.block_reads_waited;
  auto loaded = std::make_shared<Result<std::shared_ptr<const Block>>>(Status::Pending());
  env_.Schedule(
      Lane::kRead, [table, handle, loaded] { *loaded = table->ReadBlock(handle); },
      [this, alive = alive(), table, handle, loaded] {
        if (!alive.expired()) BlockLoaded(table->file_number(), handle, *loaded);
      });
  return Status::Pending();
}

void EngineImpl::BlockLoaded(uint64_t file_number, BlockHandle handle,
                             const Result<std::shared_ptr<const Block>>& loaded) {
  PinnedBlock pinned{file_number, handle.offset, nullptr, loaded.status()};
  if (loaded.ok()) {
    pinned.block = *loaded;
    // A table that was dropped meanwhile leaves nothing in the cache.
    if (readers_.contains(file_number)) cache_.Insert(file_number, handle.offset, *loaded);
  } else {
    ++stats_.block_errors;
    NoteError("read", loaded.status());
  }
  const auto it = loads_.find(BlockId{file_number, handle.offset});
  const std::vector<std::weak_ptr<ReadScope::Wait>> waits = std::move(it->second);
  loads_.erase(it);
  for (const std::weak_ptr<ReadScope::Wait>& wait : waits) ReadScope::Arrived(wait, &pinned);
}

// --- A key by chance ---

Status EngineImpl::RandomKey(Slice prefix, ReadScope& scope, std::string* key) {
  // That a key is there is news as well, and so is that none is.
  scope.DependsOn(last_commit_group_);
  if (scope.random_seed == 0) scope.random_seed = random_.Next() | 1;
  Random random(scope.random_seed);
  uint64_t table_entries = 0;
  for (const auto& [number, reader] : readers_) table_entries += reader->properties().entries;
  // From memory or from the tables, as the keys lie. What memory holds of the tables' keys counts twice.
  const bool memory_first =
      records_complete_ || random.Uniform(records_.size() + table_entries + 1) < records_.size();
  constexpr int kTries = 256;
  for (int i = 0; memory_first && i < kTries; ++i) {
    const Record* record = records_.Sample(random.Next());
    if (record == nullptr || !record->is_put() || !record->key().starts_with(prefix)) continue;
    *key = record->key();
    return Status::Ok();
  }
  if (!records_complete_) {
    if (const Status s = RandomKeyFromTables(prefix, scope, key); !s.is_not_found()) return s;
  }
  // Few keys, or few of them alive: the first one at or behind a random place, or the first of all.
  std::string from(prefix);
  for (int i = 0; i < 8; ++i) from.push_back(static_cast<char>(random.Next()));
  const std::string end = PrefixEnd(prefix);
  for (const Slice lower : {Slice(from), prefix}) {
    const std::unique_ptr<EntryIterator> it = Scan(lower, end, scope);
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      if (it->entry().kind != EntryKind::kPut) continue;
      *key = it->entry().key;
      return Status::Ok();
    }
    if (!it->status().ok()) return it->status();
  }
  return Status::NotFound();
}

Status EngineImpl::RandomKeyFromTables(Slice prefix, ReadScope& scope, std::string* key) {
  Random random(scope.random_seed);
  std::vector<const OpenTables::Table*> tables;
  uint64_t blocks = 0;
  for (const auto& level : tables_->levels) {
    for (const OpenTables::Table& table : level) {
      tables.push_back(&table);
      blocks += table.reader->block_count();
    }
  }
  constexpr int kTries = 16;
  for (int i = 0; i < kTries && blocks > 0; ++i) {
    uint64_t pick = random.Uniform(blocks);
    size_t t = 0;
    while (pick >= tables[t]->reader->block_count()) pick -= tables[t++]->reader->block_count();
    const std::shared_ptr<const TableReader>& reader = tables[t]->reader;
    Result<std::shared_ptr<const Block>> block = FetchBlock(reader, reader->BlockAt(pick), scope);
    if (!block.ok()) return block.status();
    std::vector<std::string> candidates;
    BlockIterator it;
    it.Reset(*block);
    for (it.Seek(prefix); it.Valid() && it.entry().key.starts_with(prefix); it.Next()) {
      if (it.entry().kind == EntryKind::kPut) candidates.emplace_back(it.entry().key);
    }
    if (candidates.empty()) continue;
    *key = candidates[random.Uniform(candidates.size())];
    // It may have been deleted since.
    Value value;
    if (const Status s = Get(*key, scope, &value); !s.is_not_found()) return s;
  }
  return Status::NotFound();
}

}  // namespace varve
