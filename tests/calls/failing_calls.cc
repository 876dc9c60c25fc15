// tests/calls/failing_calls.cc: what the linker puts in place of system calls.
//
// __real_x is the call itself, __wrap_x is where everybody who calls x gets to. Nothing here may be constructed at run
// time: the allocator calls open() before anything else runs.
#include "tests/calls/failing_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <numeric>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"

extern "C" {
int __real_access(const char* path, int mode);
int __real_close(int fd);
int __real_closedir(DIR* directory);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_fdatasync(int fd);
int __real_flock(int fd, int operation);
int __real_fstat(int fd, struct stat* about);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
int __real_link(const char* from, const char* to);
int __real_mkdir(const char* path, mode_t mode);
int __real_open(const char* path, int flags, ...);
DIR* __real_opendir(const char* path);
ssize_t __real_pread(int fd, void* bytes, size_t size, off_t offset);
ssize_t __real_preadv2(int fd, const iovec* pieces, int count, off_t offset, int flags);
ssize_t __real_pwrite(int fd, const void* bytes, size_t size, off_t offset);
ssize_t __real_pwritev(int fd, const iovec* pieces, int count, off_t offset);
dirent* __real_readdir(DIR* directory);
int __real_rename(const char* from, const char* to);
int __real_rmdir(const char* path);
int __real_stat(const char* path, struct stat* about);
int __real_statvfs(const char* path, struct statvfs* about);
int __real_sync_file_range(int fd, off_t offset, off_t size, unsigned flags);
int __real_unlink(const char* path);
int __real_io_uring_queue_init(unsigned entries, io_uring* ring, unsigned flags);
int __real_io_uring_submit_and_wait(io_uring* ring, unsigned count);
}

namespace varve {

namespace {

struct Fault {
  Call call;
  int error;
  uint64_t first;
  uint64_t last;
};

struct Plan {
  std::string directory;
  std::vector<Fault> faults;
  std::vector<Writeback> writebacks;
  std::array<uint64_t, kCalls> counts{};
  std::array<uint64_t, kCalls> failed{};
  uint64_t closed_twice = 0;
  uint64_t synced_again = 0;
  std::set<int> failed_syncs;  // descriptors that are still open
};

std::atomic<bool> g_armed{false};  // there is a plan
std::mutex g_mutex;                // of the plan
Plan* g_plan = nullptr;

// What is to become of this call: an errno, kHalf or kNothing; 0: it is to be made. With g_mutex held.
int MeetLocked(Call call) {
  const uint64_t n = ++g_plan->counts[static_cast<size_t>(call)];
  for (const Fault& fault : g_plan->faults) {
    if (fault.call != call || n < fault.first || n > fault.last) continue;
    ++g_plan->failed[static_cast<size_t>(call)];
    return fault.error;
  }
  return 0;
}

int Meet(Call call, const char* path) {
  if (!g_armed) return 0;
  const std::lock_guard<std::mutex> guard(g_mutex);
  if (g_plan == nullptr || !std::string_view(path).starts_with(g_plan->directory)) return 0;
  return MeetLocked(call);
}

int Meet(Call call, int fd) {
  if (!g_armed) return 0;
  char path[PATH_MAX] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  if (readlink(link.c_str(), path, sizeof(path) - 1) < 0) return 0;
  return Meet(call, path);
}

// The ring's calls know no path.
int MeetAnywhere(Call call) {
  if (!g_armed) return 0;
  const std::lock_guard<std::mutex> guard(g_mutex);
  return g_plan != nullptr ? MeetLocked(call) : 0;
}

// For a call that returns -1, or makes it if it is to be made.
template <typename Subject, typename Real>
int Try(Call call, Subject subject, Real real) {
  const int error = Meet(call, subject);
  if (error == 0) return real();
  errno = error;
  return -1;
}

int TrySync(Call call, int fd, int (*real)(int)) {
  if (!g_armed) return real(fd);
  const int result = Try(call, fd, [&] { return real(fd); });
  const int error = errno;
  const std::lock_guard<std::mutex> guard(g_mutex);
  if (g_plan != nullptr) {
    if (g_plan->failed_syncs.contains(fd)) ++g_plan->synced_again;
    // Interrupted, it has not failed: the kernel has dropped nothing.
    if (result < 0 && error != EINTR) g_plan->failed_syncs.insert(fd);
  }
  errno = error;
  return result;
}

// `transfer(size)` moves as much of `size` bytes as it can.
template <typename Transfer>
ssize_t TryTransfer(Call call, int fd, size_t size, Transfer transfer) {
  switch (const int error = Meet(call, fd)) {
    case 0: return transfer(size);
    case kHalf: return transfer((size + 1) / 2);
    case kNothing: return 0;
    default: errno = error; return -1;
  }
}

// The first `size` bytes of the pieces.
class FirstPieces {
 public:
  FirstPieces(const iovec* pieces, int count, size_t size) {
    for (int i = 0; i < count && size > 0; ++i) {
      pieces_[count_] = pieces[i];
      pieces_[count_].iov_len = std::min(size, pieces[i].iov_len);
      size -= pieces_[count_++].iov_len;
    }
  }
  const iovec* data() const { return pieces_.data(); }
  int count() const { return static_cast<int>(count_); }

