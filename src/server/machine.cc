// server/machine.cc: reading /proc, control groups and the allocator.
#include "server/machine.h"

#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#ifdef VARVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

#include "base/numbers.h"

namespace varve {

namespace {

// Small files of /proc and /sys. Empty if it cannot be read.
std::string ReadSmallFile(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"),
                                                   [](FILE* f) { return f ? std::fclose(f) : 0; });
  if (!file) return {};
  char buffer[4096];
  return std::string(buffer, std::fread(buffer, 1, sizeof(buffer), file.get()));
}

// The number at the start of `text`; none for "max" and what is missing.
std::optional<uint64_t> LeadingNumber(Slice text) {
  return ParseUint64(text.substr(0, text.find_first_not_of("0123456789")));
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

CpuTimes CpuOf(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return {Seconds(usage.ru_utime), Seconds(usage.ru_stime)};
}

#ifdef VARVE_JEMALLOC
// Of all arenas together.
#define VARVE_TEXT_OF(x) #x
#define VARVE_TEXT(x)    VARVE_TEXT_OF(x)
constexpr const char* kAllCachedBytes =
    "stats.arenas." VARVE_TEXT(MALLCTL_ARENAS_ALL) ".tcache_bytes";

uint64_t Mallctl(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}
#endif

}  // namespace

uint64_t MachineMemoryBytes() {
  struct sysinfo info {};
  if (sysinfo(&info) != 0) return 0;
  return static_cast<uint64_t>(info.totalram) * info.mem_unit;
}

// A line of /proc/self/cgroup is "id:controllers:path"; v2 has no controllers. A limit may be set
// on any level above the process, so each one up to the root is looked at. In a container the path
// may be the host's and not be there; the walk then finds the root, which is the container's own.
uint64_t CgroupMemoryLimitBytes(Slice cgroup, const std::string& sys_fs_cgroup) {
  uint64_t limit = UINT64_MAX;
  while (!cgroup.empty()) {
    Slice line = cgroup.substr(0, cgroup.find('\n'));
    cgroup.remove_prefix(std::min(cgroup.size(), line.size() + 1));
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == Slice::npos || second == Slice::npos) continue;
    const Slice controllers = line.substr(first + 1, second - first - 1);
    std::string listed = ",";
    listed.append(controllers).append(",");
    const bool v1 = listed.find(",memory,") != std::string::npos;
    if (!v1 && !controllers.empty()) continue;

    const std::string root = sys_fs_cgroup + (v1 ? "/memory" : "");
    const std::string name = v1 ? "/memory.limit_in_bytes" : "/memory.max";
    std::string path(line.substr(second + 1));
    while (true) {
      if (path.ends_with('/')) path.pop_back();
      std::string file = root;
      file.append(path).append(name);
      if (const auto bytes = LeadingNumber(ReadSmallFile(file))) limit = std::min(limit, *bytes);
      if (path.empty()) break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return limit;
}

uint64_t UsableMemoryBytes() {
  return std::min(MachineMemoryBytes(),
                  CgroupMemoryLimitBytes(ReadSmallFile("/proc/self/cgroup"), "/sys/fs/cgroup"));
}

ProcessMemory MeasureMemory() {
  ProcessMemory memory;
  const std::string statm = ReadSmallFile("/proc/self/statm");
  const size_t space = statm.find(' ');
  if (space != std::string::npos) {
    // Pages: of the address space, in memory, of these from files.
    const Slice in_memory = Slice(statm).substr(space + 1);
    const Slice from_files =
        in_memory.substr(std::min(in_memory.find(' '), in_memory.size() - 1) + 1);
    const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    memory.rss_bytes = LeadingNumber(in_memory).value_or(0) * page_bytes;
    memory.file_bytes = LeadingNumber(from_files).value_or(0) * page_bytes;
  }
#ifdef VARVE_JEMALLOC
  uint64_t epoch = 1;  // Its figures are as of the last time this was written.
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, sizeof(epoch));
  memory.allocated_bytes = Mallctl("stats.allocated");
  memory.active_bytes = Mallctl("stats.active");
  memory.resident_bytes = Mallctl("stats.resident");
  memory.cached_bytes = Mallctl(kAllCachedBytes);
#endif
  return memory;
}

std::string AllocatorName() {
#ifdef VARVE_JEMALLOC
  return "jemalloc-" + std::to_string(JEMALLOC_VERSION_MAJOR) + "." +
         std::to_string(JEMALLOC_VERSION_MINOR) + "." + std::to_string(JEMALLOC_VERSION_BUGFIX);
#else
  return "libc";
#endif
}

CpuTimes ProcessCpu() { return CpuOf(RUSAGE_SELF); }
CpuTimes ThreadCpu() { return CpuOf(RUSAGE_THREAD); }

uint64_t RaiseFileLimit(uint64_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  if (limit.rlim_cur >= wanted) return wanted;
  rlimit raised = limit;
  raised.rlim_cur = wanted;
  raised.rlim_max = std::max<rlim_t>(limit.rlim_max, wanted);
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return wanted;  // Allowed to the privileged.
  raised.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  raised.rlim_max = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

}  // namespace varve
