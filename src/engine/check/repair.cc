// engine/check/repair.cc: all that can be read of a damaged database, as a new one.
#include "engine/check/repair.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "engine/batch.h"
#include "engine/checkpoint/partial_directory.h"
#include "engine/engine.h"
#include "engine/file_names.h"
#include "engine/iterators/merging_iterator.h"
#include "engine/iterators/version_children.h"
#include "engine/log/log_reader.h"
#include "engine/values/open_value_files.h"
#include "engine/version/manifest.h"

namespace varve {

namespace {

// Committed at once.
constexpr size_t kBatchBytes = 256 * 1024;

// The new database, and the loop that its engine needs. It is partial until it is finished.
class Target {
 public:
  Target(Env& env, const RepairRequest& request) : env_(env), request_(request) {}

  Status Open() {
    RETURN_IF_ERROR(RequireVacant(env_, request_.target));
    RETURN_IF_ERROR(RemovePartial(env_, request_.target));
    Options options = request_.options;
    options.directory = PartialPath(request_.target);
    RETURN_IF_ERROR(env_.CreateDirectory(options.directory));
    options.durability = Durability::kNo;
    Result<std::unique_ptr<Engine>> engine = Engine::Open(options, env_);
    if (!engine.ok()) return engine.status();
    engine_ = std::move(*engine);
    return Status::Ok();
  }

  // Puts, tombstones and dead prefixes. What is found of this again later replaces it.
  Status Add(const Entry& entry) {
    switch (entry.kind) {
      case EntryKind::kPut:
        batch_.Put(entry.key, entry.tag, entry.expire_at_ms, entry.value);
        break;
      case EntryKind::kTombstone: batch_.Delete(entry.key); break;
      case EntryKind::kPrefixTombstone: batch_.DeletePrefix(entry.key); break;
    }
    return batch_.size_bytes() < kBatchBytes ? Status::Ok() : Commit();
  }

  Status Finish() {
    RETURN_IF_ERROR(Commit());
    std::optional<Status> flushed;
    engine_->Flush([&flushed](Status status) { flushed = std::move(status); });
    env_.RunUntil([&] { return flushed || Stuck(); });
    if (!flushed || !flushed->ok()) return flushed ? *flushed : Error();
    RETURN_IF_ERROR(engine_->Close());
    engine_ = nullptr;
    return FinishPartial(env_, request_.target);
  }

  void Remove() {
    engine_ = nullptr;
    (void)RemovePartial(env_, request_.target);  // the next attempt would do it
  }

 private:
  Status Commit() {
    if (batch_.empty()) return Status::Ok();
    RETURN_IF_ERROR(engine_->Accepts(batch_));
    engine_->Commit(batch_);
    batch_.Clear();
    engine_->EndTurn();
    bool turned = false;
    env_.Post([&turned] { turned = true; });
    env_.RunUntil([&turned] { return turned; });
    if (Stuck()) return Error();
    if (const uint64_t delay_ms = engine_->WriterDelayUs() / 1000; delay_ms > 0) {
      bool over = false;
      env_.RunAfter(delay_ms, [&over] { over = true; });
      env_.RunUntil([&over] { return over; });
    }
    return Status::Ok();
  }

  // What fails is tried for ever by the engine; nobody wants to wait for that.
  bool Stuck() const { return !engine_->stats().last_error.empty(); }
  Status Error() const { return Status::IoError(engine_->stats().last_error); }

  Env& env_;
  const RepairRequest& request_;
  std::unique_ptr<Engine> engine_;
  Batch batch_;
};

class Repair {
 public:
  Repair(Env& env, const RepairRequest& request, RepairReport* report)
      : env_(env), request_(request), report_(report), target_(env, request) {}

  Status Run() {
    // Where there is no database no lock is left behind.
    if (const Status there = ReadManifest(env_, request_.source).status(); !there.ok()) {
      if (!there.is_not_found()) return there;
      return Status(StatusCode::kNotFound, request_.source + ": no database here");
    }
    Result<std::unique_ptr<DirectoryLock>> lock =
        env_.LockFile(JoinPath(request_.source, kLockFileName));
    if (!lock.ok()) return lock.status();
    const Result<ManifestContents> manifest = ReadManifest(env_, request_.source);
    if (!manifest.ok()) return manifest.status();
    Status status = Fill(manifest->state);
    if (!status.ok()) target_.Remove();
    return status;
  }

 private:
  Status Fill(const ManifestState& state) {
    RETURN_IF_ERROR(target_.Open());
    RETURN_IF_ERROR(TakeTables(state));
    RETURN_IF_ERROR(TakeLog(state));
    RETURN_IF_ERROR(CheckNeededKey());
    return target_.Finish();
  }
  Status TakeTables(const ManifestState& state);
  Status TakeEntry(const ManifestState& state, Entry entry, OpenValueFiles& values);
  Status TakeLog(const ManifestState& state);
  Status TakeGroup(Slice payload);
  Status CheckNeededKey() const;

