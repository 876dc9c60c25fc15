// commands/redis_version.h: which Redis clients take us for.
//
// Client libraries look at HELLO's and INFO's version to decide what they may use. HELLO and
// `redis_version` of INFO say this; Varve's own version is INFO's `varve_version`.
#pragma once

#include "base/slice.h"

namespace varve {

inline constexpr Slice kRedisVersion = "7.0.15";

}  // namespace varve
