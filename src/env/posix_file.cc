// env/posix_file.cc: files and locks of a POSIX system.
//
// Every transfer loops until it is whole: the kernel may stop early for a signal, at 2 GiB, or
// when the disk fills up, and only the next call says which.
#include "env/posix_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/numbers.h"
#include "env/background.h"
#include "env/uninterrupted.h"

namespace varve {

namespace {

// Preallocate writes its zeros from here. Not const: so it takes no room in the binary.
constexpr size_t kZeroChunkBytes = size_t{128} << 10;  // between two offers of the core
alignas(4096) char g_zeros[kZeroChunkBytes];

// What background jobs write goes to the disk in steps of at least so many bytes. They end with a page, where pages are
// of this size: one that is on its way and not full would be written twice.
constexpr uint64_t kWritebackBytes = uint64_t{256} << 10;
constexpr uint64_t kPageBytes = 4096;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    // No retry after EINTR: Linux has released the number, and another thread may own it now.
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  using File::WriteAt;
  Result<size_t> ReadAt(uint64_t offset, size_t size, char* scratch) const override;
  Result<size_t> TryReadAt(uint64_t offset, size_t size, char* scratch) const override;
  Status WriteAt(uint64_t offset, std::span<const Slice> slices) override;
  Status Sync() override;
  Status Preallocate(uint64_t size) override;
  Status Allocate(uint64_t size) override;
  Status Truncate(uint64_t size) override;
  Result<uint64_t> Size() const override;

  int fd() const { return descriptor_.number(); }
  Status ErrorOf(int error, Slice what) const { return Status::FromErrno(error, path_, what); }

 private:
  // Writes `count` pieces at `offset`, consuming them.
  Status WritePieces(uint64_t offset, iovec* pieces, size_t count);
  void StartWriteback(uint64_t end);
  Status Error(Slice what) const { return ErrorOf(errno, what); }

