// engine/lookup.cc: a key's way out.
//
//   1. the record table: whatever it says is the newest there is
//   2. tables from new to old, each asked only if the key is in its range and its filter says maybe
//   3. a block of it, and a record of a value file if the value lies there; for where all this comes from see fetch.cc
//
// What a table's block had to be asked for stays behind as a clean record, an "absent" one for a miss.
//
// Threads: loop.
#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "base/prefix.h"
#include "engine/engine_impl.h"

namespace varve {

const LiveTables::Table* LiveTables::Find(size_t level, Slice key) const {
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
  return Find(key, true, scope, value);
}

Status EngineImpl::Peek(Slice key, ReadScope& scope, Value* value) {
  return Find(key, false, scope, value);
}

Status EngineImpl::Find(Slice key, bool wants_bytes, ReadScope& scope, Value* value) {
  const Record* record = FindRecord(key, scope);
  if (record == nullptr) {
    ++stats_.record_misses;
    return FindInTables(key, records_.HashOf(key), wants_bytes, scope, value);
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

// Which tables of level 0 and of these runs may hold the key, from new to old. Each filter is a cache miss of its own,
// far from the others: all that are in memory are asked for at once, before the first is looked at. Four of them then
// cost little more than one.
std::span<const EngineImpl::Candidate> EngineImpl::FindCandidates(Slice key, uint64_t filter_hash,
                                                                  std::span<const size_t> runs) {
  candidates_.clear();
  for (const LiveTables::Table& table : tables_->levels[0]) {
    if (table.meta->Spans(key)) candidates_.push_back(AskFilter(table, key, filter_hash));
  }
  for (const size_t level : runs) {
    if (const LiveTables::Table* table = tables_->Find(level, key)) {
      candidates_.push_back(AskFilter(*table, key, filter_hash));
    }
  }
  return candidates_;
}

EngineImpl::Candidate EngineImpl::AskFilter(const LiveTables::Table& table, Slice key,
                                            uint64_t filter_hash) {
  Candidate candidate{table.cached.get(), nullptr};
  if (const auto& reader = table.cached->reader()) {
    candidate.partition = table.cached->partition(reader->FindPartition(key)).get();
    if (candidate.partition != nullptr) candidate.partition->PrefetchFilter(filter_hash);
  }
  return candidate;
}

Status EngineImpl::FindInTables(Slice key, uint64_t hash, bool wants_bytes, ReadScope& scope,
                                Value* value) {
  if (records_complete_) return Status::NotFound();
  const uint64_t filter_hash = FilterHash(key);
  Entry entry;
  std::shared_ptr<const Block> pin;
  FilterAnswers filters;
  Status status = Status::NotFound();
  for (const Candidate& candidate : FindCandidates(key, filter_hash, tables_->runs)) {
    status = FindInTable(candidate, key, filter_hash, scope, &entry, &pin, &filters);
    if (!status.is_not_found()) break;
  }
  // One that waits will ask them all again.
  if (!status.is_pending()) Count(filters);
  if (status.is_not_found()) {
    // What filters in memory say is not worth a record: that would cost later misses two cache misses, and its
    // place, where asking the filters again costs them about one.
    if (pin || scope.has_parts()) {
      entry.key = key;
      KeepClean(entry, hash, kRecordAbsent);
    }
    return status;
  }
  if (!status.ok()) return status;
  if (entry.kind != EntryKind::kPut) {
    KeepClean(entry, hash, static_cast<uint8_t>(entry.kind));
    return Status::NotFound();
  }
  value->tag = entry.tag;
  value->expire_at_ms = entry.expire_at_ms;
  std::shared_ptr<const void> holder = std::move(pin);
  if (entry.in_value_file && !wants_bytes) {
    value->bytes = {};
    return Status::Ok();
  }
  if (entry.in_value_file) {
    Result<std::shared_ptr<const LoadedValue>> loaded = FetchValue(entry, scope);
    if (!loaded.ok()) return loaded.status();
    entry.value = (*loaded)->slice();
    entry.in_value_file = false;
    holder = std::move(*loaded);
  }
  value->bytes = entry.value;
  if (entry.value.size() >= kSharedValueBytesMin) {
    value->shared = SharedBytes::Alias(entry.value, std::move(holder));
  } else {
    KeepClean(entry, hash, static_cast<uint8_t>(entry.kind));
    scope.Pin(std::move(holder));
  }
  return Status::Ok();
}

Status EngineImpl::FindInTable(const Candidate& candidate, Slice key, uint64_t filter_hash,
                               ReadScope& scope, Entry* entry, std::shared_ptr<const Block>* pin,
                               FilterAnswers* filters) {
  TableCache::Table& table = *candidate.table;
  const Partition* partition = candidate.partition;
  if (partition == nullptr) {
    Status status;
    const auto* reader = OpenTable(table, &scope, &status);
    if (reader == nullptr) return status;
    const auto* fetched = FetchPartition(table, (*reader)->FindPartition(key), &scope, &status);
    if (fetched == nullptr) return status;
    partition = fetched->get();
  }
  const bool has_filter = partition->has_filter();
  filters->checks += has_filter ? 1 : 0;
  if (!partition->MayContain(filter_hash)) {
    ++filters->negatives;
    return Status::NotFound();
  }
  Result<std::shared_ptr<const Block>> block =
      FetchBlock(table.reader(), partition->Find(key), scope);
  if (!block.ok()) return block.status();
  *pin = std::move(*block);
  if ((*pin)->Find(key, entry)) return Status::Ok();
  filters->false_positives += has_filter ? 1 : 0;
  return Status::NotFound();
}

void EngineImpl::Count(const FilterAnswers& filters) {
  stats_.filter_checks += filters.checks;
  stats_.filter_negatives += filters.negatives;
  stats_.filter_false_positives += filters.false_positives;
}

// Without a wait: a filter that is not at hand says maybe, and is at hand the next time.
bool EngineImpl::MayBeInTable(const Candidate& candidate, Slice key, uint64_t filter_hash) {
  if (candidate.partition != nullptr) return candidate.partition->MayContain(filter_hash);
  Status status;
  const auto* reader = OpenTable(*candidate.table, nullptr, &status);
  if (reader == nullptr) return true;
  const auto* partition =
      FetchPartition(*candidate.table, (*reader)->FindPartition(key), nullptr, &status);
  return partition == nullptr || (*partition)->MayContain(filter_hash);
}

// Most keys that are anywhere are in the last run: its filter is asked before all others.
bool EngineImpl::MayBeInTables(Slice key) {
  const uint64_t filter_hash = FilterHash(key);
  std::span<const size_t> runs = tables_->runs;
  if (!runs.empty()) {
    const LiveTables::Table* table = tables_->Find(runs.back(), key);
    runs = runs.first(runs.size() - 1);
    if (table != nullptr && MayBeInTable(AskFilter(*table, key, filter_hash), key, filter_hash)) {
      return true;
    }
  }
  const std::span<const Candidate> candidates = FindCandidates(key, filter_hash, runs);
  return std::any_of(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
    return MayBeInTable(candidate, key, filter_hash);
  });
}

void EngineImpl::KeepClean(const Entry& entry, uint64_t hash, uint8_t kind) {
  Record* record = Record::New(entry, SharedBytes(), kind);
  record_bytes_ += record->charge_bytes();
  records_.Insert(record, hash);
  ScheduleUpkeep();
}

// --- A key by chance ---

Status EngineImpl::RandomKey(Slice prefix, ReadScope& scope, std::string* key) {
  // That a key is there is news as well, and so is that none is.
  scope.DependsOn(last_commit_group_);
  if (scope.random_seed == 0) scope.random_seed = random_.Next() | 1;
  Random random(scope.random_seed);
  uint64_t table_entries = 0;
  for (const auto& level : tables_->levels) {
    for (const LiveTables::Table& table : level) table_entries += table.meta->entries;
  }
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

// A table by its number of entries, then any of its partitions, any block of that, any key of that.
Status EngineImpl::RandomKeyFromTables(Slice prefix, ReadScope& scope, std::string* key) {
  Random random(scope.random_seed);
  std::vector<const LiveTables::Table*> tables;
  uint64_t entries = 0;
  for (const auto& level : tables_->levels) {
    for (const LiveTables::Table& table : level) {
      tables.push_back(&table);
      entries += table.meta->entries;
    }
  }
  constexpr int kTries = 16;
  for (int i = 0; i < kTries && entries > 0; ++i) {
    uint64_t pick = random.Uniform(entries);
    size_t t = 0;
    while (pick >= tables[t]->meta->entries) pick -= tables[t++]->meta->entries;
    TableCache::Table& table = *tables[t]->cached;
    Status status;
    const auto* reader = OpenTable(table, &scope, &status);
    if (reader == nullptr) return status;
    const size_t p = random.Uniform((*reader)->partition_count());
    const auto* partition = FetchPartition(table, p, &scope, &status);
    if (partition == nullptr) return status;
    const size_t b = random.Uniform((*partition)->blocks());
    Result<std::shared_ptr<const Block>> block =
        FetchBlock(*reader, (*partition)->BlockAt(b), scope);
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
