// env/sim_env.cc: a world in memory, the same each time for the same seed.
//
// Every disk operation begins with Begin(), which counts it and decides whether it takes place, and
// then is carried out by SimDisk or SimFile. What a failing operation leaves behind is decided
// where it is carried out.
#include "env/sim_env.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"

namespace varve {

namespace {

// 2024-01-01: simulated histories should not change from year to year.
constexpr int64_t kWallStartMs = 1'704'067'200'000;

// How far past each other the reads of one lane may get: its threads on a real machine.
constexpr size_t kReadThreads = 8;

// What a failed read leaves in the caller's buffer: nothing anyone should use.
constexpr char kGarbage = '\xdb';

// How seldom time overtakes jobs that could still run, as it does where the disk is slow.
constexpr uint64_t kStepsPerTimeJump = 64;

// After so many steps on a dead disk a program is not going to end by itself.
constexpr size_t kDeadStepsMax = 1'000'000;

constexpr Slice kLaneNames[kLanes] = {"log",        "sync", "manifest",   "flush",
                                      "compaction", "read", "checkpoint", "files"};

constexpr Slice kLink = "link";

Status InjectedError(StatusCode code, const std::string& path, Slice what) {
  if (code == StatusCode::kNotSupported) {
    const Status status = Status::FromErrno(EXDEV, path, what);
    return {code, std::string(status.message())};
  }
  return Status::FromErrno(code == StatusCode::kNoSpace ? ENOSPC : EIO, path, what);
}

// Held through the node's weak pointer, so a restart that clears it frees the lock at once.
class SimLock final : public DirectoryLock {
 public:
  explicit SimLock(std::shared_ptr<void> holder) : holder_(std::move(holder)) {}

 private:
  const std::shared_ptr<void> holder_;
};

}  // namespace

// --- Files ---

class SimOpenFile final : public File {
 public:
  SimOpenFile(SimEnv& env, SimDisk::NodePtr node, std::string path, bool writable)
      : env_(env),
        world_(env.world_),
        node_(std::move(node)),
        path_(std::move(path)),
        writable_(writable) {}

  using File::WriteAt;

  Result<size_t> ReadAt(uint64_t offset, size_t size, char* scratch) const override {
    if (Status s = Begin("read", false); !s.ok()) {
      std::fill_n(scratch, std::min<size_t>(size, 64), kGarbage);
      return s;
    }
    return node_->file.Read(offset, size, scratch);
  }

  Result<size_t> TryReadAt(uint64_t offset, size_t size, char* scratch) const override {
    RETURN_IF_ERROR(Begin("try to read", false));
    if (env_.disk_random_.Uniform(100) < env_.pending_percent_) return Status::Pending();
    return node_->file.Read(offset, size, scratch);
  }

  Status WriteAt(uint64_t offset, std::span<const Slice> slices) override {
    if (!writable_) return Status::FromErrno(EBADF, path_, "write");
    uint64_t size = 0;
    for (const Slice slice : slices) size += slice.size();
    Status status = Begin("write", offset + size > node_->file.size());
    if (status.ok()) status = FindRoom("write", offset + size);
    uint64_t written = size;
    if (!status.ok()) written = IsAlive() ? env_.disk_random_.Uniform(size + 1) : 0;
    // A disk without room keeps what fits into the blocks it has.
    if (status.code() == StatusCode::kNoSpace) {
      const uint64_t end = node_->file.size();
      written = std::min(written, end > offset ? end - offset : 0);
    }
    node_->file.Write(offset, slices, written);
    return status;
  }

  Status Sync() override {
    const Status status = Begin("sync", node_->file.grew_since_sync());
    if (status.ok()) {
      node_->file.Sync();
    } else if (IsAlive()) {
      node_->file.FailSync(env_.disk_random_);
    }
    return status;
  }

