// server/net/socket.cc: system calls on sockets.
#include "server/net/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace varve {

namespace {

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
  sockaddr_storage storage;
};

template <typename Value>
bool SetOption(int descriptor, int level, int name, Value value) {
  return setsockopt(descriptor, level, name, &value, sizeof(value)) == 0;
}

// Errors that say "not on this machine" rather than "somebody else has it".
bool IsAbsence(int error) {
  return error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == EPROTONOSUPPORT ||
         error == ESOCKTNOSUPPORT || error == EPFNOSUPPORT || error == ENOPROTOOPT;
}

Status ErrnoStatus(int error, const std::string& where, Slice what) {
  Status status = Status::FromErrno(error, where, what);
  if (IsAbsence(error)) return {StatusCode::kNotFound, std::string(status.message())};
  return status;
}

// Closes `descriptor` after the call that set errno.
Status CloseAndReport(int descriptor, const std::string& where, Slice what) {
  const int error = errno;
  close(descriptor);
  return ErrnoStatus(error, where, what);
}

std::string TextOf(const Address& address, const std::string& unix_path) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof(text));
    return std::string(text) + ":" + std::to_string(ntohs(address.v4.sin_port));
  }
  if (address.any.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof(text));
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(address.v6.sin6_port));
  }
  return unix_path + ":0";
}

bool IsLoopback(const Address& address) {
  if (address.any.sa_family == AF_UNIX) return true;
  if (address.any.sa_family == AF_INET) return ntohl(address.v4.sin_addr.s_addr) >> 24 == 127;
  if (address.any.sa_family != AF_INET6) return false;
  const in6_addr& v6 = address.v6.sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

}  // namespace

Result<int> ListenTcp(const std::string& address, int port, int backlog) {
  Address bound{};
  socklen_t size = 0;
  const uint16_t network_port = htons(static_cast<uint16_t>(port));
  const bool any_v4 = address == "*";
  const bool any_v6 = address == "::*";
  if (any_v4 || inet_pton(AF_INET, address.c_str(), &bound.v4.sin_addr) == 1) {
    bound.v4.sin_family = AF_INET;
    bound.v4.sin_port = network_port;
    size = sizeof(bound.v4);
  } else if (any_v6 || inet_pton(AF_INET6, address.c_str(), &bound.v6.sin6_addr) == 1) {
    bound.v6.sin6_family = AF_INET6;
    bound.v6.sin6_port = network_port;
    size = sizeof(bound.v6);
  } else {
    return Status::InvalidArgument("bind: '" + address + "' is no IPv4 or IPv6 address");
  }

  const std::string where = address + ":" + std::to_string(port);
  const int descriptor = socket(bound.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return ErrnoStatus(errno, where, "listen");
  SetOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
  // So that "::*" and "*" may both be bound.
  if (bound.any.sa_family == AF_INET6) SetOption(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (bind(descriptor, &bound.any, size) < 0 || listen(descriptor, backlog) < 0) {
    return CloseAndReport(descriptor, where, "listen");
  }
  return descriptor;
}

Result<int> ListenUnix(const std::string& path, unsigned mode, int backlog) {
  Address bound{};
  bound.local.sun_family = AF_UNIX;
  if (path.size() >= sizeof(bound.local.sun_path)) {
    return Status::InvalidArgument(path + ": too long for the path of a unix socket");
  }
  std::memcpy(bound.local.sun_path, path.c_str(), path.size() + 1);

  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return ErrnoStatus(errno, path, "listen");
  // A file left behind by a server that died refuses connections; one that accepts is in use.
  if (connect(descriptor, &bound.any, sizeof(bound.local)) == 0 || errno == EAGAIN) {
    close(descriptor);
    return ErrnoStatus(EADDRINUSE, path, "listen");
  }
  if (errno == ECONNREFUSED) unlink(path.c_str());
  if (bind(descriptor, &bound.any, sizeof(bound.local)) < 0 || listen(descriptor, backlog) < 0) {
    return CloseAndReport(descriptor, path, "listen");
  }
  if (mode != 0 && chmod(path.c_str(), mode) < 0) return CloseAndReport(descriptor, path, "chmod");
  return descriptor;
}

AcceptedSocket DescribeSocket(int descriptor, const std::string& unix_path) {
  AcceptedSocket socket;
  socket.descriptor = descriptor;
  Address address{};
  socklen_t size = sizeof(address);
  if (getpeername(descriptor, &address.any, &size) == 0) {
    socket.is_unix = address.any.sa_family == AF_UNIX;
    socket.is_loopback = IsLoopback(address);
    socket.peer = TextOf(address, unix_path);
  }
  size = sizeof(address);
  if (getsockname(descriptor, &address.any, &size) == 0) {
    socket.local = TextOf(address, unix_path);
  }
  return socket;
}

void SetNoDelay(int descriptor) { SetOption(descriptor, IPPROTO_TCP, TCP_NODELAY, 1); }

void SetKeepAlive(int descriptor, int seconds) {
  SetOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, seconds > 0 ? 1 : 0);
  if (seconds <= 0) return;
  SetOption(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  SetOption(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / 3));
  SetOption(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

}  // namespace varve
