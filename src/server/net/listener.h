// server/net/listener.h: a socket that others connect to.
//
// Each time the socket is readable, connections are accepted until there are no more, at most
// kAcceptsPerTurnMax: others want their turn.
//
// When the process is out of file descriptors, a connection that waits to be accepted keeps the
// socket readable, and the loop would spin. So one descriptor is held in reserve: it is given up
// for a moment to accept the connection and close it, which its client understands. Should another
// thread snatch it in that moment, nothing is accepted for a while.
//
// Threads    Loop.
// Ownership  The destructor closes the socket and removes the file of a unix socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "server/net/loop.h"
#include "server/net/socket.h"

namespace varve {

class Listener {
 public:
  // Gets every connection, and its descriptor with it.
  using OnAccept = std::function<void(AcceptedSocket)>;

  static constexpr int kAcceptsPerTurnMax = 1000;

  // Owns `descriptor`, a listening socket (see socket.h). `unix_path` is empty for TCP.
  Listener(Loop& loop, int descriptor, std::string unix_path, OnAccept on_accept);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  struct Handle;  // freed in its close callbacks
  void Poll();
  void Pause();
  void AcceptAll();
  bool RefuseOne();

  Handle* const handle_;
  const std::string unix_path_;
  const OnAccept on_accept_;
  int reserve_ = -1;
  uint64_t refusals_ = 0;
};

}  // namespace varve
