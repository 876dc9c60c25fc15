// server/net/listener.cc: accepting connections.
#include "server/net/listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace varve {

struct Listener::Handle {
  uv_poll_t poll;
  uv_timer_t pause;
  Listener* owner;
  int descriptor;
  int open_handles;

  // For both: frees this with the second.
  static void Closed(uv_handle_t* handle) {
    auto* const self = static_cast<Handle*>(handle->data);
    if (--self->open_handles == 0) delete self;
  }
};

namespace {

// How long nothing is accepted when there is no descriptor left even to refuse with.
constexpr uint64_t kPauseMs = 100;

int OpenReserve() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

Listener::Listener(Loop& loop, int descriptor, std::string unix_path, OnAccept on_accept)
    : handle_(new Handle{{}, {}, this, descriptor, 2}),
      unix_path_(std::move(unix_path)),
      on_accept_(std::move(on_accept)),
      reserve_(OpenReserve()) {
  CHECK(uv_poll_init(loop.handle(), &handle_->poll, descriptor) == 0);
  CHECK(uv_timer_init(loop.handle(), &handle_->pause) == 0);
  handle_->poll.data = handle_->pause.data = handle_;
  Poll();
}

void Listener::Poll() {
  CHECK(uv_poll_start(&handle_->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
          Handle* handle = static_cast<Handle*>(poll->data);
          if (handle->owner != nullptr) handle->owner->AcceptAll();
        }) == 0);
}

void Listener::Pause() {
  uv_poll_stop(&handle_->poll);
  uv_timer_start(
      &handle_->pause,
      [](uv_timer_t* timer) {
        Handle* handle = static_cast<Handle*>(timer->data);
        if (handle->owner != nullptr) handle->owner->Poll();
      },
      kPauseMs, 0);
}

Listener::~Listener() {
  handle_->owner = nullptr;
  // Stops both here and now; only the memory waits for the callbacks.
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->poll), Handle::Closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_->pause), Handle::Closed);
  close(handle_->descriptor);
  if (reserve_ >= 0) close(reserve_);
  if (!unix_path_.empty()) unlink(unix_path_.c_str());
}

void Listener::AcceptAll() {
  if (reserve_ < 0) reserve_ = OpenReserve();
  for (int i = 0; i < kAcceptsPerTurnMax; ++i) {
    const int descriptor =
        accept4(handle_->descriptor, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      on_accept_(DescribeSocket(descriptor, unix_path_));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EMFILE || errno == ENFILE) {
      if (RefuseOne()) continue;
      if (errno != EAGAIN) Pause();
      return;
    }
    if (errno != EAGAIN) Log(LogLevel::kWarning, "accept: %s", std::strerror(errno));
    return;
  }
}

// Returns whether it is worth trying to accept on.
bool Listener::RefuseOne() {
  // Every power of two: seldom when it happens often.
  if (std::has_single_bit(++refusals_)) {
    Log(LogLevel::kWarning, "accept: out of file descriptors, refused %llu connections so far",
        static_cast<unsigned long long>(refusals_));
  }
  if (reserve_ >= 0) close(std::exchange(reserve_, -1));
  const int descriptor = accept4(handle_->descriptor, nullptr, nullptr, SOCK_CLOEXEC);
  const int error = errno;
  if (descriptor >= 0) close(descriptor);
  reserve_ = OpenReserve();
  errno = descriptor >= 0 ? 0 : error;
  return descriptor >= 0;
}

}  // namespace varve
