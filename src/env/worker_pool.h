// env/worker_pool.h: the threads behind the lanes.
//
//   loop: Run(task) ---> lane's queue ---> worker: task->work() ---> finished list
//                                                                        |
//   loop: task->done() <--- TakeFinished() <--- wake_loop(), if the list was empty
//
// A task is one node that travels through both queues, so a trip costs two short locks, no
// allocation and at most one wake-up each way: none where the other side is busy anyway. The log
// lane makes this trip once per turn of the loop.
//
// Threads    Loop, except `wake_loop`, which workers call.
// Ownership  The pool borrows tasks between Run and TakeFinished. `work` and what it captured die
//            where the task's owner destroys it, on the loop.
// Errors     Where no thread can be started the loop runs the work itself, slow but right.
#pragma once

#include <sys/types.h>

#include <array>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "env/env.h"
#include "env/memory_meter.h"

namespace varve {

struct WorkerPoolOptions {
  // By lane, in the order of enum Lane. Threads start when they are first needed. Readers are as many as reads that a
  // disk should have before it at a time.
  std::array<unsigned, kLanes> threads_max = {1, 1, 1, 1, 2, 32, 1, 1};
  // How much lanes in the background yield to the loop, as nice(1) counts. Where they share a core with it, no
  // turn should wait for them; if they fall behind for that, writers are slowed (engine/write_pacer.h).
  int background_nice = 19;
};

// A thread that takes no signals. `name`: at most 15 characters. Throws std::system_error if the system gives us no more.
std::thread StartWorkerThread(const char* name, std::function<void()> main);

class WorkerPool {
 public:
  struct Task {
    // What a ReadRing is to do, in place of `work`.
    struct Read {
      const File* file = nullptr;
      uint64_t offset = 0;
      size_t size = 0;
      Env::ReadWork work;
    };

    Env::Job work;
    Read read;
    Env::Job done;
    Task* next = nullptr;  // in whichever list the task stands
  };

  struct TaskList {
    void Append(Task* task);
    // Those of `other` go behind those that are here.
    void AppendAll(TaskList& other);
    Task* TakeFirst();  // REQUIRES: not empty
    bool empty() const { return first == nullptr; }

    Task* first = nullptr;
    Task* last = nullptr;
  };

  WorkerPool(const WorkerPoolOptions& options, std::function<void()> wake_loop);
  // REQUIRES: JoinThreads() has been called.
  ~WorkerPool();

  // Ends the threads. No `wake_loop` is called afterwards. REQUIRES: every task has been taken
  // back.
  void JoinThreads();

  void Run(Lane lane, Task* task);
  // Of a task that was run elsewhere. Any thread, but not after JoinThreads().
  void Finish(Task* task);

  // What running tasks hold.
  uint64_t task_memory_bytes();
  // See Env::job_cpu_wait_us.
  uint64_t background_cpu_wait_us();

  // All tasks finished since the last call, linked by `next`, in the order they finished; or null.
  Task* TakeFinished();
  bool has_finished();

 private:
  // Aligned so that lanes do not share cache lines.
  struct alignas(64) LaneQueue {
    std::mutex mutex;
    std::condition_variable arrived;
    TaskList waiting;
    size_t waiting_count = 0;
    size_t sleeping = 0;  // threads in arrived.wait()
    bool stopping = false;
    // Touched by the loop alone.
    std::vector<std::thread> threads;
    bool start_failed = false;  // said so once; trying goes on
  };

  // False if the system gives us no more.
  bool StartThread(Lane lane);
  void WorkerMain(Lane lane);
  void ServeLane(LaneQueue& lane, MemoryMeter& meter);

  const WorkerPoolOptions options_;
  const std::function<void()> wake_loop_;
  std::array<LaneQueue, kLanes> lanes_;

  std::mutex threads_mutex_;
  std::vector<const MemoryMeter*> meters_;  // one a thread
  std::vector<pid_t> background_threads_;   // those that yield to the loop

  std::mutex finished_mutex_;
  TaskList finished_;
};

}  // namespace varve
