// server/version.h: which Varve this is. Which Redis its clients take it for:
// commands/redis_version.h.
#pragma once

#include "base/slice.h"

namespace varve {

inline constexpr Slice kVersion = "0.1.0";

}  // namespace varve
