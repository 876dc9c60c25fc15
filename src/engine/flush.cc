// engine/flush.cc: frozen generations become tables, tables become better tables.
//
// Both are jobs of a worker that end in a change of the version. Changes are made one at a time:
//
//   build       on the loop, from the state as it is then: an edit
//   write       on the manifest lane: appended and synced. If that fails, a new manifest with the full
//               state, again and again until one is durable; nothing is deleted meanwhile
//   installed   on the loop: the new version is in force, what it does not name is removed
//
// Order on disk: a table is synced, its directory is synced, the edit that names it is synced, and only then the log
// segments and tables that it replaces may go.
//
// Threads: loop; jobs on kFlush, kCompaction and kManifest.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/planted_bug.h"
#include "engine/compaction/filter_bits.h"
#include "engine/engine_impl.h"
#include "engine/file_names.h"

namespace varve {

namespace {
constexpr uint64_t kRetryDelayMs = 1000;
constexpr uint64_t kCompactionRetryDelayMaxMs = 64'000;
// How long a file that could not be read is left alone: it may have been the cable. Doubles each time.
constexpr uint64_t kUnreadableMsMin = 1000;
constexpr uint64_t kUnreadableMsMax = 10 * 60'000;
// A manifest this much larger than its snapshot is begun anew.
constexpr uint64_t kManifestBytesMin = 1u << 20;
constexpr uint64_t kManifestGrowth = 4;
// Little is being written if it is no more than so much in such a time.
constexpr uint64_t kQuietMs = 10'000;
constexpr uint64_t kQuietBytes = 512u << 10;
// A compaction leaves what has expired since alone: whoever asks what is due shall hear of it first.
constexpr int64_t kExpiryGraceMs = 60'000;
}  // namespace

// --- Flushes ---

void EngineImpl::MaybeFlush() {
  if (flush_running_ || frozen_.empty() || closing_) return;
  flush_running_ = true;
  flush_began_us_ = env_.MonotonicUs();
  auto context = std::make_shared<TableJobContext>();
  context->options = options_;
  context->env = &env_;
  context->database_id = state_.database_id;
  context->file_numbers = {NewFileNumber()};
  const uint64_t value_files = frozen_.front()->memory_bytes / options_.value_file_bytes + 1;
  for (uint64_t i = 0; i < value_files; ++i) context->value_file_numbers.push_back(NewFileNumber());
  context->dead_prefixes = state_.dead_prefixes;
  context->options.filter_bits_per_key =
      FilterBitsOfFlush(*state_.version, options_, frozen_.front()->memory_bytes);
  // What died in this generation is made durable by the same edit that names its table.
  const std::shared_ptr<Generation> generation = frozen_.front();
  for (const auto& [prefix, group] : generation->dead_prefixes) {
    context->dead_prefixes.Add(prefix, UINT64_MAX);
  }
  // What a later generation declared dead need not be written either, if the log has it for good. So a full
  // disk does not stand in the way of a FLUSHDB.
  const auto add_durable = [&](const Generation& later) {
    for (const auto& [prefix, group] : later.dead_prefixes) {
      if (group <= log_->synced_group()) context->dead_prefixes.Add(prefix, UINT64_MAX);
    }
  };
  // But not if a state is to be pinned that this generation is a part of: no log will tell of the death there.
  if (!PinAwaited()) {
    for (size_t i = 1; i < frozen_.size(); ++i) add_durable(*frozen_[i]);
    add_durable(*active_);
  }
  auto result = std::make_shared<TableJobResult>();
  env_.Schedule(
      Lane::kFlush,
      [context, generation, result] { *result = FlushGeneration(*context, *generation); },
      [this, alive = alive(), result] {
        if (!alive.expired()) Flushed(*result);
      });
}

void EngineImpl::Flushed(const TableJobResult& result) {
  if (!result.status.ok()) {
    NoteError("flush", result.status);
    if (result.status.code() == StatusCode::kNoSpace) reserve_->NoteNoSpace(result.status);
    // It is tried again for ever. Who asked for a snapshot or a checkpoint wants to know now.
    RefusePins(result.status);
    env_.RunAfter(kRetryDelayMs, [this, alive = alive()] {
      if (alive.expired()) return;
      flush_running_ = false;  // only now: nothing else starts the same work in between
      MaybeFlush();
    });
    return;
  }
  stats_.flush_bytes_written += result.bytes_written;
  const auto build = [this, result] {
    const Generation& generation = *frozen_.front();
    VersionEdit edit;
    AddOutputsTo(&edit, result);
    edit.next_file_number = next_file_number_;
    edit.flushed_group = std::max(generation.last_group, state_.flushed_group);
    // The segments of this generation and before hold nothing live once the next one's is there for sure.
    const Generation& next = frozen_.size() > 1 ? *frozen_[1] : *active_;
    if (log_->IsReady(next.first_segment)) {
      edit.first_log_segment = next.first_segment;
      for (const auto& [segment, offset] : state_.log_ends) {
        if (segment < next.first_segment) edit.log_ends_removed.push_back(segment);
      }
    }
    for (const auto& [prefix, group] : generation.dead_prefixes) {
      edit.dead_prefixes_added.push_back({prefix, next_file_number_});
      if (state_.counts.contains(prefix)) edit.counts.emplace_back(prefix, 0);
    }
    AddCountsTo(&edit, generation.count_deltas);
    return edit;
  };
  changes_.push_back({build, [this] { GenerationInstalled(); }});
  InstallNext();
}

void EngineImpl::GenerationInstalled() {
  ++stats_.flushes;
  stats_.last_flush_wall_ms = env_.WallMs();
  flush_running_ = false;
  write_pacer_.Flushed(frozen_.front()->log_bytes, env_.MonotonicUs() - flush_began_us_);
  EndCompactionPause();       // things have changed
  frozen_.front()->due = {};  // the table tells from now on
  flushed_.push_back(std::move(frozen_.front()));
  frozen_.pop_front();
  if (state_.first_log_segment != 0) {
    const bool early = Planted(PlantedBug::kSegmentRetiredEarly);
    log_->RetireBefore(early ? UINT64_MAX : state_.first_log_segment);
  }
  ScheduleUpkeep();
  if (log_failed_ && frozen_.empty()) Rescue();
  MaybeFlush();
  ServeFlushWaiters();
}

void EngineImpl::Flush(std::function<void(Status)> done) {
  flush_waiters_.emplace_back(last_commit_group_, std::move(done));
  if (!log_failed_) Freeze();
  ServeFlushWaiters();
}

void EngineImpl::ServeFlushWaiters() {
  const bool nothing_dirty = frozen_.empty() && active_->empty();
  std::vector<std::function<void(Status)>> served;
  std::erase_if(flush_waiters_, [&](auto& waiter) {
    if (!nothing_dirty && waiter.first > state_.flushed_group) return false;
    served.push_back(std::move(waiter.second));
    return true;
  });
  // What could not be frozen when it was asked for. While the log has failed, Rescue sees to it.
  if (!flush_waiters_.empty() && frozen_.empty() && !log_failed_) Freeze();
  for (auto& done : served) done(Status::Ok());
}

// --- Compactions ---

void EngineImpl::SetCompactionPolicy(PolicyKind kind) {
  options_.compaction_policy = kind;
  MaybeCompact();
}

void EngineImpl::MaybeCompact() {
  while (StartNextCompaction()) {
  }
  EndRangesThrough();
}

bool EngineImpl::StartNextCompaction() {
  // While a change is being written, what it says of dead prefixes is not known to a job that would
  // start now, though the job's tables would be numbered as if it were.
  if (compaction_running_ || compaction_retry_timer_ != 0 || change_running_ || closing_) {
    return false;
  }
  // The room that a full disk has left is for the flushes: each of them frees log.
  if (!reserve_->status().ok() && !frozen_.empty()) return false;
  const NextCompaction next = PickNext();
  if (!next.plan) {
    if (!large_compaction_running_) CompactionDone();
    return false;
  }
  range_is_next_ = !next.asked;
  StartCompaction(next);
  return true;
}

// See range_compaction.cc for whose turn it is.
EngineImpl::NextCompaction EngineImpl::PickNext() {
  const PolicyState state = CompactionState(busy_tables_);
  const bool level0_waits =
      state_.version->level(0).size() >= static_cast<size_t>(options_.level0_tables_compact);
  const bool range_first = range_is_next_ && !level0_waits;
  if (range_first) {
    if (NextCompaction next = PickForRange(state); next.plan) return next;
  }
  if (options_.automatic_compaction) {
    auto plan = PolicyOf(options_.compaction_policy).Pick(*state_.version, state);
    if (plan && MayStart(*plan)) return {std::move(plan), nullptr};
  }
  return range_first ? NextCompaction{} : PickForRange(state);
}

PolicyState EngineImpl::CompactionState(const std::set<uint64_t>& busy) const {
  return {.options = options_,
          .busy = busy,
          .dead_prefixes = state_.dead_prefixes,
          .now_ms = CompactionNowMs(),
          .jobs_drop_expired = true,
          .short_of_room = !reserve_->status().ok(),
          .quiet = quiet_,
          .unreadable_files = &unreadable_files_};
}

int64_t EngineImpl::CompactionNowMs() const { return env_.WallMs() - kExpiryGraceMs; }

// Merging the runs of a tier may take hours. Level 0 cannot wait for that.
bool EngineImpl::IsLarge(const CompactionPlan& plan) const {
  return plan.level > 0 && !plan.trivial_move && !plan.drop_only &&
         plan.input_bytes() > options_.compaction_bytes_max;
}

bool EngineImpl::MayStart(const CompactionPlan& plan) const {
  return !large_compaction_running_ || !IsLarge(plan);
}

bool& EngineImpl::RunningFlag(const CompactionPlan& plan) {
  return IsLarge(plan) ? large_compaction_running_ : compaction_running_;
}

void EngineImpl::StartCompaction(const NextCompaction& next) {
  const CompactionPlan& plan = *next.plan;
  RunningFlag(plan) = true;
  if (next.asked) next.asked->running = true;
  if (plan.trivial_move || plan.drop_only) return Compacted(next, {});
  if (IsLarge(plan)) {
    // All of its levels, not only what it reads: so what runs beside it is newer than all of it, or older, and
    // passes it nowhere.
    for (int level = plan.level; level <= plan.output_level; ++level) {
      for (const FileRef& file : state_.version->level(level)) busy_tables_.insert(file->number);
    }
  }
  auto context = std::make_shared<TableJobContext>();
  context->options = options_;
  context->options.filter_bits_per_key = FilterBitsOfPlan(*state_.version, options_, plan);
  context->env = &env_;
  context->database_id = state_.database_id;
  context->dead_prefixes = state_.dead_prefixes;
  context->now_ms = CompactionNowMs();
  const uint64_t outputs_max = 2 * plan.input_bytes() / options_.table_bytes + 4;
  for (uint64_t i = 0; i < outputs_max; ++i) context->file_numbers.push_back(NewFileNumber());
  if (!plan.relocate.empty()) {
    const uint64_t files = plan.relocate_bytes / options_.value_file_bytes + 1;
    for (uint64_t i = 0; i < files; ++i) context->value_file_numbers.push_back(NewFileNumber());
  }
  auto inputs = std::make_shared<CompactionInputs>();
  inputs->plan = plan;
  inputs->version = state_.version;
  auto progress = std::make_shared<CompactionProgress>();
  if (plan.level == 0) NoteLevel0Merge(plan, progress);
  auto result = std::make_shared<TableJobResult>();
  env_.Schedule(
      Lane::kCompaction,
      [context, inputs, progress, result] {
        *result = RunCompaction(*context, *inputs, progress.get());
      },
      [this, alive = alive(), next, result] {
        if (!alive.expired()) Compacted(next, *result);
      });
}

void EngineImpl::NoteLevel0Merge(const CompactionPlan& plan,
                                 std::shared_ptr<const CompactionProgress> progress) {
  Level0Merge& merge = level0_merge_.emplace();
  for (const auto* files : {&plan.inputs, &plan.next_inputs}) {
    for (const FileRef& file : *files) {
      merge.entries += file->entries;
      if (file->level == 0) ++merge.tables;
    }
  }
  merge.progress = std::move(progress);
}

void EngineImpl::CompactionFailed(const NextCompaction& next, const TableJobResult& result) {
  NoteError("compaction", result.status);
  CompactionEnded(next);
  if (result.unreadable_table != 0) LeaveAlone(result.unreadable_table);
  if (next.asked) {
    EndRangeCompaction(next.asked, result.status);
    return MaybeCompact();
  }
  // The next plan is another one. Unless the disk fails: it may do so for all tables.
  const bool damaged = result.status.code() != StatusCode::kIoError;
  if (result.unreadable_table != 0 && damaged) return MaybeCompact();
  if (compaction_retry_timer_ != 0) return;
  // That there is no room for a compaction is no reason to refuse writes, but one not to try all the time.
  compaction_retry_timer_ = env_.RunAfter(
      std::exchange(compaction_retry_delay_ms_,
                    std::min(2 * compaction_retry_delay_ms_, kCompactionRetryDelayMaxMs)),
      [this, alive = alive()] {
        if (alive.expired()) return;
        EndCompactionPause();
        MaybeCompact();
      });
}

// What can be compacted without it goes on: see picker.h.
void EngineImpl::LeaveAlone(uint64_t file) {
  uint64_t& delay_ms = unreadable_delays_ms_[file];
  delay_ms = std::clamp(2 * delay_ms, kUnreadableMsMin, kUnreadableMsMax);
  if (!unreadable_files_.insert(file).second) return;
  env_.RunAfter(delay_ms, [this, file, alive = alive()] {
    if (!alive.expired() && unreadable_files_.erase(file) > 0) MaybeCompact();
  });
}

void EngineImpl::ForgetUnreadable(uint64_t file) {
  unreadable_files_.erase(file);
  unreadable_delays_ms_.erase(file);
}

void EngineImpl::Compacted(const NextCompaction& next, const TableJobResult& result) {
  if (!result.status.ok()) return CompactionFailed(next, result);
  const CompactionPlan& plan = *next.plan;
  compaction_retry_delay_ms_ = kRetryDelayMs;
  const bool read = !plan.trivial_move && !plan.drop_only;
  stats_.compaction_bytes_read += result.bytes_read;
  stats_.compaction_bytes_written += result.bytes_written;
  stats_.dictionaries_written += result.dictionaries;
  stats_.value_bytes_relocated += result.value_bytes_written;
  if (!result.unreadable_value_files.empty()) NoteError("compaction", result.unreadable_because);
  for (const uint64_t file : result.unreadable_value_files) LeaveAlone(file);
  const auto build = [this, plan, result] {
    VersionEdit edit;
    for (const FileRef& file : plan.inputs) {
      plan.trivial_move ? edit.Move(*file, plan.output_level) : edit.Remove(*file);
    }
    for (const FileRef& file : plan.next_inputs) edit.Remove(*file);
    AddOutputsTo(&edit, result);
    edit.next_file_number = next_file_number_;
    AddCountsTo(&edit, result.settled);
    return edit;
  };
  const auto installed = [this, next, plan, result, read] {
    ++stats_.compactions;
    for (const auto& [prefix, delta] : result.settled) {
      if (!IsDead(prefix)) counts_[prefix] += delta;
    }
    if (next.asked) next.asked->range.Advance(plan);
    CompactionEnded(next);
    if (!plan.trivial_move) {
      RemoveTables(plan.inputs);
      RemoveTables(plan.next_inputs);
    }
    if (read) {
      Log(LogLevel::kVerbose, "engine: compacted %s, %s in %s out", plan.ToString().c_str(),
          FormatBytes(result.bytes_read).c_str(), FormatBytes(result.bytes_written).c_str());
    }
  };
  changes_.push_back({build, installed});
  InstallNext();
}

void EngineImpl::CompactionEnded(const NextCompaction& next) {
  RunningFlag(*next.plan) = false;
  if (next.plan->level == 0) level0_merge_.reset();
  if (next.asked) next.asked->running = false;
  // Only a large one has made any busy.
  if (!large_compaction_running_) busy_tables_.clear();
}

void EngineImpl::EndCompactionPause() {
  if (compaction_retry_timer_ != 0) env_.CancelTimer(std::exchange(compaction_retry_timer_, 0));
}

void EngineImpl::CompactionDone() {
  // Dead prefixes that no table meets any more are forgotten, once nothing else is going on.
  std::vector<std::string> spent;
  for (const auto& [prefix, tables_below] : state_.dead_prefixes.prefixes()) {
    if (PrefixIsSpent(*state_.version, prefix, tables_below)) spent.push_back(prefix);
  }
  if (!spent.empty() && changes_.empty() && !flush_running_ && frozen_.empty()) {
    changes_.push_back({[spent] {
                          VersionEdit edit;
                          edit.dead_prefixes_removed = spent;
                          return edit;
                        },
                        [] {}});
    InstallNext();
  }
}

// It stays open, and its partitions will be read when they are asked for: the page cache still has them.
void EngineImpl::AddTable(const TableJobResult::Output& output) {
  table_cache_.KeepReader(*table_cache_.Add(output.meta->number), output.reader);
}

void EngineImpl::AddOutputsTo(VersionEdit* edit, const TableJobResult& result) {
  for (const TableJobResult::Output& output : result.outputs) {
    edit->Add(output.meta);
    AddTable(output);
  }
  for (const TableJobResult::ValueOutput& output : result.value_outputs) {
    edit->value_files_added.push_back(output.meta);
    table_cache_.KeepValueReader(*table_cache_.Add(output.meta.number), output.reader);
  }
}

void EngineImpl::RemoveTables(const FileList& files) {
  for (const FileRef& file : files) {
    table_cache_.Erase(file->number);
    expiry_cursors_.erase(file->number);
    block_cache_.EraseFile(file->number);
    ForgetUnreadable(file->number);
    RemoveUnlessPinned(file->number, file->size_bytes, table_directory().PathOf(file->number));
  }
}

// Those that the version before had, and this one has not.
void EngineImpl::RemoveValueFiles(const Version& before) {
  for (const LiveValueFile& file : before.value_files()) {
    const uint64_t number = file.meta.number;
    if (state_.version->FindValueFile(number) != nullptr) continue;
    table_cache_.Erase(number);
    block_cache_.EraseFile(number);
    ForgetUnreadable(number);
    RemoveUnlessPinned(number, file.meta.size_bytes, table_directory().PathOfValues(number));
  }
}

// Whoever still reads one has it open, but for snapshots: for them it stays.
void EngineImpl::RemoveUnlessPinned(uint64_t number, uint64_t size_bytes, std::string path) {
  if (!pins_.Hold(number, size_bytes, path)) RemoveFile(std::move(path));
}

// What cannot be removed is removed at the next open.
void EngineImpl::RemoveFile(std::string path) {
  env_.Schedule(
      Lane::kFiles, [&env = env_, path = std::move(path)] { (void)env.Remove(path); }, [] {});
}

// --- Quiet ---

// Looks again every ten seconds for as long as anything is written; then once more, and not any more.
void EngineImpl::WatchForQuiet() {
  const uint64_t written = stats_.user_bytes_written - quiet_mark_bytes_;
  if (written > kQuietBytes) SetQuiet(false);
  if (quiet_timer_ != 0 || (quiet_ && written == 0) || closing_) return;
  quiet_mark_bytes_ = stats_.user_bytes_written;
  quiet_timer_ = env_.RunAfter(kQuietMs, [this, alive = alive()] {
    if (alive.expired()) return;
    quiet_timer_ = 0;
    SetQuiet(stats_.user_bytes_written - quiet_mark_bytes_ <= kQuietBytes);
    WatchForQuiet();
    if (quiet_) MaybeCompact();
  });
}

void EngineImpl::SetQuiet(bool quiet) {
  if (quiet == quiet_) return;
  quiet_ = quiet;
  log_->SetQuiet(quiet);
}

// --- Changes of the version ---

void EngineImpl::AddCountsTo(VersionEdit* edit, const CountDeltas& deltas) const {
  for (const auto& [prefix, delta] : deltas) {
    if (delta == 0 || state_.dead_prefixes.Covers(prefix)) continue;
    const bool dies_now = std::any_of(
        edit->dead_prefixes_added.begin(), edit->dead_prefixes_added.end(),
        [&prefix = prefix](const VersionEdit::DeadPrefix& dead) { return dead.prefix == prefix; });
    if (dies_now) continue;
    const auto it = state_.counts.find(prefix);
    edit->counts.emplace_back(prefix, (it == state_.counts.end() ? 0 : it->second) + delta);
  }
}

void EngineImpl::InstallNext() {
  if (change_running_ || changes_.empty()) return;
  change_running_ = true;
  WriteEdit(changes_.front().build());
}

void EngineImpl::WriteEdit(VersionEdit edit) {
  if (!manifest_->ok() ||
      manifest_->size_bytes() >
          std::max(kManifestBytesMin, kManifestGrowth * manifest_->snapshot_bytes())) {
    return RestartManifest(std::move(edit));
  }
  auto shared = std::make_shared<const VersionEdit>(std::move(edit));
  auto status = std::make_shared<Status>();
  env_.Schedule(
      Lane::kManifest,
      [manifest = manifest_, shared, status] { *status = manifest->Append(*shared); },
      [this, alive = alive(), shared, status] {
        if (alive.expired()) return;
        if (status->ok()) return EditWritten(*shared);
        ManifestFailed(*status);
        RestartManifest(*shared);
      });
}

void EngineImpl::RestartManifest(VersionEdit edit) {
  const uint64_t old_number = manifest_->number();
  const uint64_t number = NewFileNumber();
  edit.next_file_number = next_file_number_;
  ManifestState state = state_;
  const Status applied = state.Apply(edit);
  CHECK(applied.ok());
  auto shared = std::make_shared<const VersionEdit>(std::move(edit));
  auto snapshot = std::make_shared<const VersionEdit>(state.Snapshot());
  auto status = std::make_shared<Status>();
  env_.Schedule(
      Lane::kManifest,
      [&env = env_, directory = options_.directory, manifest = manifest_, number, old_number,
       snapshot, status] {
        *status = manifest->Start(number, *snapshot);
        if (status->ok()) RemoveManifest(env, directory, old_number);
      },
      [this, alive = alive(), shared, status] {
        if (alive.expired()) return;
        if (status->ok()) return EditWritten(*shared);
        ManifestFailed(*status);
        env_.RunAfter(kRetryDelayMs, [this, alive, shared] {
          if (!alive.expired() && !closing_) RestartManifest(*shared);
        });
      });
}

void EngineImpl::ManifestFailed(const Status& status) {
  NoteError("manifest", status);
  if (status.code() == StatusCode::kNoSpace) reserve_->NoteNoSpace(status);
  RefusePins(status);
}

void EngineImpl::EditWritten(const VersionEdit& edit) {
  // It made sense when the manifest writer took it, or the disk would now know more than we do.
  const std::shared_ptr<const Version> before = state_.version;
  const Status applied = state_.Apply(edit);
  CHECK(applied.ok());
  PassOnExpiry(edit);
  SetVersionTables();
  RemoveValueFiles(*before);
  stats_.manifest_number = manifest_->number();
  const Change change = std::move(changes_.front());
  changes_.pop_front();
  change_running_ = false;
  change.installed();
  InstallNext();
  MaybeCompact();
}

void EngineImpl::SetVersionTables() {
  auto tables = std::make_shared<LiveTables>();
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& file : state_.version->level(level)) {
      tables->levels[static_cast<size_t>(level)].push_back({file, table_cache_.Add(file->number)});
    }
    if (level > 0 && !state_.version->level(level).empty()) {
      tables->runs.push_back(static_cast<size_t>(level));
    }
  }
  tables_ = std::move(tables);
  FindDueTables();
}

// --- What can go wrong ---

void EngineImpl::NoteError(const char* what, const Status& status) {
  stats_.last_error = std::string(what) + ": " + status.ToString();
  stats_.last_error_ms = env_.WallMs();
  Log(LogLevel::kWarning, "engine: %s", stats_.last_error.c_str());
}

}  // namespace varve
