// server/process.cc: fork, pid files and notifications.
#include "server/process.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace varve {

namespace {

int ready_pipe = -1;  // the daemon's end: a byte in it says that it has started

}  // namespace

Status Daemonize() {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return Status::FromErrno(errno, "daemonize", "pipe");
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) return Status::FromErrno(errno, "daemonize", "fork");
  if (child > 0) {
    close(pipe_ends[1]);
    char byte = 0;
    ssize_t size = 0;
    do {
      size = read(pipe_ends[0], &byte, 1);
    } while (size < 0 && errno == EINTR);
    _exit(size == 1 ? 0 : 1);
  }
  close(pipe_ends[0]);
  ready_pipe = pipe_ends[1];
  setsid();
  return Status::Ok();
}

void DaemonReady() {
  if (ready_pipe < 0) return;
  // Until now errors went to where the daemon was started from.
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    for (int standard = 0; standard < 3; ++standard) dup2(null, standard);
    if (null > 2) close(null);
  }
  if (write(ready_pipe, "!", 1) < 0) std::fprintf(stderr, "daemonize: %s\n", std::strerror(errno));
  close(std::exchange(ready_pipe, -1));
}

Status WritePidFile(const std::string& path) {
  FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return Status::FromErrno(errno, path, "create pid file");
  std::fprintf(file, "%d\n", static_cast<int>(getpid()));
  if (std::fclose(file) != 0) return Status::FromErrno(errno, path, "write pid file");
  return Status::Ok();
}

void RemovePidFile(const std::string& path) { unlink(path.c_str()); }

bool NotifySupervisor(Slice state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return false;
  const size_t length = std::strlen(path);
  if (length >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract socket: a name without a file

  const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  const ssize_t sent = sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), size);
  close(descriptor);
  return sent == static_cast<ssize_t>(state.size());
}

}  // namespace varve
