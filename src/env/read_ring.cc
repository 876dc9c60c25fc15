// env/read_ring.cc: a thread that keeps many reads before the disk.
//
// The doorbell is an eventfd that the ring itself reads: so one system call sleeps for both, reads that come back and
// reads that arrive. `sleeping_` is set before that call and under the lock that guards what has arrived, so
// that whoever adds afterwards rings.
#include "env/read_ring.h"

#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "env/posix_file.h"

namespace varve {

namespace {

// Holds a stored block of the usual size even if it did not compress. Larger buffers are not kept.
constexpr size_t kBufferBytes = 20 * 1024;

constexpr uint64_t kDoorbell = UINT64_MAX;  // as a slot's number

// What newer kernels save: one thread alone uses the ring, and completions are worked off when it asks for them rather
// than whenever they come. Older ones refuse flags that they do not know. Disabled, until that thread is there.
constexpr unsigned kFlags[] = {
    IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    IORING_SETUP_R_DISABLED,
};

bool CanRead(io_uring* ring) {
  io_uring_probe* probe = io_uring_get_probe_ring(ring);
  if (probe == nullptr) return false;
  const bool can = io_uring_opcode_supported(probe, IORING_OP_READ) != 0;
  io_uring_free_probe(probe);
  return can;
}

}  // namespace

// --- The loop's side ---

Result<std::unique_ptr<ReadRing>> ReadRing::Open(std::function<void(Task*)> finish) {
  auto ring = std::make_unique<io_uring>();
  int error = -EINVAL;
  for (const unsigned flags : kFlags) {
    error = io_uring_queue_init(kReadsMax + 1, ring.get(), flags);
    if (error != -EINVAL) break;
  }
  if (error < 0) {
    const Status status = Status::FromErrno(-error, "io_uring", "set up");
    return Status(StatusCode::kNotSupported, std::string(status.message()));
  }
  const int doorbell = CanRead(ring.get()) ? eventfd(0, EFD_CLOEXEC) : -1;
  if (doorbell < 0) {
    io_uring_queue_exit(ring.get());
    return Status(StatusCode::kNotSupported, "io_uring: too old to read, or no descriptor left");
  }
  return std::unique_ptr<ReadRing>(new ReadRing(std::move(ring), doorbell, std::move(finish)));
}

ReadRing::ReadRing(std::unique_ptr<io_uring> ring, int doorbell, std::function<void(Task*)> finish)
    : ring_(std::move(ring)), doorbell_(doorbell), finish_(std::move(finish)), slots_(kReadsMax) {
  for (size_t slot = kReadsMax; slot > 0; --slot) free_slots_.push_back(slot - 1);
}

ReadRing::~ReadRing() {
  if (thread_.joinable()) {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      stopping_ = true;
    }
    WakeThread();
    thread_.join();
  }
  CHECK(arrived_.empty() && waiting_.empty() && free_slots_.size() == kReadsMax);
  io_uring_queue_exit(ring_.get());
  close(doorbell_);
}

bool ReadRing::Add(Task* task) {
  if (!thread_.joinable() && !StartThread()) return false;
  bool wake = false;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    arrived_.Append(task);
    wake = std::exchange(sleeping_, false);
  }
  if (wake) WakeThread();
  return true;
}

bool ReadRing::StartThread() {
  try {
    thread_ = StartWorkerThread("varve-read-ring", [this] { Main(); });
    return true;
  } catch (const std::system_error& error) {
    Log(LogLevel::kWarning, "env: cannot start thread varve-read-ring: %s", error.what());
    return false;
  }
}

void ReadRing::WakeThread() { CHECK(eventfd_write(doorbell_, 1) == 0); }

// --- The thread's side ---

void ReadRing::Main() {
  CHECK(io_uring_enable_rings(ring_.get()) == 0);
  AskForDoorbell();
  while (TakeArrived()) {
    BeginWaiting();
    SubmitAndSleep();
    MeetFinished();
  }
}

