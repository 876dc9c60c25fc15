// env/memory_meter.cc: reading jemalloc's counters of a thread.
#include "env/memory_meter.h"

#include <algorithm>

#ifdef VARVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

namespace varve {

MemoryMeter::MemoryMeter() {
#ifdef VARVE_JEMALLOC
  size_t size = sizeof(allocated_);
  if (mallctl("thread.allocatedp", &allocated_, &size, nullptr, 0) != 0) allocated_ = nullptr;
  if (mallctl("thread.deallocatedp", &deallocated_, &size, nullptr, 0) != 0) allocated_ = nullptr;
#endif
}

// The thread goes on counting meanwhile: each of the two is a number that was right a moment ago.
int64_t MemoryMeter::balance() const {
  if (allocated_ == nullptr) return 0;
  return static_cast<int64_t>(__atomic_load_n(allocated_, __ATOMIC_RELAXED) -
                              __atomic_load_n(deallocated_, __ATOMIC_RELAXED));
}

void MemoryMeter::Begin() { began_at_.store(balance(), std::memory_order_relaxed); }

uint64_t MemoryMeter::bytes() const {
  const int64_t began_at = began_at_.load(std::memory_order_relaxed);
  if (began_at == kNoJob) return 0;
  return static_cast<uint64_t>(std::max<int64_t>(balance() - began_at, 0));
}

}  // namespace varve
