// tests/crash/kill_expiry.h: commands that decide when a key expires, and what they leave behind.
//
// An absolute time is known before it is sent, and must be there to the millisecond after any
// number of restarts. What a relative one comes to, only the server knows: it is asked at once, and
// must never say anything else again.
//
// What a command does to a value that expires just then depends on which is first. So only a value
// that is *certain*, which stays for as long as the test runs, is changed; any may be replaced.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/crash/kill_values.h"

namespace varve {

// The longest that a command can take from being sent to being run: nobody waits longer for it.
constexpr int64_t kRunMsMax = RedisClient::kReplyTimeout.tv_sec * 1000;

struct ExpiryCommand {
  std::vector<std::string> words;
  Expected reply;
  Value after;
};

inline bool IsCertain(const Value& value) {
  return value.exists() && value.knows_its_expiry() && !value.MayBeGone(NowMs() + kFarMs / 2);
}

// In this life of the server, in one of the next few, or never as far as the test is concerned.
inline int64_t AnyTimeLeftMs(Random* random) {
  const uint64_t die = random->Uniform(10);
  if (die < 4) return 20 + static_cast<int64_t>(random->Uniform(500));
  if (die < 7) return 500 + static_cast<int64_t>(random->Uniform(4000));
  return kFarMs + static_cast<int64_t>(random->Uniform(1000));
}

inline Value ExpiringIn(Value value, int64_t left_ms) {
  const int64_t at_ms = NowMs() + left_ms;
  value.expire_at_ms = at_ms - kExpirySlackMs;
  value.expire_by_ms = at_ms + kRunMsMax;
  return value;
}

inline Value ExpiringAt(Value value, int64_t at_ms) {
  value.ExpireAt(at_ms);
  return value;
}

// Gives the key `fresh` for its value.
inline ExpiryCommand AnyReplacement(const std::string& name, Value fresh, Random* random) {
  const std::string bytes = BytesOf(fresh);
  const int64_t left_ms = AnyTimeLeftMs(random);
  const std::string left = std::to_string(left_ms);
  const int64_t at_ms = NowMs() + left_ms;
  switch (random->Uniform(4)) {
    case 0: return {{"SET", name, bytes}, Expected::Status("OK"), fresh};
    case 1:
      return {{"SET", name, bytes, "PX", left}, Expected::Status("OK"), ExpiringIn(fresh, left_ms)};
    case 2:
      return {{"PSETEX", name, left, bytes}, Expected::Status("OK"), ExpiringIn(fresh, left_ms)};
    default:
      return {{"SET", name, bytes, "PXAT", std::to_string(at_ms)},
              Expected::Status("OK"),
              ExpiringAt(fresh, at_ms)};
  }
}

// Changes a value that is certain, or when it expires. REQUIRES: IsCertain(before).
inline ExpiryCommand AnyChange(const std::string& name, const Value& before, Value fresh,
                               Random* random) {
  const int64_t left_ms = AnyTimeLeftMs(random);
  const std::string left = std::to_string(left_ms);
  const int64_t at_ms = NowMs() + left_ms;
  const std::string at = std::to_string(at_ms);
  const Value never = ExpiringAt(before, 0);
  switch (random->Uniform(10)) {
    case 0: return {{"PEXPIREAT", name, at}, Expected::Integer(1), ExpiringAt(before, at_ms)};
    case 1: {
      const int64_t at_s = at_ms / 1000 + 1;
      return {{"EXPIREAT", name, std::to_string(at_s)},
              Expected::Integer(1),
              ExpiringAt(before, at_s * 1000)};
    }
    case 2: return {{"PEXPIRE", name, left}, Expected::Integer(1), ExpiringIn(before, left_ms)};
    case 3:
      return {{"PEXPIREAT", name, at, "NX"},
              Expected::Integer(before.expires() ? 0 : 1),
              before.expires() ? before : ExpiringAt(before, at_ms)};
    case 4:  // A time that has passed deletes.
      return {{"PEXPIREAT", name, std::to_string(NowMs() - 1000)}, Expected::Integer(1), Value()};
    case 5:
      return {{"GETEX", name, "PXAT", at}, Expected::Content(before), ExpiringAt(before, at_ms)};
    case 6:
      return {{"GETEX", name, "PX", left}, Expected::Content(before), ExpiringIn(before, left_ms)};
    case 7: return {{"GETEX", name, "PERSIST"}, Expected::Content(before), never};
    case 8: return {{"PERSIST", name}, Expected::Integer(before.expires() ? 1 : 0), never};
    default:
      fresh.expire_at_ms = before.expire_at_ms;
      fresh.expire_by_ms = before.expire_by_ms;
      return {{"SET", name, BytesOf(fresh), "KEEPTTL"}, Expected::Status("OK"), fresh};
  }
}

inline ExpiryCommand AnyExpiryCommand(const std::string& name, const Value& before,
                                      const Value& fresh, Random* random) {
  if (IsCertain(before) && !random->OneIn(3)) return AnyChange(name, before, fresh, random);
  return AnyReplacement(name, fresh, random);
}

}  // namespace varve