  Status Preallocate(uint64_t size) override {
    if (!writable_) return Status::FromErrno(EBADF, path_, "preallocate");
    Status status = Begin("preallocate", size > node_->file.size());
    if (status.ok()) status = FindRoom("preallocate", size);
    if (status.ok()) {
      node_->file.WriteZeros(0, size);
      node_->file.Truncate(size);
    } else if (IsAlive() && status.code() != StatusCode::kNoSpace) {
      node_->file.WriteZeros(0, env_.disk_random_.Uniform(size + 1));
    }
    return status;
  }

  Status Allocate(uint64_t size) override {
    if (!writable_) return Status::FromErrno(EBADF, path_, "allocate");
    Status status = Begin("allocate", size > node_->file.size());
    if (status.ok()) status = FindRoom("allocate", size);
    if (status.ok()) {
      node_->file.Truncate(size);
    } else if (IsAlive()) {
      node_->file.Truncate(0);
    }
    return status;
  }

  Status Truncate(uint64_t size) override {
    if (!writable_) return Status::FromErrno(EBADF, path_, "truncate");
    RETURN_IF_ERROR(Begin("truncate", size > node_->file.size()));
    RETURN_IF_ERROR(FindRoom("truncate", size));
    node_->file.Truncate(size);
    return Status::Ok();
  }

  Result<uint64_t> Size() const override {
    if (!IsAlive()) return Status::FromErrno(EIO, path_, "stat");
    return node_->file.size();
  }

 private:
  bool IsAlive() const { return env_.power_is_on_ && env_.world_ == world_; }

  Status Begin(Slice what, bool needs_room) const {
    if (env_.world_ != world_) return Status::FromErrno(EIO, path_, what);
    return env_.Begin(what, path_, needs_room);
  }

  Status FindRoom(Slice what, uint64_t new_size) const {
    const uint64_t size = node_->file.size();
    if (new_size <= size || env_.HasRoomFor(new_size - size)) return Status::Ok();
    return Status::FromErrno(ENOSPC, path_, what);
  }

