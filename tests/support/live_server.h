// tests/support/live_server.h: a server process, for tests written in C++.
//
// It runs the program named by VARVE_SERVER (build/varve-server by default) on a free loopback port
// and in a directory of its own, which outlives restarts:
//
//   none --Start--> ready --Kill, Stop--> none
//   none --Launch--> starting --WaitUntilReady--> ready     and may be killed while it starts
//
// The process is ended by its id, and by the kernel should the test die first.
//
// Threads: the one that started it; others may ask for pid() and the directory.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>
#include <vector>

namespace varve {

class LiveServer {
 public:
  LiveServer();
  // Kills the process, and removes the directory unless KeepDirectory was called.
  ~LiveServer();
  LiveServer(const LiveServer&) = delete;
  LiveServer& operator=(const LiveServer&) = delete;

  // Flags are added to --port, --bind and --dir, and may override them. False if it ended by
  // itself, or is not ready in time: see exit_code() and LogTail().
  bool Start(const std::vector<std::string>& flags);
  void Launch(const std::vector<std::string>& flags);
  bool WaitUntilReady();

  // kill -9.
  void Kill();
  // SIGTERM, and the exit code: 128 + N if signal N ended it, -1 if it still ran after a minute and
  // was killed.
  int Stop();
  // In two steps, for those who want to watch in between.
  void Terminate();
  int WaitForEnd();

  // How it ended by itself, in the words of Stop.
  int exit_code() const { return exit_code_; }
  int port() const { return port_; }
  pid_t pid() const { return pid_; }
  // All that belongs to this server: data/, server.log, varve.conf.
  const std::string& directory() const { return directory_; }
  std::string data_directory() const { return directory_ + "/data"; }
  // The server is started with this file if it is there; flags override it.
  std::string config_path() const { return directory_ + "/varve.conf"; }
  std::string LogTail() const;
  void KeepDirectory() { keep_directory_ = true; }

 private:
  bool HasEnded();

  std::string program_;
  std::string directory_;
  bool keep_directory_ = false;
  int port_ = 0;
  std::atomic<pid_t> pid_ = 0;  // 0: no process
  int exit_code_ = 0;
};

}  // namespace varve
