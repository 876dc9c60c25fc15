// env/sim_env.h: a world in memory, the same each time for the same seed.
//
// Everything happens on one thread, one step at a time: a step is a job's `work`, a job's `done`,
// a post or a due timer, and a random choice by the seed says which comes next. So every order in
// which lanes and loop may overtake each other shows under some seed, and under that seed every
// time. (What a `work` does to others while it runs is for the thread sanitizer to find: here
// nothing else runs meanwhile.) Disk, clocks and chance are simulated as well.
//
//   SimEnv env(seed);
//   env.CutPowerAfter(n);                    // the nth disk operation from now does not happen
//   ... run the program: RunUntil, RunUntilIdle, RunOneJob ...
//   if (env.power_is_on()) break;            // the history was shorter: every n has been tried
//   env.DropJobs(); program.reset();         // in this order: jobs refer to the program
//   env.Restart(CrashMode::kRandomPages);    // the disk is what survived
//   ... open again, compare ...
//
// After a power cut nothing runs and nothing changes: RunOneJob and RunUntilIdle return at once,
// every disk operation fails. RunUntil alone goes on, because a program stands in it and has to
// come out: it runs jobs (whose disk operations fail) until `finished`, or until there are none.
// A program that goes on for ever on a dead disk is stopped by a CHECK. Files and locks from
// before a Restart stay dead.
//
// Only what touches the disk is a disk operation: open, read (TryReadAt too), write, sync,
// preallocate, allocate, truncate, rename, link, remove, create, remove or sync directory, list, lock.
// Size, Exists and Space are not.
//
// Threads    one. Ownership: outlives every File and lock it gave out, and the program.
// See also   sim_disk.h (names), sim_file.h (bytes): what a power cut leaves.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "env/env.h"
#include "env/sim_disk.h"
#include "env/timer_queue.h"

namespace varve {

class SimEnv final : public Env {
 public:
  explicit SimEnv(uint64_t seed);
  ~SimEnv() override;

  // --- Env ---
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status CreateDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  bool Exists(const std::string& path) override;
  // Without SetCapacity: a very large disk.
  Result<DiskSpace> Space(const std::string& directory) override;
  Result<std::unique_ptr<DirectoryLock>> LockFile(const std::string& path) override;

  uint64_t MonotonicUs() override { return monotonic_us_ += tick_us_; }
  int64_t WallUs() override;
  uint64_t RandomU64() override { return program_random_.Next(); }

  void Schedule(Lane lane, Job work, Job done) override;
  void Post(Job job) override;
  TimerId RunAfter(uint64_t delay_ms, Job job) override;
  void CancelTimer(TimerId id) override;
  size_t pending_jobs() const override;
  // When nothing else can run, and now and then before, time jumps to the next timer. CHECK-fails
  // if there is none either, unless the power is off: then it returns.
  void RunUntil(const std::function<bool()>& finished) override;

  // --- Steps ---
  // Runs one step, of those that could come next; false if there was none. Time stands still.
  bool RunOneJob();
  // Runs steps until there is none; returns how many there were.
  size_t RunUntilIdle();
  // Forgets every job, post and timer.
  void DropJobs();
  // Starts no more work of this lane until it is released: a disk that hangs.
  void HoldLane(Lane lane, bool held);

  // --- Time ---
  // Both clocks go on; due timers become runnable.
  void AdvanceMs(uint64_t ms);
  // The wall clock jumps, forth or back; the monotonic clock does not notice.
  void SetWallMs(int64_t ms);
  // Every look at the monotonic clock takes so long. 0 at first: time moves only when told to.
  void set_tick_us(uint64_t us) { tick_us_ = us; }

