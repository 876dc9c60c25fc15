// server/net/connection.cc: polling, reading and writing a socket.
//
//   wanted   what the owner asked for: readable, writable
//   polled   what libuv watches. It follows `wanted` at once when something is added, and lags
//            behind when reading is paused, until an event shows that it matters.
#include "server/net/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace varve {

namespace {

constexpr size_t kSlicesPerWriteMax = 64;

class PolledConnection final : public Connection {
 public:
  PolledConnection(Loop& loop, int descriptor, Owner& owner)
      : handle_(new Handle{{}, this}), descriptor_(descriptor), owner_(owner) {
    CHECK(uv_poll_init(loop.handle(), &handle_->poll, descriptor) == 0);
    handle_->poll.data = handle_;
    SetReading(true);
  }

  ~PolledConnection() override {
    handle_->connection = nullptr;
    // Stops the poll here and now; only the memory waits for the callback.
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_->poll),
             [](uv_handle_t* handle) { delete static_cast<Handle*>(handle->data); });
    close(descriptor_);
  }

  void SetReading(bool on) override {
    wanted_ = on ? wanted_ | UV_READABLE : wanted_ & ~UV_READABLE;
    if (on) Poll();
  }

  void WantWritable(bool on) override {
    const int wanted = on ? wanted_ | UV_WRITABLE : wanted_ & ~UV_WRITABLE;
    if (wanted == wanted_) return;
    wanted_ = wanted;
    Poll();  // Both ways: a socket is writable nearly always, and would wake the loop for nothing.
  }

  ptrdiff_t Write(std::span<const Slice> slices) override {
    ssize_t sent = 0;
    do {
      sent = slices.size() == 1
                 ? send(descriptor_, slices[0].data(), slices[0].size(), MSG_NOSIGNAL)
                 : SendMany(slices);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) return sent;
    return errno == EAGAIN ? 0 : -errno;
  }

  int descriptor() const override { return descriptor_; }

 private:
  struct Handle {
    uv_poll_t poll;
    PolledConnection* connection;  // null once closed
  };

  ssize_t SendMany(std::span<const Slice> slices) {
    iovec parts[kSlicesPerWriteMax];
    const size_t n = std::min(slices.size(), kSlicesPerWriteMax);
    for (size_t i = 0; i < n; ++i) {
      parts[i] = {const_cast<char*>(slices[i].data()), slices[i].size()};
    }
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = n;
    return sendmsg(descriptor_, &message, MSG_NOSIGNAL);
  }

  void Poll() {
    if (polled_ == wanted_) return;
    polled_ = wanted_;
    if (polled_ == 0) {
      uv_poll_stop(&handle_->poll);
    } else {
      CHECK(uv_poll_start(&handle_->poll, polled_, OnEvent) == 0);
    }
  }

  static void OnEvent(uv_poll_t* poll, int status, int events) {
    Handle* const handle = static_cast<Handle*>(poll->data);
    if (handle->connection == nullptr) return;
    if (status < 0) {
      handle->connection->Fail();
      return;
    }
    if ((events & UV_READABLE) != 0) handle->connection->Read();
    // The owner may have closed it meanwhile.
    if ((events & UV_WRITABLE) != 0 && handle->connection != nullptr) {
      handle->connection->owner_.Writable();
    }
  }

  void Read() {
    if ((wanted_ & UV_READABLE) == 0) return Poll();  // Paused, and now it matters.
    const std::span<char> space = owner_.ReadSpace();
    ssize_t size = 0;
    do {
      size = recv(descriptor_, space.data(), space.size(), 0);
    } while (size < 0 && errno == EINTR);
    if (size > 0) return owner_.DidRead(static_cast<size_t>(size));
    if (size == 0) return owner_.ReadEnded();
    if (errno != EAGAIN) owner_.Failed(errno);
  }

  // libuv reports a broken socket without its reason.
  void Fail() {
    polled_ = wanted_ = 0;
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size);
    owner_.Failed(error != 0 ? error : ECONNRESET);
  }

  Handle* const handle_;
  const int descriptor_;
  Owner& owner_;
  int wanted_ = 0;
  int polled_ = 0;
};

}  // namespace

std::unique_ptr<Connection> Connection::Open(Loop& loop, int descriptor, Owner& owner) {
  return std::make_unique<PolledConnection>(loop, descriptor, owner);
}

}  // namespace varve
