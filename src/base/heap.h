// base/heap.h: what an allocator that packs equal sizes tells about its sizes and its packing.
//
// jemalloc cuts runs of pages, slabs, into slots of one size. A slab's pages go back to the system only when all of
// its slots are free: after other sizes came into use, or a random part was freed, a lot of memory may
// hang on a few allocations. Who can move these asks here where they are.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <span>

namespace varve {

// The slab that an allocation lies in. One that has none of its own kind beside it counts as a slab of one slot.
struct SlabUse {
  size_t free_slots = 0;
  size_t slots = 0;
  size_t bytes = 0;
};

// Tells of each of `allocations` into the same place of `uses`, which is as long. False: this allocator does not tell.
bool QuerySlabs(std::span<const void* const> allocations, std::span<SlabUse> uses);

// What the allocator takes for `bytes`, told without a look at its books, which would be a miss of the cache. Of two such
// sizes that are not the same one is greater by 8 or more.
size_t RoundedSize(size_t bytes);

// RoundedSize(bytes) of memory; null if there is none.
void* AllocateRounded(size_t bytes);

// As free, of what came from AllocateRounded or AllocatePacked for any size that is rounded to the same.
void FreeRounded(void* memory, size_t rounded_bytes);

// As AllocateRounded, past the thread's own cache of freed memory: that hands out again what was freed last, from the very
// slabs that are to become empty. Null if there is no memory.
void* AllocatePacked(size_t bytes);

}  // namespace varve
