// env/env.h: the world, as an interface. Files, clocks, chance and threads reach Varve
// through here and nowhere else, so that the same code runs on a machine (posix_env.h) and
// in a simulation whose power fails at any step and whose history repeats from a seed
// (sim_env.h).
//
// Threads. One thread is the loop; it owns all engine state. Work that would wait goes
// to a Lane as a job: `work` runs on a thread of that lane, then `done` runs on the loop.
// Jobs of one lane start in the order they were given; a lane of one thread (log, sync,
// manifest, flush) thereby runs them one after the other. File calls may come from any thread,
// but one File is not used by two threads at once, except for ReadAt and TryReadAt, and for a Sync
// beside a WriteAt: it covers the writes that had returned when it began.
//
// Errors. Every call that touches the disk returns a Status naming the path. EINTR and short
// transfers are the Env's business, never the caller's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/slice.h"
#include "base/status.h"

namespace varve {

// An open file. The destructor closes it and syncs nothing.
class File {
 public:
  virtual ~File() = default;

  // Reads up to `size` bytes at `offset` into `scratch` and returns how many there were: fewer only
  // at the end of the file.
  virtual Result<size_t> ReadAt(uint64_t offset, size_t size, char* scratch) const = 0;

  // As ReadAt, but kPending instead of waiting for the disk. For the loop.
  virtual Result<size_t> TryReadAt(uint64_t offset, size_t size, char* scratch) const = 0;

  // Writes the slices one after the other at `offset`, all of them or an error; after an
  // error any part may have been written.
  virtual Status WriteAt(uint64_t offset, std::span<const Slice> slices) = 0;
  Status WriteAt(uint64_t offset, Slice bytes) { return WriteAt(offset, {&bytes, 1}); }

  // Ok means that everything written so far survives a power cut (fdatasync). After an error the
  // file's unsynced bytes are in doubt for ever: a second call proves nothing.
  virtual Status Sync() = 0;

  // Makes the file `size` bytes long with its blocks allocated and written as zeros, so that later
  // syncs within it write no metadata.
  virtual Status Preallocate(uint64_t size) = 0;
  // Makes the file `size` bytes long with its blocks allocated, and writes none of them: room that
  // nobody else can take. kNoSpace, and nothing is kept, if there is less.
  virtual Status Allocate(uint64_t size) = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual Result<uint64_t> Size() const = 0;
};

// Held until destroyed; the system drops it when the process dies.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

// Where a job waits its turn. Different lanes do not wait for each other.
enum class Lane : unsigned char {
  kLog,         // log appends (and their syncs under `always`): one thread
  kSync,        // once-a-second log syncs: one thread
  kManifest,    // version edits: one thread
  kFlush,       // generations to tables: low priority, one thread
  kCompaction,  // tables to tables: low priority, two threads
  kRead,        // cold blocks, sorts that a scan waits for: several threads
  kCheckpoint,  // links to tables, copies of them, reading them for damage: low priority, one thread
  kFiles,  // log segments made ahead, files that nobody needs any more removed: low priority, one thread
};
inline constexpr size_t kLanes = 8;

// Lanes whose work gives way to the loop: see background.h.
constexpr bool IsBackgroundLane(Lane lane) {
  return lane == Lane::kFlush || lane == Lane::kCompaction || lane == Lane::kCheckpoint ||
         lane == Lane::kFiles;
}

// A file system, as its users see it: what is kept for the administrator is not there.
struct DiskSpace {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;
};

enum class OpenMode : unsigned char {
  kRead,    // must exist
  kCreate,  // read and write, must not exist yet
  kReuse,   // read and write, must exist, contents kept
};

class Env {
 public:
  using Job = std::function<void()>;
  // Gets what a read brought: fewer bytes than were asked for only where the file ends.
  using ReadWork = std::function<void(Result<Slice>)>;
  using TimerId = uint64_t;  // 0 is never given out

  virtual ~Env() = default;

  // --- Files and directories. Any thread. ---
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // Replaces what `to` names: a file by a file, an empty directory by a directory.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // Gives the file `from` a second name, `to`, which must not exist. kNotSupported where there can
  // be no such link (another file system, one without links, too many of them): copy instead.
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  // kNotFound if there is none.
  virtual Status Remove(const std::string& path) = 0;
  virtual Status CreateDirectory(const std::string& path) = 0;  // Ok if it is there already
  virtual Status RemoveDirectory(const std::string& path) = 0;  // which must be empty
  // Ok means that every create, link, rename and remove in `path` so far survives a power cut.
  virtual Status SyncDirectory(const std::string& path) = 0;
  // Plain names, no "." or "..", sorted.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
  // False only if nothing is there; what cannot be looked at may be, and its user gets the error.
  virtual bool Exists(const std::string& path) = 0;
  // Of the file system that `directory` is on. A quota does not show here.
  virtual Result<DiskSpace> Space(const std::string& directory) = 0;
  // kLocked if another process has it. The lock lives in the file `path`.
  virtual Result<std::unique_ptr<DirectoryLock>> LockFile(const std::string& path) = 0;

  // --- Time and chance. Any thread. ---
  virtual uint64_t MonotonicUs() = 0;           // for durations
  virtual int64_t WallUs() = 0;                 // since 1970
  int64_t WallMs() { return WallUs() / 1000; }  // by which keys expire
  virtual uint64_t RandomU64() = 0;             // seeds

  // --- Jobs. Loop only. ---
  // Runs `work` on a thread of `lane`, then `done` on the loop. `done` never runs before Schedule
  // has returned.
  virtual void Schedule(Lane lane, Job work, Job done) = 0;
  // Reads up to `size` bytes of `file` at `offset`, then runs `work` with them, on a thread of Lane::kRead or one that
  // all these reads share, then `done` on the loop, like Schedule. `work` must be short. The bytes are gone when it has
  // returned, and `file` must stay until then. Many of these may be under way.
  virtual void ScheduleRead(const File& file, uint64_t offset, size_t size, ReadWork work,
                            Job done);
  // Whether ScheduleRead does without threads that wait, by Linux's io_uring.
  virtual bool has_io_uring() const { return false; }
  // Runs `job` on the loop, after what is running now has returned; other events get their turn
  // in between, so slices of long work may post themselves again.
  virtual void Post(Job job) = 0;
  // Runs `job` once on the loop after `delay_ms`. Zero-cost when idle.
  virtual TimerId RunAfter(uint64_t delay_ms, Job job) = 0;
  virtual void CancelTimer(TimerId id) = 0;
  // Jobs scheduled whose `done` has not run, and posts that have not: 0 means idle. Timers do
  // not count.
  virtual size_t pending_jobs() const = 0;
  // What the jobs hold that are running; 0 where that is not known.
  virtual uint64_t job_memory_bytes() { return 0; }
  // How long jobs that yield to the loop (flushes, compactions, checkpoints) have been ready to run and had no CPU, all
  // told; 0 where that is not known. Asks the system: not for every turn.
  virtual uint64_t job_cpu_wait_us() { return 0; }
  // Runs loop events until `finished` returns true: for open, close and tools, never inside a
  // callback of the loop.
  virtual void RunUntil(const std::function<bool()>& finished) = 0;
};

// Reads a whole file. For CURRENT, configs and tests.
Result<std::string> ReadWholeFile(Env& env, const std::string& path);

// Puts `contents` at `path` so that after a power cut either the old or the new contents
// are there, whole: temporary file (`name`.tmp), sync, rename, directory sync.
Status ReplaceFile(Env& env, const std::string& directory, const std::string& name, Slice contents);

}  // namespace varve
