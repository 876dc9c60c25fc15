// engine/recovery.cc: the way back.
//
//   1. lock       one process per directory
//   2. manifest   the state as of its last durable edit; none: a new database
//   3. tables     are there; none is opened before someone asks for what it holds
//   4. log        replayed behind the newest group that tables have, into the record table; then synced, for what we
//                 are about to show must not be taken back by a power cut
//   5. manifest   begun anew, with where the log ended: what was cut off there never comes back
//   6. strangers  files that nothing names are removed
//   7. log        a new segment, and room for the day the disk is full
//
// A crash at any step leaves what the step before left: nothing is removed and nothing new is written to the log
// before 5 is durable.
//
// Threads: loop, waiting for the disk: nothing else runs yet.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "engine/engine_impl.h"
#include "engine/file_names.h"
#include "engine/log/log_reader.h"

namespace varve {

Result<std::unique_ptr<Engine>> Engine::Open(const Options& options, Env& env) {
  auto engine = std::make_unique<EngineImpl>(options, env);
  if (Status s = engine->Recover(); !s.ok()) return s;
  return std::unique_ptr<Engine>(std::move(engine));
}

EngineImpl::EngineImpl(const Options& options, Env& env)
    : options_(options),
      env_(env),
      random_(env.RandomU64()),
      records_(env.RandomU64()),
      block_cache_(0) {
  options_.Derive();
  SetCacheCapacities();
  table_cache_.SetOpenMax(options_.open_tables_max);
  // The flush of one generation frees as much log. The next segments must find room, too.
  reserve_ = std::make_unique<DiskReserve>(
      env_, options_.directory, options_.generation_bytes + 2 * options_.segment_bytes, [this] {
        log_->SetFrugal(!reserve_->status().ok());
        NoteLogState();
      });
}

EngineImpl::~EngineImpl() {
  *alive_ = false;
  alive_.reset();
  // They read what is freed next. What they bring is for nobody.
  env_.RunUntil([this] { return env_.pending_jobs() == 0; });
  // Superseded records are their generation's alone.
  std::vector<const Generation*> generations = {active_.get()};
  for (const auto& generation : frozen_) generations.push_back(generation.get());
  for (const auto& generation : flushed_) generations.push_back(generation.get());
  for (const Generation* generation : generations) {
    if (generation == nullptr) continue;
    const bool front = !flushed_.empty() && generation == flushed_.front().get();
    for (size_t i = front ? cleaned_in_front_ : 0; i < generation->records.size(); ++i) {
      if (generation->records[i]->superseded()) Record::Delete(generation->records[i]);
    }
  }
  records_.ForEach([](Record* record) { Record::Delete(record); });
}

Status EngineImpl::Recover() {
  RETURN_IF_ERROR(env_.CreateDirectory(options_.directory));
  Result<std::unique_ptr<DirectoryLock>> lock =
      env_.LockFile(JoinPath(options_.directory, kLockFileName));
  if (!lock.ok()) return lock.status();
  lock_ = std::move(*lock);
  DiskReserve::RemoveOld(env_, options_.directory);

  RETURN_IF_ERROR(OpenOrCreateManifest());
  RETURN_IF_ERROR(FindTablesOfVersion());
  records_complete_ = state_.version->table_count() == 0;
  counts_ = state_.counts;
  scrubber_ = std::make_unique<Scrubber>(
      Scrubber::Parts{env_, table_directory(), [this] { return state_.version; },
                      [this](const Status& status) { NoteError("scrub", status); }});
  RETURN_IF_ERROR(ReplayLogs());
  scrubber_->SetRate(options_.scrub_bytes_per_second);
  NoteLogState();
  return Status::Ok();
}

Status EngineImpl::OpenOrCreateManifest() {
  Result<ManifestContents> contents = ReadManifest(env_, options_.directory);
  if (contents.ok()) {
    if (!contents->damage.ok()) NoteError("manifest", contents->damage);
    state_ = std::move(contents->state);
  } else if (contents.status().is_not_found()) {
    do {
      state_.database_id = env_.RandomU64();
    } while (state_.database_id == 0);
  } else {
    return contents.status();
  }
  next_file_number_ = state_.next_file_number;
  // Files whose numbers no edit recorded, such as spare log segments, keep them.
  Result<std::vector<std::string>> names = env_.List(options_.directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::optional<FileName> file = ParseFileName(name);
    if (file) next_file_number_ = std::max(next_file_number_, file->number + 1);
  }
  manifest_ = std::make_shared<ManifestWriter>(env_, options_.directory, state_.database_id);
  // The directory may be new, or have a new name, and a power cut could take it back with all that is in it: who made
  // it may not have got so far as to sync that.
  RETURN_IF_ERROR(env_.SyncDirectory(ParentDirectory(options_.directory)));
  if (contents.ok()) return Status::Ok();
  // The first manifest comes before the first segment: a directory without one was never used.
  return StartManifest();
}

Status EngineImpl::StartManifest() {
  const uint64_t number = NewFileNumber();
  state_.next_file_number = next_file_number_;
  stats_.manifest_number = number;
  return manifest_->Start(number, state_.Snapshot());
}

Status EngineImpl::FindTablesOfVersion() {
  Result<std::vector<std::string>> names = env_.List(options_.directory);
  if (!names.ok()) return names.status();
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& meta : state_.version->level(level)) {
      if (std::binary_search(names->begin(), names->end(), TableFileName(meta->number))) continue;
      return Status::Corruption(table_directory().PathOf(meta->number) +
                                ": missing, though the manifest names it");
    }
  }
  for (const LiveValueFile& file : state_.version->value_files()) {
    if (!std::binary_search(names->begin(), names->end(), ValueFileName(file.meta.number))) {
      return Status::Corruption(table_directory().PathOfValues(file.meta.number) +
                                ": missing, though the manifest names it");
    }
    table_cache_.Add(file.meta.number);
  }
  SetVersionTables();
  return Status::Ok();
}

