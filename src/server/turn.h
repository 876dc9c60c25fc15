// server/turn.h: what one turn of the loop does for the clients, and in which order.
//
//   while events come   what a readable client has sent is parsed at once, while it is in the caches. As soon as a few
//                       requests are there, of one client or of several, they are run together; replies stay where they are
//   at the end          1. what is left of these is run; clients whose data has come, or who had requests left, are served
//                       2. the engine ends its turn: the group goes to the log
//                       3. whoever has something that may leave is written to, once
//                       4. writers are paused if the engine is behind
//                       5. clients that are gone are destroyed
//
// Moves clients between the states that client.h draws. Nothing here waits, and nothing is
// destroyed while anyone may still look at it.
//
// Threads: loop.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/engine.h"
#include "env/env.h"
#include "server/client.h"
#include "server/client_list.h"
#include "server/dispatch.h"
#include "server/limits.h"
#include "server/stats.h"

namespace varve {

class Turn final : public ClientEvents {
 public:
  struct Parts {
    Engine& engine;
    Env& env;
    Dispatcher& dispatcher;
    const ClientLimits& limits;
    ServerStats& stats;
    std::function<void(bool)> set_busy;    // the loop is not to sleep: something is left to do
    std::function<void(Client&)> destroy;  // out of the registry, out of the world
  };
  explicit Turn(Parts parts);
  ~Turn() override;

  // --- ClientEvents ---
  void Arrived(Client& client, size_t bytes) override;
  void Writable(Client& client) override;
  void ReadEnded(Client& client) override;
  void Failed(Client& client, int error) override;

  // --- For the rest of the server ---
  // Something was added to the client's output outside of its own commands.
  void WriteSoon(Client& client) { writing_.PushBack(client.write_hook); }
  // No more commands; closed when its replies have left.
  void EndClient(Client& client);
  // Closed at the end of this turn, whatever it has not been told.
  void DropClient(Client& client);
  // No client is served from now on but those that wait for data: the server stops.
  void EndAllClients(const std::function<void(const std::function<void(Client&)>&)>& for_each);

  // Ends the turn; also to be called before the loop sleeps.
  void End();

  // This turn's idea of now. The first to ask in a turn reads the clocks.
  int64_t now_ms() {
    if (now_ms_ == 0) ReadClocks();
    return now_ms_;
  }
  uint64_t now_us() {
    if (now_ms_ == 0) ReadClocks();
    return now_us_;
  }
  // Time was spent on purpose; what follows in this turn must see it.
  void ForgetNow() { now_ms_ = 0; }

 private:
  void ReadClocks();
  void ServeGathered();
  void Serve(Client& client);
  void SetState(Client& client, ClientState state);
  void Wait(Client& client);
  void WriteOut(Client& client, uint64_t reported_group);
  // Returns false if the client was dropped.
  bool SendUpTo(Client& client, uint64_t limit);
  void AfterWrite(Client& client);
  void PauseWriter(Client& client, uint64_t until_us);
  void ResumePaused();
  void ArmResume(uint64_t delay_us);
  void OnReported();

  Engine& engine_;
  Env& env_;
  Dispatcher& dispatcher_;
  const ClientLimits& limits_;
  ServerStats& stats_;
  const std::function<void(bool)> set_busy_;
  const std::function<void(Client&)> destroy_;

  // By state; a client is in one of them, or reading.
  ClientList ready_, waiting_, draining_, paused_, ending_, gone_;
  ClientList gathered_;  // ready, to be served within this turn
  ClientList writing_;   // have output that nobody has tried to send yet
  ClientList held_;      // have output that the gate holds

  int64_t now_ms_ = 0;  // 0: not read yet in this turn
  uint64_t now_us_ = 0;
  bool stopping_ = false;
  Env::TimerId resume_timer_ = 0;
  uint64_t resume_at_us_ = 0;
};

}  // namespace varve
