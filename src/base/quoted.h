// base/quoted.h: bytes for people. Threads: any.
#pragma once

#include <optional>
#include <string>

#include "base/slice.h"

namespace varve {

// Bytes as a C string literal, in quotes.
std::string Quoted(Slice bytes);
// The way back, quotes or not. Nothing if it has an escape that Quoted does not write.
std::optional<std::string> Unquoted(Slice text);

}  // namespace varve
