// utils/load/client.cc: RESP2, as far as the requests made here need it.
#include "utils/load/client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/numbers.h"

namespace varve::load {

namespace {

constexpr size_t kReadBytesMin = 64 * 1024;

void AppendArgument(std::string* to, Slice argument) {
  char size[kInt64CharsMax];
  char* const end = FormatInt64(size, static_cast<int64_t>(argument.size()));
  to->push_back('$');
  to->append(size, static_cast<size_t>(end - size));
  to->append("\r\n");
  to->append(argument);
  to->append("\r\n");
}

}  // namespace

Result<Client> Client::Connect(const std::string& host, uint64_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    return Status::InvalidArgument(host + " is no IPv4 address");
  }
  Client client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (client.descriptor_ < 0 ||
      connect(client.descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
          0) {
    return Status::FromErrno(errno, host + ":" + std::to_string(port), "connect");
  }
  const int on = 1;
  setsockopt(client.descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (fcntl(client.descriptor_, F_SETFL, O_NONBLOCK) != 0) {
    return Status::FromErrno(errno, host, "fcntl");
  }
  return client;
}

Client::Client(Client&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      out_(std::move(other.out_)),
      sent_(other.sent_),
      in_(std::move(other.in_)),
      parsed_(other.parsed_),
      filled_(other.filled_),
      requests_(std::move(other.requests_)) {}

Client::~Client() {
  if (descriptor_ >= 0) close(descriptor_);
}

// --- Requests ---

void Client::Add(const Request& request, Slice key, Slice value) {
  switch (request.operation) {
    case Operation::kGet:
      out_.append("*2\r\n$3\r\nGET\r\n");
      AppendArgument(&out_, key);
      break;
    case Operation::kDelete:
      out_.append("*2\r\n$3\r\nDEL\r\n");
      AppendArgument(&out_, key);
      break;
    case Operation::kSet:
      out_.append("*3\r\n$3\r\nSET\r\n");
      AppendArgument(&out_, key);
      AppendArgument(&out_, value);
      break;
    case Operation::kSetExpiring:
      out_.append("*5\r\n$3\r\nSET\r\n");
      AppendArgument(&out_, key);
      AppendArgument(&out_, value);
      out_.append("$4\r\nPXAT\r\n");
      AppendArgument(&out_, Int64ToString(request.expire_at_ms));
      break;
  }
  requests_.push_back(request);
}

Status Client::Flush() {
  while (unsent()) {
    const ssize_t sent = send(descriptor_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return Status::Ok();
    if (sent < 0) return Status::FromErrno(errno, "connection", "send");
    sent_ += static_cast<size_t>(sent);
  }
  out_.clear();
  sent_ = 0;
  return Status::Ok();
}

// --- Replies ---

Status Client::ReadSome() {
  // What is left of a reply that has not come whole moves to the front.
  std::memmove(in_.data(), in_.data() + parsed_, filled_ - parsed_);
  filled_ -= std::exchange(parsed_, 0);
  if (in_.size() - filled_ < kReadBytesMin) in_.resize(2 * in_.size() + kReadBytesMin);
  const ssize_t got = recv(descriptor_, in_.data() + filled_, in_.size() - filled_, 0);
  if (got > 0) filled_ += static_cast<size_t>(got);
  if (got == 0) return Status::IoError("the server closed a connection");
  if (got < 0 && errno != EAGAIN && errno != EINTR) {
    return Status::FromErrno(errno, "connection", "recv");
  }
  return Status::Ok();
}

Result<bool> Client::NextReply(Reply* reply) {
  const Slice rest = Slice(in_).substr(parsed_, filled_ - parsed_);
  const size_t line_end = rest.find("\r\n");
  if (line_end == Slice::npos) return false;
  reply->text = rest.substr(1, line_end - 1);
  size_t size = line_end + 2;
  switch (rest.front()) {
    case '+': reply->kind = Reply::Kind::kStatus; break;
    case '-': reply->kind = Reply::Kind::kError; break;
    case ':': reply->kind = Reply::Kind::kInteger; break;
    case '$': {
      if (reply->text == "-1") {
        reply->kind = Reply::Kind::kNil;
        break;
      }
      const std::optional<uint64_t> bulk_bytes = ParseUint64(reply->text);
      if (!bulk_bytes) return Status::Corruption("no reply: " + std::string(rest.substr(0, 40)));
      if (rest.size() < size + *bulk_bytes + 2) return false;
      reply->kind = Reply::Kind::kBulk;
      reply->text = rest.substr(size, *bulk_bytes);
      size += *bulk_bytes + 2;
      break;
    }
    default: return Status::Corruption("no reply: " + std::string(rest.substr(0, 40)));
  }
  if (requests_.empty()) return Status::Corruption("a reply that nobody asked for");
  parsed_ += size;
  return true;
}

Request Client::TakeRequest() {
  const Request request = requests_.front();
  requests_.pop_front();
  return request;
}

}  // namespace varve::load