bool ReadRing::TakeArrived() {
  const std::lock_guard<std::mutex> guard(mutex_);
  waiting_.AppendAll(arrived_);
  sleeping_ = true;
  return !stopping_;
}

void ReadRing::BeginWaiting() {
  while (!waiting_.empty() && !free_slots_.empty()) {
    const size_t slot = free_slots_.back();
    free_slots_.pop_back();
    Task* const task = waiting_.TakeFirst();
    slots_[slot] = {task, NewBuffer(task->read.size), 0};
    Ask(slot);
  }
}

void ReadRing::SubmitAndSleep() {
  const int submitted = io_uring_submit_and_wait(ring_.get(), 1);
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    sleeping_ = false;
  }
  // For lack of memory, say. What was not begun is begun by the next call.
  if (submitted < 0 && submitted != -EINTR) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void ReadRing::MeetFinished() {
  io_uring_cqe* cqe = nullptr;
  while (io_uring_peek_cqe(ring_.get(), &cqe) == 0) {
    const uint64_t slot = io_uring_cqe_get_data64(cqe);
    const int result = cqe->res;
    io_uring_cqe_seen(ring_.get(), cqe);
    if (slot == kDoorbell) {
      AskForDoorbell();
    } else if (IsOver(slot, result)) {
      End(slot, result);
    }
  }
}

void ReadRing::AskForDoorbell() {
  io_uring_sqe* const sqe = io_uring_get_sqe(ring_.get());
  CHECK(sqe != nullptr);  // one for each slot and this
  io_uring_prep_read(sqe, doorbell_, &doorbell_count_, sizeof(doorbell_count_), 0);
  io_uring_sqe_set_data64(sqe, kDoorbell);
}

void ReadRing::Ask(size_t i) {
  const Slot& slot = slots_[i];
  const Task::Read& read = slot.task->read;
  io_uring_sqe* const sqe = io_uring_get_sqe(ring_.get());
  CHECK(sqe != nullptr);
  io_uring_prep_read(sqe, DescriptorOf(*read.file), slot.buffer.bytes.get() + slot.read,
                     static_cast<unsigned>(read.size - slot.read), read.offset + slot.read);
  io_uring_sqe_set_data64(sqe, i);
}

bool ReadRing::IsOver(size_t i, int result) {
  Slot& slot = slots_[i];
  if (result == -EINTR || result == -EAGAIN) {
    Ask(i);
    return false;
  }
  if (result <= 0) return true;
  slot.read += static_cast<size_t>(result);
  if (slot.read == slot.task->read.size) return true;
  Ask(i);  // cut short by a signal, or the file ends here: the next answer tells
  return false;
}

void ReadRing::End(size_t i, int result) {
  Slot slot = std::move(slots_[i]);
  free_slots_.push_back(i);
  const Task::Read& read = slot.task->read;
  if (result < 0) {
    read.work(PosixFileError(*read.file, -result, "read"));
  } else {
    read.work(Slice(slot.buffer.bytes.get(), slot.read));
  }
  KeepBuffer(std::move(slot.buffer));
  finish_(slot.task);
}

ReadRing::Buffer ReadRing::NewBuffer(size_t size) {
  if (size <= kBufferBytes && !free_buffers_.empty()) {
    Buffer buffer = std::move(free_buffers_.back());
    free_buffers_.pop_back();
    return buffer;
  }
  size = std::max(size, kBufferBytes);
  buffer_bytes_.fetch_add(size, std::memory_order_relaxed);
  return {std::make_unique_for_overwrite<char[]>(size), size};
}

void ReadRing::KeepBuffer(Buffer buffer) {
  if (buffer.size == kBufferBytes) {
    free_buffers_.push_back(std::move(buffer));
  } else {
    buffer_bytes_.fetch_sub(buffer.size, std::memory_order_relaxed);
  }
}

}  // namespace varve
