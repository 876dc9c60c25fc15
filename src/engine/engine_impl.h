// engine/engine_impl.h: the engine's state, and the map of its functions.
//
//   recovery.cc     Open: manifest, tables, log. Close
//   commit.cc       a batch's way in: record table, counts, log; freezing generations
//   lookup.cc       a key's way out: record table, filters, blocks
//   fetch.cc        parts of tables, from wherever they are; waiting
//   scan.cc         many keys in order, either way
//   expiry.cc       what is due, in order of time
//   flush.cc        frozen generations to tables; version edits; compactions
//   snapshot.cc     the database as it was, pinned
//   range_compaction.cc  what someone asked to have compacted
//   checkpoint.cc   a copy of the database in another directory
//   defragment.cc   records moved together, so that pages come free
//   upkeep.cc       memory: turning records clean, eviction; backpressure; figures
//
// Everything here belongs to the loop. Jobs get copies of, or shared references to, what never changes: frozen
// generations, tables, options.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "engine/cache/block_cache.h"
#include "engine/cache/page_cache_odds.h"
#include "engine/cache/table_cache.h"
#include "engine/compaction/compaction_job.h"
#include "engine/compaction/policy.h"
#include "engine/disk_reserve.h"
#include "engine/engine.h"
#include "engine/log/log_writer.h"
#include "engine/records/generation.h"
#include "engine/records/record_table.h"
#include "engine/scrubber.h"
#include "engine/table/expiry_index.h"
#include "engine/table/table_reader.h"
#include "engine/version/manifest.h"
#include "engine/version/pins.h"
#include "engine/write_pacer.h"

namespace varve {

// The tables of a version, in the order in which lookups meet them. Immutable, but for what is in memory of them.
struct LiveTables {
  struct Table {
    FileRef meta;
    TableCache::TableRef cached;
  };
  std::array<std::vector<Table>, kLevels> levels;
  std::vector<size_t> runs;  // levels from 1 on that are not empty: most are

  // The one table of `level` >= 1 that may hold `key`, or null.
  const Table* Find(size_t level, Slice key) const;
};

// Blocks [begin, end) of a partition, one of which is asked for. If it has to be waited for, a reader brings them all.
struct ReadAhead {
  std::shared_ptr<const Partition> partition;
  size_t asked = 0;
  size_t begin = 0;
  size_t end = 1;
};

class EngineImpl final : public Engine {
 public:
  EngineImpl(const Options& options, Env& env);
  ~EngineImpl() override;

  // recovery.cc
  Status Recover();
  Status Close() override;

  // lookup.cc
  Status Get(Slice key, ReadScope& scope, Value* value) override;
  Status Peek(Slice key, ReadScope& scope, Value* value) override;
  void Prefetch(std::span<const Slice> keys) override;
  Status RandomKey(Slice prefix, ReadScope& scope, std::string* key) override;
  // Null, or what the table in front says about the key.
  const Record* FindRecord(Slice key, ReadScope& scope) const;

  // fetch.cc. kPending, of all that return a Result: it is on its way. REQUIRES: a partition's table is open.
  using Part = std::shared_ptr<const void>;  // a reader, Partition, Block or LoadedValue
  // REQUIRES: it is live.
  TableCache::Table* FindTable(uint64_t number) { return table_cache_.Find(number); }
  Result<std::shared_ptr<const TableReader>> OpenTable(TableCache::Table& table, ReadScope& scope);
  Result<std::shared_ptr<const Partition>> FetchPartition(TableCache::Table& table, size_t i,
                                                          ReadScope& scope);
  Result<std::shared_ptr<const Block>> FetchBlock(const std::shared_ptr<const TableReader>& table,
                                                  BlockHandle handle, ReadScope& scope,
                                                  const ReadAhead& ahead = {});
  // What lies in a value file. REQUIRES: a table of the version holds the entry.
  Result<std::shared_ptr<const LoadedValue>> FetchValue(const Entry& entry, ReadScope& scope);

  // scan.cc
  std::unique_ptr<EntryIterator> Scan(Slice lower, Slice upper, ReadScope& scope) override;
  std::unique_ptr<EntryIterator> ScanBackward(Slice lower, Slice upper, ReadScope& scope) override;

  // expiry.cc
  Result<bool> TakeDue(int64_t now_ms, size_t max, ReadScope& scope,
                       std::vector<Due>* due) override;

