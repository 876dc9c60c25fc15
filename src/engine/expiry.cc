// engine/expiry.cc: what is due, in order of time, without a byte of memory per key at rest.
//
//   generations   a heap of what expires among their records; gone when the generation is in a table
//   tables        a cursor into each one's expiry index (table/expiry_index.h), in memory only: a new
//                 life begins at the front again, and finds most of it deleted
//
// A table tells of a record when its whole stretch of time has passed, and once. Whether the record was
// overwritten or deleted since is known, as a rule, without a read: the record table says so, or the
// filters of all newer tables deny the key. What they cannot say is for the caller to find out.
//
// Threads: loop.
#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/table/expiry_index.h"

namespace varve {

namespace {
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
// Entries of expiry indexes that one call looks at, whether or not they tell of anything.
constexpr size_t kLooksPerCall = 256;
// A key is copied on its way out: so many bytes count for one more.
constexpr size_t kBytesPerLook = 4096;
// Of a cursor, to each of the new tables. What begins a key stands in front of it.
constexpr size_t kBytesPassedOn = 1024;
// What could not be read has another try.
constexpr int64_t kRetryMs = 1000;
bool MayBeReadLater(const Status& error) { return error.code() != StatusCode::kCorruption; }
}  // namespace

void EngineImpl::DueSearch::Tell(Slice key, int64_t at_ms, bool newest) {
  looks_left -= std::min(looks_left, 1 + key.size() / kBytesPerLook);
  due->push_back({std::string(key), at_ms, newest});
}

Result<bool> EngineImpl::TakeDue(int64_t now_ms, size_t max, ReadScope& scope,
                                 std::vector<Due>* due) {
  DueSearch search{.now_ms = now_ms, .max = max, .looks_left = kLooksPerCall, .due = due};
  while (!search.full()) {
    const int64_t first_ms = FirstDueMs();
    if (first_ms > now_ms) return false;
    // A stretch of time of everyone's: when there is more to tell than is taken, no source waits for all of another.
    search.until_ms = std::min(now_ms, first_ms + kExpiryStretchMs);
    TakeDueFrom(*active_, search);
    for (const auto& generation : frozen_) TakeDueFrom(*generation, search);
    const Status status = TakeDueFromTables(search, scope);
    // What was found can be dealt with while the rest is loaded. Where nothing was left to tell of it, what this call
    // waited for is done with all the same.
    if (!status.ok() && due->empty() && search.looks_left == kLooksPerCall) return status;
    if (!status.ok()) break;
  }
  return true;
}

// The earliest time at which any source has something to tell; kNever if none has.
int64_t EngineImpl::FirstDueMs() const {
  int64_t first_ms = due_tables_.empty() ? kNever : due_tables_.front().due_ms;
  const auto look_at = [&first_ms](const Generation& generation) {
    if (!generation.due.empty()) first_ms = std::min(first_ms, generation.due.front().at_ms);
  };
  look_at(*active_);
  for (const auto& generation : frozen_) look_at(*generation);
  return first_ms;
}

// In front of all that expires then or later.
EngineImpl::ExpiryCursor EngineImpl::ExpiryCursorAt(int64_t expire_at_ms) {
  const uint64_t stretch = ExpiryStretchOf(std::max<int64_t>(expire_at_ms, 1));
  return {ExpiryKeyOf(stretch), ExpiryStretchEndMs(stretch)};
}

// New tables begin where the telling of their sources had come to. What expired while they were made would be told
// again otherwise, and as it lies below its tombstone by now, each key would have to be read for nothing.
// To be called before the sources are gone.
void EngineImpl::PassOnExpiry(const VersionEdit& edit) {
  if (edit.added.empty()) return;
  ExpiryCursor told = {.next = {}, .due_ms = kNever};
  const auto at_most = [&told](const std::string& next, int64_t due_ms) {
    if (told.due_ms != kNever && next >= told.next) return;
    told = {.next = next.substr(0, kBytesPassedOn), .due_ms = due_ms};
  };
  if (edit.removed.empty()) {
    const Generation& flushed = *frozen_.front();
    if (!flushed.due.empty()) told = ExpiryCursorAt(flushed.due.front().at_ms);
  }
  for (const VersionEdit::RemovedFile& file : edit.removed) {
    const auto found = expiry_cursors_.find(file.number);
    if (found == expiry_cursors_.end()) continue;  // nothing expires there
    const ExpiryCursor& cursor = found->second;
    if (!cursor.passed_over.empty()) {
      at_most(cursor.passed_over, 0);
    } else if (cursor.due_ms != kNever) {
      at_most(cursor.next, cursor.due_ms);
    }
  }
  for (const FileRef& file : edit.added) {
    if (file->expiring > 0) expiry_cursors_.try_emplace(file->number, told);
  }
}

void EngineImpl::FindDueTables() {
  due_tables_.clear();
  for (const auto& level : tables_->levels) {
    for (const LiveTables::Table& table : level) {
      if (table.meta->expiring == 0) continue;
      const ExpiryCursor first = ExpiryCursorAt(table.meta->first_expiry_ms);
      PushDueTable(&table,
                   expiry_cursors_.try_emplace(table.meta->number, first).first->second.due_ms);
    }
  }
}

void EngineImpl::PushDueTable(const LiveTables::Table* table, int64_t due_ms) {
  if (due_ms == kNever) return;
  due_tables_.push_back({due_ms, table});
  std::push_heap(due_tables_.begin(), due_tables_.end(), std::greater<>());
}

// kPending, or Ok.
Status EngineImpl::TakeDueFromTables(DueSearch& search, ReadScope& scope) {
  while (!search.full() && !due_tables_.empty() && due_tables_.front().due_ms <= search.until_ms) {
    std::pop_heap(due_tables_.begin(), due_tables_.end(), std::greater<>());
    const LiveTables::Table* table = due_tables_.back().table;
    due_tables_.pop_back();
    ExpiryCursor& cursor = expiry_cursors_.find(table->meta->number)->second;
    const Status status = TakeDueFrom(*table->cached, cursor, search, scope);
    PushDueTable(table, cursor.due_ms);
    RETURN_IF_ERROR(status);
  }
  return Status::Ok();
}

void EngineImpl::TakeDueFrom(Generation& generation, DueSearch& search) {
  while (!search.full() && !generation.due.empty() &&
         generation.due.front().at_ms <= search.until_ms) {
    const Generation::DueRecord next = generation.PopDue();
    const Record& record = *next.record;
    // Else it was replaced, or got another time.
    if (record.is_put() && !record.superseded() && record.expire_at_ms() == next.at_ms) {
      search.Tell(record.key(), next.at_ms, true);
    } else {
      --search.looks_left;
    }
  }
}

// kPending, or Ok.
Status EngineImpl::TakeDueFrom(TableCache::Table& table, ExpiryCursor& cursor, DueSearch& search,
                               ReadScope& scope) {
  const size_t first = search.due->size();
  Status status = ReadExpiryIndex(table, cursor, search, scope);
  Judge(table, first, search.due);
  return status;
}

// What is damaged, which has been noted, is passed over until its table is rewritten. What cannot be read for another
// reason is tried again.
Status EngineImpl::ReadExpiryIndex(TableCache::Table& table, ExpiryCursor& cursor,
                                   DueSearch& search, ReadScope& scope) {
  Status status;
  if (OpenTable(table, &scope, &status) == nullptr) {
    if (status.is_pending()) return status;
    cursor.due_ms = MayBeReadLater(status) ? search.now_ms + kRetryMs : kNever;
    if (cursor.due_ms == kNever) cursor.PassOver();
    return Status::Ok();
  }
  const std::shared_ptr<const TableReader>& reader = table.reader();
  const size_t blocks = reader->expiry_block_count();
  std::string last;
  for (size_t i = reader->FindExpiryBlockIndex(cursor.next); i < blocks; ++i) {
    const Result<std::shared_ptr<const Block>> block =
        FetchBlock(reader, reader->ExpiryBlockAt(i), scope);
    if (block.status().is_pending()) return block.status();
    if (!block.ok() && MayBeReadLater(block.status())) {
      cursor.due_ms = search.now_ms + kRetryMs;
      return Status::Ok();
    }
    if (!block.ok()) {
      cursor.PassOver();
      continue;
    }
    BlockIterator it;
    it.Reset(*block);
    for (it.Seek(cursor.next); it.Valid(); it.Next()) {
      Expiring expiring;
      if (!DecodeExpiring(it.entry(), &expiring)) continue;
      const int64_t due_ms = ExpiryStretchEndMs(ExpiryStretchOf(expiring.at_ms));
      if (due_ms > search.until_ms || search.full()) {
        cursor.next.assign(it.entry().key);
        cursor.due_ms = due_ms;
        return Status::Ok();
      }
      search.Tell(expiring.key, expiring.at_ms, false);
      last.assign(it.entry().key);
    }
    // The next block may have to be waited for.
    if (!last.empty()) cursor.next = last + '\0';
  }
  cursor.due_ms = kNever;
  return Status::Ok();
}

// Of what the table told, from the `first` on: takes out what is known to have been replaced, and finds out what is the
// newest.
void EngineImpl::Judge(const TableCache::Table& table, size_t first, std::vector<Due>* due) {
  std::vector<Slice> keys;
  for (size_t i = first; i < due->size(); ++i) keys.emplace_back((*due)[i].key);
  Prefetch(keys);
  const auto replaced = [&](Due& d) {
    const Record* record = records_.Find(d.key, records_.HashOf(d.key));
    if (record != nullptr && (!record->is_put() || record->expire_at_ms() != d.at_ms)) return true;
    d.newest = record != nullptr || IsNewestIn(table, d.key);
    return false;
  };
  due->erase(
      std::remove_if(due->begin() + static_cast<std::ptrdiff_t>(first), due->end(), replaced),
      due->end());
}

// Without a wait. REQUIRES: the table holds the key, the record table does not.
bool EngineImpl::IsNewestIn(const TableCache::Table& table, Slice key) {
  const uint64_t filter_hash = FilterHash(key);
  for (const Candidate& candidate : FindCandidates(key, filter_hash, tables_->runs)) {
    if (candidate.table == &table) return true;
    if (MayBeInTable(candidate, key, filter_hash)) return false;
  }
  return false;
}

}  // namespace varve
