// server/server.h: the server: an Instance in a process, with a loop and sockets.
//
//   Start   listen -> open the instance -> accept
//   Run     the loop, until SIGTERM, SIGINT or SHUTDOWN
//   Stop    accept no more -> let waiting commands finish -> send the replies promised ->
//           close the instance
//
// Threads: the one that constructs it is the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "env/posix_env.h"
#include "server/busy_poll.h"
#include "server/config.h"
#include "server/instance.h"
#include "server/loop_rest.h"
#include "server/net/listener.h"
#include "server/net/loop.h"

namespace varve {

class Server {
 public:
  // `load_config` is run again at SIGHUP, on another thread.
  using LoadConfigFunction = std::function<Result<Config>()>;
  Server(Config config, LoadConfigFunction load_config);
  ~Server();

  // An error's message is all an operator needs to read.
  Status Start();
  // Returns the program's exit code.
  int Run();

 private:
  // A listening socket before the engine is open: a busy port shall be found before the log is
  // replayed.
  struct Bound {
    int descriptor;
    std::string where;
    std::string unix_path;
  };

  void MakeInstance();
  Status Bind();
  Status BindTcp();
  void Accept();
  int Stop();
  void OnStopSignal();
  void OnReloadSignal();

  void EndTurn(bool after_events);
  void Rest();
  void SampleRest();
  void LookBeforeSleep();
  // Of the loop, since the start: neither asleep nor at rest, nor looking for events instead.
  uint64_t WorkedUs() const;

  const Config config_;  // of the start
  const LoadConfigFunction load_config_;
  bool supervised_ = false;
  bool stop_requested_ = false;
  bool stopping_ = false;
  bool reloading_ = false;

  // Each stands on those above it, and is destroyed before them.
  Loop loop_;
  std::unique_ptr<PosixEnv> env_;
  std::unique_ptr<Instance> instance_;
  std::vector<Bound> bound_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  uint64_t worked_us_ = 0;  // as of the end of the last turn
  uint64_t idle_us_ = 0;    // since the start: awake, but at rest or looking for events
  uint64_t turn_us_ = 0;    // how long the last turn worked
  LoopRest loop_rest_;
  BusyPoll busy_poll_;
};

}  // namespace varve