  Env& env_;
  const RepairRequest& request_;
  RepairReport* const report_;
  Target target_;
  bool has_needed_key_ = false;
};

Status Repair::TakeTables(const ManifestState& state) {
  const TableDirectory tables{&env_, request_.source, state.database_id};
  const Version& version = *state.version;
  std::deque<DirectBlockSource> sources;
  std::vector<std::unique_ptr<EntryIterator>> children;
  LostRanges lost;
  uint64_t entries_total = 0;
  const auto add = [&](LevelTables run) {
    if (run.empty()) return;
    children.push_back(std::make_unique<LevelIterator<Direction::kForward>>(
        run, sources.emplace_back(tables), Losses{&lost, children.size()}));
    for (const FileRef& file : run) entries_total += file->entries;
  };
  for (const FileRef& table : version.level(0)) add({&table, 1});
  for (int level = 1; level < kLevels; ++level) add(version.level(level));

  OpenValueFiles values(tables);
  MergingIterator<Direction::kForward> merge(std::move(children));
  std::string key;
  uint64_t entries = 0;
  for (merge.SeekToFirst(); merge.Valid();) {
    key.assign(merge.entry().key);
    const std::optional<size_t> hides = lost.NewestChildOver(key);
    if (!hides || merge.child() < *hides) {
      RETURN_IF_ERROR(TakeEntry(state, merge.entry(), values));
    }
    for (; merge.Valid() && merge.entry().key == key; merge.Next()) ++entries;
    request_.on_progress(entries, entries_total);
  }
  for (const LostRange& range : lost.all()) {
    const bool dead = state.dead_prefixes.CoversRange(range.begin, range.end);
    if (!dead) report_->lost_ranges.push_back(range);
  }
  return merge.status();
}

// The newest of its key.
Status Repair::TakeEntry(const ManifestState& state, Entry entry, OpenValueFiles& values) {
  if (entry.kind != EntryKind::kPut || state.dead_prefixes.Covers(entry.key)) return Status::Ok();
  std::shared_ptr<const LoadedValue> value;
  if (entry.in_value_file) {
    Result<std::shared_ptr<const LoadedValue>> read = values.Read(entry);
    const bool damaged =
        read.status().code() == StatusCode::kCorruption || read.status().is_not_found();
    if (damaged) {
      report_->lost_values.push_back(
          {std::string(entry.key), std::string(read.status().message())});
      return Status::Ok();
    }
    if (!read.ok()) return read.status();
    value = std::move(*read);
    entry.value = value->slice();
    entry.in_value_file = false;
  }
  has_needed_key_ |= entry.key == request_.needed_key;
  ++report_->keys;
  report_->bytes += entry.key.size() + entry.value.size();
  return target_.Add(entry);
}

Status Repair::TakeLog(const ManifestState& state) {
  const Result<std::vector<std::string>> names = env_.List(request_.source);
  if (!names.ok()) return names.status();
  LogReplay replay{.directory = request_.source,
                   .database_id = state.database_id,
                   .segments = {},
                   .known_ends = state.log_ends,
                   .flushed_group = state.flushed_group};
  for (const std::string& name : *names) {
    const std::optional<FileName> file = ParseFileName(name);
    const bool live =
        file && file->kind == FileKind::kLog && file->number >= state.first_log_segment;
    if (live) replay.segments.push_back(file->number);
  }
  std::sort(replay.segments.begin(), replay.segments.end());
  report_->last_group = state.flushed_group;
  Status taking;  // an error of the new database is none of the log
  const Result<LogEnd> end = ReplayLog(env_, replay, [&](uint64_t group, Slice payload) {
    taking = TakeGroup(payload);
    if (taking.ok()) report_->last_group = group;
    return taking;
  });
  if (end.ok()) return Status::Ok();
  if (!taking.ok() && taking.code() != StatusCode::kCorruption) return taking;
  if (end.status().code() != StatusCode::kCorruption) return end.status();
  report_->log_ends_early = end.status().message();
  return Status::Ok();
}

Status Repair::TakeGroup(Slice payload) {
  // All of it or nothing.
  BatchReader whole(payload);
  while (whole.Next()) {
  }
  if (!whole.ok()) return Status::Corruption("entries that make no sense");
  ++report_->groups;
  for (BatchReader reader(payload); reader.Next();) {
    report_->bytes += reader.entry().key.size() + reader.entry().value.size();
    has_needed_key_ |= reader.entry().key == request_.needed_key;
    RETURN_IF_ERROR(target_.Add(reader.entry()));
  }
  return Status::Ok();
}

Status Repair::CheckNeededKey() const {
  if (has_needed_key_ || request_.needed_key.empty()) return Status::Ok();
  const std::string what = "what says which data belongs to which database is lost: ";
  for (const LostRange& range : report_->lost_ranges) {
    if (range.MayHold(request_.needed_key)) return Status::Corruption(what + range.why);
  }
  for (const RepairReport::LostValue& value : report_->lost_values) {
    if (value.key == request_.needed_key) return Status::Corruption(what + value.why);
  }
  // It may have been written for the first time behind the end of the log.
  if (report_->log_ends_early.empty() || report_->keys == 0) return Status::Ok();
  return Status::Corruption(what + report_->log_ends_early);
}

}  // namespace

Status RepairDatabase(Env& env, const RepairRequest& request, RepairReport* report) {
  return Repair(env, request, report).Run();
}

}  // namespace varve
