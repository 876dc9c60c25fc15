// tests/integration/larger_than_memory.h: a data set several times as large as memory-limit.
//
//   1. SET every key, in random order
//   2. GET at random, as often as there are keys
//   3. GET every key
//   4. the same for a tenth of them after a restart, when nothing is in memory
//
// Every answer is checked, and all the while the process stays within its limit, a tenth and 64 MB,
// unless a sanitizer brings an allocator of its own. The times are no benchmark: the client takes
// its part of them.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/support/live_server.h"
#include "tests/support/redis_client.h"

namespace varve {

// The largest resident set of a process, seen by looking often.
class RssWatch {
 public:
  explicit RssWatch(pid_t pid) : thread_([this, pid] { Run(pid); }) {}
  ~RssWatch() { Stop(); }

  uint64_t Stop() {
    ended_ = true;
    if (thread_.joinable()) thread_.join();
    return largest_bytes_;
  }

 private:
  static constexpr std::chrono::milliseconds kLookEvery{20};

  void Run(pid_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/statm";
    const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    for (; !ended_; std::this_thread::sleep_for(kLookEvery)) {
      uint64_t total = 0;
      uint64_t resident = 0;
      std::ifstream(path) >> total >> resident;
      largest_bytes_ = std::max(largest_bytes_, resident * page_bytes);
    }
  }

  std::atomic<bool> ended_ = false;
  uint64_t largest_bytes_ = 0;
  std::thread thread_;  // last: it uses the others
};

class LargerThanMemory {
 public:
  LargerThanMemory(uint32_t keys, uint64_t limit_bytes)
      : limit_bytes_(limit_bytes), random_(keys), keys_(keys) {
    std::iota(keys_.begin(), keys_.end(), 0);
  }

  // The exit code of the program.
  int Run() {
    StartServer();
    {
      RssWatch rss(server_.pid());
      Shuffle();
      Send("SET", keys_);
      std::vector<uint32_t> drawn(keys_.size());
      for (uint32_t& key : drawn) key = static_cast<uint32_t>(random_.Uniform(keys_.size()));
      Send("GET", drawn);
      Shuffle();
      Send("GET", keys_);
      CheckCount();
      CheckRss(rss.Stop());
    }
    StopServer();

    StartServer();
    {
      RssWatch rss(server_.pid());
      Shuffle();
      keys_.resize(keys_.size() / 10);
      Send("GET", keys_);
      CheckRss(rss.Stop());
    }
    StopServer();
    return 0;
  }

 private:
  static constexpr size_t kValueBytes = 100;
  static constexpr size_t kPerPipeline = 500;
  static constexpr uint64_t kMegabyte = 1 << 20;

  [[noreturn]] void Fail(const std::string& what) {
    std::printf("larger_than_memory: %s\n%s", what.c_str(), server_.LogTail().c_str());
    std::fflush(stdout);
    server_.Kill();
    std::_Exit(1);
  }

  void StartServer() {
    if (!server_.Start({"--memory-limit", std::to_string(limit_bytes_)})) {
      Fail("the server does not start");
    }
  }

  void StopServer() {
    if (const int code = server_.Stop(); code != 0) Fail("it ended with " + std::to_string(code));
  }

  void Shuffle() {
    for (size_t i = keys_.size(); i > 1; --i) std::swap(keys_[i - 1], keys_[random_.Uniform(i)]);
  }

  // Another for every key, and half of it does not compress.
  static std::string ValueOf(uint32_t key) {
    std::string value = std::to_string(key) + ":";
    Random random(key);
    while (value.size() < kValueBytes / 2) {
      const uint64_t word = random.Next();
      value.append(reinterpret_cast<const char*>(&word), sizeof(word));
    }
    value.resize(kValueBytes, '.');
    return value;
  }

  // SET or GET, in pipelines.
  void Send(const std::string& command, const std::vector<uint32_t>& keys) {
    const auto start = std::chrono::steady_clock::now();
    const bool is_set = command == "SET";
    RedisClient client("127.0.0.1", server_.port());
    for (size_t first = 0; first < keys.size(); first += kPerPipeline) {
      const size_t last = std::min(first + kPerPipeline, keys.size());
      for (size_t i = first; i < last; ++i) {
        std::vector<std::string> words = {command, "key:" + std::to_string(keys[i])};
        if (is_set) words.push_back(ValueOf(keys[i]));
        client.Append(words);
      }
      for (size_t i = first; i < last; ++i) {
        const Reply reply = client.Read();
        if (is_set ? IsStatus(reply, "OK") : IsBulk(reply, ValueOf(keys[i]))) continue;
        Fail(command + " key:" + std::to_string(keys[i]) + " got " +
             (!reply         ? client.error()
              : IsNil(reply) ? "nil"
                             : std::string(TextOf(*reply))));
      }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%s %9zu in %6.1f s\n", command.c_str(), keys.size(), took.count());
    std::fflush(stdout);
  }

  // Among so many keys, filters hide a few until a compaction settles them (engine/commit.cc).
  void CheckCount() {
    const Reply reply = RedisClient("127.0.0.1", server_.port()).Call({"DBSIZE"});
    const auto keys = static_cast<int64_t>(keys_.size());
    if (!reply || std::abs(reply->integer - keys) > keys / 20) {
      Fail("DBSIZE is " + std::to_string(reply ? reply->integer : -1));
    }
  }

  void CheckRss(uint64_t rss_bytes) {
    const uint64_t bound_bytes = limit_bytes_ + limit_bytes_ / 10 + 64 * kMegabyte;
    std::printf("RSS at most %llu MB, allowed %llu MB\n",
                static_cast<unsigned long long>(rss_bytes / kMegabyte),
                static_cast<unsigned long long>(bound_bytes / kMegabyte));
#ifdef VARVE_JEMALLOC
    if (rss_bytes > bound_bytes) Fail("it takes too much memory");
#endif
  }

  const uint64_t limit_bytes_;
  Random random_;
  std::vector<uint32_t> keys_;
  LiveServer server_;
};

}  // namespace varve
