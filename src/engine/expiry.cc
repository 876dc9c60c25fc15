// engine/expiry.cc: what is due, in order of time, without a byte of memory per key at rest.
//
//   generations   a heap of what expires among their records; gone when the generation is in a table
//   tables        a cursor into each one's expiry index (table/expiry_index.h), in memory only: a new
//                 life begins at the front again, and finds most of it deleted
//
// A table tells of a record when its whole stretch of time has passed, and once. All stretches that have passed
// are told together, block by block: the further behind this is, the more each block that has to be read
// tells, so that the cost has a bound and the delay settles where it meets it. That the record was
// overwritten or deleted since is for the caller to find out, who has to read the key anyway.
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
// Data blocks that one call looks into, at 10 to 20 microseconds each, and places of an index that are gathered
// at once, give or take a stretch.
constexpr int kBlocksPerCall = 8;
constexpr size_t kPlacesMax = 4096;
}  // namespace

Result<bool> EngineImpl::TakeDue(int64_t now_ms, size_t max, ReadScope& scope,
                                 std::vector<Due>* due) {
  DueSearch search{.now_ms = now_ms, .max = max, .blocks_left = kBlocksPerCall, .due = due};
  TakeDueFrom(*active_, search);
  for (const auto& generation : frozen_) TakeDueFrom(*generation, search);
  if (search.full()) return true;
  if (now_ms < tables_due_ms_) return false;

  int64_t next_ms = kNever;
  for (const auto& level : tables_->levels) {
    for (const LiveTables::Table& table : level) {
      if (table.meta->expiring == 0) continue;
      ExpiryCursor& cursor =
          expiry_cursors_
              .try_emplace(table.meta->number, FirstExpiryCursor(table.meta->first_expiry_ms))
              .first->second;
      if (cursor.due_ms <= now_ms && !search.full()) {
        const Status status = TakeDueFrom(*table.cached, &cursor, search, scope);
        // What was found can be dealt with while the rest is loaded.
        if (!status.ok()) return due->empty() ? Result<bool>(status) : Result<bool>(true);
      }
      next_ms = std::min(next_ms, cursor.due_ms);
    }
  }
  tables_due_ms_ = next_ms;
  return next_ms <= now_ms;
}

EngineImpl::ExpiryCursor EngineImpl::FirstExpiryCursor(int64_t first_expiry_ms) {
  const uint64_t stretch = ExpiryStretchOf(std::max<int64_t>(first_expiry_ms, 1));
  ExpiryCursor cursor;
  cursor.stretch = stretch;
  cursor.due_ms = ExpiryStretchEndMs(stretch);
  return cursor;
}

void EngineImpl::TakeDueFrom(Generation& generation, DueSearch& search) {
  while (!search.full() && !generation.due.empty() &&
         generation.due.front().at_ms <= search.now_ms) {
    const Generation::DueRecord next = generation.PopDue();
    const Record& record = *next.record;
    // Else it was replaced, or got another time.
    if (record.is_put() && !record.superseded() && record.expire_at_ms() == next.at_ms) {
      search.due->push_back({std::string(record.key()), next.at_ms});
    }
  }
}

// kPending, or Ok. An error, which has been noted, keeps the rest of the table from us: it goes when it is read.
Status EngineImpl::TakeDueFrom(TableCache::Table& table, ExpiryCursor* cursor, DueSearch& search,
                               ReadScope& scope) {
  Status status;
  if (OpenTable(table, &scope, &status) == nullptr) {
    if (status.is_pending()) return status;
    cursor->due_ms = kNever;
    return Status::Ok();
  }
  if (cursor->blocks.empty()) RETURN_IF_ERROR(GatherDue(table, cursor, search.now_ms, scope));
  while (!cursor->blocks.empty() && !search.full()) {
    RETURN_IF_ERROR(TakeDueAt(table, *cursor, search, scope));
    cursor->blocks.pop_back();  // told
  }
  if (!cursor->blocks.empty()) return Status::Ok();
  cursor->stretch = cursor->end;
  cursor->due_ms = cursor->next_due_ms;
  return Status::Ok();
}

// The blocks in which anything has expired in a stretch that has passed and was not told yet.
Status EngineImpl::GatherDue(TableCache::Table& table, ExpiryCursor* cursor, int64_t now_ms,
                             ReadScope& scope) {
  const TableReader& reader = *table.reader();
  const std::string from = EncodeExpiryKey({cursor->stretch, 0});
  std::vector<uint32_t> blocks;
  uint64_t end = cursor->stretch;
  int64_t next_due_ms = kNever;
  for (size_t i = reader.FindExpiryBlockIndex(from);
       i < reader.expiry_block_count() && next_due_ms == kNever; ++i) {
    const Result<std::shared_ptr<const Block>> block =
        FetchBlock(table.reader(), reader.ExpiryBlockAt(i), scope);
    if (block.status().is_pending()) return block.status();
    if (!block.ok()) break;
    BlockIterator it;
    it.Reset(*block);
    for (it.Seek(from); it.Valid(); it.Next()) {
      ExpiryPlace place;
      if (!DecodeExpiryKey(it.entry().key, &place)) continue;
      const int64_t due_ms = ExpiryStretchEndMs(place.stretch);
      if (due_ms > now_ms || (blocks.size() >= kPlacesMax && place.stretch >= end)) {
        next_due_ms = due_ms;
        break;
      }
      end = place.stretch + 1;
      blocks.push_back(place.block);
    }
  }
  std::sort(blocks.begin(), blocks.end(), std::greater<>());
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  cursor->blocks = std::move(blocks);
  cursor->end = end;
  cursor->next_due_ms = next_due_ms;
  return Status::Ok();
}

// kPending, or Ok: a block that cannot be read is passed over.
Status EngineImpl::TakeDueAt(TableCache::Table& table, const ExpiryCursor& cursor,
                             DueSearch& search, ReadScope& scope) {
  const std::shared_ptr<const TableReader>& reader = table.reader();
  const uint32_t number = cursor.blocks.back();
  const size_t p = number / kPartitionBlocks;
  if (p >= reader->partition_count()) return Status::Ok();
  Status status;
  const auto* partition = FetchPartition(table, p, &scope, &status);
  if (partition == nullptr) return status.is_pending() ? status : Status::Ok();
  const size_t b = number % kPartitionBlocks;
  if (b >= (*partition)->blocks()) return Status::Ok();
  const Result<std::shared_ptr<const Block>> block =
      FetchBlock(reader, (*partition)->BlockAt(b), scope);
  if (!block.ok()) return block.status().is_pending() ? block.status() : Status::Ok();
  --search.blocks_left;
  BlockIterator it;
  it.Reset(*block);
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    const Entry& entry = it.entry();
    if (entry.kind != EntryKind::kPut || entry.expire_at_ms <= 0) continue;
    const uint64_t stretch = ExpiryStretchOf(entry.expire_at_ms);
    if (stretch < cursor.stretch || stretch >= cursor.end) continue;
    // What the record table knows better need not be asked for again.
    const Record* record = records_.Find(entry.key, records_.HashOf(entry.key));
    if (record != nullptr && (!record->is_put() || record->expire_at_ms() != entry.expire_at_ms)) {
      continue;
    }
    search.due->push_back({std::string(entry.key), entry.expire_at_ms});
  }
  return Status::Ok();
}

}  // namespace varve
