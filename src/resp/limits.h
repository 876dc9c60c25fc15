// resp/limits.h: how much a client may ask for before it is refused.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

struct RequestLimits {
  // "invalid multibulk length". As Redis 7: the query buffer limit is what bounds memory.
  int64_t arguments_max = INT32_MAX;
  int64_t bulk_bytes_max = 512ll * 1024 * 1024;         // proto-max-bulk-len
  size_t inline_bytes_max = 64 * 1024;                  // "too big inline request"
  size_t query_buffer_bytes_max = 1024u * 1024 * 1024;  // client-query-buffer-limit
  bool authenticated = true;  // false: 10 arguments of 16384 bytes, as Redis since 6.2.6
};

inline constexpr int64_t kUnauthenticatedArgumentsMax = 10;
inline constexpr int64_t kUnauthenticatedBulkBytesMax = 16384;
// Arguments of this size or more are received into shared bytes. The same
// figure as the engine's kSharedValueBytesMin; commands/ asserts it.
inline constexpr size_t kSharedValueBytes = 64 * 1024;

}  // namespace varve
