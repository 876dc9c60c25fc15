// server/machine.h: what the machine offers, and what this process takes of it.
//
// Threads: any. Reads /proc and /sys, which never wait for a disk.
#pragma once

#include <cstdint>
#include <string>

#include "base/slice.h"

namespace varve {

// Memory of the machine.
uint64_t MachineMemoryBytes();
// What this process may use of it: less where a control group (v1 or v2) says so.
uint64_t UsableMemoryBytes();
// The same from files under another root, for tests: `cgroup` is the text of /proc/self/cgroup.
uint64_t CgroupMemoryLimitBytes(Slice cgroup, const std::string& sys_fs_cgroup);

struct ProcessMemory {
  uint64_t rss_bytes = 0;
  uint64_t file_bytes = 0;  // of it: code, and whatever else is mapped from files
  // The allocator's own figures; 0 where it has none.
  uint64_t allocated_bytes = 0;  // asked for and not given back
  uint64_t active_bytes = 0;     // in pages that hold any of it
  uint64_t resident_bytes = 0;   // with pages not yet returned to the system, and its own
  uint64_t cached_bytes = 0;     // freed, kept by threads for the next one; allocated contains it
};
ProcessMemory MeasureMemory();
// "jemalloc-5.3.0", or "libc".
std::string AllocatorName();

struct CpuTimes {
  double user_seconds = 0;
  double system_seconds = 0;
};
CpuTimes ProcessCpu();
CpuTimes ThreadCpu();  // of the calling thread

// Lets this process open `wanted` files, or as many as it may; returns how many.
uint64_t RaiseFileLimit(uint64_t wanted);

}  // namespace varve