Status EngineImpl::ReplayLogs() {
  const uint64_t start_us = env_.MonotonicUs();
  LogReplay replay;
  replay.directory = options_.directory;
  replay.database_id = state_.database_id;
  replay.known_ends = state_.log_ends;
  replay.flushed_group = state_.flushed_group;
  Result<std::vector<std::string>> names = env_.List(options_.directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::optional<FileName> file = ParseFileName(name);
    if (file && file->kind == FileKind::kLog && file->number >= state_.first_log_segment) {
      replay.segments.push_back(file->number);
    }
  }
  std::sort(replay.segments.begin(), replay.segments.end());

  // All of it stays in the old segments until it is in tables, however many generations it makes.
  const uint64_t first_segment = replay.segments.empty() ? 0 : replay.segments.front();
  active_ = NewGeneration(first_segment);
  Result<LogEnd> end = ReplayLog(env_, replay, [&](uint64_t group, Slice payload) {
    if (GenerationIsFull() && generation_ids_.size() < 8) {
      counted_total_ = nullptr;
      frozen_.push_back(std::move(active_));
      active_ = NewGeneration(first_segment);
    }
    return ApplyReplayed(group, payload);
  });
  if (!end.ok()) return end.status();

  // What is about to be relied on may be in the kernel only, unless the log was closed in good order.
  for (const uint64_t number : replay.segments) {
    if (end->end == SegmentEnd::kSealed || number > end->segment) break;
    RETURN_IF_ERROR(MakeDurable(number, number == end->segment ? end->offset : UINT64_MAX));
  }
  for (const auto& [segment, offset] : end->new_ends) state_.log_ends[segment] = offset;
  RETURN_IF_ERROR(StartManifest());
  RETURN_IF_ERROR(RemoveStrangers());

  stats_.replayed_bytes = end->payload_bytes;
  stats_.replay_us = env_.MonotonicUs() - start_us;
  Log(LogLevel::kNotice, "engine: opened %s, manifest %llu, %zu tables, %s",
      options_.directory.c_str(), static_cast<unsigned long long>(manifest_->number()),
      state_.version->table_count(), FormatBytes(state_.version->table_bytes()).c_str());
  if (end->groups > 0) {
    Log(LogLevel::kNotice, "engine: replayed %zu segments, %llu records, %s in %llu ms",
        replay.segments.size(), static_cast<unsigned long long>(stats_.replayed_records),
        FormatBytes(end->payload_bytes).c_str(),
        static_cast<unsigned long long>(stats_.replay_us / 1000));
  }
  StartLog(std::max(end->last_group, state_.flushed_group), std::move(replay.segments));
  return Status::Ok();
}

// Writes the first part of a segment over itself, and syncs it. Without the writing the sync would
// prove nothing: if one failed in an earlier life, the kernel goes on showing bytes that the disk has
// not, and calls them clean.
Status EngineImpl::MakeDurable(uint64_t segment, uint64_t size_bytes) {
  constexpr uint64_t kChunkBytes = 1u << 20;
  const std::string path = JoinPath(options_.directory, LogFileName(segment));
  Result<std::unique_ptr<File>> file = env_.Open(path, OpenMode::kReuse);
  if (!file.ok()) return file.status();
  const Result<uint64_t> file_bytes = (*file)->Size();
  if (!file_bytes.ok()) return file_bytes.status();
  const uint64_t end = std::min(size_bytes, *file_bytes);
  std::string chunk;
  for (uint64_t offset = 0; offset < end; offset += chunk.size()) {
    chunk.resize(std::min(kChunkBytes, end - offset));
    const Result<size_t> read = (*file)->ReadAt(offset, chunk.size(), chunk.data());
    if (!read.ok()) return read.status();
    if (*read < chunk.size()) return Status::IoError(path + ": became shorter while it was read");
    RETURN_IF_ERROR((*file)->WriteAt(offset, chunk));
  }
  return (*file)->Sync();
}

