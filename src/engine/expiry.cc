// engine/expiry.cc: what is due, in order of time, without a byte of memory per key at rest.
//
//   generations   a heap of what expires among their records; gone when the generation is in a table
//   tables        a cursor into each one's expiry index (table/expiry_index.h), in memory only: a new
//                 life begins at the front again, and finds most of it deleted
//
// A table tells of a record when its whole stretch of time has passed, and once. That the record
// was overwritten or deleted since is for the caller to find out, who has to read the key anyway.
//
// Threads: loop.
#include <algorithm>
#include <limits>

#include "engine/engine_impl.h"
#include "engine/table/expiry_index.h"

namespace varve {

namespace {
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
}  // namespace

Status EngineImpl::TakeDue(int64_t now_ms, size_t max, ReadScope& scope, std::vector<Due>* due) {
  TakeDueFrom(*active_, now_ms, max, due);
  for (const auto& generation : frozen_) TakeDueFrom(*generation, now_ms, max, due);
  if (now_ms < tables_due_ms_) return Status::Ok();

  int64_t next_ms = kNever;
  for (const auto& level : tables_->levels) {
    for (const LiveTables::Table& table : level) {
      if (table.meta->expiring == 0) continue;
      ExpiryCursor& cursor =
          expiry_cursors_
              .try_emplace(table.meta->number, FirstExpiryCursor(table.meta->first_expiry_ms))
              .first->second;
      if (cursor.due_ms <= now_ms && due->size() < max) {
        const Status status = TakeDueFrom(*table.cached, &cursor, now_ms, max, scope, due);
        // What was found can be dealt with while the rest is loaded.
        if (!status.ok()) return due->empty() ? status : Status::Ok();
      }
      next_ms = std::min(next_ms, cursor.due_ms);
    }
  }
  tables_due_ms_ = next_ms;
  return Status::Ok();
}

EngineImpl::ExpiryCursor EngineImpl::FirstExpiryCursor(int64_t first_expiry_ms) {
  const uint64_t stretch = ExpiryStretchOf(std::max<int64_t>(first_expiry_ms, 1));
  return {.stretch = stretch, .block = 0, .due_ms = ExpiryStretchEndMs(stretch)};
}

void EngineImpl::TakeDueFrom(Generation& generation, int64_t now_ms, size_t max,
                             std::vector<Due>* due) {
  while (due->size() < max && !generation.due.empty() && generation.due.front().at_ms <= now_ms) {
    const Generation::DueRecord next = generation.PopDue();
    const Record& record = *next.record;
    // Else it was replaced, or got another time.
    if (record.is_put() && !record.superseded() && record.expire_at_ms() == next.at_ms) {
      due->push_back({std::string(record.key()), next.at_ms});
    }
  }
}

Status EngineImpl::TakeDueFrom(TableCache::Table& table, ExpiryCursor* cursor, int64_t now_ms,
                               size_t max, ReadScope& scope, std::vector<Due>* due) {
  Status status;
  const auto* open = OpenTable(table, &scope, &status);
  if (open == nullptr) {
    if (status.is_pending()) return status;
    cursor->due_ms = kNever;
    return Status::Ok();
  }
  const TableReader& reader = **open;
  const std::string from = EncodeExpiryKey({cursor->stretch, cursor->block});
  for (size_t i = reader.FindExpiryBlockIndex(from); i < reader.expiry_block_count(); ++i) {
    const Result<std::shared_ptr<const Block>> block =
        FetchBlock(*open, reader.ExpiryBlockAt(i), scope);
    if (block.status().is_pending()) return block.status();
    if (!block.ok()) break;
    BlockIterator it;
    it.Reset(*block);
    for (it.Seek(from); it.Valid(); it.Next()) {
      ExpiryPlace place;
      if (!DecodeExpiryKey(it.entry().key, &place)) continue;
      cursor->stretch = place.stretch;
      cursor->block = place.block;
      cursor->due_ms = ExpiryStretchEndMs(place.stretch);
      if (cursor->due_ms > now_ms || due->size() >= max) return Status::Ok();
      RETURN_IF_ERROR(TakeDueAt(table, place, scope, due));
      ++cursor->block;  // told, whatever becomes of the next block
    }
  }
  // Nothing is left, or an error, already noted, keeps the rest from us: it goes when it is read.
  cursor->due_ms = kNever;
  return Status::Ok();
}

// kPending, or Ok: a block that cannot be read is passed over.
Status EngineImpl::TakeDueAt(TableCache::Table& table, const ExpiryPlace& place, ReadScope& scope,
                             std::vector<Due>* due) {
  const std::shared_ptr<const TableReader>& reader = table.reader();
  const size_t p = place.block / kPartitionBlocks;
  if (p >= reader->partition_count()) return Status::Ok();
  Status status;
  const auto* partition = FetchPartition(table, p, &scope, &status);
  if (partition == nullptr) return status.is_pending() ? status : Status::Ok();
  const size_t b = place.block % kPartitionBlocks;
  if (b >= (*partition)->blocks()) return Status::Ok();
  const Result<std::shared_ptr<const Block>> block =
      FetchBlock(reader, (*partition)->BlockAt(b), scope);
  if (!block.ok()) return block.status().is_pending() ? block.status() : Status::Ok();
  BlockIterator it;
  it.Reset(*block);
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    const Entry& entry = it.entry();
    if (entry.kind != EntryKind::kPut || entry.expire_at_ms <= 0) continue;
    if (ExpiryStretchOf(entry.expire_at_ms) != place.stretch) continue;
    // What the record table knows better need not be asked for again.
    const Record* record = records_.Find(entry.key, records_.HashOf(entry.key));
    if (record != nullptr && (!record->is_put() || record->expire_at_ms() != entry.expire_at_ms)) {
      continue;
    }
    due->push_back({std::string(entry.key), entry.expire_at_ms});
  }
  return Status::Ok();
}

}  // namespace varve
