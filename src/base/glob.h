// base/glob.h: the patterns of KEYS, SCAN MATCH, CONFIG GET.
//
//   ?      any one byte          [abc] [a-z] [^a]   one byte of a class, or not of it
//   *      any bytes, or none    \x                 x itself
//
// Bytes, not characters. Time is bounded by pattern size times text size: a pattern such as
// "a*a*a*a*b" costs no more than that, whatever the text.
#pragma once

#include <string>

#include "base/slice.h"

namespace varve {

bool GlobMatch(Slice pattern, Slice text, bool ignore_case = false);

// The bytes every match must start with, unescaped: "user:\*:1?" -> "user:*:1".
std::string GlobLiteralPrefix(Slice pattern);

}  // namespace varve
