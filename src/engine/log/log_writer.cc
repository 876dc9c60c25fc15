// engine/log/log_writer.cc: groups on their way to the disk.
#include "engine/log/log_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/planted_bug.h"
#include "engine/file_names.h"
#include "engine/log/log_format.h"
#include "engine/log/log_record.h"

namespace varve {

namespace {
constexpr uint64_t kSyncIntervalMs = 1000;
constexpr uint64_t kSpareRetryDelayMs = 1000;
constexpr uint64_t kNoRoomRetryDelayMs = 100;
// Memory of a group is used again up to this size: to grow it anew would copy each commit twice.
constexpr size_t kSpareBytesMax = 1 << 20;
}  // namespace

// The file is opened on the log thread if no spare was ready, hence by whoever needs it first.
struct LogWriter::Segment {
  uint64_t number = 0;
  std::string directory;
  uint64_t database_id = 0;
  uint64_t capacity = 0;
  std::unique_ptr<File> file;

  // Loop only.
  uint64_t end = kLogFileHeaderBytes;
  uint64_t last_group = 0;  // written to it
  int groups_unwritten = 0;
  bool unsynced = false;
  bool ready = false;     // the file is there and survives a power cut
  bool doubtful = false;  // it was in use when the log failed

  std::string path() const { return JoinPath(directory, LogFileName(number)); }

