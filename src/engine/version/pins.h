// engine/version/pins.h: states of the database that somebody still reads, and the files they keep on the disk.
//
// Files never change, so a state lasts as long as its files are not removed. Whoever holds a PinnedState may
// read them, whatever becomes of the database meanwhile. A file that leaves the newest version while a pinned one
// has it is held: it is removed when nobody holds such a state any more.
//
//   versions   1 --- 2 --- 3 --- 4 --- 5      newest
//   pins             P           Q
//   file a     ==================             left with 5: held for Q, then for P
//   file b                 ======             likewise, but no older pin has it: gone with Q
//   file c     ============                   left with 4, before there was a Q: held for P
//   file d                       ======       still there
//
// A file is part of every version from the one that brought it to the one before that which lost it. So it is
// enough to ask the newest pin there is when the file leaves, and the next older one when that pin goes: a
// pin that has not got it is older than the file, and so are all before it.
//
// Nobody has to say that he lets go: the pins are looked at, and what has expired is collected. So a
// PinnedState may go on any thread, and outlive the engine.
//
// Cost       Of Add: the numbers of all files, sorted; a millisecond for twenty thousand files.
// Threads    Pins: loop. A PinnedState: any, it never changes.
// See also: engine/snapshot.cc (who asks for pins), engine/flush.cc (how files leave).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/version/manifest_state.h"
#include "env/env.h"

namespace varve {

struct PinnedState {
  ManifestState manifest;
  uint64_t since_us = 0;  // of the monotonic clock
  // Of the database's directory. While it is held nobody opens the database, and removes what is no part of it.
  std::shared_ptr<const DirectoryLock> lock;
};

class Pins {
 public:
  // REQUIRES: the newest version.
  std::shared_ptr<const PinnedState> Add(PinnedState state);

  // To be asked once, of each file that leaves the newest version: whether it stays for now. If so, `path` comes out
  // of Collect one day.
  bool Hold(uint64_t number, uint64_t size_bytes, std::string path);

  // Forgets the states that nobody holds any more, and returns the files that nobody needs.
  std::vector<std::string> Collect();

  bool empty() const { return pins_.empty(); }
  // Those that are held by somebody; Collect may not have seen yet that the others are not.
  size_t count() const;
  // When the oldest of these was added; 0 if there is none.
  uint64_t oldest_us() const;
  // Of the files that stay for nothing but pins.
  uint64_t held_bytes() const;

 private:
  struct HeldFile {
    uint64_t number;
    uint64_t size_bytes;
    std::string path;
  };
  struct Pin {
    std::weak_ptr<const PinnedState> state;
    uint64_t since_us;
    std::vector<uint64_t> files;  // rising
    std::vector<HeldFile> held;   // no newer pin has them

    bool Has(uint64_t number) const;
  };

  std::vector<Pin> pins_;  // oldest first
};

}  // namespace varve
