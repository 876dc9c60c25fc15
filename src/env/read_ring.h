// env/read_ring.h: a thread that keeps many reads before the disk, by Linux's io_uring.
//
//   loop: Add(task) ---> arrived ---> ring thread ---> kernel: up to kReadsMax reads at a time
//                                         |
//   loop <--- finish(task) <--- task->read.work(bytes)
//
// A thread that waits for one read costs two switches of threads for each; this one begins, in one system call, all reads
// that have arrived, and meets all that have come. The loop wakes it only when it sleeps. It is not the loop that does
// this: beginning a read and decoding a block take some 20 microseconds, of which the loop has none to give away.
//
// Threads    Loop; `finish` is called on the ring's thread.
// Ownership  Borrows tasks between Add and `finish`. Buffers are the ring's: what waits for its turn needs none.
// Errors     Open: kNotSupported where the system has no io_uring or forbids it, as containers often do; lanes of threads
//            serve then. A read fails as File::ReadAt does.
// See also: Axboe, "Efficient IO with io_uring", 2019.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "env/worker_pool.h"

struct io_uring;

namespace varve {

class ReadRing {
 public:
  using Task = WorkerPool::Task;
  static constexpr unsigned kReadsMax = 128;

  static Result<std::unique_ptr<ReadRing>> Open(std::function<void(Task*)> finish);
  // Ends the thread. REQUIRES: all tasks have been finished.
  ~ReadRing();
  ReadRing(const ReadRing&) = delete;
  ReadRing& operator=(const ReadRing&) = delete;

  // Begins what task->read says. Starts the thread if there is none; false, and nothing is done, if it cannot be had.
  bool Add(Task* task);

  // Of all buffers.
  size_t memory_bytes() const { return buffer_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Buffer {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
  };
  // A read that is before the disk.
  struct Slot {
    Task* task = nullptr;
    Buffer buffer;
    size_t read = 0;  // bytes so far
  };

  ReadRing(std::unique_ptr<io_uring> ring, int doorbell, std::function<void(Task*)> finish);

  bool StartThread();
  void WakeThread();

  // The thread's.
  void Main();
  // False: it is to end.
  bool TakeArrived();
  void BeginWaiting();
  void SubmitAndSleep();
  void MeetFinished();
  void AskForDoorbell();
  // Asks for what the slot still lacks.
  void Ask(size_t slot);
  // Whether the read is over; if not, it has been asked for anew.
  bool IsOver(size_t slot, int result);
  void End(size_t slot, int result);
  Buffer NewBuffer(size_t size);
  void KeepBuffer(Buffer buffer);

  const std::unique_ptr<io_uring> ring_;
  const int doorbell_;  // an eventfd
  const std::function<void(Task*)> finish_;
  std::thread thread_;

  std::mutex mutex_;  // of the next three
  WorkerPool::TaskList arrived_;
  bool sleeping_ = false;
  bool stopping_ = false;

  uint64_t doorbell_count_ = 0;   // where the kernel puts it
  WorkerPool::TaskList waiting_;  // for a slot
  std::vector<Slot> slots_;
  std::vector<size_t> free_slots_;
  std::vector<Buffer> free_buffers_;
  std::atomic<size_t> buffer_bytes_{0};
};

}  // namespace varve
