// tests/unit/server/machine.cc: what a control group leaves us.
#include "server/machine.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

namespace varve {

namespace {

// A /sys/fs/cgroup of our own.
class Tree {
 public:
  Tree() {
    char path[] = "/tmp/varve-cgroup-XXXXXX";
    root_ = mkdtemp(path);
  }
  ~Tree() { std::filesystem::remove_all(root_); }
  void Put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

}  // namespace

TEST_CASE("machine: the least limit on the way to the root counts, in either version") {
  Tree tree;
  tree.Put("/a/b/memory.max", "max\n");
  tree.Put("/a/memory.max", "1000000\n");
  tree.Put("/memory/box/memory.limit_in_bytes", "9223372036854771712\n");
  tree.Put("/memory/memory.limit_in_bytes", "2000000\n");
  struct Case {
    const char* why;
    const char* cgroup;
    uint64_t want;
  };
  static constexpr Case kCases[] = {
      {"none", "", UINT64_MAX},
      {"v2, from above", "0::/a/b\n", 1'000'000},
      {"v2, its own", "0::/a\n", 1'000'000},
      {"v2, no limit", "0::/\n", UINT64_MAX},
      {"v2, a path of another world", "0::/elsewhere/entirely\n", UINT64_MAX},
      {"v1, from above", "7:cpu,cpuacct:/\n5:memory:/box\n", 2'000'000},
      {"v1, among other controllers", "5:hugetlb,memory,pids:/box\n", 2'000'000},
      {"v1, another controller", "5:memoryless:/box\n", UINT64_MAX},
      {"both", "5:memory:/box\n0::/a/b\n", 1'000'000},
      {"nonsense", "memory\n:\n\n", UINT64_MAX},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    CHECK(CgroupMemoryLimitBytes(c.cgroup, tree.root()) == c.want);
  }
}

TEST_CASE("machine: this process has memory, and may use some") {
  CHECK(UsableMemoryBytes() > 0);
  CHECK(UsableMemoryBytes() <= MachineMemoryBytes());
  const ProcessMemory memory = MeasureMemory();
  CHECK(memory.rss_bytes > 0);
  CHECK(memory.file_bytes > 0);  // this very code
  CHECK(memory.file_bytes < memory.rss_bytes);
}

}  // namespace varve
