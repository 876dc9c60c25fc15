// engine/options.cc: what follows from the memory limit.
#include "engine/options.h"

#include <algorithm>

namespace varve {

void Options::Derive() {
  // Up to six generations are in memory at a time: active, being flushed, waiting, turning clean. A
  // sixteenth each leaves more than half for what is hot. The larger a generation, the more writes to
  // the same key end in one entry of one table; beyond 256 MiB recovery would take too long.
  if (generation_bytes == 0) {
    generation_bytes = std::clamp<uint64_t>(memory_limit_bytes / 16, 1u << 20, 256u << 20);
  }
  // The reserve for a full disk has room for a generation, and so for one table to be rewritten.
  if (table_bytes == 0) table_bytes = std::clamp<uint64_t>(generation_bytes, 2u << 20, 32u << 20);
  if (block_cache_bytes == 0) block_cache_bytes = memory_limit_bytes / 8;
  // Enough for the filters and indexes of a database ten times the limit. A byte here spares more reads than one
  // in the block cache.
  if (table_cache_bytes == 0) table_cache_bytes = memory_limit_bytes / 8;
  if (segment_bytes == 0)
    segment_bytes = std::clamp<uint64_t>(generation_bytes, 1u << 20, 16u << 20);
  // Overwriting one key for ever must not keep a log for ever.
  if (log_bytes_per_generation == 0) log_bytes_per_generation = 2 * generation_bytes;
  if (spare_segments_max == 0) spare_segments_max = log_bytes_per_generation / segment_bytes + 1;
}

}  // namespace varve
