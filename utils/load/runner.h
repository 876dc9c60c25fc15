// utils/load/runner.h: sends the load, takes the replies, and says every second how it goes.
//
// Full: each connection sends a pipeline when the last one has been answered. Pace: pipelines are due at fixed
// times, and go out then over the next connection, however many are on their way; when they are late, for whatever
// reason, the time they waited counts. So a server that stalls cannot make the load wait with it and hide what the
// stall would have cost others ("coordinated omission").
//
// Standard output gets a line of JSON at the begin, every second and at the end of a phase. Latencies are in
// microseconds, from when a request was due to its reply:
//
//   {"event":"begin","phase":"pace:60:70%","index":2,"rate":56000}
//   {"event":"second","phase":...,"index":2,"second":17,"operations":...,"errors":0,"wrong":0,"late_us":90,
//    "live_keys":...,"live_bytes":...,"read":{"count":...,"p50":...,"p99":...,"p999":...,"max":...},"write":{...}}
//   {"event":"end","phase":...,"index":2,"seconds":60.0,"rate":...,"cpu":...,"operations":...,"read":{...},...}
//
// `late_us` is how late the generator itself was with a request, at most: if that is much, it needs a faster
// core, not the server.
//
// Threads: one, which waits for sockets only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "base/random.h"
#include "base/status.h"
#include "utils/load/client.h"
#include "utils/load/keys.h"
#include "utils/load/ledger.h"
#include "utils/load/options.h"
#include "utils/load/values.h"

namespace varve::load {

class Runner {
 public:
  explicit Runner(const Options& options);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // All phases. The error: the server cannot be reached, went away or spoke nonsense.
  Status Run();
  // Replies that were not what they had to be, errors included.
  uint64_t failures() const { return failures_; }

 private:
  // Of a second, or of a phase.
  struct Figures {
    Histogram read_us;
    Histogram write_us;
    uint64_t errors = 0;  // error replies
    uint64_t wrong = 0;   // values that must not be
    uint64_t late_us = 0;
    uint64_t operations() const { return read_us.total() + write_us.total(); }
    void Merge(const Figures& other);
  };

  struct Connection {
    Client client;
    bool wants_writable = false;  // its socket is full
  };

  Status Connect();
  Status RunPhase(const Phase& phase, size_t index);
  // Sends what is due. `sent_all`: the phase has no more. `next_ns` is lowered to when there is something to send.
  Status Issue(const Phase& phase, uint64_t now_ns, bool* sent_all, uint64_t* next_ns);
  Status IssuePaced(const Phase& phase, uint64_t now_ns, uint64_t end_ns, bool* sent_all,
                    uint64_t* next_ns);
  Status SendPipeline(const Phase& phase, Connection& connection, uint64_t due_ns);
  void Add(Client& client, Request& request, int64_t now_ms);
  ValueHead HeadOf(const Request& request) const;
  Operation DrawOperation();
  int64_t DrawExpiry(int64_t now_ms);
  Status Flush(Connection& connection);
  Status WaitForReplies(uint64_t until_ns);
  Status TakeReplies(Client& client);
  void Take(const Request& request, const Reply& reply);
  // Empty, or what is wrong.
  std::string Check(const Request& request, const Reply& reply) const;
  void Complain(const std::string& what);
  void EndSeconds(const Phase& phase, size_t index, uint64_t now_ns);
  void EndPhase(const Phase& phase, size_t index, double seconds, double cpu_seconds);
  void PrintFigures(const Figures& figures) const;

  const Options options_;
  const Values values_;
  Ledger ledger_;
  const JumpingOrder order_;
  KeyChooser chooser_;
  Random random_;
  uint64_t weights_ = 0;
  std::vector<Connection> connections_;
  int epoll_ = -1;
  std::string value_;  // of the request that is being made

  // --- Of the phase ---
  uint64_t begin_ns_ = 0;
  uint64_t next_key_ = 0;   // load, check: a place in the order
  uint64_t pipelines_ = 0;  // pace: sent so far
  double pipelines_per_second_ = 0;
  std::vector<size_t> idle_;  // connections with nothing on their way
  uint64_t on_their_way_ = 0;
  uint64_t last_reply_ns_ = 0;
  uint64_t second_ = 0;
  Figures in_second_;
  Figures in_phase_;

  double full_rate_ = 0;
  uint64_t failures_ = 0;
};

}  // namespace varve::load
