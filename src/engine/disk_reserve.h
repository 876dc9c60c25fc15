// engine/disk_reserve.h: room kept for the day the disk is full.
//
// RESERVE is a file of allocated blocks that holds nothing. When something fails for want of room most of it
// is given up, so that the log, the flushes and the manifest can go on, and status() says so: the
// engine then refuses what needs room. Once a second the file system is looked at, and as soon as
// twice the reserve is available the file is made again.
//
//             NoteNoSpace               twice the size is available
//   kept ----------------> given up -------------------------------> kept
//    ^                        ^   `-- not yet: again in a second
//   Open: made                Open: no room
//
// Twice, so that writes are not taken for one moment and refused in the next. The rest of the file is for the
// next start, which has to write a manifest before it can do anything else.
//
// Units      Bytes.
// Threads    Loop; the file is made and removed on Lane::kManifest.
// Errors     kNoSpace is a state. Where files cannot be allocated at all (or on any other error) there is no
//            reserve, and a full disk is noticed all the same.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "env/env.h"

namespace varve {

class DiskReserve {
 public:
  // `on_change` runs when status() has changed. Of a small file system only a part is taken.
  DiskReserve(Env& env, std::string directory, uint64_t wanted_bytes,
              std::function<void()> on_change);
  ~DiskReserve();

  // Makes the file, waiting for the disk: for opening. What an earlier life left must be gone: see RemoveOld.
  void Open();
  // Also for opening, before anything is written: on a full disk it makes room for the recovery.
  static void RemoveOld(Env& env, const std::string& directory);

  // Something failed for want of room, and `status` says what.
  void NoteNoSpace(const Status& status);

  // Ok, or kNoSpace while the disk counts as full.
  const Status& status() const { return status_; }
  // What is kept just now.
  uint64_t bytes() const { return kept_bytes_; }

 private:
  struct Outcome {
    Status status;
    uint64_t bytes = 0;
  };
  static Outcome Make(Env& env, const std::string& path, uint64_t bytes);
  static void Shrink(Env& env, const std::string& path, uint64_t bytes);
  uint64_t SizeOn(const DiskSpace& space) const;
  void LookLater();
  void Look();

  Env& env_;
  const std::string directory_;
  const std::string path_;
  const uint64_t wanted_bytes_;
  const std::function<void()> on_change_;

  Status status_;
  uint64_t kept_bytes_ = 0;
  Env::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace varve
