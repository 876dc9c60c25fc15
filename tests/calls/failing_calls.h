// tests/calls/failing_calls.h: system calls that fail when a test says so.
//
// The linker leads every call of wrapped_calls in the Makefile (--wrap) to failing_calls.cc, which makes it, unless a
// FailingCalls says that the Nth of its kind is to fail. Only calls on its directory count, by path or by descriptor;
// those of io_uring, which have neither, all do.
//
// What a failed call has done: nothing, as far as the disk is concerned. But close() has closed all the same, as on Linux.
//
// Threads    any may call; the test's own makes and destroys the one FailingCalls there is at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace varve {

enum class Call : unsigned char {
  kAccess,
  kClose,
  kClosedir,
  kFallocate,
  kFdatasync,
  kFlock,
  kFstat,
  kFsync,
  kFtruncate,
  kLink,
  kMkdir,
  kOpen,
  kOpendir,
  kPread,
  kPreadv2,
  kPwrite,
  kPwritev,
  kReaddir,
  kRename,
  kRmdir,
  kStat,
  kStatvfs,
  kSyncFileRange,
  kUnlink,
  kRingSetUp,   // io_uring_queue_init()
  kRingSubmit,  // io_uring_submit_and_wait()
  kRingRead,    // a read that comes back from the ring
};
inline constexpr size_t kCalls = 27;
std::string NameOf(Call call);

// In place of an errno: a transfer of half the bytes, or of none at all.
inline constexpr int kHalf = -1;
inline constexpr int kNothing = -2;

// Of a file, on its way to the disk.
struct Writeback {
  int64_t offset;
  int64_t size;
  unsigned flags;
  friend bool operator==(const Writeback&, const Writeback&) = default;
};

class FailingCalls {
 public:
  explicit FailingCalls(const std::string& directory);
  ~FailingCalls();
  FailingCalls(const FailingCalls&) = delete;
  FailingCalls& operator=(const FailingCalls&) = delete;

  // From now on the Nth such call fails with `error`, an errno, kHalf or kNothing; and so do the next, `times` in all.
  // For several kinds at a time, or several errors of one, call it again.
  void Fail(Call call, int error, uint64_t nth = 1, uint64_t times = 1);
  // No call fails any more.
  void Heal();

  // Calls so far, failed or not; how many did.
  uint64_t count(Call call) const;
  uint64_t failed(Call call) const;
  uint64_t failed() const;
  // All that kSyncFileRange was called with.
  std::vector<Writeback> writebacks() const;
  // What must never be. A descriptor closed that was not open; a file synced again after a sync of it failed.
  uint64_t closed_twice() const;
  uint64_t synced_again() const;
};

// Of this process.
size_t OpenDescriptors();

}  // namespace varve
