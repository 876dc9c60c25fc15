// server/dispatch.h: from bytes that arrived to replies and commits. The hot path.
//
//   1. gather     what readable clients have sent: parsed as views into their read buffers, each request resolved to its
//                 row of the command table; up to kRequestsPerBatch requests, of one client or of many
//   2. prefetch   the records of all their keys at once, so that their cache misses overlap
//   3. serve      client by client; for each request:
//        admit      NOAUTH; MULTI queues it; writes are refused when the engine refuses them
//        run        the command, on a view with the turn's idea of now
//        settle     kPending: take the reply back, keep the requests, wait (waiting.h)
//                   error: the error is the reply, and nothing was written
//                   Ok: commit the batch, tell watchers, hold the reply until it is durable
//   4. again      parse, prefetch, run, until everything the client has sent is run or it has had its share of the turn
//
// The view and the requests' memory belong to the dispatcher and are used for one client after the
// other, hot in the processor's caches. Only a client that must wait takes them along.
//
// Threads: loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "commands/command.h"
#include "commands/services.h"
#include "commands/table.h"
#include "data/databases.h"
#include "data/view.h"
#include "engine/engine.h"
#include "env/env.h"
#include "server/client.h"
#include "server/latency_monitor.h"
#include "server/limits.h"
#include "server/stats.h"
#include "server/watch.h"

namespace varve {

class Dispatcher {
 public:
  struct Parts {
    Engine& engine;
    Env& env;
    Databases& databases;
    Services& services;
    WatchRegistry& watches;
    const ClientLimits& limits;
    ServerStats& stats;
    LatencyMonitor& latency;
  };
  explicit Dispatcher(const Parts& parts);

  // Why Serve came to an end.
  enum class Served : uint8_t {
    kAll,     // everything that arrived is run
    kSome,    // others want their turn; the rest is held
    kWaits,   // a command waits for data; call client.held->view->scope().WhenReady
    kDrains,  // much of its output has not left yet; the rest is held
    kEnds,    // no more is to be run for this client
    kDrop,    // it went over a limit and is to be closed at once
  };
  // Runs what the client has sent, beginning with what it holds or what was gathered of it. `now_ms` is wall clock.
  Served Serve(Client& client, int64_t now_ms);

  // Parses what a client has sent, beside what was gathered of others. False: there is nothing to serve.
  // REQUIRES: the client holds nothing, and is not read from until it has been served.
  bool Gather(Client& client);
  // More would not hide more cache misses.
  bool HasGatheredEnough() const { return gathered_count_ >= kRequestsGathered; }
  // Before those gathered are served, and after.
  void PrefetchGathered();
  void ForgetGathered();

  // A command that was run or refused; nothing of its reply has left yet.
  struct Ran {
    const Client& client;
    const Request& request;
    int64_t now_ms;        // by which keys were alive or expired
    uint64_t reply_start;  // a position of client.out
  };
  // For simulations, whose models follow along.
  void OnRan(std::function<void(const Ran&)> observer) { on_ran_ = std::move(observer); }

  // The client whose command is running, for Services; null between commands.
  Client* running() const { return running_; }
  View& running_view() const { return *view_; }
  // The command that runs has set ServerStats to 0.
  void ForgetTimes() { stopwatch_.Restart(); }

 private:
  // Attributes time to commands without asking the clock for each: it is read when the command
  // changes and every few requests, which then count as equally long. What a pipeline of mixed commands took is thereby
  // still attributed rightly, but for the rounding of one reading. While someone looks for slow commands every request
  // is timed.
  class Stopwatch {
   public:
    Stopwatch(Env& env, std::vector<CommandStats>& stats, LatencyMonitor& latency)
        : env_(env), stats_(stats), latency_(latency) {}
    // What the first request has taken before, if it is run again.
    void Start(uint64_t before_ns);
    // What comes next; null: nothing that is run.
    void Next(const Command* command) {
      if (is_first_) {
        is_first_ = false;
        command_ = command;
      } else if (command != command_ || requests_ >= requests_max_) {
        Lap(command);
      }
      ++requests_;
    }
    // The request has to be run again, and counts only then. Returns what it has taken until now.
    uint64_t TakeBack();
    // The statistics were set to 0, by the request that runs.
    void Restart();
    void Stop() { Lap(nullptr); }
    // As of the last reading.
    uint64_t elapsed_us() const { return lap_us_ - started_us_; }

   private:
    static constexpr uint64_t kRequestsPerLap = 8;
    void Lap(const Command* next);
    // Ends the lap, and returns what each of its requests took.
    uint64_t Read();
    void Count(uint64_t ns, uint64_t requests);

    Env& env_;
    std::vector<CommandStats>& stats_;
    LatencyMonitor& latency_;
    uint64_t started_us_ = 0;
    uint64_t lap_us_ = 0;
    const Command* command_ = nullptr;
    uint64_t requests_ = 0;
    uint64_t requests_max_ = kRequestsPerLap;
    uint64_t before_ns_ = 0;  // of the one request of this lap
    bool is_first_ = false;
  };

  enum class Parsed : uint8_t { kSome, kNothing, kProtocolError };

  Parsed Parse(Client& client);
  // Parses into `space` as far as it goes. Returns how many requests that made, and why there are not more.
  size_t ParseInto(std::span<ParsedRequest> space, Client& client, RequestReader::Outcome* outcome);
  // Keys are noted, then all of them prefetched.
  void ForgetKeys();
  void NoteKeys(const Client& client, std::span<const ParsedRequest> requests);
  void Prefetch();

  // False: it waits, and nothing has happened.
  bool Run(Client& client, ParsedRequest& parsed);
  Status Admit(const Client& client, const ParsedRequest& parsed);
  Status FailTransaction(Session& session, const ParsedRequest& parsed, Status refusal);
  Status Execute(Client& client, ParsedRequest& parsed, ReplyWriter& reply, uint64_t* group);
  Status Commit(Client& client, const Command& command, uint64_t* group);
  void Queue(Client& client, const ParsedRequest& parsed);
  void Settle(Client& client, uint64_t reply_start, uint64_t group);

  CommandStats& StatsOf(const Command& command) {
    return stats_.commands[static_cast<size_t>(CommandIndex(command))];
  }

  // Moves the requests not yet run, and with `with_view` the view, to the client; and back.
  void Hold(Client& client, bool with_view);
  void TakeBack(Client& client);
  std::unique_ptr<View> NewView();

  Engine& engine_;
  Env& env_;
  Databases& databases_;
  Services& services_;
  WatchRegistry& watches_;
  const ClientLimits& limits_;
  ServerStats& stats_;

  Stopwatch stopwatch_;
  std::vector<std::unique_ptr<View>> spare_views_;
  std::unique_ptr<View> view_;
  // Both kept for their memory.
  std::vector<ParsedRequest> gathered_;  // of several clients; each knows its part
  size_t gathered_count_ = 0;
  std::vector<ParsedRequest> requests_;  // of the client that is being served
  std::span<ParsedRequest> left_;        // in one of the two: what is to be run
  bool rerun_ = false;                   // the next request has been run before, on view_
  uint64_t waiting_ns_ = 0;              // what the request that waits has taken

  // As of the start of Serve: none of these changes while the loop runs commands.
  int64_t now_ms_ = 0;
  uint64_t reported_group_ = 0;
  Status writable_;
  Client* running_ = nullptr;
  std::function<void(const Ran&)> on_ran_;

  std::string prefetch_bytes_;
  std::vector<size_t> prefetch_ends_;
  std::vector<Slice> prefetch_keys_;
};

}  // namespace varve