  SimEnv& env_;
  const uint64_t world_;
  const SimDisk::NodePtr node_;
  const std::string path_;
  const bool writable_;
};

// --- Operations ---

SimEnv::SimEnv(uint64_t seed)
    : disk_random_(seed),
      job_random_(disk_random_.Next()),
      program_random_(disk_random_.Next()),
      wall_offset_ms_(kWallStartMs) {}

SimEnv::~SimEnv() { DropJobs(); }

Status SimEnv::Begin(Slice what, const std::string& path, bool needs_room) {
  if (power_is_on_) {
    ++operations_;
    if (trace_) Trace(what, path);
    if (cut_in_ > 0 && --cut_in_ == 0) {
      if (trace_) Trace("power cut", "");
      CutPower();
    }
  }
  if (!power_is_on_) return Status::FromErrno(EIO, path, what);
  return PlannedFault(what, path, needs_room);
}

Status SimEnv::PlannedFault(Slice what, const std::string& path, bool needs_room) {
  if (fail_in_ == 0 || (fail_code_ == StatusCode::kNoSpace && !needs_room)) return Status::Ok();
  if (fail_code_ == StatusCode::kNotSupported && what != kLink) return Status::Ok();
  if (--fail_in_ > 0) return Status::Ok();
  if (fail_after_) fail_in_ = 1;
  ++faults_;
  if (trace_) Trace("fault", what);
  return InjectedError(fail_code_, path, what);
}

bool SimEnv::HasRoomFor(uint64_t bytes) const {
  if (capacity_bytes_ == UINT64_MAX) return true;
  const uint64_t used = disk_.used_bytes();
  return used <= capacity_bytes_ && bytes <= capacity_bytes_ - used;
}

Result<std::unique_ptr<File>> SimEnv::Open(const std::string& path, OpenMode mode) {
  const bool create = mode == OpenMode::kCreate;
  RETURN_IF_ERROR(Begin(create ? "create" : "open", path, create));
  Result<SimDisk::NodePtr> node = disk_.Open(path, mode);
  if (!node.ok()) return node.status();
  return std::unique_ptr<File>(
      std::make_unique<SimOpenFile>(*this, std::move(*node), path, mode != OpenMode::kRead));
}

Status SimEnv::Rename(const std::string& from, const std::string& to) {
  RETURN_IF_ERROR(Begin("rename", from + " to " + to, true));
  return disk_.Rename(from, to);
}

Status SimEnv::Link(const std::string& from, const std::string& to) {
  RETURN_IF_ERROR(Begin(kLink, from + " to " + to, true));
  return disk_.Link(from, to);
}

Status SimEnv::Remove(const std::string& path) {
  RETURN_IF_ERROR(Begin("remove", path, false));
  return disk_.Remove(path);
}

Status SimEnv::CreateDirectory(const std::string& path) {
  RETURN_IF_ERROR(Begin("create directory", path, true));
  return disk_.CreateDirectory(path);
}

Status SimEnv::RemoveDirectory(const std::string& path) {
  RETURN_IF_ERROR(Begin("remove directory", path, false));
  return disk_.RemoveDirectory(path);
}

Status SimEnv::SyncDirectory(const std::string& path) {
  RETURN_IF_ERROR(Begin("sync directory", path, false));
  return disk_.SyncDirectory(path);
}

Result<std::vector<std::string>> SimEnv::List(const std::string& path) {
  RETURN_IF_ERROR(Begin("list", path, false));
  return disk_.List(path);
}

bool SimEnv::Exists(const std::string& path) { return power_is_on_ && disk_.Find(path) != nullptr; }

Result<DiskSpace> SimEnv::Space(const std::string& directory) {
  if (!power_is_on_) return Status::FromErrno(EIO, directory, "file system");
  constexpr uint64_t kHugeBytes = uint64_t{1} << 50;
  const uint64_t total = std::min(capacity_bytes_, kHugeBytes);
  const uint64_t used = disk_.used_bytes();
  return DiskSpace{.total_bytes = total, .available_bytes = total - std::min(total, used)};
}

Result<std::unique_ptr<DirectoryLock>> SimEnv::LockFile(const std::string& path) {
  RETURN_IF_ERROR(Begin("lock", path, false));
  SimDisk::NodePtr node = disk_.Find(path);
  if (node == nullptr) {
    Result<SimDisk::NodePtr> created = disk_.Open(path, OpenMode::kCreate);
    if (!created.ok()) return created.status();
    node = std::move(*created);
  }
  if (node->is_directory) return Status::FromErrno(EISDIR, path, "lock");
  if (!node->lock.expired()) {
    return Status(StatusCode::kLocked, path + ": locked by another process");
  }
  std::shared_ptr<void> holder = std::make_shared<char>();
  node->lock = holder;
  return std::unique_ptr<DirectoryLock>(std::make_unique<SimLock>(std::move(holder)));
}

// --- Time ---

int64_t SimEnv::WallUs() { return static_cast<int64_t>(monotonic_us_) + 1000 * wall_offset_ms_; }

void SimEnv::AdvanceMs(uint64_t ms) { monotonic_us_ += ms * 1000; }

void SimEnv::SetWallMs(int64_t ms) {
  wall_offset_ms_ = ms - static_cast<int64_t>(monotonic_us_ / 1000);
}

// --- Jobs ---

void SimEnv::Schedule(Lane lane, Job work, Job done) {
  lanes_[static_cast<size_t>(lane)].waiting.push_back({std::move(work), std::move(done)});
}

void SimEnv::Post(Job job) { posts_.push_back(std::move(job)); }

Env::TimerId SimEnv::RunAfter(uint64_t delay_ms, Job job) {
  // Centuries are never: the sum must not wrap around.
  const uint64_t delay_us = std::min(delay_ms, UINT64_MAX / 4000) * 1000;
  return timers_.Add(monotonic_us_ + delay_us, std::move(job));
}

void SimEnv::CancelTimer(TimerId id) { timers_.Cancel(id); }

size_t SimEnv::pending_jobs() const {
  size_t count = posts_.size();
  for (const LaneState& lane : lanes_) count += lane.waiting.size() + lane.worked.size();
  return count;
}

void SimEnv::HoldLane(Lane lane, bool held) { lanes_[static_cast<size_t>(lane)].held = held; }

bool SimEnv::RunOneJob() { return power_is_on_ && Step(); }

size_t SimEnv::RunUntilIdle() {
  size_t steps = 0;
  while (RunOneJob()) ++steps;
  return steps;
}

void SimEnv::RunUntil(const std::function<bool()>& finished) {
  CHECK(!running_);  // never inside a callback of the loop
  size_t dead_steps = 0;
  while (!finished()) {
    if (!power_is_on_) CHECK(++dead_steps < kDeadStepsMax);
    if (!timers_.empty() && job_random_.OneIn(kStepsPerTimeJump)) JumpToNextTimer();
    if (Step()) continue;
    if (!timers_.empty()) {
      JumpToNextTimer();
      continue;
    }
    CHECK(!power_is_on_);  // else what is waited for can never come
    return;
  }
}

void SimEnv::JumpToNextTimer() { monotonic_us_ = std::max(monotonic_us_, timers_.next_due()); }

bool SimEnv::Step() {
  // What could come next, as (function, lane). A lane's work and its done callbacks go on
  // independently of each other, and so do the lanes.
  struct Choice {
    void (SimEnv::*run_lane)(Lane);
    void (SimEnv::*run)();
    Lane lane;
  };
  std::array<Choice, 2 * kLanes + 2> choices;
  size_t count = 0;
  for (size_t i = 0; i < kLanes; ++i) {
    const auto lane = static_cast<Lane>(i);
    if (!lanes_[i].waiting.empty() && !lanes_[i].held) {
      choices[count++] = {&SimEnv::RunWork, nullptr, lane};
    }
    if (!lanes_[i].worked.empty()) choices[count++] = {&SimEnv::RunDone, nullptr, lane};
  }
  if (!posts_.empty()) choices[count++] = {nullptr, &SimEnv::RunPost, Lane::kLog};
  if (!timers_.empty() && timers_.next_due() <= monotonic_us_) {
    choices[count++] = {nullptr, &SimEnv::RunTimer, Lane::kLog};
  }
  if (count == 0) return false;
  const Choice& chosen = choices[count == 1 ? 0 : job_random_.Uniform(count)];
  if (chosen.run_lane != nullptr) {
    (this->*chosen.run_lane)(chosen.lane);
  } else {
    (this->*chosen.run)();
  }
  return true;
}

void SimEnv::RunWork(Lane which) {
  LaneState& lane = lanes_[static_cast<size_t>(which)];
  size_t index = 0;
  if (which == Lane::kRead)
    index = job_random_.Uniform(std::min(lane.waiting.size(), kReadThreads));
  if (which == Lane::kCompaction && lane.waiting.size() > 1) index = job_random_.Uniform(2);
  ScheduledJob job = std::move(lane.waiting[index]);
  lane.waiting.erase(lane.waiting.begin() + static_cast<std::ptrdiff_t>(index));
  if (trace_) Trace("work", kLaneNames[static_cast<size_t>(which)]);
  // Listed first: while it runs, the job counts as pending.
  lane.worked.push_back(std::move(job));
  RunJob(lane.worked.back().work);
}

void SimEnv::RunDone(Lane which) {
  LaneState& lane = lanes_[static_cast<size_t>(which)];
  const ScheduledJob job = std::move(lane.worked.front());
  lane.worked.pop_front();
  if (trace_) Trace("done", kLaneNames[static_cast<size_t>(which)]);
  RunJob(job.done);
}

void SimEnv::RunPost() {
  const Job job = std::move(posts_.front());
  posts_.pop_front();
  if (trace_) Trace("post", "");
  RunJob(job);
}

void SimEnv::RunTimer() {
  const Job job = timers_.TakeDue(monotonic_us_, timers_.next_id());
  if (trace_) Trace("timer", "");
  RunJob(job);
}

void SimEnv::RunJob(const Job& job) {
  CHECK(!running_);
  running_ = true;
  job();
  running_ = false;
}

void SimEnv::DropJobs() {
  CHECK(!running_);
  // What jobs captured may schedule, post or cancel while it dies.
  while (pending_jobs() > 0 || !timers_.empty()) {
    std::array<LaneState, kLanes> lanes;
    for (size_t i = 0; i < kLanes; ++i) {
      lanes[i].waiting.swap(lanes_[i].waiting);
      lanes[i].worked.swap(lanes_[i].worked);
    }
    const auto posts = std::exchange(posts_, {});
    timers_.Clear();
  }
}

// --- Faults and looking in ---

void SimEnv::FailNth(uint64_t n, StatusCode code, bool and_after) {
  CHECK(code == StatusCode::kIoError || code == StatusCode::kNoSpace ||
        code == StatusCode::kNotSupported);
  fail_in_ = n;
  fail_code_ = code;
  fail_after_ = and_after;
}

void SimEnv::CutPowerAfter(uint64_t n) { cut_in_ = n; }

void SimEnv::Restart(CrashMode mode) {
  CutPower();
  DropJobs();
  for (LaneState& lane : lanes_) lane.held = false;
  disk_.Crash(mode, disk_random_);
  ++world_;
  FailNth(0);
  CutPowerAfter(0);
  power_is_on_ = true;
  if (trace_) Trace("restart", "");
}

std::string SimEnv::Contents(const std::string& path) const {
  const SimDisk::NodePtr node = disk_.Find(path);
  CHECK(node != nullptr && !node->is_directory);
  return node->file.bytes();
}

namespace {

std::vector<std::string> NamesIn(const SimDisk::NodePtr& directory, bool of_directories) {
  std::vector<std::string> names;
  if (directory == nullptr) return names;
  for (const auto& [name, node] : directory->entries) {
    if (node->is_directory == of_directories) names.push_back(name);
  }
  return names;
}

}  // namespace

std::vector<std::string> SimEnv::Names(const std::string& path) const {
  return NamesIn(disk_.Find(path), false);
}

std::vector<std::string> SimEnv::DirectoryNames(const std::string& path) const {
  return NamesIn(disk_.Find(path), true);
}

void SimEnv::SetContents(const std::string& path, Slice contents) {
  SimDisk::NodePtr node = disk_.Find(path);
  if (node == nullptr) {
    Result<SimDisk::NodePtr> created = disk_.Open(path, OpenMode::kCreate);
    CHECK(created.ok());
    node = std::move(*created);
    const size_t slash = path.rfind('/');
    const Status synced =
        disk_.SyncDirectory(slash == std::string::npos ? "" : path.substr(0, slash));
    CHECK(synced.ok());
  }
  CHECK(!node->is_directory);
  node->file.SetDurable(contents);
}

bool SimEnv::SameFile(const std::string& path, const std::string& other) const {
  const SimDisk::NodePtr node = disk_.Find(path);
  return node != nullptr && node == disk_.Find(other);
}

void SimEnv::FlipBit(const std::string& path, uint64_t offset, unsigned bit) {
  const SimDisk::NodePtr node = disk_.Find(path);
  CHECK(node != nullptr && !node->is_directory);
  node->file.FlipBit(offset, bit);
}

void SimEnv::Trace(Slice what, Slice which) {
  std::string line = std::to_string(operations_);
  line.append(" ").append(what);
  if (!which.empty()) line.append(" ").append(which);
  trace_(line);
}

}  // namespace varve
