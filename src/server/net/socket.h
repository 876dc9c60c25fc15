// server/net/socket.h: file descriptors and addresses: what listener and connection share.
//
// Threads: any; nothing here waits.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/slice.h"

namespace varve {

// A connected socket, non-blocking, and who is at its two ends.
struct AcceptedSocket {
  int descriptor = -1;  // whoever has the struct closes it or hands it on
  std::string peer;     // "127.0.0.1:5000", "[::1]:5000", "/run/varve.sock:0"
  std::string local;
  bool is_unix = false;
  bool is_loopback = false;  // the peer is this machine
};

// Binds and listens on `address`: dotted, colon-separated, "*" for every IPv4 and "::*" for every
// IPv6 address of the machine. kNotFound: the machine lacks that address or its whole family.
Result<int> ListenTcp(const std::string& address, int port, int backlog);
// Replaces a socket file that nobody listens on any more. `mode` 0 leaves the umask to decide.
Result<int> ListenUnix(const std::string& path, unsigned mode, int backlog);

// A connected descriptor with its addresses.
AcceptedSocket DescribeSocket(int descriptor, const std::string& unix_path);

// Small replies leave at once.
void SetNoDelay(int descriptor);
// Probes a silent peer after `seconds`, then every third of that, and gives up after three; 0:
// never.
void SetKeepAlive(int descriptor, int seconds);

}  // namespace varve
