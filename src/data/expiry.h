// data/expiry.h: from a client's idea of a time to ours, and back.
//
// Ours is the wall clock in milliseconds since 1970, in an int64. Clients give seconds or
// milliseconds, absolute or from now. Whatever would not fit is refused, never wrapped. Threads:
// any.
#pragma once

#include <cstdint>
#include <optional>

namespace varve {

enum class TimeUnit : uint8_t { kSeconds, kMilliseconds };

struct TimeFormat {
  TimeUnit unit = TimeUnit::kSeconds;
  bool from_now = true;
};

// Nothing if it would overflow. The result may lie in the past, and may be negative.
inline std::optional<int64_t> ToExpireAtMs(int64_t amount, TimeFormat format, int64_t now_ms) {
  int64_t ms = amount;
  if (format.unit == TimeUnit::kSeconds && __builtin_mul_overflow(amount, int64_t{1000}, &ms)) {
    return std::nullopt;
  }
  if (format.from_now && __builtin_add_overflow(ms, now_ms, &ms)) return std::nullopt;
  return ms;
}

inline bool HasPassed(int64_t expire_at_ms, int64_t now_ms) { return expire_at_ms <= now_ms; }

// To the nearest second.
inline int64_t MsToSeconds(int64_t ms) { return ms / 1000 + (ms % 1000 >= 500 ? 1 : 0); }

}  // namespace varve
