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

size_t RoundedSize(size_t bytes) { return nallocx(bytes, 0); }
void* AllocateRounded(size_t bytes) { return std::malloc(bytes); }
void FreeRounded(void* memory, size_t rounded_bytes) { sdallocx(memory, rounded_bytes, 0); }
void* AllocatePacked(size_t bytes) { return mallocx(bytes, MALLOCX_TCACHE_NONE); }

#else

bool QuerySlabs(std::span<const void* const>, std::span<SlabUse>) { return false; }
size_t RoundedSize(size_t bytes) { return (bytes + 15) / 16 * 16; }
void* AllocateRounded(size_t bytes) { return std::malloc(RoundedSize(bytes)); }
void FreeRounded(void* memory, size_t) { std::free(memory); }
void* AllocatePacked(size_t bytes) { return AllocateRounded(bytes); }

#endif

}  // namespace varve