  // commit.cc
  Status writable() const override;
  uint64_t Commit(Batch& batch) override;
  void EndTurn() override;
  uint64_t reported_group() const override { return log_->reported_group(); }
  uint64_t current_group() const override { return log_->current_group(); }
  uint64_t last_commit_group() const override { return last_commit_group_; }
  void OnReported(std::function<void()> callback) override { on_reported_ = std::move(callback); }
  void OnLogWork(std::function<void(LogWork work, uint64_t took_us)> callback) override {
    on_log_work_ = std::move(callback);
  }
  void Sync(std::function<void(Status)> done) override { log_->Sync(std::move(done)); }
  int64_t CountKeys(Slice counted_prefix) const override;

  // flush.cc
  void SetCompactionPolicy(PolicyKind kind) override;
  void SetScrubRate(uint64_t bytes_per_second) override { scrubber_->SetRate(bytes_per_second); }
  void Flush(std::function<void(Status)> done) override;

  // range_compaction.cc
  void Compact(Slice lower, Slice upper, std::function<void(Status)> done) override;

  // snapshot.cc
  void TakeSnapshot(std::function<void(Result<std::shared_ptr<const Snapshot>>)> done) override;

  // checkpoint.cc
  void Checkpoint(const std::string& directory,
                  std::function<void(Result<CheckpointInfo>)> done) override;

  // defragment.cc
  void SetHeapSlack(uint64_t bytes) override;

  // upkeep.cc
  uint64_t WriterDelayUs() const override;
  void SetDurability(Durability durability) override { log_->SetDurability(durability); }
  void SetMemoryLimit(uint64_t memory_limit_bytes) override;
  void SetOutsideMemory(uint64_t bytes) override;
  EngineStats stats() const override;

 private:
  // --- recovery.cc ---
  Status OpenOrCreateManifest();
  Status FindTablesOfVersion();
  Status RemoveStrangers();
  Status ReplayLogs();
  Status MakeDurable(uint64_t segment, uint64_t size_bytes);
  Status StartManifest();
  void StartLog(uint64_t last_group, std::vector<uint64_t> old_segments);

  // --- commit.cc ---
  // Applies one entry to the record table and returns how the number of keys changed.
  int Apply(const Entry& entry, const SharedBytes& shared, uint64_t group, const int* known_delta);
  Status ApplyReplayed(uint64_t group, Slice payload);
  void InsertDirty(const Entry& entry, const SharedBytes& shared, bool creates, Record* old,
                   uint64_t hash, uint64_t group);
  void AddCount(Slice key, int delta);
  void KillPrefix(Slice prefix, uint64_t group);
  // Whether all keys under `prefix` are dead, be it durable or not.
  bool IsDead(Slice prefix) const;
  std::unique_ptr<Generation> NewGeneration(uint64_t first_segment);
  bool GenerationIsFull() const;
  void Freeze();
  void LogFailed(const Status& status);
  // Moves what the failed log was to hold into tables; when all is there, has the log resume.
  void Rescue();
  void RescueLater();
  void ResumeLog();

  // --- lookup.cc ---
  // Get, and Peek if the bytes are not wanted.
  Status Find(Slice key, bool wants_bytes, ReadScope& scope, Value* value);
  Status FindInTables(Slice key, uint64_t hash, bool wants_bytes, ReadScope& scope, Value* value);
  // A table that may hold a key, and the partition that knows more, if that is in memory.
  struct Candidate {
    TableCache::Table* table;
    const Partition* partition;
  };
  // Valid until the next call.
  std::span<const Candidate> FindCandidates(Slice key, uint64_t filter_hash,
                                            std::span<const size_t> runs);
  // Begins to load what its filter will be looked at for.
  static Candidate AskFilter(const LiveTables::Table& table, Slice key, uint64_t filter_hash);
  // What filters said in one lookup.
  struct FilterAnswers {
    uint64_t checks = 0;
    uint64_t negatives = 0;
    uint64_t false_positives = 0;
  };
  // kOk: found an entry, put or tombstone. `pin` keeps it.
  Status FindInTable(const Candidate& candidate, Slice key, uint64_t filter_hash, ReadScope& scope,
                     Entry* entry, std::shared_ptr<const Block>* pin, FilterAnswers* filters);
  void Count(const FilterAnswers& filters);
  bool MayBeInTable(const Candidate& candidate, Slice key, uint64_t filter_hash);
  bool MayBeInTables(Slice key);
  void KeepClean(const Entry& entry, uint64_t hash, uint8_t kind);
  Status RandomKeyFromTables(Slice prefix, ReadScope& scope, std::string* key);

