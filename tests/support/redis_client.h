// tests/support/redis_client.h: hiredis, with its memory owned.
//
// Header only: what includes it links hiredis, which unit tests do not. Threads: one at a time.
#pragma once

#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "base/slice.h"

namespace varve {

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

// The bytes of a string, status or error.
inline Slice TextOf(const redisReply& reply) { return {reply.str, reply.len}; }

inline bool IsStatus(const Reply& reply, Slice text) {
  return reply && reply->type == REDIS_REPLY_STATUS && TextOf(*reply) == text;
}
inline bool IsInteger(const Reply& reply, long long value) {
  return reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == value;
}
inline bool IsBulk(const Reply& reply, Slice text) {
  return reply && reply->type == REDIS_REPLY_STRING && TextOf(*reply) == text;
}
inline bool IsNil(const Reply& reply) { return reply && reply->type == REDIS_REPLY_NIL; }
inline bool IsError(const Reply& reply, Slice beginning) {
  return reply && reply->type == REDIS_REPLY_ERROR && TextOf(*reply).starts_with(beginning);
}

class RedisClient {
 public:
  // A server that does not answer for this long has failed. Sanitizers are slow.
  static constexpr timeval kReplyTimeout{60, 0};

  RedisClient() = default;
  // Both may fail: see connected() and error().
  RedisClient(const char* host, int port)
      : context_(redisConnectWithTimeout(host, port, kReplyTimeout)) {
    SetTimeout();
  }
  explicit RedisClient(const std::string& unix_path)
      : context_(redisConnectUnixWithTimeout(unix_path.c_str(), kReplyTimeout)) {
    SetTimeout();
  }

  bool connected() const { return context_ && context_->err == 0; }
  std::string error() const { return context_ ? context_->errstr : "no connection"; }
  // Did the last call fail because the connection ended, and not because nothing came in time?
  bool is_ended() const {
    return context_ && (context_->err == REDIS_ERR_EOF ||
                        (context_->err == REDIS_ERR_IO && !error().starts_with("Resource temp")));
  }

  // Sends with the next Read.
  void Append(const std::vector<std::string>& words) {
    std::vector<const char*> data;
    std::vector<size_t> sizes;
    for (const std::string& word : words) {
      data.push_back(word.data());
      sizes.push_back(word.size());
    }
    redisAppendCommandArgv(context_.get(), static_cast<int>(words.size()), data.data(),
                           sizes.data());
  }
  // The next reply, or null: see is_ended() and error().
  Reply Read() {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) return nullptr;
    return Reply(static_cast<redisReply*>(reply));
  }
  Reply Call(const std::vector<std::string>& words) {
    Append(words);
    return Read();
  }

  redisContext* context() { return context_.get(); }

 private:
  struct FreeContext {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  void SetTimeout() {
    if (connected()) redisSetTimeout(context_.get(), kReplyTimeout);
  }

  std::unique_ptr<redisContext, FreeContext> context_;
};

}  // namespace varve