  // Makes the file, or turns `recycled` into it, up to the point where a record that is written
  // and synced survives a power cut. Leaves no file behind if it cannot.
  Status Prepare(Env& env, uint64_t recycled, bool preallocate);
  Status MakeFile(Env& env, uint64_t recycled, bool preallocate);
  // On the log thread.
  Status Write(const Group& group, uint64_t synced_group) const;
};

Status LogWriter::Segment::Prepare(Env& env, uint64_t recycled, bool preallocate) {
  const Status status = MakeFile(env, recycled, preallocate);
  if (!status.ok()) (void)env.Remove(path());
  return status;
}

Status LogWriter::Segment::MakeFile(Env& env, uint64_t recycled, bool preallocate) {
  if (recycled != 0) {
    RETURN_IF_ERROR(env.Rename(JoinPath(directory, LogFileName(recycled)), path()));
  }
  Result<std::unique_ptr<File>> opened =
      env.Open(path(), recycled != 0 ? OpenMode::kReuse : OpenMode::kCreate);
  if (!opened.ok()) return opened.status();
  if (preallocate && recycled == 0) RETURN_IF_ERROR((*opened)->Preallocate(capacity));
  RETURN_IF_ERROR((*opened)->WriteAt(0, EncodeLogFileHeader(database_id, number)));
  RETURN_IF_ERROR((*opened)->Sync());
  if (!Planted(PlantedBug::kSegmentNameNotSynced)) RETURN_IF_ERROR(env.SyncDirectory(directory));
  file = std::move(*opened);
  return Status::Ok();
}

Status LogWriter::Segment::Write(const Group& group, uint64_t synced_group) const {
  if (Planted(PlantedBug::kGroupLostAtRotation) && group.offset == kLogFileHeaderBytes) {
    return Status::Ok();
  }
  const LogRecordHeader header{.segment = number,
                               .group = group.number,
                               .synced_group = synced_group,
                               .type = group.seal ? LogRecordType::kSeal : LogRecordType::kData};
  return WriteLogRecord(*file, database_id, group.offset, header, group.bytes, group.splices);
}

LogWriter::LogWriter(const Options& options, Env& env, uint64_t database_id, uint64_t last_group,
                     Callbacks callbacks)
    : options_(options),
      env_(env),
      database_id_(database_id),
      callbacks_(std::move(callbacks)),
      durability_(options.durability),
      current_group_(last_group + 1),
      written_group_(last_group),
      synced_group_(last_group),
      reported_group_(last_group) {}

LogWriter::~LogWriter() { Stop(); }

uint64_t LogWriter::Append(const Batch& batch) {
  if (failed()) {
    has_unlogged_ = true;
    return current_group_;
  }
  const size_t base = gathering_.bytes.size();
  gathering_.bytes.append(batch.bytes());
  for (const Splice& splice : batch.splices()) {
    gathering_.splices.push_back({base + splice.position, splice.value});
    gathering_.spliced_bytes += splice.value.size();
  }
  pending_bytes_ += batch.size_bytes();
  return current_group_;
}

void LogWriter::EndTurn() {
  if (failed() || writing_ || gathering_.bytes.empty()) return;  // the next group grows meanwhile
  CloseGroup();
  WriteNext();
}

uint64_t LogWriter::StartSegment() {
  if (!failed() && !gathering_.bytes.empty()) {
    CloseGroup();
    if (!writing_) WriteNext();
  }
  segment_ = TakeSegment();
  if (!segment_->ready) {
    // At once, ahead of the first write to it, so that the manifest may soon name it.
    auto status = std::make_shared<Status>();
    auto took_us = std::make_shared<uint64_t>(0);
    env_.Schedule(
        Lane::kLog,
        [&env = env_, segment = segment_, status, took_us] {
          const uint64_t start_us = env.MonotonicUs();
          *status = segment->Prepare(env, 0, false);
          *took_us = env.MonotonicUs() - start_us;
        },
        [this, alive = std::weak_ptr<bool>(alive_), life = life_, segment = segment_, status,
         took_us] {
          if (alive.expired()) return;
          callbacks_.on_work(LogWork::kWrite, *took_us);  // the next group stood behind it
          if (life != life_) return;
          if (status->code() == StatusCode::kNoSpace) {
            // The first write to it will ask again.
            callbacks_.on_no_space(*status);
          } else if (!status->ok()) {
            Fail(*status);
          } else {
            segment->ready = true;
          }
        });
  }
  return segment_->number;
}

bool LogWriter::IsReady(uint64_t segment) const {
  return std::any_of(used_.begin(), used_.end(), [segment](const std::shared_ptr<Segment>& s) {
    return s->number == segment && s->ready;
  });
}

void LogWriter::CloseGroup() {
  const uint64_t need = LogRecordBytes(gathering_.payload_bytes());
  const bool begun = segment_ && segment_->end > kLogFileHeaderBytes;
  if (!segment_ || (begun && segment_->end + need > segment_->capacity)) segment_ = TakeSegment();
  gathering_.number = current_group_++;
  gathering_.segment = segment_;
  gathering_.offset = segment_->end;
  segment_->end += need;
  ++segment_->groups_unwritten;
  closed_.push_back(std::exchange(gathering_, Group()));
  gathering_.bytes.swap(spare_bytes_);
}

std::shared_ptr<LogWriter::Segment> LogWriter::TakeSegment() {
  std::shared_ptr<Segment> segment;
  if (!spares_.empty()) {
    segment = std::move(spares_.front());
    spares_.pop_front();
  } else {
    segment = std::make_shared<Segment>();
    segment->number = callbacks_.new_file_number();
    segment->directory = options_.directory;
    segment->database_id = database_id_;
    segment->capacity = options_.segment_bytes;
  }
  CHECK(used_.empty() || used_.back()->number < segment->number);
  used_.push_back(segment);
  return segment;
}

void LogWriter::WriteNext() {
  CHECK(!writing_ && !closed_.empty());
  writing_ = true;
  auto group = std::make_shared<Group>(std::move(closed_.front()));
  closed_.pop_front();
  group->life = life_;
  Write(group);
}

void LogWriter::Write(const std::shared_ptr<Group>& group) {
  struct Outcome {
    Status status;
    bool synced = false;
    bool in_doubt = false;  // a sync failed
    uint64_t write_us = 0;
    std::optional<uint64_t> sync_us;
  };
  const uint64_t synced_group = synced_group_;
  auto outcome = std::make_shared<Outcome>();
  const bool sync = durability_ == Durability::kAlways;
  env_.Schedule(
      Lane::kLog,
      [&env = env_, group, outcome, sync, synced_group] {
        Segment& segment = *group->segment;
        Status& status = outcome->status;
        const uint64_t start_us = env.MonotonicUs();
        if (!segment.file) status = segment.Prepare(env, 0, false);
        if (status.ok()) status = segment.Write(*group, synced_group);
        const uint64_t written_us = env.MonotonicUs();
        outcome->write_us = written_us - start_us;
        if (!status.ok() || !sync) return;
        outcome->synced = true;
        if (Planted(PlantedBug::kReplyBeforeSync)) return;
        status = segment.file->Sync();
        if (Planted(PlantedBug::kSyncAgain) && !status.ok()) status = segment.file->Sync();
        outcome->synced = status.ok();
        outcome->in_doubt = !status.ok();
        outcome->sync_us = env.MonotonicUs() - written_us;
      },
      [this, alive = std::weak_ptr<bool>(alive_), group, outcome] {
        if (alive.expired()) return;
        callbacks_.on_work(LogWork::kWrite, outcome->write_us);
        if (outcome->sync_us) CountSync(*outcome->sync_us);
        const Status& status = outcome->status;
        const bool no_room = status.code() == StatusCode::kNoSpace && !outcome->in_doubt;
        waits_for_room_ = no_room && group->life == life_;
        if (!waits_for_room_) return Wrote(*group, outcome->synced, status);
        callbacks_.on_no_space(status);
        env_.RunAfter(kNoRoomRetryDelayMs, [this, alive, group] {
          if (alive.expired()) return;
          if (group->life == life_) return Write(group);
          Wrote(*group, false, Status::Ok());
        });
      });
}

void LogWriter::WriteMore() {
  if (failed()) return;
  if (closed_.empty())
    return EndTurn();  // what has gathered since need not wait for the turn to end
  WriteNext();
}

void LogWriter::Wrote(Group& group, bool synced, const Status& status) {
  writing_ = waits_for_room_ = false;
  const size_t payload_bytes = group.payload_bytes();
  pending_bytes_ -= payload_bytes;
  if (group.bytes.capacity() <= kSpareBytesMax) {
    spare_bytes_ = std::move(group.bytes);
    spare_bytes_.clear();
  }
  --group.segment->groups_unwritten;
  if (group.life != life_) return WriteMore();
  if (!status.ok()) return Fail(status);
  Segment& segment = *group.segment;
  bytes_written_ += LogRecordBytes(payload_bytes);
  ++groups_written_;
  written_group_ = group.number;
  segment.last_group = group.number;
  segment.ready = true;
  segment.unsynced = segment.unsynced || !synced;
  if (synced) {
    ++syncs_;
    // An earlier group may still be unsynced if the durability was changed in between.
    const bool all = std::none_of(used_.begin(), used_.end(), [](auto& s) { return s->unsynced; });
    if (all && !syncing_) synced_group_ = group.number;
  }
  ReleaseRetired();
  if (spares_.empty()) PrepareSpare();
  WriteMore();
  SyncOnAndReport();
}

void LogWriter::Report() {
  const uint64_t group = durability_ == Durability::kAlways ? synced_group_ : written_group_;
  if (group <= reported_group_) return;
  reported_group_ = group;
  callbacks_.on_reported();
}

// --- Syncs beside the writing ---

void LogWriter::ArmSyncTimer() {
  if (sync_timer_ != 0 || stopped_) return;
  sync_timer_ = env_.RunAfter(kSyncIntervalMs, [this] {
    sync_timer_ = 0;
    StartSync();
  });
}

void LogWriter::Sync(std::function<void(Status)> done) {
  if (failed()) return done(failure_);
  EndTurn();
  const uint64_t target = gathering_.bytes.empty() ? current_group_ - 1 : current_group_;
  if (synced_group_ >= target) return done(Status::Ok());
  sync_waiters_.emplace_back(target, std::move(done));
  ServeSyncWaiters();
}

void LogWriter::StartSync() {
  if (syncing_ || failed()) return;
  std::vector<std::shared_ptr<Segment>> segments;
  for (const auto& segment : used_) {
    if (segment->unsynced) segments.push_back(segment);
  }
  if (segments.empty()) {
    // What was written is in synced segments, or in retired ones and so in tables.
    synced_group_ = written_group_;
    return;
  }
  syncing_ = true;
  const uint64_t group = written_group_;
  for (const auto& segment : segments)
    segment->unsynced = false;  // a write from now on sets it again
  auto status = std::make_shared<Status>();
  auto took_us = std::make_shared<uint64_t>(0);
  env_.Schedule(
      Lane::kSync,
      [&env = env_, segments, status, took_us] {
        const uint64_t start_us = env.MonotonicUs();
        for (const auto& segment : segments) {
          if (*status = segment->file->Sync(); !status->ok()) break;
        }
        *took_us = env.MonotonicUs() - start_us;
      },
      [this, alive = std::weak_ptr<bool>(alive_), life = life_, group, status, took_us] {
        if (alive.expired()) return;
        syncing_ = false;
        CountSync(*took_us);
        if (life == life_) return Synced(group, *status);
        SyncOnAndReport();
      });
}

void LogWriter::CountSync(uint64_t took_us) {
  sync_us_ += took_us;
  callbacks_.on_work(LogWork::kSync, took_us);
}

void LogWriter::Synced(uint64_t group, const Status& status) {
  if (!status.ok()) return Fail(status);
  ++syncs_;
  synced_group_ = std::max(synced_group_, group);
  SyncOnAndReport();
}

void LogWriter::SyncOnAndReport() {
  if (failed()) return;
  if (written_group_ > synced_group_) {
    if (durability_ == Durability::kAlways) StartSync();
    if (durability_ == Durability::kEverySecond) ArmSyncTimer();
  }
  ServeSyncWaiters();
  Report();
}

void LogWriter::ServeSyncWaiters() {
  if (sync_waiters_.empty()) return;
  StartSync();
  std::vector<std::function<void(Status)>> served;
  for (auto& [target, done] : sync_waiters_) {
    if (target <= synced_group_) served.push_back(std::move(done));
  }
  std::erase_if(sync_waiters_, [this](const auto& w) { return w.first <= synced_group_; });
  for (auto& done : served) done(Status::Ok());
}

void LogWriter::SetDurability(Durability durability) {
  durability_ = durability;
  if (durability != Durability::kNo && written_group_ > synced_group_) StartSync();
}

// --- Segments come and go ---

void LogWriter::AdoptOldSegments(std::vector<uint64_t> numbers) {
  old_segments_ = std::move(numbers);
}

void LogWriter::RetireBefore(uint64_t segment) {
  live_from_ = std::max(live_from_, segment);
  ReleaseRetired();
}

void LogWriter::ReleaseRetired() {
  std::erase_if(old_segments_, [this](uint64_t number) {
    if (number >= live_from_) return false;
    recyclable_.push_back(number);
    return true;
  });
  std::erase_if(used_, [this](const std::shared_ptr<Segment>& segment) {
    const bool done =
        segment->number < live_from_ && segment != segment_ && segment->groups_unwritten == 0;
    if (!done) return false;
    if (segment->ready && !segment->doubtful) {
      recyclable_.push_back(segment->number);
    } else {
      RemoveFile(segment->number);
    }
    return true;
  });
  const size_t keep = frugal_ || quiet_ ? 0 : options_.spare_segments_max;
  while (recyclable_.size() > keep) {
    RemoveFile(recyclable_.back());
    recyclable_.pop_back();
  }
}

void LogWriter::DropSpares() {
  for (const auto& spare : std::exchange(spares_, {})) RemoveFile(spare->number);
  for (const uint64_t number : std::exchange(recyclable_, {})) RemoveFile(number);
}

void LogWriter::SetFrugal(bool frugal) {
  frugal_ = frugal;
  if (frugal) DropSpares();
}

void LogWriter::SetQuiet(bool quiet) {
  quiet_ = quiet;
  ReleaseRetired();
}

void LogWriter::RemoveFile(uint64_t segment) {
  if (stopped_) return;
  // Whoever still syncs it has it open. A file that stays is removed at the next start.
  std::string path = JoinPath(options_.directory, LogFileName(segment));
  env_.Schedule(
      Lane::kFiles, [&env = env_, path = std::move(path)] { (void)env.Remove(path); }, [] {});
}

void LogWriter::PrepareSpare() {
  if (preparing_spare_ || stopped_ || failed() || frugal_) return;
  preparing_spare_ = true;
  auto spare = std::make_shared<Segment>();
  spare->number = callbacks_.new_file_number();
  spare->directory = options_.directory;
  spare->database_id = database_id_;
  spare->capacity = options_.segment_bytes;
  uint64_t recycled = 0;
  if (!recyclable_.empty()) {
    recycled = recyclable_.back();
    recyclable_.pop_back();
  }
  auto status = std::make_shared<Status>();
  env_.Schedule(
      Lane::kFiles,
      [&env = env_, spare, recycled, status] { *status = spare->Prepare(env, recycled, true); },
      [this, alive = std::weak_ptr<bool>(alive_), life = life_, spare, status] {
        if (alive.expired()) return;
        preparing_spare_ = false;
        if (status->ok() && (life != life_ || frugal_)) return RemoveFile(spare->number);
        if (status->ok()) {
          // A segment made meanwhile without us has a greater number, and segments are used in the order
          // of their numbers.
          if (!used_.empty() && used_.back()->number > spare->number) {
            recyclable_.push_back(spare->number);
            return;
          }
          spare->ready = true;
          spares_.push_back(spare);
        } else {
          // Not the log's failure: the log thread makes the next segment itself, and if that fails, says so.
          Log(LogLevel::kWarning, "log: cannot prepare a segment: %s", status->ToString().c_str());
          if (status->code() == StatusCode::kNoSpace) callbacks_.on_no_space(*status);
          // Not again with every group.
          preparing_spare_ = true;
          env_.RunAfter(kSpareRetryDelayMs, [this, alive] {
            if (!alive.expired()) preparing_spare_ = false;
          });
        }
      });
}

// --- Failure ---

void LogWriter::Fail(const Status& status) {
  if (failed()) return;
  failure_ = status;
  ++life_;
  Log(LogLevel::kWarning, "log: %s; writes are refused until all data is in tables",
      status.ToString().c_str());
  env_.CancelTimer(std::exchange(sync_timer_, 0));
  for (const Group& group : closed_) {
    pending_bytes_ -= group.payload_bytes();
    --group.segment->groups_unwritten;
  }
  closed_.clear();
  pending_bytes_ -= gathering_.payload_bytes();
  if (!gathering_.bytes.empty()) ++current_group_;
  gathering_ = Group();
  for (const auto& segment : used_) segment->doubtful = true;
  DropSpares();
  for (auto& [target, done] : std::exchange(sync_waiters_, {})) done(status);
  callbacks_.on_failed(status);
}

uint64_t LogWriter::EndUnlogged() {
  CHECK(failed());
  if (std::exchange(has_unlogged_, false)) ++current_group_;
  return current_group_ - 1;
}

void LogWriter::Resume() {
  CHECK(failed() && !has_unlogged_);
  failure_ = Status::Ok();
  for (const auto& segment : used_) segment->unsynced = false;
  segment_ = nullptr;
  written_group_ = synced_group_ = current_group_ - 1;
}

void LogWriter::Seal(std::function<void(Status)> done) {
  CHECK(!failed() && closed_.empty() && !writing_ && gathering_.bytes.empty());
  if (!segment_) return done(Status::Ok());
  Group seal;
  seal.number = current_group_ - 1;
  seal.seal = true;
  seal.segment = segment_;
  seal.offset = segment_->end;
  auto status = std::make_shared<Status>();
  env_.Schedule(
      Lane::kLog,
      [&env = env_, seal, synced_group = synced_group_, status] {
        if (!seal.segment->file) *status = seal.segment->Prepare(env, 0, false);
        if (status->ok()) *status = seal.segment->Write(seal, synced_group);
        if (status->ok()) *status = seal.segment->file->Sync();
      },
      [done = std::move(done), status] { done(*status); });
}

void LogWriter::Stop() {
  stopped_ = true;
  if (sync_timer_ != 0) env_.CancelTimer(std::exchange(sync_timer_, 0));
}

void LogWriter::AddStats(EngineStats* stats) const {
  stats->log_bytes_written = bytes_written_;
  stats->log_groups = groups_written_;
  stats->log_syncs = syncs_;
  stats->log_sync_us = sync_us_;
  stats->log_pending_bytes = pending_bytes_;
  stats->log_segments = used_.size() + old_segments_.size();
}

}  // namespace varve
