// commands/services.h: what commands ask of the server, without knowing it.
//
// The server implements this; the simulation has a small one of its own. Threads: loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/histogram.h"
#include "base/slice.h"
#include "base/status.h"
#include "commands/session.h"
#include "data/scan_cursor.h"

namespace varve {

struct Command;

class Services {
 public:
  virtual ~Services() = default;

  // --- Authentication ---
  virtual bool PasswordRequired() const = 0;
  // Compares in constant time. The only user is "default".
  virtual bool CheckPassword(Slice user, Slice password) const = 0;

  // --- Clients ---
  // One line as CLIENT LIST has it, with its newline.
  virtual std::string DescribeClient(const Session& session) const = 0;
  virtual std::string DescribeClients(const std::function<bool(const Session&)>& wanted) const = 0;
  // Which clients CLIENT KILL is about. Unset members match all.
  struct ClientFilter {
    std::optional<uint64_t> id;
    std::optional<std::string> address, local_address, user, type;
    bool skip_me = true;
  };
  // Returns how many were closed; one that kills itself gets its reply first.
  virtual int KillClients(const Session& me, const ClientFilter& filter) = 0;

  // --- Watched keys ---
  virtual void Watch(Session& session, int database, Slice key, bool exists_now) = 0;
  virtual void Unwatch(Session& session) = 0;
  // What the session watches: EXEC asks whether a key that was there has expired meanwhile.
  virtual void ForEachWatched(
      const Session& session,
      const std::function<void(int database, Slice key, bool existed)>& visit) const {
    (void)session, (void)visit;
  }

  // --- Config ---
  virtual std::vector<std::pair<std::string, std::string>> ConfigGet(
      std::span<const Slice> patterns) const = 0;
  // All or nothing. The status is the whole reply error, as Redis words it.
  virtual Status ConfigSet(std::span<const std::pair<Slice, Slice>> values) = 0;
  virtual Status ConfigRewrite() = 0;
  virtual void ResetStats() = 0;

  // --- Latency ---
  struct LatencySample {
    int64_t unix_time;  // seconds
    uint64_t ms;        // the longest of that second
  };
  // Commands, by their flag kFast; what else makes a turn of the loop long; the log's threads.
  enum class LatencyKind : uint8_t { kCommand, kFastCommand, kEventLoop, kLogWrite, kLogSync };
  static constexpr size_t kLatencyKinds = 5;
  struct LatencyEvent {
    LatencyKind kind;
    uint64_t max_ms = 0;                 // since the start, or since it was reset
    std::vector<LatencySample> samples;  // the latest ones, oldest first
  };
  virtual bool LatencyMonitorIsOn() const = 0;
  // Of each kind of which there is a sample.
  virtual std::vector<LatencyEvent> LatencyEvents() const = 0;
  // False: there was none.
  virtual bool ResetLatency(LatencyKind kind) = 0;
  // How long the command took, in nanoseconds. Null: it has not been run since the last ResetStats.
  virtual const Histogram* CommandTimes(const Command& command) const = 0;

  // --- The server ---
  // `sections` empty: the default ones.
  virtual std::string Info(std::span<const Slice> sections) const = 0;
  virtual int64_t LastSaveUnixTime() const = 0;
  // BGSAVE: begins a checkpoint. An error if one is under way.
  virtual Status BackgroundSave() = 0;
  // SAVE: begins one, and is kPending; run again when it is there, gives the outcome.
  virtual Status Save() = 0;
  virtual void Shutdown(bool now) = 0;
  // DEBUG SLEEP: the whole loop sleeps, as its users expect.
  virtual void SleepUs(uint64_t us) = 0;
  virtual int64_t WallUs() const = 0;

  // --- Scans ---
  // All cursors given out, of all clients.
  ScanCursors& scan_cursors() {
    if (!scan_cursors_) {
      scan_cursors_ = std::make_unique<ScanCursors>(static_cast<uint64_t>(WallUs()));
    }
    return *scan_cursors_;
  }

 private:
  std::unique_ptr<ScanCursors> scan_cursors_;
};

}  // namespace varve
