// engine/upkeep.cc: the memory budget, in slices.
//
// Used memory is what the engine accounts for, plus what its user reports. Tables have a budget of their own within
// it: see cache/table_cache.h. The block cache may have what nobody else uses, and always its share. Above the high
// mark it gives back what is beyond the share; then a hand sweeps the record table and evicts clean
// records that nobody looked at since it last came by (CLOCK), until the low mark is reached.
//
// Records of a flushed generation turn clean one by one, a slice of the list per turn of the loop; those that
// were superseded are freed on the way.
//
// Backpressure: debt is how far the flushes, the merges of level 0 or the log are behind. The greater it
// is, the slower writers may write (write_pacer.h), smoothly; readers do not wait.
//
// Threads: loop.
#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/engine_impl.h"

namespace varve {

namespace {

// A slice of upkeep per turn of the loop.
constexpr uint64_t kSliceUs = 500;
// Between two looks at the clock.
constexpr size_t kCleanStep = 512;
constexpr size_t kEvictStepSlots = 1024;
constexpr size_t kPrefetchAhead = 16;
constexpr uint64_t kShrinkStepBytes = 1u << 20;

// Parts of the limit, in percent. The rest is for what the allocator and the workers use.
constexpr uint64_t kHighMarkPercent = 82;
constexpr uint64_t kLowMarkPercent = 80;

// 0 up to `slow`, 1 from `max` on.
double DebtPart(double value, double slow, double max) {
  return value <= slow ? 0 : std::min((value - slow) / (max - slow), 1.0);
}

}  // namespace

uint64_t EngineImpl::memory_used() const {
  return record_bytes_ + records_.slot_bytes() + list_bytes() + block_cache_.memory_bytes() +
         table_cache_.memory_bytes() + log_->pending_bytes() + outside_bytes_;
}

uint64_t EngineImpl::list_bytes() const {
  uint64_t bytes = active_->list_bytes();
  for (const auto& generation : frozen_) bytes += generation->list_bytes();
  for (const auto& generation : flushed_) bytes += generation->list_bytes();
  return bytes;
}

void EngineImpl::SetMemoryLimit(uint64_t memory_limit_bytes) {
  options_.memory_limit_bytes = memory_limit_bytes;
  options_.generation_bytes = 0;
  options_.block_cache_bytes = 0;
  options_.table_cache_bytes = 0;
  options_.log_bytes_per_generation = 0;
  options_.Derive();
  SetCacheCapacities();
  ScheduleUpkeep();
}

void EngineImpl::SetCacheCapacities() {
  block_cache_.SetCapacity(options_.block_cache_bytes);
  block_cache_.SetBuckets(std::max(options_.block_cache_bytes, high_mark()));
  table_cache_.SetCapacity(options_.table_cache_bytes);
}

uint64_t EngineImpl::high_mark() const {
  return options_.memory_limit_bytes / 100 * kHighMarkPercent;
}

uint64_t EngineImpl::low_mark() const {
  return options_.memory_limit_bytes / 100 * kLowMarkPercent;
}

void EngineImpl::KeepBlock(PartId id, const std::shared_ptr<const CachedPart>& block) {
  const uint64_t others = memory_used() - block_cache_.memory_bytes();
  const uint64_t unused = high_mark() > others ? high_mark() - others : 0;
  // Only upwards: the way down is upkeep's, in slices.
  if (unused > block_cache_.capacity_bytes()) block_cache_.SetCapacity(unused);
  block_cache_.Insert(id.file_number, id.offset, block);
  ScheduleUpkeep();
}

void EngineImpl::SetOutsideMemory(uint64_t bytes) {
  outside_bytes_ = bytes;
  ScheduleUpkeep();
}

void EngineImpl::ScheduleUpkeep() {
  if (upkeep_posted_ || closing_) return;
  const bool evict = memory_used() > high_mark();
  const bool idle = flushed_.empty() && table_cache_.Fits();
  if (!evict && idle) return;
  upkeep_posted_ = true;
  env_.Post([this, alive = alive()] {
    if (alive.expired()) return;
    upkeep_posted_ = false;
    RunUpkeep();
  });
}

void EngineImpl::RunUpkeep() {
  const uint64_t until_us = env_.MonotonicUs() + kSliceUs;
  bool more = true;
  while (more && env_.MonotonicUs() < until_us) {
    more = CleanSome();
    more = EvictSome() || more;
    more = !table_cache_.MakeRoom() || more;
  }
  if (more) ScheduleUpkeep();
}

bool EngineImpl::CleanSome() {
  if (flushed_.empty()) return false;
  Generation& generation = *flushed_.front();
  // A worker reads the keys of these records.
  if (sorts_.contains(generation.id)) return false;
  std::vector<Record*>& records = generation.records;
  const size_t end = std::min(records.size(), cleaned_in_front_ + kCleanStep);
  for (; cleaned_in_front_ < end; ++cleaned_in_front_) {
    if (cleaned_in_front_ + kPrefetchAhead < records.size()) {
      __builtin_prefetch(records[cleaned_in_front_ + kPrefetchAhead]);
    }
    Record* record = records[cleaned_in_front_];
    if (record->superseded()) {
      record_bytes_ -= record->charge_bytes();
      Record::Delete(record);
    } else {
      record->set_generation(0);
    }
  }
  if (cleaned_in_front_ == records.size()) {
    generation_ids_.erase(generation.id);
    flushed_.pop_front();
    cleaned_in_front_ = 0;
    ServeFlushWaiters();  // who may have waited for an id
  }
  return !flushed_.empty();
}

bool EngineImpl::EvictSome() {
  const uint64_t used = memory_used();
  if (used <= low_mark()) return false;
  const uint64_t to_free = used - low_mark();
  const uint64_t beyond_share =
      block_cache_.charge_bytes() -
      std::min<uint64_t>(block_cache_.charge_bytes(), options_.block_cache_bytes);
  if (beyond_share > 0) {
    const uint64_t step = std::min({to_free, beyond_share, kShrinkStepBytes});
    block_cache_.SetCapacity(block_cache_.charge_bytes() - step);
    return true;
  }
  if (records_.size() == 0) return false;
  uint64_t freed = 0;
  records_.Sweep(&eviction_hand_, kEvictStepSlots, [&](Record* record) {
    if (freed >= to_free || record->dirty()) return false;
    if (record->referenced()) {
      record->set_referenced(false);
      return false;
    }
    freed += record->charge_bytes();
    Evicted(record);
    return true;
  });
  // With nothing but dirty records there is nothing to evict: flushes will clean some, and call again.
  return freed > 0 || dirty_bytes() < record_bytes_ / 2;
}

void EngineImpl::Evicted(Record* record) {
  record_bytes_ -= record->charge_bytes();
  ++stats_.evicted_records;
  if (record->is_put()) records_complete_ = false;
  Record::Delete(record);
}

uint64_t EngineImpl::dirty_bytes() const {
  uint64_t bytes = active_->memory_bytes;
  for (const auto& generation : frozen_) bytes += generation->memory_bytes;
  for (const auto& generation : flushed_) bytes += generation->memory_bytes;
  return bytes;
}

// Not by steps, or writers would be held until the end of a compaction of many tables, and then let go at once.
double EngineImpl::level0_to_merge() const {
  const auto tables = static_cast<double>(tables_->levels[0].size());
  if (!level0_merge_) return tables;
  const auto merged =
      static_cast<double>(level0_merge_->progress->entries_merged.load(std::memory_order_relaxed));
  const double part = merged / static_cast<double>(std::max<uint64_t>(level0_merge_->entries, 1));
  return tables - part * static_cast<double>(level0_merge_->tables);
}

EngineImpl::WriteDebt EngineImpl::write_debt() const {
  const double generations =
      static_cast<double>(frozen_.size() + flushed_.size()) +
      static_cast<double>(active_->memory_bytes) / static_cast<double>(options_.generation_bytes);
  const WriteDebt debts[] = {
      {DebtPart(generations, options_.frozen_generations_slow + 1,
                options_.frozen_generations_max + 1),
       "flush"},
      {DebtPart(level0_to_merge(), options_.level0_tables_slow, options_.level0_tables_max),
       "level0"},
      {DebtPart(static_cast<double>(log_->pending_bytes()),
                static_cast<double>(options_.log_pending_bytes_max) / 4,
                static_cast<double>(options_.log_pending_bytes_max)),
       "log"}};
  const WriteDebt& greatest =
      *std::max_element(std::begin(debts), std::end(debts),
                        [](const auto& a, const auto& b) { return a.part < b.part; });
  return greatest.part > 0 ? greatest : WriteDebt{};
}

void EngineImpl::PaceWriters() {
  const uint64_t bytes = std::exchange(turn_bytes_, 0);
  if (bytes > 0) write_pacer_.Wrote(bytes, write_debt().part, env_.MonotonicUs());
}

// What is owed from before is forgotten with the debt: there is nobody left to pay.
uint64_t EngineImpl::WriterDelayUs() const {
  return write_debt().part > 0 ? write_pacer_.DelayUs(env_.MonotonicUs()) : 0;
}

EngineStats EngineImpl::stats() const {
  EngineStats stats = stats_;
  log_->AddStats(&stats);
  stats.flush_running = flush_running_;
  stats.compactions_running =
      (compaction_running_ ? 1u : 0u) + (large_compaction_running_ ? 1u : 0u);
  stats.unreadable_files = unreadable_files_.size();
  const WriteDebt debt = write_debt();
  stats.write_debt = debt.part;
  stats.write_debt_of = debt.of;
  stats.level0_to_merge = level0_to_merge();
  stats.write_rate_max = write_pacer_.Rate(debt.part);
  stats.writer_delay_us = WriterDelayUs();
  if (const Status s = writable(); !s.ok()) stats.write_refusal = s.ToString();
  for (int level = 0; level < kLevels; ++level) {
    EngineStats::Level& to = stats.levels[static_cast<size_t>(level)];
    to.tables = state_.version->level(level).size();
    to.bytes = state_.version->level_bytes(level);
    stats.tables += to.tables;
    stats.table_bytes += to.bytes;
  }
  stats.value_files = state_.version->value_files().size();
  stats.value_bytes = state_.version->value_bytes();
  stats.live_value_bytes = state_.version->live_value_bytes();
  stats.disk_reserve_bytes = reserve_->bytes();
  stats.disk_full = !reserve_->status().ok();
  stats.io_uring = env_.has_io_uring();
  stats.scrub = scrubber_->stats();
  stats.records = records_.size();
  stats.dirty_records = active_->records.size();
  for (const auto& generation : frozen_) stats.dirty_records += generation->records.size();
  stats.frozen_generations = frozen_.size();
  stats.memory_limit = options_.memory_limit_bytes;
  stats.record_bytes = record_bytes_;
  stats.dirty_bytes = dirty_bytes();
  stats.slot_bytes = records_.slot_bytes();
  stats.list_bytes = list_bytes();
  stats.block_cache_bytes = block_cache_.memory_bytes();
  stats.index_and_filter_bytes = table_cache_.memory_bytes();
  stats.job_bytes = env_.job_memory_bytes();
  stats.open_tables = table_cache_.open_tables();
  stats.checkpoint_running = checkpoint_ != nullptr;
  AddPinStats(&stats);
  AddRangeStats(&stats);
  return stats;
}

}  // namespace varve