  // --- fetch.cc ---
  // Null, with the reason in `status`, if it is not at hand. Without a scope nobody waits for what is on its way.
  // What is returned holds until the caches make room, which is between commands.
  const std::shared_ptr<const TableReader>* OpenTable(TableCache::Table& table, ReadScope* scope,
                                                      Status* status);
  // REQUIRES: the table is open.
  const std::shared_ptr<const Partition>* FetchPartition(TableCache::Table& table, size_t i,
                                                         ReadScope* scope, Status* status);
  const std::shared_ptr<const ValueFileReader>* OpenValueFile(TableCache::Table& file,
                                                              ReadScope& scope, Status* status);
  void KeepValue(PartId id, const std::shared_ptr<const LoadedValue>& value);
  // kPending without having asked, where the page cache seldom has what is wanted.
  template <typename TryRead>
  auto AskPageCache(TryRead try_read) -> decltype(try_read());
  // Has a part read by one of two ways, unless that is under way; then `keep` runs, and `scope` need not wait any
  // longer. Both return kPending.
  //
  // By a reader thread, as `read` says: what takes several reads, or long.
  Status Load(PartId id, ReadScope* scope, std::function<Result<Part>()> read,
              std::function<void(const Part&)> keep);
  // By Env::ScheduleRead; `decode` makes the part of its bytes, in some microseconds.
  Status LoadBytes(PartId id, ReadScope* scope, const File& file, uint64_t size,
                   std::function<Result<Part>(Slice)> decode,
                   std::function<void(const Part&)> keep);
  // Whether nobody had asked for it.
  bool AskFor(PartId id, ReadScope* scope);
  Env::Job WhenLoaded(PartId id, std::shared_ptr<const Result<Part>> loaded,
                      std::function<void(const Part&)> keep);
  void Loaded(PartId id, const Result<Part>& loaded);
  void NoteReadError(const Status& status);

  // --- scan.cc ---
  template <Direction direction>
  std::unique_ptr<EntryIterator> NewScan(Slice lower, Slice upper, ReadScope& scope);
  // Begins to load, from memory only, what a seek to `target` will look at.
  void PrefetchSeek(Slice target);
  // False: a worker is sorting, and `scope` waits for it.
  bool CoverGeneration(const std::shared_ptr<Generation>& generation, ReadScope& scope);

  // --- expiry.cc ---
  // How far a table's expiry index has been told: all before `next`, which is an expiry key.
  struct ExpiryCursor {
    std::string next;
    int64_t due_ms;  // when there is something to tell; 0: to be found out
    // Where the first one is that could not be told, for it is damaged. Empty: there is none.
    std::string passed_over = {};
    void PassOver() {
      if (passed_over.empty()) passed_over = next;
    }
  };
  struct DueTable {
    int64_t due_ms;  // as its cursor says
    const LiveTables::Table* table;

    bool operator>(const DueTable& other) const { return due_ms > other.due_ms; }
  };
  struct DueSearch {
    int64_t now_ms;
    int64_t until_ms = 0;  // for now
    size_t max;
    size_t looks_left;
    std::vector<Due>* due;

    bool full() const { return due->size() >= max || looks_left == 0; }
    void Tell(Slice key, int64_t at_ms, bool newest);
  };
  static ExpiryCursor ExpiryCursorAt(int64_t expire_at_ms);
  void PassOnExpiry(const VersionEdit& edit);
  void FindDueTables();
  void PushDueTable(const LiveTables::Table* table, int64_t due_ms);
  int64_t FirstDueMs() const;
  static void TakeDueFrom(Generation& generation, DueSearch& search);
  Status TakeDueFromTables(DueSearch& search, ReadScope& scope);
  Status TakeDueFrom(TableCache::Table& table, ExpiryCursor& cursor, DueSearch& search,
                     ReadScope& scope);
  Status ReadExpiryIndex(TableCache::Table& table, ExpiryCursor& cursor, DueSearch& search,
                         ReadScope& scope);
  void Judge(const TableCache::Table& table, size_t first, std::vector<Due>* due);
  bool IsNewestIn(const TableCache::Table& table, Slice key);

