// base/numbers.h: numbers as clients write them and as Redis writes them back.
//
// Threads: any. Nothing here depends on the locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/slice.h"

namespace varve {

// Decimal, optional '-', no '+', no blanks, no leading zeros, no "-0": Redis' string2ll.
std::optional<int64_t> ParseInt64(Slice text);
std::optional<uint64_t> ParseUint64(Slice text);

// What Redis accepts as a float for INCRBYFLOAT and friends: strtold's grammar over the
// whole text (so "inf", "3.0e3", hex floats), no leading blank, no NaN, no overflow to infinity.
std::optional<long double> ParseLongDouble(Slice text);

inline constexpr size_t kInt64CharsMax = 20;
// Writes at most kInt64CharsMax characters, no terminator; returns the end.
char* FormatInt64(char* to, int64_t value);
std::string Int64ToString(int64_t value);

// Redis' "human friendly" long double: %.17Lf with the trailing zeros cut, "-0" as "0".
std::string FormatLongDouble(long double value);

// "100", "1k" = 1000, "1kb" = 1024, m mb g gb, any case: memory sizes in config.
std::optional<uint64_t> ParseMemorySize(Slice text);

}  // namespace varve
