// engine/cache/cached_part.h: what the block cache can keep: blocks of tables, large values.
//
// Threads: any; what is cached never changes.
#pragma once

#include <cstddef>

namespace varve {

class CachedPart {
 public:
  virtual ~CachedPart() = default;

  // All memory it holds, what the allocator adds included, roughly.
  virtual size_t charge_bytes() const = 0;
};

}  // namespace varve
