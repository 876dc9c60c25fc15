// tests/crash/kill_progress.h: how kill_test fails.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>

#include "tests/support/live_server.h"

namespace varve {

// What the test does just now, for the message.
struct Progress {
  uint64_t seed = 0;
  int round = 0;
  std::string flags;
  std::string ending = "none yet";
  LiveServer* server = nullptr;
};
inline Progress progress;

// Told once, by whoever is first. Ends the server by its id, and keeps its directory.
[[noreturn]] inline void Fail(const std::string& what) {
  static std::mutex once;
  const std::lock_guard<std::mutex> lock(once);
  std::printf("kill_test: %s\n", what.c_str());
  std::printf("  round %d, last ended by %s, running with%s\n", progress.round,
              progress.ending.c_str(), progress.flags.c_str());
  std::printf("  seed %llu\n", static_cast<unsigned long long>(progress.seed));
  if (const pid_t pid = progress.server->pid(); pid != 0) kill(pid, SIGKILL);
  std::printf("  kept: %s\n%s", progress.server->directory().c_str(),
              progress.server->LogTail().c_str());
  std::fflush(stdout);
  _exit(1);
}

}  // namespace varve
