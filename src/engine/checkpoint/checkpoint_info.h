// engine/checkpoint/checkpoint_info.h: what a checkpoint turned out to be. Threads: as a value.
#pragma once

#include <cstdint>

namespace varve {

struct CheckpointInfo {
  // The newest group in its tables. A copy of a closed database may hold more, in its log.
  uint64_t group = 0;
  uint64_t tables_linked = 0;
  uint64_t tables_copied = 0;  // where the file system cannot link
  uint64_t value_files = 0;    // linked or copied, as tables are
  uint64_t log_segments = 0;   // copied, always
  uint64_t bytes = 0;          // of all these
  uint64_t bytes_copied = 0;
};

}  // namespace varve
