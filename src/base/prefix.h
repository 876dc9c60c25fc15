// base/prefix.h: all strings that begin with a prefix are a range in byte order.
#pragma once

#include <string>

#include "base/slice.h"

namespace varve {

// The first string, in order, that is greater than all that begin with `prefix`; empty if there is none.
std::string PrefixEnd(Slice prefix);

}  // namespace varve
