// env/memory_meter.h: what a running job holds.
//
// Jobs make buffers, dictionaries, filters, and give them back, or hand them over, before they end. What one holds
// at a time is what its thread has allocated since the job began, less what it has freed: the allocator
// counts both by thread. Zero where it does not (sanitizers have their own).
//
// Threads    Begin and End: the thread that made it. bytes(): any, while it lives.
#pragma once

#include <atomic>
#include <cstdint>

namespace varve {

class MemoryMeter {
 public:
  // Of the calling thread.
  MemoryMeter();
  MemoryMeter(const MemoryMeter&) = delete;
  MemoryMeter& operator=(const MemoryMeter&) = delete;

  void Begin();
  void End() { began_at_.store(kNoJob, std::memory_order_relaxed); }

  uint64_t bytes() const;

 private:
  static constexpr int64_t kNoJob = INT64_MIN;

  int64_t balance() const;

  // The allocator's own counters, of what the thread allocated and freed in its life.
  const uint64_t* allocated_ = nullptr;
  const uint64_t* deallocated_ = nullptr;
  std::atomic<int64_t> began_at_{kNoJob};  // the balance then
};

}  // namespace varve
