// server/clients.h: all clients: how they come, how they are told apart, how they go.
//
// A connection is refused, with the reason, when there are too many or when protected mode forbids
// its address. Limits that are about time - idle clients, peers that take nothing - are looked at
// by Look, a few clients at a call, so that many clients never make a long turn.
//
// Threads    Loop.
// Ownership  Owns the clients. They are destroyed through Destroy, at the end of a turn (turn.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "commands/services.h"
#include "server/client.h"
#include "server/config.h"
#include "server/limits.h"
#include "server/net/connection.h"
#include "server/stats.h"
#include "server/turn.h"
#include "server/watch.h"

namespace varve {

class Clients {
 public:
  struct Parts {
    const Config& config;
    const ClientLimits& limits;
    WatchRegistry& watches;
    ServerStats& stats;
    // Connection::Open on the server's loop; tests have their own.
    std::function<std::unique_ptr<Connection>(int descriptor, Connection::Owner& owner)> open;
  };
  explicit Clients(Parts parts) : parts_(std::move(parts)) {}

  // Set once, before the first connection: the two know each other.
  void SetTurn(Turn& turn) { turn_ = &turn; }

  // Takes the socket over, be it to refuse it.
  void Accept(const AcceptedSocket& socket);
  void Destroy(Client& client);

  // Null if there is no such client.
  Client* Find(uint64_t id) const;
  void ForEach(const std::function<void(Client&)>& visit) const;
  size_t size() const { return clients_.size(); }

  // A line of CLIENT LIST, without its newline.
  std::string Describe(const Client& client) const;
  int Kill(const Session& me, const Services::ClientFilter& filter);

  // Looks at up to `count` clients, going round: drops those over a limit, gives unused memory
  // back.
  void Look(size_t count);
  // Held for clients, as of the last whole round.
  uint64_t memory_bytes() const { return memory_bytes_; }
  uint64_t largest_input_bytes() const { return largest_input_bytes_; }
  uint64_t largest_output_bytes() const { return largest_output_bytes_; }

 private:
  void Refuse(const AcceptedSocket& socket, Slice error);
  void LookAt(Client& client);

  const Parts parts_;
  Turn* turn_ = nullptr;
  std::map<uint64_t, std::unique_ptr<Client>> clients_;  // by id, so oldest first
  uint64_t last_id_ = 0;

  // The round of Look: which client was last, and what was seen on the way.
  uint64_t looked_at_id_ = 0;
  uint64_t round_memory_bytes_ = 0;
  uint64_t round_input_bytes_ = 0;
  uint64_t round_output_bytes_ = 0;
  uint64_t memory_bytes_ = 0;
  uint64_t largest_input_bytes_ = 0;
  uint64_t largest_output_bytes_ = 0;
};

}  // namespace varve
