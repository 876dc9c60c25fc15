// engine/commit.cc: a batch's way in.
//
//   1. apply   each entry goes into the record table and the active generation; later reads see it. What the entry
//              does to the number of keys is found out here, once, and written into the entry
//   2. append  the batch joins the current group of the log
//   3. report  when the log has the group, see log_writer.h
//
// The order of 1 and 2 does not matter to anyone: both happen within one call, and a crash
// in between leaves neither.
//
// Counting. A put that finds its key in the record table knows whether it makes a key. One that
// does not asks the filters of the tables: none has it - a new key; one may have it - counted as an overwrite, and
// settled when the two meet in a compaction (compaction_job.h).
//
// A full disk. Commits that need room are refused while disk_reserve.h says so; what was committed before
// waits in the log writer until there is room, and its reply with it.
//
// Failure of the log. Commits are refused from then on, but for what needs no room if the disk is full. The record
// table still has everything, so all of it is frozen and flushed, and when it is in tables the log starts
// afresh. What waited for the log is then durable, and reported.
//
// Threads: loop.
#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "engine/engine_impl.h"

namespace varve {

namespace {
constexpr uint8_t kGenerationIdMax = 15;
// FLUSHDB in a loop shall not make a table each time.
constexpr uint64_t kFreezeDeadDelayMs = 1000;
constexpr uint64_t kRescueRetryDelayMs = 1000;

}  // namespace

Status EngineImpl::writable() const {
  if (closing_) return {StatusCode::kAborted, "shutting down"};
  if (!log_failed_) return reserve_->status();
  const StatusCode code = log_->failure().code() == StatusCode::kNoSpace ? StatusCode::kNoSpace
                                                                         : StatusCode::kUnavailable;
  return {code, std::string(log_->failure().message())};
}

void EngineImpl::NoteLogState() {
  const Status status = writable();
  const char* state = "ok";
  if (!status.ok()) state = status.code() == StatusCode::kNoSpace ? "full" : "failed";
  if (Slice(state) == stats_.log_state && stats_.log_state_since_ms != 0) return;
  stats_.log_state = state;
  stats_.log_state_since_ms = env_.WallMs();
}

uint64_t EngineImpl::Commit(Batch& batch) {
  CHECK(Accepts(batch).ok());
  const uint64_t group = log_->current_group();
  std::string& bytes = batch.mutable_bytes();
  BatchReader reader(bytes, batch.splices());
  while (reader.Next()) {
    const Entry& entry = reader.entry();
    const int delta = Apply(entry, reader.shared(), group, nullptr);
    // In the log the bit tells a replay what the entry did to the count: a put that made a key, a
    // tombstone that found nothing to delete.
    if (delta == (entry.kind == EntryKind::kPut ? 1 : 0) &&
        entry.kind != EntryKind::kPrefixTombstone) {
      bytes[reader.flags_offset()] =
          static_cast<char>(static_cast<uint8_t>(bytes[reader.flags_offset()]) | kEntryCreates);
    }
    ++stats_.entries_written;
    stats_.user_bytes_written += entry.key.size() + entry.value.size();
  }
  CHECK(reader.ok());
  ++stats_.commits;
  active_->last_group = group;
  active_->log_bytes += batch.size_bytes();
  turn_bytes_ += batch.size_bytes();
  last_commit_group_ = log_->Append(batch);
  return last_commit_group_;
}

int EngineImpl::Apply(const Entry& entry, const SharedBytes& shared, uint64_t group,
                      const int* known_delta) {
  if (entry.kind == EntryKind::kPrefixTombstone) {
    KillPrefix(entry.key, group);
    return 0;
  }
  const bool put = entry.kind == EntryKind::kPut;
  const uint64_t hash = records_.HashOf(entry.key);
  Record* old = records_.Find(entry.key, hash);
  int delta;
  if (known_delta != nullptr) {
    delta = *known_delta;
  } else if (old != nullptr) {
    delta = static_cast<int>(put) - static_cast<int>(old->is_put());
  } else if (!put) {
    delta = -1;  // whoever deletes has read the key
  } else if (records_complete_ || !MayBeInTables(entry.key)) {
    delta = 1;
  } else {
    delta = 0;
    ++stats_.unsettled_keys;
  }
  // Within a generation the new entry takes over what the old one knew of the tables below; else
  // what lies below is the old one itself, or what the tables said.
  const bool nothing_below = delta == (put ? 1 : 0);
  const bool creates =
      old != nullptr && old->generation() == active_->id ? old->creates() : nothing_below;
  InsertDirty(entry, shared, creates, old, hash, group);
  if (delta != 0) AddCount(entry.key, delta);
  return delta;
}

void EngineImpl::InsertDirty(const Entry& entry_in, const SharedBytes& shared, bool creates,
                             Record* old, uint64_t hash, uint64_t group) {
  Entry entry = entry_in;
  entry.creates = creates;
  const auto kind = static_cast<uint8_t>(entry.kind);
  const bool mine = old != nullptr && old->generation() == active_->id;
  if (old != nullptr && (mine || !old->dirty())) {
    const size_t charge_before = old->charge_bytes();
    if (old->Assign(entry, shared, kind)) {
      old->set_group_low(static_cast<uint16_t>(group));
      if (!mine) {
        old->set_generation(active_->id);
        active_->records.push_back(old);
        active_->memory_bytes += charge_before;
      }
      if (entry.expire_at_ms != 0) active_->PushDue(old, entry.expire_at_ms);
      return;
    }
  }
  Record* record = Record::New(entry, shared, kind);
  const size_t charge = record->charge_bytes();
  record->set_generation(active_->id);
  record->set_group_low(static_cast<uint16_t>(group));
  active_->records.push_back(record);
  active_->memory_bytes += charge;
  record_bytes_ += charge;
  if (entry.expire_at_ms != 0) active_->PushDue(record, entry.expire_at_ms);
  if (old == nullptr) {
    records_.Insert(record, hash);
    return;
  }
  records_.Replace(old, record, hash);
  if (old->dirty()) {
    old->set_superseded();
    if (mine) old->MakeObsolete();
  } else {
    record_bytes_ -= old->charge_bytes();
    Record::Delete(old);
  }
}

// --- Counting ---

void EngineImpl::AddCount(Slice key, int delta) {
  const Slice prefix = key.substr(0, options_.counted_prefix_size(key));
  if (prefix.empty()) return;
  if (counted_total_ == nullptr || prefix != counted_prefix_) {
    counted_prefix_ = prefix;
    counted_total_ = &counts_[counted_prefix_];
    counted_delta_ = &active_->count_deltas[counted_prefix_];
  }
  *counted_total_ += delta;
  *counted_delta_ += delta;
}

int64_t EngineImpl::CountKeys(Slice counted_prefix) const {
  const auto it = counts_.find(counted_prefix);
  // Unsettled deletes may take it below zero for a while.
  return it == counts_.end() ? 0 : std::max<int64_t>(it->second, 0);
}

bool EngineImpl::IsDead(Slice prefix) const {
  if (state_.dead_prefixes.Covers(prefix)) return true;
  const auto dies_in = [prefix](const Generation& generation) {
    return std::any_of(generation.dead_prefixes.begin(), generation.dead_prefixes.end(),
                       [prefix](const auto& dead) { return prefix.starts_with(dead.first); });
  };
  return dies_in(*active_) ||
         std::any_of(frozen_.begin(), frozen_.end(), [&](const auto& g) { return dies_in(*g); });
}

void EngineImpl::KillPrefix(Slice prefix, uint64_t group) {
  counted_total_ = nullptr;
  if (const auto it = counts_.find(prefix); it != counts_.end()) counts_.erase(it);
  active_->dead_prefixes.emplace_back(prefix, group);
  // The space comes back when the generation that knows of the death is in tables.
  if (freeze_dead_armed_) return;
  freeze_dead_armed_ = true;
  env_.RunAfter(kFreezeDeadDelayMs, [this, alive = alive()] {
    if (alive.expired()) return;
    freeze_dead_armed_ = false;
    if (active_->dead_prefixes.empty() || closing_ || log_failed_) return;
    // The room that it frees may be what older generations wait for: see MaybeFlush.
    if (!reserve_->status().ok()) log_->Sync([](const Status&) {});
    Freeze();
  });
}

// --- Generations ---

std::unique_ptr<Generation> EngineImpl::NewGeneration(uint64_t first_segment) {
  uint8_t id = 1;
  while (generation_ids_.contains(id)) ++id;
  CHECK(id <= kGenerationIdMax);
  generation_ids_.insert(id);
  return std::make_unique<Generation>(id, first_segment);
}

bool EngineImpl::GenerationIsFull() const {
  return active_->memory_bytes >= options_.generation_bytes ||
         active_->log_bytes >= options_.log_bytes_per_generation;
}

void EngineImpl::EndTurn() {
  if (GenerationIsFull() && !log_failed_) Freeze();
  PaceWriters();  // a value larger than a generation is one generation, not many
  if (stats_.user_bytes_written != quiet_mark_bytes_) WatchForQuiet();
  if (!pins_.empty()) CollectPins();
  log_->EndTurn();
}

void EngineImpl::Freeze() {
  // All ids in use: the active generation grows beyond its size, while writers are being held back.
  // One id is kept for the day the log fails.
  if (active_->empty() || generation_ids_.size() >= kGenerationIdMax - 1) return;
  const uint64_t segment = log_->StartSegment();
  counted_total_ = nullptr;
  frozen_.push_back(std::move(active_));
  active_ = NewGeneration(segment);
  MaybeFlush();
}

// --- When the log fails ---

void EngineImpl::LogFailed(const Status& status) {
  log_failed_ = true;
  NoteError("log", status);
  NoteLogState();
  // With nothing to be moved the next attempt comes at once, and a broken disk would be asked for ever.
  if (active_->empty() && frozen_.empty()) return RescueLater();
  Rescue();
}

void EngineImpl::Rescue() {
  if (!log_failed_ || closing_) return;
  if (!active_->empty()) {
    // Cleaning a generation gives its id back.
    if (generation_ids_.size() >= kGenerationIdMax) return RescueLater();
    // No new segment yet: the log may not be written to before all this is in tables.
    counted_total_ = nullptr;
    active_->last_group = log_->EndUnlogged();
    frozen_.push_back(std::move(active_));
    active_ = NewGeneration(0);
  }
  if (frozen_.empty()) return ResumeLog();
  MaybeFlush();
}

void EngineImpl::RescueLater() {
  env_.RunAfter(kRescueRetryDelayMs, [this, alive = alive()] {
    if (!alive.expired()) Rescue();
  });
}

void EngineImpl::ResumeLog() {
  log_failed_ = false;
  log_->Resume();
  NoteLogState();
  // The active generation is empty: it begins with the new segment.
  generation_ids_.erase(active_->id);
  active_ = NewGeneration(log_->StartSegment());
  Log(LogLevel::kNotice, "engine: all data is in tables; writes are taken again");
  log_->Report();
}

}  // namespace varve