  // --- flush.cc ---
  // One change of the version at a time. `build` makes the edit when its turn has come; `installed` runs when it
  // is durable and in force.
  struct Change {
    std::function<VersionEdit()> build;
    std::function<void()> installed;
  };
  void InstallNext();
  void WriteEdit(VersionEdit edit);
  void RestartManifest(VersionEdit edit);
  void ManifestFailed(const Status& status);
  void EditWritten(const VersionEdit& edit);
  void SetVersionTables();
  void MaybeFlush();
  void Flushed(const TableJobResult& result);
  void GenerationInstalled();
  void MaybeCompact();
  // A plan, and whose it is: null if the policy wants it by itself.
  struct RangeCompaction;
  struct NextCompaction {
    std::optional<CompactionPlan> plan;
    std::shared_ptr<RangeCompaction> asked;
  };
  // False: none is to be started now.
  bool StartNextCompaction();
  NextCompaction PickNext();
  // `busy` must outlive what is returned.
  PolicyState CompactionState(const std::set<uint64_t>& busy) const;
  int64_t CompactionNowMs() const;
  bool IsLarge(const CompactionPlan& plan) const;
  // Of large ones there is one at a time.
  bool MayStart(const CompactionPlan& plan) const;
  bool& RunningFlag(const CompactionPlan& plan);
  void StartCompaction(const NextCompaction& next);
  // A compaction of tables of level 0 that is under way.
  struct Level0Merge {
    uint64_t tables = 0;   // of level 0
    uint64_t entries = 0;  // of all that it merges
    std::shared_ptr<const CompactionProgress> progress;
  };
  void NoteLevel0Merge(const CompactionPlan& plan,
                       std::shared_ptr<const CompactionProgress> progress);
  void Compacted(const NextCompaction& next, const TableJobResult& result);
  void CompactionFailed(const NextCompaction& next, const TableJobResult& result);
  void LeaveAlone(uint64_t file);
  void ForgetUnreadable(uint64_t file);
  void CompactionEnded(const NextCompaction& next);
  void EndCompactionPause();
  void CompactionDone();
  void AddCountsTo(VersionEdit* edit, const CountDeltas& deltas) const;
  void AddTable(const TableJobResult::Output& output);
  void AddOutputsTo(VersionEdit* edit, const TableJobResult& result);
  void RemoveTables(const FileList& files);
  void RemoveValueFiles(const Version& before);
  void RemoveUnlessPinned(uint64_t number, uint64_t size_bytes, std::string path);
  void RemoveFile(std::string path);
  void ServeFlushWaiters();
  void WatchForQuiet();
  void SetQuiet(bool quiet);
  void NoteError(const char* what, const Status& status);
  // After anything that writable() depends on.
  void NoteLogState();

  // --- snapshot.cc ---
  using PinnedOr = Result<std::shared_ptr<const PinnedState>>;
  // Pins the first state that is in tables and holds all that was committed.
  void PinState(std::function<void(PinnedOr)> done);
  // Whether somebody waits for that, and so for flushes.
  bool PinAwaited() const { return !pin_requests_.empty(); }
  // Tells all who wait that it will not be.
  void RefusePins(const Status& status);
  // Removes what was held for pins that are gone.
  void CollectPins();
  void AddPinStats(EngineStats* stats) const;

  // --- range_compaction.cc ---
  struct RangeCompaction {
    CompactionRange range;
    std::function<void(Status)> done;
    bool flushed = false;  // what was in memory when it was asked for is in tables
    bool running = false;  // a job of it
  };
  NextCompaction PickForRange(PolicyState state);
  void EndRangesThrough();
  void EndRangeCompaction(const std::shared_ptr<RangeCompaction>& asked, const Status& outcome);
  void CancelRangeCompactions();
  void AddRangeStats(EngineStats* stats) const;

  // --- checkpoint.cc ---
  struct RunningCheckpoint;
  void LinkCheckpoint();
  void CancelCheckpoint();
  void EndCheckpoint(const Result<CheckpointInfo>& outcome);

  // --- defragment.cc ---
  // One round of a hand over all records.
  struct Defragmentation {
    size_t slots_left = 0;       // 0: no round is under way
    uint64_t slack = 0;          // when it began; 0: what it brought is known
    uint64_t rest_us = 0;        // after the last one
    uint64_t not_before_us = 0;  // for the next one
    RecordTable::Hand hand;
  };
  void DefragmentSome();

  // --- upkeep.cc ---
  struct WriteDebt {
    double part = 0;  // of all that there may be
    const char* of = "none";
  };
  WriteDebt write_debt() const;
  // Tables of level 0, without what the compaction under way has merged of them.
  double level0_to_merge() const;
  void PaceWriters();
  void ScheduleUpkeep();
  void RunUpkeep();
  bool CleanSome();
  bool EvictSome();
  // It is out of the record table, and goes.
  void Evicted(Record* record);
  void SetCacheCapacities();
  // Above the one memory is given back, down to the other.
  uint64_t high_mark() const;
  uint64_t low_mark() const;
  void KeepBlock(PartId id, const std::shared_ptr<const CachedPart>& block);
  uint64_t memory_used() const;
  uint64_t list_bytes() const;
  uint64_t dirty_bytes() const;
  uint64_t NewFileNumber() { return next_file_number_++; }
  TableDirectory table_directory() const { return {&env_, options_.directory, state_.database_id}; }

