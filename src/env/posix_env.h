// env/posix_env.h: the real world: POSIX files, worker threads, a libuv loop.
//
// The loop is the caller's: a server runs it and the jobs' `done`, posts and timers run in
// between its other events. Jobs and posts keep the loop alive until they have run; timers do
// not, so a loop ends when only timers are left. RunUntil runs the loop itself.
//
// In one turn of the loop: timers, then I/O and finished jobs as they come, then the posts. A post
// made by a post waits for the next turn.
//
// Threads    as env.h says. The thread that constructs is the loop's.
// Ownership  Borrows the loop. The destructor first runs every job and post to its end, then joins
//            the threads, drops the timers and leaves no handle on the loop: destroy before
//            uv_loop_close(). Not from inside a callback of the loop.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "env/env.h"
#include "env/read_ring.h"
#include "env/timer_queue.h"
#include "env/worker_pool.h"

struct uv_loop_s;

namespace varve {

struct PosixEnvOptions {
  WorkerPoolOptions workers = {};
  // Reads by io_uring (read_ring.h) where the system has it; by reader threads otherwise.
  bool io_uring = true;
};

class PosixEnv final : public Env {
 public:
  explicit PosixEnv(uv_loop_s* loop, const PosixEnvOptions& options = {});
  ~PosixEnv() override;
  PosixEnv(const PosixEnv&) = delete;
  PosixEnv& operator=(const PosixEnv&) = delete;

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status CreateDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  bool Exists(const std::string& path) override;
  Result<DiskSpace> Space(const std::string& directory) override;
  Result<std::unique_ptr<DirectoryLock>> LockFile(const std::string& path) override;

  uint64_t MonotonicUs() override;
  int64_t WallUs() override;
  uint64_t RandomU64() override;

  void Schedule(Lane lane, Job work, Job done) override;
  void ScheduleRead(const File& file, uint64_t offset, size_t size, ReadWork work,
                    Job done) override;
  bool has_io_uring() const override { return ring_ != nullptr; }
  void Post(Job job) override;
  TimerId RunAfter(uint64_t delay_ms, Job job) override;
  void CancelTimer(TimerId id) override;
  size_t pending_jobs() const override { return jobs_pending_ + posts_pending_; }
  uint64_t job_memory_bytes() override;
  uint64_t job_cpu_wait_us() override { return workers_.background_cpu_wait_us(); }
  void RunUntil(const std::function<bool()>& finished) override;

  // For who runs the loop in turns. A job that finishes wakes the loop, which costs two system calls and a round of
  // it; between these calls it does not. RunUntil begins with the latter. Neither from inside one of our callbacks.
  void StayAwake();  // and run what has finished
  void MaySleep();   // the last call before the loop looks for events

 private:
  struct Handles;  // what libuv owns until the last close callback

  WorkerPool::Task* NewTask();
  void OpenRing();
  void RunFinishedJobs();
  void RunPosts();
  void RunDueTimers();
  void ArmTimer();
  // The loop stays alive while anything holds it.
  void HoldLoop();
  void ReleaseLoop();
  bool OnLoopThread() const { return std::this_thread::get_id() == loop_thread_; }

  uv_loop_s* const loop_;
  const std::thread::id loop_thread_;
  Handles* const handles_;
  std::atomic<bool> awake_ = false;  // written by the loop
  WorkerPool workers_;
  std::unique_ptr<ReadRing> ring_;  // null: none

  size_t jobs_pending_ = 0;
  size_t posts_pending_ = 0;
  size_t loop_holders_ = 0;
  bool running_jobs_ = false;  // inside one of our callbacks: RunUntil is not allowed
  const std::function<bool()>* finished_ = nullptr;  // RunUntil's, while it runs

  std::vector<Job> posts_;
  std::vector<Job> running_posts_;                        // kept for its memory
  TimerQueue timers_;                                     // due in the loop's milliseconds
  std::vector<std::unique_ptr<WorkerPool::Task>> tasks_;  // every task ever needed at once
  WorkerPool::Task* free_tasks_ = nullptr;
};

}  // namespace varve
