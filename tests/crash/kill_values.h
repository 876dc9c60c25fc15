// tests/crash/kill_values.h: what keys hold, what a server said of them, and whether the two agree.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/support/redis_client.h"

namespace varve {

// A key that expires is there before that moment, and gone this long after it at the latest: the
// server's clock stands still during a turn of its loop.
constexpr int64_t kExpirySlackMs = 1000;
// An expiry so far away does not come while the test runs.
constexpr int64_t kFarMs = 48 * 3'600'000;

inline int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// ---- Values -------------------------------------------------------------------------------------

// What a key holds, in a few bytes. A string is told by its number, from which its content follows.
struct Value {
  enum class Kind : uint8_t { kAbsent, kCounter, kString };
  Kind kind = Kind::kAbsent;
  int64_t number = 0;  // a counter's value, or which of the writer's strings
  size_t size_bytes = 0;
  // Both 0: never. They differ where the server was told in how long, and has not told us yet what
  // moment that is: it lies between the two.
  int64_t expire_at_ms = 0;
  int64_t expire_by_ms = 0;

  bool operator==(const Value&) const = default;
  bool exists() const { return kind != Kind::kAbsent; }
  bool expires() const { return expire_at_ms != 0; }
  bool MustBeGone(int64_t now_ms) const {
    return !exists() || (expires() && expire_by_ms + kExpirySlackMs <= now_ms);
  }
  bool MayBeGone(int64_t now_ms) const {
    return !exists() || (expires() && expire_at_ms <= now_ms);
  }
  bool knows_its_expiry() const { return expire_at_ms == expire_by_ms; }
  void ExpireAt(int64_t at_ms) { expire_at_ms = expire_by_ms = at_ms; }
};

// "#17 " and then, in every other string, bytes that do not compress.
inline std::string BytesOf(const Value& value) {
  if (value.kind == Value::Kind::kCounter) return std::to_string(value.number);
  std::string bytes = "#" + std::to_string(value.number) + " ";
  if (value.number % 2 == 0) {
    bytes.resize(value.size_bytes, static_cast<char>('a' + value.number % 26));
    return bytes;
  }
  Random random(static_cast<uint64_t>(value.number));
  while (bytes.size() < value.size_bytes) {
    const uint64_t word = random.Next();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(value.size_bytes);
  return bytes;
}

inline std::string Describe(const Value& value) {
  if (!value.exists()) return "absent";
  if (value.kind == Value::Kind::kCounter) return std::to_string(value.number);
  std::string text =
      "#" + std::to_string(value.number) + " of " + std::to_string(value.size_bytes) + " bytes";
  if (value.expires()) text += " expiring at " + std::to_string(value.expire_at_ms);
  if (!value.knows_its_expiry()) text += " to " + std::to_string(value.expire_by_ms);
  return text;
}

// What a server said of a key.
struct Found {
  std::optional<std::string> bytes = {};
  std::optional<int64_t> expire_at_ms = {};  // asked for keys that may expire
  int64_t asked_ms = 0;
  int64_t answered_ms = 0;
};

inline std::string Describe(const Found& found) {
  if (!found.bytes) return "absent";
  std::string text = "'";
  for (const char c : found.bytes->substr(0, 24)) text += c >= ' ' && c <= '~' ? c : '.';
  text += "' of " + std::to_string(found.bytes->size()) + " bytes";
  if (found.expire_at_ms) text += " with PEXPIRETIME " + std::to_string(*found.expire_at_ms);
  return text;
}

// Does PEXPIRETIME say of a key what it must? It may be gone since it was last looked at.
inline bool MatchesExpiry(const Value& value, int64_t found_ms, int64_t now_ms) {
  if (found_ms == -2) return value.MayBeGone(now_ms);
  if (!value.expires()) return value.exists() && found_ms == -1;
  return found_ms >= value.expire_at_ms && found_ms <= value.expire_by_ms;
}

inline bool Matches(const Value& value, const Found& found) {
  if (!found.bytes) return value.MayBeGone(found.answered_ms);
  if (value.MustBeGone(found.asked_ms)) return false;
  if (found.expire_at_ms && !MatchesExpiry(value, *found.expire_at_ms, found.answered_ms)) {
    return false;
  }
  return BytesOf(value) == *found.bytes;
}

// ---- What is sent, and what must come back ------------------------------------------------------

struct Expected {
  enum class Kind : uint8_t { kStatus, kInteger, kAnyInteger, kValue, kExpireTime, kArray };
  Kind kind = Kind::kStatus;
  Slice status = "OK";  // a literal
  int64_t integer = 0;
  Value value = {};  // of GET and PEXPIRETIME
  int key = 0;       // of PEXPIRETIME
  std::vector<Expected> items = {};
  int64_t sent_ms = 0;

  static Expected Status(Slice text) { return {.status = text}; }
  static Expected Integer(int64_t n) { return {.kind = Kind::kInteger, .integer = n}; }
  static Expected AnyInteger() { return {.kind = Kind::kAnyInteger}; }
  static Expected Content(const Value& v) {
    return {.kind = Kind::kValue, .value = v, .sent_ms = NowMs()};
  }
  static Expected ExpireTime(int key, const Value& v) {
    return {.kind = Kind::kExpireTime, .value = v, .key = key};
  }
  static Expected Array(std::vector<Expected> items) {
    return {.kind = Kind::kArray, .items = std::move(items)};
  }
};

// Says what is wrong with a reply, or nothing.
inline std::string Complaint(const redisReply& reply, const Expected& expected) {
  if (reply.type == REDIS_REPLY_ERROR) return "error " + std::string(TextOf(reply));
  switch (expected.kind) {
    case Expected::Kind::kStatus:
      if (reply.type == REDIS_REPLY_STATUS && TextOf(reply) == expected.status) return "";
      return "expected " + std::string(expected.status);
    case Expected::Kind::kInteger:
      if (reply.type == REDIS_REPLY_INTEGER && reply.integer == expected.integer) return "";
      return "expected " + std::to_string(expected.integer) + ", found " +
             std::to_string(reply.integer);
    case Expected::Kind::kAnyInteger:
      return reply.type == REDIS_REPLY_INTEGER ? "" : "expected an integer";
    case Expected::Kind::kValue: {
      Found found{.asked_ms = expected.sent_ms, .answered_ms = NowMs()};
      if (reply.type == REDIS_REPLY_STRING) found.bytes.emplace(TextOf(reply));
      if (Matches(expected.value, found)) return "";
      return "expected " + Describe(expected.value) + ", found " + Describe(found);
    }
    case Expected::Kind::kExpireTime:
      if (reply.type == REDIS_REPLY_INTEGER &&
          MatchesExpiry(expected.value, reply.integer, NowMs())) {
        return "";
      }
      return "expected " + Describe(expected.value) + ", found " + std::to_string(reply.integer);
    case Expected::Kind::kArray: break;
  }
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != expected.items.size()) {
    return "expected an array of " + std::to_string(expected.items.size());
  }
  for (size_t i = 0; i < expected.items.size(); ++i) {
    const std::string wrong = Complaint(*reply.element[i], expected.items[i]);
    if (!wrong.empty()) return "item " + std::to_string(i) + ": " + wrong;
  }
  return "";
}

// A command, or MULTI to EXEC: what happens entirely or not at all.
struct Unit {
  struct Effect {
    enum class Kind : uint8_t { kKey, kFlush, kFlushAll, kSwap };
    Kind kind = Kind::kKey;
    int key = 0;
    Value after = {};
  };

  std::string what = {};               // the command, or commands, for messages
  std::vector<Expected> replies = {};  // in order; the unit is answered with the last
  std::vector<Effect> effects = {};    // in order
};

}  // namespace varve
