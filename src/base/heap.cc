// base/heap.cc: questions to jemalloc; other allocators have no answers.
#include "base/heap.h"

#include <cstdlib>

#ifdef VARVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

namespace varve {

#ifdef VARVE_JEMALLOC

// The three figures of each allocation, in this order, as the query writes them.
static_assert(sizeof(SlabUse) == 3 * sizeof(size_t) && offsetof(SlabUse, slots) == sizeof(size_t));

bool QuerySlabs(std::span<const void* const> allocations, std::span<SlabUse> uses) {
  if (allocations.empty()) return true;
  size_t bytes = uses.size_bytes();
  return mallctl("experimental.utilization.batch_query", uses.data(), &bytes,
                 const_cast<const void**>(allocations.data()), allocations.size_bytes()) == 0;
}

void* AllocatePacked(size_t bytes) { return mallocx(bytes, MALLOCX_TCACHE_NONE); }

#else

bool QuerySlabs(std::span<const void* const>, std::span<SlabUse>) { return false; }
void* AllocatePacked(size_t bytes) { return std::malloc(bytes); }

#endif

}  // namespace varve