Status EngineImpl::ApplyReplayed(uint64_t group, Slice payload) {
  BatchReader reader(payload);
  while (reader.Next()) {
    const Entry& entry = reader.entry();
    // See Commit for what the bit means in the log.
    const bool put = entry.kind == EntryKind::kPut;
    const int delta = put ? static_cast<int>(entry.creates) : -static_cast<int>(!entry.creates);
    SharedBytes shared;
    if (entry.value.size() >= kSharedValueBytesMin) shared = SharedBytes::CopyOf(entry.value);
    Apply(entry, shared, group, &delta);
    ++stats_.replayed_records;
  }
  if (!reader.ok()) {
    return Status::Corruption("log: group " + std::to_string(group) +
                              " has a valid checksum but "
                              "makes no sense");
  }
  active_->last_group = group;
  active_->log_bytes += payload.size();
  return Status::Ok();
}

Status EngineImpl::RemoveStrangers() {
  Result<std::vector<std::string>> names = env_.List(options_.directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::optional<FileName> file = ParseFileName(name);
    if (!file) continue;
    bool wanted = true;
    switch (file->kind) {
      case FileKind::kTable: wanted = table_cache_.Find(file->number) != nullptr; break;
      case FileKind::kValues:
        wanted = state_.version->FindValueFile(file->number) != nullptr;
        break;
      case FileKind::kLog: wanted = file->number >= state_.first_log_segment; break;
      case FileKind::kManifest:
      case FileKind::kManifestCopy: wanted = file->number == manifest_->number(); break;
      case FileKind::kTemporary: wanted = false; break;
      case FileKind::kCurrent:
      case FileKind::kLock:
      case FileKind::kReserve: break;
    }
    if (!wanted) RETURN_IF_ERROR(env_.Remove(JoinPath(options_.directory, name)));
  }
  return Status::Ok();
}

void EngineImpl::StartLog(uint64_t last_group, std::vector<uint64_t> old_segments) {
  last_commit_group_ = last_group;
  log_ = std::make_unique<LogWriter>(
      options_, env_, state_.database_id, last_group,
      LogWriter::Callbacks{
          .new_file_number = [this] { return NewFileNumber(); },
          .on_reported =
              [this] {
                if (on_reported_) on_reported_();
              },
          .on_work =
              [this](LogWork work, uint64_t took_us) {
                if (on_log_work_) on_log_work_(work, took_us);
              },
          .on_failed = [this](const Status& status) { LogFailed(status); },
          .on_no_space = [this](const Status& status) { reserve_->NoteNoSpace(status); }});
  reserve_->Open();
  log_->AdoptOldSegments(std::move(old_segments));
  const uint64_t segment = log_->StartSegment();
  if (active_->empty()) {
    generation_ids_.erase(active_->id);
    active_ = NewGeneration(segment);
  }
  WatchForQuiet();
  MaybeFlush();
  MaybeCompact();
}

Status EngineImpl::Close() {
  if (closing_) return Status::Ok();
  Status outcome = log_->failure();
  if (outcome.ok()) {
    // The log may answer after we have stopped waiting.
    const auto synced = std::make_shared<std::optional<Status>>();
    log_->Sync([synced](const Status& status) { *synced = status; });
    // What waits for room was not reported to anyone.
    env_.RunUntil([&] { return synced->has_value() || log_->waits_for_room(); });
    if (*synced) outcome = **synced;
  }
  closing_ = true;
  log_->Stop();
  scrubber_->Stop();
  CancelCheckpoint();
  RefusePins({StatusCode::kAborted, "shutting down"});
  CancelRangeCompactions();
  // Jobs under way end; what they report is installed or, if it cannot be, done again at the next start.
  env_.RunUntil([&] { return env_.pending_jobs() == 0; });
  // The snapshots that they read have gone with them; what others hold is removed at the next start.
  CollectPins();
  env_.RunUntil([&] { return env_.pending_jobs() == 0; });
  if (outcome.ok()) outcome = log_->failure();
  if (outcome.ok() && log_->waits_for_room()) {
    outcome = {StatusCode::kNoSpace, "log: no room for the last writes, which were not answered"};
  }
  // Behind a seal nothing was being written any more, neither here nor in the manifest.
  if (outcome.ok() && manifest_->ok()) {
    bool sealed = false;
    log_->Seal([&](const Status& status) {
      outcome = status;
      sealed = true;
    });
    env_.RunUntil([&] { return sealed; });
  }
  lock_.reset();
  return outcome;
}

}  // namespace varve
