// tests/sim/world/world.h: a whole server in a simulated world: runs a plan, and says what went wrong.
//
// The server is an Instance: engine, data, commands, transactions, expiry, config, all but sockets and process. Clients
// are simulated here, the rest is SimEnv's. Checked:
//
//   while it runs      each reply, when its command has run, against the model; and that what reaches a client is that,
//                      in order and whole
//   after each crash   the server holds what it held at some moment, not before what it promised; no error, and nothing
//                      that varve-tool check complains of
//   checkpoints        whatever has the name of one holds what the server held at some moment, whole, and the newest
//                      that was told of is there: of a moment between when it was asked for and when it was told of
//
// Promised is what a client was told: of a process that dies, every reply that it got; of a power cut, every reply that
// it got under "always", and under "everysec" what was there when a second began in which nothing hung.
//
// When something is wrong, the program says what and ends at once, in the middle of whatever it is doing: see runner.h.
//
// Threads: one. Everything follows from the plan.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "env/sim_env.h"
#include "server/instance.h"
#include "tests/sim/world/model.h"
#include "tests/sim/world/plan.h"

namespace varve::sim {

// How a program ends that has found something wrong.
inline constexpr int kViolationExit = 3;

// Of all histories run.
struct Totals {
  uint64_t histories = 0;
  uint64_t commands = 0;
  uint64_t crashes = 0;  // power cuts and kills, those during recovery included
  uint64_t faults = 0;   // operations that failed
  uint64_t operations = 0;
  uint64_t checkpoints = 0;  // looked into
};

class World {
 public:
  World(const Plan& plan, Totals& totals, bool trace);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void Run();
  // The replies, one after the other, but those that need not be the same under other options.
  const std::string& transcript() const { return transcript_; }

 private:
  class SimConnection;

  // What a client that is connected knows.
  struct Peer {
    SimConnection* connection = nullptr;  // owned by the server's client; null: not connected
    uint64_t id = 0;
    std::string unsent;       // what it is still to send
    size_t may_send = 0;      // so much of it in the next turn
    size_t takes = SIZE_MAX;  // bytes that it takes of what it is sent
    std::deque<Argv> asked;   // commands sent and not run
    Model::Session session;
    // What it has to get: the replies of commands that have run, whole.
    struct Reply {
      std::string text;
      uint64_t shows;
      bool always;  // it was run under "always"
    };
    std::deque<Reply> expected;
    std::string received;  // of the first of them
  };

  void Perform(const Step& step);
  void Send(const Step& step);
  void Turn();
  void EndTurn();
  void Deliver(Peer& peer);
  void Jobs(int64_t count_max);
  void Peace();
  void Settle();
  void AnswerAll();
  bool AllAnswered() const;
  void Wait(uint64_t ms);
  void Jump(int64_t ms);
  void AskAfterExpired(int64_t latest_ms);
  void ReleaseLanes();
  void Heal();
  void SetDiskBytes(uint64_t bytes);
  void Connect(Peer& peer);
  void Disconnect(Peer& peer);

  // --- What the server tells
  std::unique_ptr<Connection> Accepted(Connection::Owner& owner);
  void OnRan(const Dispatcher::Ran& ran);
  void OnSent(Peer& peer, Slice bytes);
  void Promise(uint64_t group, bool survives_power_cut);

  // --- Life and death
  Status TryStart();
  void Start();
  void Kill();
  void Stop();
  void Restart(CrashMode mode);
  void Crash(CrashMode mode);
  void StartOnFullDisk(uint64_t disk_bytes);
  void CheckFiles();
  void CheckRecovered();
  void RequireEqual(const ModelState& found, const ModelState& wanted, const std::string& where);
  ModelState ReadAll();
  // The replies, in order; none if the power fails. Runs jobs until they are there; nobody else is served.
  std::vector<std::string> Ask(const std::vector<Argv>& commands);

  // --- Checkpoints
  void NoteCheckpoint();
  void CheckCheckpoints();
  ModelState ReadCheckpoint(const std::string& name, uint64_t* group);

  bool powered() const { return env_.power_is_on(); }
  CrashMode RandomMode() { return static_cast<CrashMode>(random_.Uniform(4)); }
  CrashMode RandomPowerCut();
  int64_t latest_wall_ms() { return latest_wall_ms_ = std::max(latest_wall_ms_, env_.WallMs()); }
  [[noreturn]] void Fail(const std::string& what);
  void Trace(const std::string& line);

  const Plan& plan_;
  Totals& totals_;
  const bool trace_;
  Random random_;  // what the plan does not say
  SimEnv env_;
  Config config_;
  std::string mode_;  // appendfsync, as of now
  std::unique_ptr<Instance> instance_;
  bool busy_ = false;
  std::array<Peer, kClients> peers_;
  Peer* connecting_ = nullptr;
  Peer admin_;  // this world's own
  std::string admin_received_;
  std::vector<Slice> slices_;  // kept for its memory

  Model model_;
  uint64_t process_promise_ = 0;  // groups
  uint64_t power_promise_ = 0;
  uint64_t always_since_ = 0;  // the newest group when mode_ became "always"
  bool faulty_ = false;        // since the last start: the disk may be to blame
  bool hung_ = false;          // a lane is
  uint64_t disk_bytes_ = UINT64_MAX;
  int64_t latest_wall_ms_ = 0;
  // Of the checkpoint that was asked for last, and of the last one told of in this life: the newest group then.
  struct ToldCheckpoint {
    uint64_t asked_group;
    uint64_t told_group;
  };
  std::optional<uint64_t> checkpoint_asked_;
  std::optional<ToldCheckpoint> checkpoint_told_;
  uint64_t checkpoints_made_ = 0;                  // in this life
  std::map<std::string, ModelState> checkpoints_;  // by name: what they have to hold
  // Those that were being removed at the last look, or made, which a power cut may bring back; what they have to hold
  // as far as that is known.
  std::map<std::string, std::optional<ModelState>> going_checkpoints_;
  std::string newest_checkpoint_;  // of those that were told of

  std::string transcript_;
  std::string step_;  // the one under way, for messages
};

}  // namespace varve::sim