  const Descriptor descriptor_;
  const std::string path_;
  uint64_t writeback_end_ = 0;  // of what background jobs have written, so much is on its way
  int writeback_error_ = 0;     // of starting it: for the sync
  // Learned from the first attempt, per file: file systems differ.
  mutable std::atomic<bool> nowait_supported_{true};
};

Result<size_t> PosixFile::ReadAt(uint64_t offset, size_t size, char* scratch) const {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = Uninterrupted([&] {
      return pread(fd(), scratch + done, size - done, static_cast<off_t>(offset + done));
    });
    if (got < 0) return Error("read");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

Result<size_t> PosixFile::TryReadAt(uint64_t offset, size_t size, char* scratch) const {
  if (size == 0) return size_t{0};
  if (!nowait_supported_.load(std::memory_order_relaxed)) return Status::Pending();
  const iovec piece{scratch, size};
  const ssize_t got = Uninterrupted(
      [&] { return preadv2(fd(), &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT); });
  if (got < 0) {
    if (errno == EAGAIN) return Status::Pending();
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) {
      nowait_supported_.store(false, std::memory_order_relaxed);
      return Status::Pending();
    }
    return Error("read");
  }
  const size_t read = static_cast<size_t>(got);
  if (read == size) return read;
  // Short: either the file ends here, or the page cache does.
  const Result<uint64_t> file_size = Size();
  if (!file_size.ok()) return file_size.status();
  if (offset + read < *file_size) return Status::Pending();
  return read;
}

Status PosixFile::WriteAt(uint64_t offset, std::span<const Slice> slices) {
  iovec pieces[IOV_MAX];
  size_t next = 0;
  while (next < slices.size()) {
    size_t count = 0;
    uint64_t bytes = 0;
    for (; next < slices.size() && count < IOV_MAX; ++next) {
      if (slices[next].empty()) continue;
      pieces[count++] = {const_cast<char*>(slices[next].data()), slices[next].size()};
      bytes += slices[next].size();
    }
    RETURN_IF_ERROR(WritePieces(offset, pieces, count));
    offset += bytes;
  }
  if (IsBackground() && offset >= writeback_end_ + kWritebackBytes) StartWriteback(offset);
  return Status::Ok();
}

// A table that waits in the page cache for its sync comes to the disk all at once, and whoever syncs the log meanwhile waits
// behind it. What goes wrong on the way to the disk the kernel tells the sync; with SYNC_FILE_RANGE_WAIT_BEFORE or _AFTER it
// would tell this call instead. What goes wrong here, such as finding room for the pages, it may tell nobody else.
void PosixFile::StartWriteback(uint64_t end) {
  end -= end % kPageBytes;
  const int result = Uninterrupted([&] {
    return sync_file_range(fd(), static_cast<off_t>(writeback_end_),
                           static_cast<off_t>(end - writeback_end_), SYNC_FILE_RANGE_WRITE);
  });
  const auto not_offered = [] { return errno == ENOSYS || errno == EOPNOTSUPP || errno == EINVAL; };
  if (result < 0 && !not_offered() && writeback_error_ == 0) writeback_error_ = errno;
  writeback_end_ = end;
}

Status PosixFile::WritePieces(uint64_t offset, iovec* pieces, size_t count) {
  while (count > 0) {
    const ssize_t got = Uninterrupted(
        [&] { return pwritev(fd(), pieces, static_cast<int>(count), static_cast<off_t>(offset)); });
    if (got < 0) return Error("write");
    if (got == 0) return Status::FromErrno(EIO, path_, "write of nothing");  // or we loop for ever
    offset += static_cast<uint64_t>(got);
    size_t written = static_cast<size_t>(got);
    while (count > 0 && written >= pieces->iov_len) {
      written -= pieces->iov_len;
      ++pieces;
      --count;
    }
    if (written > 0) {
      pieces->iov_base = static_cast<char*>(pieces->iov_base) + written;
      pieces->iov_len -= written;
    }
  }
  return Status::Ok();
}

Status PosixFile::Sync() {
  if (writeback_error_ != 0) return ErrorOf(writeback_error_, "write back");
  if (Uninterrupted([&] { return fdatasync(fd()); }) < 0) return Error("sync");
  return Status::Ok();
}

Status PosixFile::Preallocate(uint64_t size) {
  // Asking for all blocks at once gets them in one piece, and says at once when there is no room.
  // They are unwritten extents, though: turning each into a written one would be metadata in every
  // later sync. Hence the zeros.
  if (size > 0 &&
      Uninterrupted([&] { return fallocate(fd(), 0, 0, static_cast<off_t>(size)); }) < 0 &&
      errno != EOPNOTSUPP && errno != ENOSYS) {
    return Error("preallocate");
  }
  for (uint64_t offset = 0; offset < size; offset += kZeroChunkBytes) {
    OfferCpu();
    const uint64_t rest = std::min<uint64_t>(size - offset, kZeroChunkBytes);
    RETURN_IF_ERROR(WriteAt(offset, Slice(g_zeros, static_cast<size_t>(rest))));
  }
  return Truncate(size);  // it may have been longer
}

Status PosixFile::Allocate(uint64_t size) {
  if (Uninterrupted([&] { return fallocate(fd(), 0, 0, static_cast<off_t>(size)); }) == 0) {
    return Truncate(size);
  }
  // Some file systems keep the part they found room for.
  const Status status = Error("allocate");
  (void)Truncate(0);
  return status;
}

Status PosixFile::Truncate(uint64_t size) {
  if (Uninterrupted([&] { return ftruncate(fd(), static_cast<off_t>(size)); }) < 0) {
    return Error("truncate");
  }
  return Status::Ok();
}

Result<uint64_t> PosixFile::Size() const {
  struct stat about {};
  if (fstat(fd(), &about) < 0) return Error("stat");
  return static_cast<uint64_t>(about.st_size);
}

// flock() rather than fcntl(): it belongs to the open file, so a second attempt from the same
// process fails too, and closing some other descriptor of the file does not drop it. The file
// stays when the lock goes: removing it could remove the file that a third process has just
// locked.
class PosixLock final : public DirectoryLock {
 public:
  explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  const Descriptor descriptor_;
};

Status LockedBy(int descriptor, const std::string& path) {
  char text[kInt64CharsMax + 1];
  const ssize_t got = pread(descriptor, text, sizeof(text), 0);
  Slice owner(text, got > 0 ? static_cast<size_t>(got) : 0);
  owner = owner.substr(0, owner.find('\n'));
  std::string message = path + ": locked by ";
  if (owner.empty() || owner.find_first_not_of("0123456789") != Slice::npos) {
    message += "another process";
  } else {
    message.append("process ").append(owner);
  }
  return {StatusCode::kLocked, std::move(message)};
}

}  // namespace

Result<std::unique_ptr<File>> OpenPosixFile(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case OpenMode::kRead: flags |= O_RDONLY; break;
    case OpenMode::kCreate: flags |= O_RDWR | O_CREAT | O_EXCL; break;
    case OpenMode::kReuse: flags |= O_RDWR; break;
  }
  Descriptor descriptor(Uninterrupted([&] { return open(path.c_str(), flags, 0640); }));
  if (descriptor.number() < 0) {
    if (errno == ENOENT && mode != OpenMode::kCreate) {
      return Status(StatusCode::kNotFound, path + ": no such file");
    }
    return Status::FromErrno(errno, path, mode == OpenMode::kCreate ? "create" : "open");
  }
  return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(descriptor), path));
}

int DescriptorOf(const File& file) { return static_cast<const PosixFile&>(file).fd(); }

Status PosixFileError(const File& file, int error, Slice what) {
  return static_cast<const PosixFile&>(file).ErrorOf(error, what);
}

Result<std::unique_ptr<DirectoryLock>> LockPosixFile(const std::string& path) {
  Descriptor descriptor(
      Uninterrupted([&] { return open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640); }));
  const int fd = descriptor.number();
  if (fd < 0) return Status::FromErrno(errno, path, "open");
  if (Uninterrupted([&] { return flock(fd, LOCK_EX | LOCK_NB); }) < 0) {
    if (errno == EWOULDBLOCK) return LockedBy(fd, path);
    return Status::FromErrno(errno, path, "lock");
  }
  // The number only helps people: on a full disk the lock holds without it.
  const std::string owner = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) == 0) (void)!pwrite(fd, owner.data(), owner.size(), 0);
  return std::unique_ptr<DirectoryLock>(std::make_unique<PosixLock>(std::move(descriptor)));
}

}  // namespace varve