  // Whether `this` is gone: for callbacks of jobs and timers.
  std::weak_ptr<bool> alive() const { return alive_; }

  Options options_;
  Env& env_;
  std::shared_ptr<const DirectoryLock> lock_;  // pinned states have it, too
  std::unique_ptr<DiskReserve> reserve_;
  std::unique_ptr<Scrubber> scrubber_;
  Random random_;
  bool closing_ = false;

  // --- What is in memory ---
  RecordTable records_;
  uint64_t record_bytes_ = 0;
  RecordTable::Hand eviction_hand_;
  Defragmentation defragmentation_;
  // No put was ever evicted, and no table existed at open: what is not in the record table does not exist.
  bool records_complete_ = false;
  std::shared_ptr<Generation> active_;
  std::deque<std::shared_ptr<Generation>> frozen_;   // oldest first; the first one is being flushed
  std::deque<std::shared_ptr<Generation>> flushed_;  // in tables; records are turning clean
  size_t cleaned_in_front_ = 0;                      // of flushed_.front()
  std::set<uint8_t> generation_ids_;                 // in use
  std::map<std::string, int64_t, std::less<>> counts_;
  // The prefix and counters that the last AddCount used: most commits stay in one space.
  std::string counted_prefix_;
  int64_t* counted_total_ = nullptr;
  int64_t* counted_delta_ = nullptr;

  // --- What is on disk ---
  ManifestState state_;  // as of the last durable edit
  uint64_t next_file_number_ = 1;
  std::shared_ptr<ManifestWriter> manifest_;
  std::shared_ptr<const LiveTables> tables_ = std::make_shared<LiveTables>();
  std::unordered_map<uint64_t, ExpiryCursor> expiry_cursors_;  // by file number
  // Those of tables_ that have something to tell, now or later: a heap, the first one in front.
  std::vector<DueTable> due_tables_;
  std::deque<Change> changes_;
  bool change_running_ = false;

  // --- Log ---
  std::unique_ptr<LogWriter> log_;
  std::function<void()> on_reported_;
  std::function<void(LogWork work, uint64_t took_us)> on_log_work_;
  uint64_t last_commit_group_ = 0;
  bool log_failed_ = false;  // until all that is dirty has been flushed
  bool freeze_dead_armed_ = false;

  // --- Reading ---
  std::vector<Candidate> candidates_;  // of the lookup under way
  std::vector<PartId> seek_places_;    // of the seek under way
  TableCache table_cache_;
  BlockCache block_cache_;
  PageCacheOdds page_cache_odds_;
  std::map<PartId, std::vector<std::weak_ptr<ReadScope::Wait>>> loads_;
  // Scans that wait for a generation to be sorted, by generation id.
  std::map<uint8_t, std::vector<std::weak_ptr<ReadScope::Wait>>> sorts_;

  // --- Background ---
  std::set<uint64_t> busy_tables_;  // of the levels that a large compaction is at work in
  // Tables and value files that compactions leave alone for now, since they could not read them.
  std::set<uint64_t> unreadable_files_;
  std::unordered_map<uint64_t, uint64_t> unreadable_delays_ms_;  // for how long, the last time
  bool flush_running_ = false;
  uint64_t flush_began_us_ = 0;
  bool compaction_running_ = false;
  bool large_compaction_running_ = false;  // see IsLarge
  std::optional<Level0Merge> level0_merge_;
  uint64_t compaction_retry_delay_ms_ = 1000;  // doubles with every failure
  Env::TimerId compaction_retry_timer_ = 0;
  bool range_is_next_ = false;     // to have a turn; else the policy
  bool quiet_ = false;             // little has been written for a while
  uint64_t quiet_mark_bytes_ = 0;  // written before quiet_timer_ was set
  Env::TimerId quiet_timer_ = 0;
  bool upkeep_posted_ = false;
  // Each waits until tables have all groups up to one.
  std::vector<std::pair<uint64_t, std::function<void(Status)>>> flush_waiters_;
  Pins pins_;
  std::map<uint64_t, std::function<void(PinnedOr)>> pin_requests_;  // in the order they came
  uint64_t last_pin_request_ = 0;
  std::shared_ptr<RunningCheckpoint> checkpoint_;                   // null: none
  std::deque<std::shared_ptr<RangeCompaction>> range_compactions_;  // whose turn it is first
  uint64_t outside_bytes_ = 0;
  WritePacer write_pacer_;
  uint64_t turn_bytes_ = 0;  // of log, in this turn of the loop

  mutable EngineStats stats_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace varve
