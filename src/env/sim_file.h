// env/sim_file.h: the bytes of a simulated file, and what a power cut makes of them.
//
// A file keeps its current bytes, as every program sees them, and the list of changes since the
// last sync, each with the bytes it replaced. So a write costs its own size, a sync costs
// nothing, and only a power cut pays: it takes the unsynced changes back, newest first, and
// applies again those which the disk happens to have kept.
//
//   change    state      after a power cut
//   Write --> unsynced   kept, torn or gone, as the mode says
//   Sync ---> synced     there
//   FailSync  lost       gone, although every read until then shows it and later syncs report Ok:
//                        a kernel that could not write a page marks it clean (Rebello et al.,
//                        "Can Applications Recover from fsync Failures?", USENIX ATC 2020)
//
// Threads: one. See also: sim_disk.h (names), sim_env.h (when it all fails).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/slice.h"

namespace varve {

// What of the unsynced is still there when the world starts again.
enum class CrashMode : unsigned char {
  kDropUnsynced,  // nothing
  kKeepAll,       // all: the process died, the system did not
  kTorn,          // what came first, per file; one change is cut at any byte
  kRandomPages,   // each page as it was at some moment since the sync, none waiting for another
};

inline constexpr uint64_t kSimPageBytes = 4096;
inline constexpr uint64_t kSimSectorBytes = 512;  // a disk writes this much whole or not at all

class SimFile {
 public:
  // Returns how many bytes there were.
  size_t Read(uint64_t offset, size_t size, char* scratch) const;
  // Writes the first `limit` bytes of the slices, taken as one.
  void Write(uint64_t offset, std::span<const Slice> slices, uint64_t limit);
  // Writes `count` zeros.
  void WriteZeros(uint64_t offset, uint64_t count);
  void Truncate(uint64_t size);

  void Sync();
  // The disk refused: some or all of what was unsynced is lost.
  void FailSync(Random& random);
  void Crash(CrashMode mode, Random& random);

  // Puts bytes there as if they had always been there.
  void SetDurable(Slice bytes);
  // Turns one bit of the current bytes around. REQUIRES: offset < size().
  void FlipBit(uint64_t offset, unsigned bit);

  uint64_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }
  bool unsynced() const { return unsynced_ > 0; }
  // Whether the next sync has to find room for more blocks.
  bool grew_since_sync() const;

 private:
  enum class State : unsigned char { kUnsynced, kSynced, kLost };

  // A write, or a truncation if `count` is 0. `replaced` are the bytes that stood there before,
  // as far as the file reached: from `offset` on.
  struct Change {
    uint64_t offset;  // a truncation's new size
    uint64_t count;
    uint64_t size_before;
    std::string replaced;
    State state = State::kUnsynced;
  };

  // Notes what a write is about to replace and makes room for it.
  char* BeginWrite(uint64_t offset, uint64_t count);
  // Undoes the newest change, which `bytes_` shows, and returns the bytes it had written.
  std::string TakeBack(const Change& change);
  void Apply(const Change& change, Slice written);

  using Written = std::vector<std::string>;  // by change
  void KeepPrefix(const Written& written, Random& random);
  void KeepRandomPages(const Written& written, Random& random);

  std::string bytes_;
  std::vector<Change> changes_;  // in order; all that came before them is synced
  size_t unsynced_ = 0;          // of changes_
  bool has_lost_ = false;        // then synced changes must stay listed: they stand on lost ones
};

}  // namespace varve