 private:
  std::array<iovec, IOV_MAX> pieces_;
  size_t count_ = 0;
};

size_t SizeOf(const iovec* pieces, int count) {
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += pieces[i].iov_len;
  return size;
}

// What the kernel has put into the ring is changed there, before anybody has looked.
void ChangeArrived(io_uring* ring) {
  constexpr uint64_t kDoorbell = UINT64_MAX;
  unsigned head = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(ring, head, cqe) {
    if (cqe->user_data == kDoorbell) continue;
    const int error = MeetAnywhere(Call::kRingRead);
    if (error == 0) continue;
    if (error == kHalf) {
      cqe->res = (cqe->res + 1) / 2;
    } else {
      cqe->res = error == kNothing ? 0 : -error;
    }
  }
}

}  // namespace

std::string NameOf(Call call) {
  constexpr const char* kNames[] = {
      "access",  "close",           "closedir", "fallocate",   "fdatasync",   "flock",    "fstat",
      "fsync",   "ftruncate",       "link",     "mkdir",       "open",        "opendir",  "pread",
      "preadv2", "pwrite",          "pwritev",  "readdir",     "rename",      "rmdir",    "stat",
      "statvfs", "sync_file_range", "unlink",   "ring set-up", "ring submit", "ring read"};
  static_assert(std::size(kNames) == kCalls);
  return kNames[static_cast<size_t>(call)];
}

FailingCalls::FailingCalls(const std::string& directory) {
  const std::lock_guard<std::mutex> guard(g_mutex);
  CHECK(g_plan == nullptr);
  g_plan = new Plan;
  g_plan->directory = directory;
  g_armed = true;
}

FailingCalls::~FailingCalls() {
  g_armed = false;
  const std::lock_guard<std::mutex> guard(g_mutex);
  delete std::exchange(g_plan, nullptr);
}

void FailingCalls::Fail(Call call, int error, uint64_t nth, uint64_t times) {
  const std::lock_guard<std::mutex> guard(g_mutex);
  const uint64_t first = g_plan->counts[static_cast<size_t>(call)] + nth;
  g_plan->faults.push_back({call, error, first, first + times - 1});
}

void FailingCalls::Heal() {
  const std::lock_guard<std::mutex> guard(g_mutex);
  g_plan->faults.clear();
}

uint64_t FailingCalls::count(Call call) const {
  const std::lock_guard<std::mutex> guard(g_mutex);
  return g_plan->counts[static_cast<size_t>(call)];
}

uint64_t FailingCalls::failed(Call call) const {
  const std::lock_guard<std::mutex> guard(g_mutex);
  return g_plan->failed[static_cast<size_t>(call)];
}

uint64_t FailingCalls::failed() const {
  const std::lock_guard<std::mutex> guard(g_mutex);
  return std::accumulate(g_plan->failed.begin(), g_plan->failed.end(), uint64_t{0});
}

std::vector<Writeback> FailingCalls::writebacks() const {
  const std::lock_guard<std::mutex> guard(g_mutex);
  return g_plan->writebacks;
}

uint64_t FailingCalls::closed_twice() const {
  const std::lock_guard<std::mutex> guard(g_mutex);
  return g_plan->closed_twice;
}

uint64_t FailingCalls::synced_again() const {
  const std::lock_guard<std::mutex> guard(g_mutex);
  return g_plan->synced_again;
}

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator open("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(open), end(open)));
}

}  // namespace varve

using varve::Call;

