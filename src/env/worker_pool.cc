// env/worker_pool.cc: the threads behind the lanes.
#include "env/worker_pool.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "env/background.h"

namespace varve {

namespace {

// At most 15 characters: the kernel keeps no more.
constexpr const char* kThreadNames[kLanes] = {"varve-log",     "varve-sync",    "varve-manifest",
                                              "varve-flush",   "varve-compact", "varve-read",
                                              "varve-checkpt", "varve-files"};

// Signals are the loop's: while this lives, new threads inherit a mask that blocks them all.
// Except those that a thread raises itself by a fault, which must reach the crash handler.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) {
      sigdelset(&blocked, fault);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

std::thread StartWorkerThread(const char* name, std::function<void()> main) {
  const SignalsBlocked blocked;
  return std::thread([name, main = std::move(main)] {
    pthread_setname_np(pthread_self(), name);
    main();
  });
}

void WorkerPool::TaskList::Append(Task* task) {
  task->next = nullptr;
  (last == nullptr ? first : last->next) = task;
  last = task;
}

void WorkerPool::TaskList::AppendAll(TaskList& other) {
  if (other.empty()) return;
  (last == nullptr ? first : last->next) = other.first;
  last = other.last;
  other = {};
}

WorkerPool::Task* WorkerPool::TaskList::TakeFirst() {
  Task* task = first;
  first = task->next;
  if (first == nullptr) last = nullptr;
  return task;
}

WorkerPool::WorkerPool(const WorkerPoolOptions& options, std::function<void()> wake_loop)
    : options_(options), wake_loop_(std::move(wake_loop)) {
  for (const unsigned threads_max : options_.threads_max) CHECK(threads_max > 0);
}

WorkerPool::~WorkerPool() {
  for (const LaneQueue& lane : lanes_) CHECK(lane.threads.empty());
}

void WorkerPool::JoinThreads() {
  for (LaneQueue& lane : lanes_) {
    {
      const std::lock_guard<std::mutex> guard(lane.mutex);
      CHECK(lane.waiting.empty());
      lane.stopping = true;
    }
    lane.arrived.notify_all();
    for (std::thread& thread : lane.threads) thread.join();
    lane.threads.clear();
  }
  CHECK(finished_.empty());
}

void WorkerPool::Run(Lane which, Task* task) {
  LaneQueue& lane = lanes_[static_cast<size_t>(which)];
  const bool alone = lane.threads.empty();
  if (alone && !StartThread(which)) {
    task->work();
    Finish(task);
    return;
  }

  bool wake = false;
  bool crowded = false;
  {
    const std::lock_guard<std::mutex> guard(lane.mutex);
    lane.waiting.Append(task);
    ++lane.waiting_count;
    wake = lane.sleeping > 0;
    crowded = !alone && lane.waiting_count > lane.sleeping;
  }
  if (wake) lane.arrived.notify_one();
  if (crowded && lane.threads.size() < options_.threads_max[static_cast<size_t>(which)]) {
    (void)StartThread(which);  // If not: the threads there are will get to it.
  }
}

uint64_t WorkerPool::task_memory_bytes() {
  const std::lock_guard<std::mutex> guard(threads_mutex_);
  uint64_t bytes = 0;
  for (const MemoryMeter* meter : meters_) bytes += meter->bytes();
  return bytes;
}

WorkerPool::Task* WorkerPool::TakeFinished() {
  const std::lock_guard<std::mutex> guard(finished_mutex_);
  finished_.last = nullptr;
  return std::exchange(finished_.first, nullptr);
}

bool WorkerPool::has_finished() {
  const std::lock_guard<std::mutex> guard(finished_mutex_);
  return !finished_.empty();
}

bool WorkerPool::StartThread(Lane which) {
  LaneQueue& lane = lanes_[static_cast<size_t>(which)];
  try {
    lane.threads.push_back(StartWorkerThread(kThreadNames[static_cast<size_t>(which)],
                                             [this, which] { WorkerMain(which); }));
    return true;
  } catch (const std::system_error& error) {
    if (!std::exchange(lane.start_failed, true)) {
      Log(LogLevel::kWarning, "env: cannot start thread %s: %s",
          kThreadNames[static_cast<size_t>(which)], error.what());
    }
    return false;
  }
}

void WorkerPool::WorkerMain(Lane which) {
  LaneQueue& lane = lanes_[static_cast<size_t>(which)];
  const pid_t thread = gettid();
  const bool background = IsBackgroundLane(which);
  if (background) BecomeBackground(options_.background_nice);

  MemoryMeter meter;
  {
    const std::lock_guard<std::mutex> guard(threads_mutex_);
    meters_.push_back(&meter);
    if (background) background_threads_.push_back(thread);
  }
  ServeLane(lane, meter);
  const std::lock_guard<std::mutex> guard(threads_mutex_);
  std::erase(meters_, &meter);
  std::erase(background_threads_, thread);
}

uint64_t WorkerPool::background_cpu_wait_us() {
  const std::lock_guard<std::mutex> guard(threads_mutex_);
  uint64_t waited_ns = 0;
  for (const pid_t thread : background_threads_) {
    const std::string path = "/proc/self/task/" + std::to_string(thread) + "/schedstat";
    // Nanoseconds on a CPU, nanoseconds ready and without one, time slices.
    unsigned long long ran = 0;
    unsigned long long waited = 0;
    if (FILE* file = fopen(path.c_str(), "re")) {
      if (fscanf(file, "%llu %llu", &ran, &waited) == 2) waited_ns += waited;
      fclose(file);
    }
  }
  return waited_ns / 1000;
}

void WorkerPool::ServeLane(LaneQueue& lane, MemoryMeter& meter) {
  std::unique_lock<std::mutex> guard(lane.mutex);
  while (true) {
    while (lane.waiting.empty() && !lane.stopping) {
      ++lane.sleeping;
      lane.arrived.wait(guard);
      --lane.sleeping;
    }
    if (lane.waiting.empty()) return;
    Task* task = lane.waiting.TakeFirst();
    --lane.waiting_count;
    guard.unlock();
    meter.Begin();
    task->work();
    meter.End();
    Finish(task);
    guard.lock();
  }
}

void WorkerPool::Finish(Task* task) {
  bool was_empty = false;
  {
    const std::lock_guard<std::mutex> guard(finished_mutex_);
    was_empty = finished_.empty();
    finished_.Append(task);
  }
  // Otherwise the loop has been woken for the one before and has not come yet.
  if (was_empty) wake_loop_();
}

}  // namespace varve
