// server/client.h: one client: its session, what it sent, what it will get, and where it stands.
//
//   bytes arrive  (with others)     its share is used up
//   kReading ----> kReady ----> run --------------------------> kReady --(next turn)--> run
//      ^                        |
//      |  all requests are run  |-- a command is kPending ---> kWaits --(data is here)--> kReady
//      +------------------------|
//      |                        |-- much output is unsent ---> kDrains --(it has left)--> kReady
//      |                        |
//      |                        |-- QUIT, protocol error ----> kEnds --(replies have left)--> kGone
//      |
//      +-- kPaused: a writer, when the engine is behind, for as long as the engine says
//
//   anything --(CLIENT KILL, limit, broken socket)--> kGone --(end of the turn)--> destroyed
//
// Only a kReading client is read from; requests are views into its read buffer. Turn (turn.h) moves
// clients between the states, Dispatcher runs their requests.
//
// Threads: loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "commands/command.h"
#include "resp/output_buffer.h"
#include "resp/request_reader.h"
#include "server/client_list.h"
#include "server/limits.h"
#include "server/net/connection.h"
#include "server/reply_gate.h"
#include "server/waiting.h"

namespace varve {

enum class ClientState : uint8_t { kReading, kReady, kWaits, kDrains, kPaused, kEnds, kGone };

// Who is told what happens at a client's socket.
class ClientEvents {
 public:
  virtual ~ClientEvents() = default;
  virtual void Arrived(Client& client, size_t bytes) = 0;
  virtual void Writable(Client& client) = 0;
  virtual void ReadEnded(Client& client) = 0;
  virtual void Failed(Client& client, int error) = 0;
};

struct Client final : Connection::Owner {
  Client(uint64_t id, const RequestLimits& limits, ClientEvents& client_events)
      : reader(limits), events(client_events) {
    session.id = id;
  }

  // --- Connection::Owner ---
  std::span<char> ReadSpace() override { return reader.PrepareRead(); }
  void DidRead(size_t size) override {
    reader.DidRead(size);
    events.Arrived(*this, size);
  }
  void Writable() override { events.Writable(*this); }
  void ReadEnded() override { events.ReadEnded(*this); }
  void Failed(int error) override { events.Failed(*this, error); }

  // All that is held for this client.
  size_t memory_bytes() const {
    return sizeof(*this) + reader.memory_bytes() + out.memory_bytes() + queued_bytes;
  }

  // --- The conversation ---
  Session session;
  RequestReader reader;
  OutputBuffer out;
  ReplyGate gate;              // which of `out` may leave
  std::unique_ptr<Held> held;  // requests parsed and not run: see waiting.h
  struct {
    size_t first = 0, count = 0;
  } gathered;               // the same, within a turn: of the dispatcher's gathering
  size_t queued_bytes = 0;  // of session.queued

  // --- Where it stands ---
  ClientState state = ClientState::kReading;
  bool wrote = false;           // committed something in this turn
  bool read_ended = false;      // the peer sends no more
  bool socket_full = false;     // it took less than it was given
  bool no_auth_limits = false;  // reads with the small limits
  ListHook state_hook{this};    // ready, waiting, draining, paused, ending or gone
  ListHook write_hook{this};    // has something to write at the end of this turn
  ListHook gate_hook{this};     // has replies that wait for the log
  uint64_t paused_until_us = 0;

  // --- For CLIENT LIST and limits. Times are the turn's. ---
  std::string peer, local;
  bool is_unix = false;
  int64_t connected_ms = 0;
  int64_t active_ms = 0;
  int64_t stuck_since_ms = 0;  // the socket is full and has taken nothing since; 0: it is not full
  const Command* last_command = nullptr;

  ClientEvents& events;
  // Last, so that it is closed before what its events would touch is destroyed.
  std::unique_ptr<Connection> connection;
};

}  // namespace varve