extern "C" {

int __wrap_access(const char* path, int mode) {
  return varve::Try(Call::kAccess, path, [&] { return __real_access(path, mode); });
}

int __wrap_close(int fd) {
  if (!varve::g_armed) return __real_close(fd);
  int error = varve::Meet(Call::kClose, fd);
  {
    const std::lock_guard<std::mutex> guard(varve::g_mutex);
    if (varve::g_plan != nullptr) varve::g_plan->failed_syncs.erase(fd);
  }
  if (__real_close(fd) < 0) {
    error = errno;
    const std::lock_guard<std::mutex> guard(varve::g_mutex);
    if (error == EBADF && varve::g_plan != nullptr) ++varve::g_plan->closed_twice;
  }
  if (error == 0) return 0;
  errno = error;
  return -1;
}

int __wrap_closedir(DIR* directory) {
  const int error = varve::Meet(Call::kClosedir, dirfd(directory));
  const int result = __real_closedir(directory);
  if (error == 0) return result;
  errno = error;
  return -1;
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size) {
  return varve::Try(Call::kFallocate, fd, [&] { return __real_fallocate(fd, mode, offset, size); });
}

int __wrap_fdatasync(int fd) { return varve::TrySync(Call::kFdatasync, fd, __real_fdatasync); }

int __wrap_flock(int fd, int operation) {
  return varve::Try(Call::kFlock, fd, [&] { return __real_flock(fd, operation); });
}

int __wrap_fstat(int fd, struct stat* about) {
  return varve::Try(Call::kFstat, fd, [&] { return __real_fstat(fd, about); });
}

int __wrap_fsync(int fd) { return varve::TrySync(Call::kFsync, fd, __real_fsync); }

int __wrap_ftruncate(int fd, off_t size) {
  return varve::Try(Call::kFtruncate, fd, [&] { return __real_ftruncate(fd, size); });
}

int __wrap_link(const char* from, const char* to) {
  return varve::Try(Call::kLink, from, [&] { return __real_link(from, to); });
}

int __wrap_mkdir(const char* path, mode_t mode) {
  return varve::Try(Call::kMkdir, path, [&] { return __real_mkdir(path, mode); });
}

int __wrap_open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return varve::Try(Call::kOpen, path, [&] { return __real_open(path, flags, mode); });
}

DIR* __wrap_opendir(const char* path) {
  const int error = varve::Meet(Call::kOpendir, path);
  if (error == 0) return __real_opendir(path);
  errno = error;
  return nullptr;
}

ssize_t __wrap_pread(int fd, void* bytes, size_t size, off_t offset) {
  return varve::TryTransfer(Call::kPread, fd, size,
                            [&](size_t part) { return __real_pread(fd, bytes, part, offset); });
}

ssize_t __wrap_preadv2(int fd, const iovec* pieces, int count, off_t offset, int flags) {
  return varve::TryTransfer(Call::kPreadv2, fd, varve::SizeOf(pieces, count), [&](size_t part) {
    const varve::FirstPieces first(pieces, count, part);
    return __real_preadv2(fd, first.data(), first.count(), offset, flags);
  });
}

ssize_t __wrap_pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return varve::TryTransfer(Call::kPwrite, fd, size,
                            [&](size_t part) { return __real_pwrite(fd, bytes, part, offset); });
}

ssize_t __wrap_pwritev(int fd, const iovec* pieces, int count, off_t offset) {
  return varve::TryTransfer(Call::kPwritev, fd, varve::SizeOf(pieces, count), [&](size_t part) {
    const varve::FirstPieces first(pieces, count, part);
    return __real_pwritev(fd, first.data(), first.count(), offset);
  });
}

dirent* __wrap_readdir(DIR* directory) {
  const int error = varve::Meet(Call::kReaddir, dirfd(directory));
  if (error == 0) return __real_readdir(directory);
  errno = error;
  return nullptr;
}

int __wrap_rename(const char* from, const char* to) {
  return varve::Try(Call::kRename, from, [&] { return __real_rename(from, to); });
}

int __wrap_rmdir(const char* path) {
  return varve::Try(Call::kRmdir, path, [&] { return __real_rmdir(path); });
}

int __wrap_stat(const char* path, struct stat* about) {
  return varve::Try(Call::kStat, path, [&] { return __real_stat(path, about); });
}

int __wrap_statvfs(const char* path, struct statvfs* about) {
  return varve::Try(Call::kStatvfs, path, [&] { return __real_statvfs(path, about); });
}

int __wrap_sync_file_range(int fd, off_t offset, off_t size, unsigned flags) {
  if (varve::g_armed) {
    const std::lock_guard<std::mutex> guard(varve::g_mutex);
    if (varve::g_plan != nullptr) varve::g_plan->writebacks.push_back({offset, size, flags});
  }
  return varve::Try(Call::kSyncFileRange, fd,
                    [&] { return __real_sync_file_range(fd, offset, size, flags); });
}

int __wrap_unlink(const char* path) {
  return varve::Try(Call::kUnlink, path, [&] { return __real_unlink(path); });
}

int __wrap_io_uring_queue_init(unsigned entries, io_uring* ring, unsigned flags) {
  const int error = varve::MeetAnywhere(Call::kRingSetUp);
  return error != 0 ? -error : __real_io_uring_queue_init(entries, ring, flags);
}

int __wrap_io_uring_submit_and_wait(io_uring* ring, unsigned count) {
  const int error = varve::MeetAnywhere(Call::kRingSubmit);
  if (error != 0) return -error;
  const int result = __real_io_uring_submit_and_wait(ring, count);
  varve::ChangeArrived(ring);
  return result;
}

}  // extern "C"
