// utils/load/client.h: a connection to the server, and what is on its way on it.
//
// Nothing waits: requests gather in a buffer until Flush, and what the socket does not take stays for the next
// time. Replies come in the order of the requests, which is why a queue tells them apart.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "base/result.h"
#include "base/slice.h"
#include "utils/load/ledger.h"

namespace varve::load {

enum class Operation : uint8_t { kGet, kSet, kSetExpiring, kDelete };
inline constexpr int kOperations = 4;

// What has been asked and not been answered.
struct Request {
  Operation operation = Operation::kGet;
  uint64_t key = 0;
  uint64_t due_ns = 0;              // when it was to be sent, whenever it was
  int64_t sent_ms = 0;              // wall clock
  uint32_t version = 0;             // of a write
  int64_t expire_at_ms = 0;         // likewise
  Ledger::Expectation expectation;  // of a read
};

struct Reply {
  enum class Kind : uint8_t { kStatus, kError, kInteger, kBulk, kNil };
  Kind kind = Kind::kNil;
  Slice text;  // until the next ReadSome
};

class Client {
 public:
  static Result<Client> Connect(const std::string& host, uint64_t port);
  Client(Client&& other) noexcept;
  Client& operator=(Client&&) = delete;
  ~Client();

  int descriptor() const { return descriptor_; }

  // Appends a request: key, then `value` and a time to expire for the operations that have them.
  void Add(const Request& request, Slice key, Slice value);
  Status Flush();
  bool unsent() const { return sent_ < out_.size(); }

  // Takes what the socket has. The error: it is closed.
  Status ReadSome();
  // False: there is no whole reply. The error: these bytes are no reply.
  Result<bool> NextReply(Reply* reply);
  // The request that the reply belongs to. REQUIRES: NextReply returned true.
  Request TakeRequest();
  size_t on_their_way() const { return requests_.size(); }

 private:
  explicit Client(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
  std::string out_;
  size_t sent_ = 0;
  std::string in_;  // in_[parsed_, filled_) has not been looked at
  size_t parsed_ = 0;
  size_t filled_ = 0;
  std::deque<Request> requests_;
};

}  // namespace varve::load