  // --- Faults ---
  // The nth operation from now fails (n = 1: the next), with `and_after` all from then on. Replaces
  // what was asked for before; n = 0 calls it off.
  //   kIoError   a failed write may have written its first part; a failed sync follows sim_file.h
  //   kNoSpace   counts and fails only operations that need room on the disk
  //   kNotSupported  counts and fails only links: another file system
  void FailNth(uint64_t n, StatusCode code = StatusCode::kIoError, bool and_after = false);
  // The power fails at the nth operation from now: that one and all later ones do not happen.
  void CutPowerAfter(uint64_t n);
  void CutPower() { power_is_on_ = false; }
  // Cuts the power if it is on, drops the jobs, and starts again from what is durable, with no
  // fault planned and no lane held. Clocks and random numbers go on.
  void Restart(CrashMode mode);
  // What would grow the files beyond this many bytes in all fails with kNoSpace.
  void SetCapacity(uint64_t bytes) { capacity_bytes_ = bytes; }
  // How often TryReadAt is pending. 25 at first.
  void set_pending_percent(unsigned percent) { pending_percent_ = percent; }

  // --- Looking in from outside: no operations, work with the power off ---
  // REQUIRES: the file exists.
  std::string Contents(const std::string& path) const;
  // Of the files in a directory, sorted; none if there is no such directory.
  std::vector<std::string> Names(const std::string& path) const;
  // Likewise of the directories in it.
  std::vector<std::string> DirectoryNames(const std::string& path) const;
  // Makes the file if need be, in a directory that exists; bytes and name are durable at once.
  void SetContents(const std::string& path, Slice contents);
  // Whether two names lead to one file.
  bool SameFile(const std::string& path, const std::string& other) const;
  // Turns around one bit of what is read at `offset`. REQUIRES: it is inside the file.
  void FlipBit(const std::string& path, uint64_t offset, unsigned bit);
  // Every operation and step from now on, one line each. An empty function ends it.
  void TraceTo(std::function<void(const std::string& line)> sink) { trace_ = std::move(sink); }

  uint64_t operations() const { return operations_; }
  // Operations that failed by FailNth: 0 if a run passed untouched.
  uint64_t faults() const { return faults_; }
  bool power_is_on() const { return power_is_on_; }

 private:
  friend class SimOpenFile;

  struct ScheduledJob {
    Job work;
    Job done;
  };
  struct LaneState {
    std::deque<ScheduledJob> waiting;  // work has not run
    std::deque<ScheduledJob> worked;   // done has not run
    bool held = false;
  };

  // Counts an operation. Ok: it takes place; else: how it fails. `world` is that of the caller.
  Status Begin(Slice what, const std::string& path, bool needs_room);
  Status PlannedFault(Slice what, const std::string& path, bool needs_room);
  bool HasRoomFor(uint64_t bytes) const;

  bool Step();
  void JumpToNextTimer();
  // The kinds of steps.
  void RunWork(Lane lane);
  void RunDone(Lane lane);
  void RunPost();
  void RunTimer();
  void RunJob(const Job& job);
  void Trace(Slice what, Slice which);

  Random disk_random_;     // how operations fail and what a power cut leaves
  Random job_random_;      // which step comes next
  Random program_random_;  // what the program asks for: it must not move the other two

  SimDisk disk_;
  bool power_is_on_ = true;
  uint64_t world_ = 1;  // counts restarts: files of an older world are dead
  uint64_t operations_ = 0;
  uint64_t faults_ = 0;
  uint64_t cut_in_ = 0;   // operations until the power fails; 0: it does not
  uint64_t fail_in_ = 0;  // likewise for FailNth
  StatusCode fail_code_ = StatusCode::kIoError;
  bool fail_after_ = false;
  uint64_t capacity_bytes_ = UINT64_MAX;
  unsigned pending_percent_ = 25;

  std::array<LaneState, kLanes> lanes_;
  std::deque<Job> posts_;
  TimerQueue timers_;  // due in microseconds of the monotonic clock
  bool running_ = false;
  uint64_t monotonic_us_ = 1'000'000;
  int64_t wall_offset_ms_;  // wall clock minus monotonic clock
  uint64_t tick_us_ = 0;

  std::function<void(const std::string&)> trace_;
};

}  // namespace varve
