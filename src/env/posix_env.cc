// env/posix_env.cc: the real world: POSIX files, worker threads, a libuv loop.
//
// Five handles stand on the loop:
//
//   async    a worker finished something while the loop slept
//   check    runs the posts, after I/O has had its turn
//   idle     does nothing; while it is active the loop does not sleep, because posts wait
//   timer    the next timer of the queue
//   prepare  ends RunUntil before the loop falls asleep, if what it waits for has come
//
// Only `async` is ever referenced for its own sake, while jobs are out (HoldLoop).
// See also: worker_pool.h (threads), posix_file.cc (bytes).
#include "env/posix_env.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/check.h"
#include "base/log.h"
#include "env/posix_file.h"
#include "env/uninterrupted.h"

namespace varve {

namespace {

// 34 years in ms: beyond any need, and sums with it cannot overflow.
constexpr uint64_t kTimerDelayMsMax = uint64_t{1} << 40;

uint64_t ClockUs(clockid_t clock) {
  timespec now{};
  CHECK(clock_gettime(clock, &now) == 0);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace

// --- Files and directories ---

Result<std::unique_ptr<File>> PosixEnv::Open(const std::string& path, OpenMode mode) {
  return OpenPosixFile(path, mode);
}

Status PosixEnv::Rename(const std::string& from, const std::string& to) {
  if (Uninterrupted([&] { return rename(from.c_str(), to.c_str()); }) < 0) {
    return Status::FromErrno(errno, from, "rename to " + to);
  }
  return Status::Ok();
}

Status PosixEnv::Link(const std::string& from, const std::string& to) {
  if (Uninterrupted([&] { return link(from.c_str(), to.c_str()); }) == 0) return Status::Ok();
  const int error = errno;
  Status status = Status::FromErrno(error, from, "link to " + to);
  switch (error) {
    case EXDEV:
    case EMLINK:
    case EPERM:  // no links on this file system, or none to other people's files
    case EOPNOTSUPP:
    case ENOSYS: return {StatusCode::kNotSupported, std::string(status.message())};
    default: return status;
  }
}

Status PosixEnv::Remove(const std::string& path) {
  if (Uninterrupted([&] { return unlink(path.c_str()); }) == 0) return Status::Ok();
  if (errno == ENOENT) return {StatusCode::kNotFound, path + ": no such file"};
  return Status::FromErrno(errno, path, "remove");
}

Status PosixEnv::CreateDirectory(const std::string& path) {
  if (Uninterrupted([&] { return mkdir(path.c_str(), 0750); }) == 0) return Status::Ok();
  const int error = errno;
  struct stat about {};
  const auto look = [&] { return stat(path.c_str(), &about); };
  if (error == EEXIST && Uninterrupted(look) == 0 && S_ISDIR(about.st_mode)) {
    return Status::Ok();
  }
  return Status::FromErrno(error, path, "create directory");
}

Status PosixEnv::RemoveDirectory(const std::string& path) {
  if (Uninterrupted([&] { return rmdir(path.c_str()); }) == 0) return Status::Ok();
  return Status::FromErrno(errno, path, "remove directory");
}

Status PosixEnv::SyncDirectory(const std::string& path) {
  const int descriptor =
      Uninterrupted([&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor < 0) return Status::FromErrno(errno, path, "open directory");
  const int result = Uninterrupted([&] { return fsync(descriptor); });
  const int error = errno;
  close(descriptor);
  // EINVAL: a file system that cannot sync directories at all. There is nothing better to be had.
  if (result < 0 && error != EINVAL) return Status::FromErrno(error, path, "sync directory");
  return Status::Ok();
}

Result<std::vector<std::string>> PosixEnv::List(const std::string& path) {
  DIR* directory = Uninterrupted([&] { return opendir(path.c_str()); });
  if (directory == nullptr) {
    if (errno == ENOENT) return Status(StatusCode::kNotFound, path + ": no such directory");
    return Status::FromErrno(errno, path, "open directory");
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(directory)) {
    const Slice name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error = errno;
  closedir(directory);
  if (error != 0) return Status::FromErrno(error, path, "list");
  std::sort(names.begin(), names.end());
  return names;
}

bool PosixEnv::Exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

Result<DiskSpace> PosixEnv::Space(const std::string& directory) {
  struct statvfs about {};
  if (Uninterrupted([&] { return statvfs(directory.c_str(), &about); }) < 0) {
    return Status::FromErrno(errno, directory, "file system");
  }
  const uint64_t unit = about.f_frsize;
  return DiskSpace{.total_bytes = about.f_blocks * unit, .available_bytes = about.f_bavail * unit};
}

Result<std::unique_ptr<DirectoryLock>> PosixEnv::LockFile(const std::string& path) {
  return LockPosixFile(path);
}

// --- Time and chance ---

uint64_t PosixEnv::MonotonicUs() { return ClockUs(CLOCK_MONOTONIC); }

int64_t PosixEnv::WallUs() { return static_cast<int64_t>(ClockUs(CLOCK_REALTIME)); }

uint64_t PosixEnv::RandomU64() {
  uint64_t value = 0;
  // Below 256 bytes it is neither interrupted nor cut short once the system has booted.
  CHECK(getrandom(&value, sizeof(value), 0) == static_cast<ssize_t>(sizeof(value)));
  return value;
}

// --- Jobs ---

// Belongs to libuv: freed in the close callback of its last handle.
struct PosixEnv::Handles {
  PosixEnv* env;
  uv_async_t async;
  uv_check_t check;
  uv_idle_t idle;
  uv_timer_t timer;
  uv_prepare_t prepare;
  int open = 0;
  bool* closed = nullptr;  // set to true at the very end

  template <typename Handle>
  void Adopt(Handle* handle, int error) {
    CHECK(error == 0);  // none of them takes anything from the system that could run out
    handle->data = this;
    uv_unref(reinterpret_cast<uv_handle_t*>(handle));
    ++open;
  }

  static Handles* Of(const void* handle) {
    return static_cast<Handles*>(static_cast<const uv_handle_t*>(handle)->data);
  }

  static void OnClosed(uv_handle_t* handle) {
    Handles* self = Of(handle);
    if (--self->open > 0) return;
    *self->closed = true;
    delete self;
  }
};

PosixEnv::PosixEnv(uv_loop_s* loop, const PosixEnvOptions& options)
    : loop_(loop),
      loop_thread_(std::this_thread::get_id()),
      handles_(new Handles{}),
      workers_(options.workers, [this] {
        if (!awake_.load(std::memory_order_relaxed)) uv_async_send(&handles_->async);
      }) {
  Handles& h = *handles_;
  h.env = this;
  h.Adopt(&h.async, uv_async_init(loop, &h.async, [](uv_async_t* handle) {
    Handles::Of(handle)->env->RunFinishedJobs();
  }));
  h.Adopt(&h.check, uv_check_init(loop, &h.check));
  h.Adopt(&h.idle, uv_idle_init(loop, &h.idle));
  h.Adopt(&h.timer, uv_timer_init(loop, &h.timer));
  h.Adopt(&h.prepare, uv_prepare_init(loop, &h.prepare));
  if (options.io_uring) OpenRing();
}

void PosixEnv::OpenRing() {
  Result<std::unique_ptr<ReadRing>> ring =
      ReadRing::Open([this](WorkerPool::Task* task) { workers_.Finish(task); });
  if (ring.ok()) {
    ring_ = std::move(*ring);
  } else {
    Log(LogLevel::kVerbose, "env: reads go through threads: %s",
        std::string(ring.status().message()).c_str());
  }
}

PosixEnv::~PosixEnv() {
  RunUntil([this] { return pending_jobs() == 0; });
  timers_.Clear();
  // Before the handles: a worker may be about to announce what the loop has found by itself.
  ring_ = nullptr;
  workers_.JoinThreads();
  bool closed = false;
  handles_->closed = &closed;
  const auto close = [](auto* handle) {
    uv_close(reinterpret_cast<uv_handle_t*>(handle), Handles::OnClosed);
  };
  close(&handles_->async);
  close(&handles_->check);
  close(&handles_->idle);
  close(&handles_->timer);
  close(&handles_->prepare);
  while (!closed) uv_run(loop_, UV_RUN_NOWAIT);
}

WorkerPool::Task* PosixEnv::NewTask() {
  if (free_tasks_ == nullptr) return tasks_.emplace_back(new WorkerPool::Task).get();
  return std::exchange(free_tasks_, free_tasks_->next);
}

void PosixEnv::Schedule(Lane lane, Job work, Job done) {
  DCHECK(OnLoopThread());
  WorkerPool::Task* task = NewTask();
  task->work = std::move(work);
  task->done = std::move(done);
  ++jobs_pending_;
  HoldLoop();
  workers_.Run(lane, task);
}

void PosixEnv::ScheduleRead(const File& file, uint64_t offset, size_t size, ReadWork work,
                            Job done) {
  DCHECK(OnLoopThread());
  if (ring_) {
    WorkerPool::Task* task = NewTask();
    task->read = {&file, offset, size, std::move(work)};
    task->done = std::move(done);
    if (ring_->Add(task)) {
      ++jobs_pending_;
      HoldLoop();
      return;
    }
    work = std::move(task->read.work);
    done = std::move(task->done);
    task->next = std::exchange(free_tasks_, task);
    ring_ = nullptr;
  }
  Env::ScheduleRead(file, offset, size, std::move(work), std::move(done));
}

uint64_t PosixEnv::job_memory_bytes() {
  return workers_.task_memory_bytes() + (ring_ ? ring_->memory_bytes() : 0);
}

void PosixEnv::StayAwake() {
  awake_.store(true, std::memory_order_relaxed);
  RunFinishedJobs();
}

void PosixEnv::MaySleep() {
  awake_.store(false, std::memory_order_relaxed);
  // A job is either in the list by now and seen here, or its worker takes the list's mutex after us and so sees what was
  // stored.
  if (workers_.has_finished()) uv_async_send(&handles_->async);
  if (finished_ != nullptr && (*finished_)()) uv_stop(loop_);
}

void PosixEnv::RunFinishedJobs() {
  running_jobs_ = true;
  WorkerPool::Task* task = workers_.TakeFinished();
  while (task != nullptr) {
    WorkerPool::Task* const next = task->next;
    --jobs_pending_;
    ReleaseLoop();
    task->done();
    // Captures may do anything while they die, schedule included: only then is the task free.
    task->work = nullptr;
    task->read.work = nullptr;
    task->done = nullptr;
    task->next = std::exchange(free_tasks_, task);
    task = next;
  }
  running_jobs_ = false;
}

void PosixEnv::Post(Job job) {
  DCHECK(OnLoopThread());
  if (posts_.empty()) {
    // Both are no-ops while active, as they are when a post is made by a post.
    uv_check_start(&handles_->check,
                   [](uv_check_t* handle) { Handles::Of(handle)->env->RunPosts(); });
    uv_idle_start(&handles_->idle, [](uv_idle_t*) {});
  }
  posts_.push_back(std::move(job));
  ++posts_pending_;
  HoldLoop();
}

void PosixEnv::RunPosts() {
  running_jobs_ = true;
  running_posts_.swap(posts_);
  for (Job& job : running_posts_) {
    --posts_pending_;
    ReleaseLoop();
    job();
    job = nullptr;
  }
  running_posts_.clear();
  if (posts_.empty()) {
    uv_check_stop(&handles_->check);
    uv_idle_stop(&handles_->idle);
  }
  running_jobs_ = false;
}

Env::TimerId PosixEnv::RunAfter(uint64_t delay_ms, Job job) {
  DCHECK(OnLoopThread());
  // The loop's clock stands still while callbacks run: without this a timer set at the end of a
  // long one would come early.
  uv_update_time(loop_);
  const uint64_t due = uv_now(loop_) + std::min(delay_ms, kTimerDelayMsMax);
  const bool first = timers_.empty() || due < timers_.next_due();
  const TimerId id = timers_.Add(due, std::move(job));
  if (first) ArmTimer();
  return id;
}

void PosixEnv::CancelTimer(TimerId id) {
  DCHECK(OnLoopThread());
  timers_.Cancel(id);
  // The handle may now fire for nothing, once; that is cheaper than arming it anew each time.
  if (timers_.empty()) uv_timer_stop(&handles_->timer);
}

void PosixEnv::ArmTimer() {
  const uint64_t now = uv_now(loop_);
  const uint64_t due = std::max(timers_.next_due(), now);
  uv_timer_start(
      &handles_->timer, [](uv_timer_t* handle) { Handles::Of(handle)->env->RunDueTimers(); },
      due - now, 0);
}

void PosixEnv::RunDueTimers() {
  running_jobs_ = true;
  const uint64_t now = uv_now(loop_);
  const TimerId limit = timers_.next_id();
  while (const Job job = timers_.TakeDue(now, limit)) job();
  if (!timers_.empty()) ArmTimer();
  running_jobs_ = false;
}

void PosixEnv::RunUntil(const std::function<bool()>& finished) {
  DCHECK(OnLoopThread());
  CHECK(!running_jobs_ && finished_ == nullptr);
  MaySleep();  // Nobody may call it in here.
  finished_ = &finished;
  // One turn of uv_run() runs timers first and then sleeps for I/O, even if a timer has just
  // brought about what we wait for. Looking right before the sleep covers all such cases.
  uv_prepare_start(&handles_->prepare, [](uv_prepare_t* handle) {
    PosixEnv* env = Handles::Of(handle)->env;
    if ((*env->finished_)()) uv_stop(env->loop_);
  });
  HoldLoop();
  while (!finished()) uv_run(loop_, UV_RUN_ONCE);
  ReleaseLoop();
  uv_prepare_stop(&handles_->prepare);
  finished_ = nullptr;
}

void PosixEnv::HoldLoop() {
  if (loop_holders_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&handles_->async));
}

void PosixEnv::ReleaseLoop() {
  CHECK(loop_holders_ > 0);
  if (--loop_holders_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&handles_->async));
}

}  // namespace varve
