// server/net/connection.h: one connected socket.
//
// It is polled, and read and written with our own system calls, rather than a libuv stream: so that
// a readable client is read once a turn and straight into its request reader's buffer, and so that
// replies leave from where they lie, with nothing that libuv would have to keep until a write has
// ended.
//
//   readable -> owner.ReadSpace() -> recv -> owner.DidRead(n), once per turn
//   Write    -> send what the socket takes now; for the rest, WantWritable -> owner.Writable()
//
// Pausing is lazy: a paused connection stays polled until something arrives, so that a client which
// sends nothing while its command waits costs no system call.
//
// Threads    Loop.
// Ownership  The owner outlives the connection. Nothing is told to it after Close; the
//            handle's memory is freed when libuv lets go of it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/slice.h"
#include "server/net/loop.h"
#include "server/net/socket.h"

namespace varve {

class Connection {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Where the next bytes go; at least one.
    virtual std::span<char> ReadSpace() = 0;
    virtual void DidRead(size_t size) = 0;
    virtual void Writable() = 0;
    // The peer sends no more, though it may still read.
    virtual void ReadEnded() = 0;
    // The connection is of no use any more; `error` is an errno.
    virtual void Failed(int error) = 0;
  };

  // Takes the descriptor over. Reads from the start.
  static std::unique_ptr<Connection> Open(Loop& loop, int descriptor, Owner& owner);

  // Closes.
  virtual ~Connection() = default;

  virtual void SetReading(bool on) = 0;
  // Sends what the socket takes now. Returns how much, or a negative errno.
  virtual ptrdiff_t Write(std::span<const Slice> slices) = 0;
  virtual void WantWritable(bool on) = 0;
  virtual int descriptor() const = 0;
};

}  // namespace varve
