// base/numbers.cc: digits to numbers and back.
//
// Integers are read and written by hand: they are on the path of every request. Floating point goes
// through the C library, for INCRBYFLOAT must round as Redis does.
#include "base/numbers.h"

#include <locale.h>

#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace varve {

namespace {

// Redis' MAX_LONG_DOUBLE_CHARS: no text this long or longer is read as a float.
constexpr size_t kLongDoubleCharsMax = 5 * 1024;
// Digits behind the point in a "human friendly" float.
constexpr int kHumanDigits = 17;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The C locale, whatever the process' own is.
locale_t CLocale() {
  static const locale_t locale = newlocale(LC_ALL_MASK, "C", nullptr);
  return locale;
}

constexpr char kDigitPairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445"
    "46474849505152535455565758596061626364656667686970717273747576777879808182838485868788899091"
    "9293949596979899";

constexpr uint64_t kPowersOfTen[] = {
    0,  // and not 1, so that 0 has a digit, too
    10ull,
    100ull,
    1000ull,
    10000ull,
    100000ull,
    1000000ull,
    10000000ull,
    100000000ull,
    1000000000ull,
    10000000000ull,
    100000000000ull,
    1000000000000ull,
    10000000000000ull,
    100000000000000ull,
    1000000000000000ull,
    10000000000000000ull,
    100000000000000000ull,
    1000000000000000000ull,
    10000000000000000000ull,
};

size_t CountDigits(uint64_t value) {
  // The logarithm: bits * log10(2), exact or one too many, which the power tells.
  const size_t guess = static_cast<size_t>(std::bit_width(value | 1)) * 1233 >> 12;
  return guess + (value >= kPowersOfTen[guess] ? 1 : 0);
}

char* FormatUint64(char* to, uint64_t value) {
  char* const end = to + CountDigits(value);
  char* p = end;
  while (value >= 100) {
    p -= 2;
    std::memcpy(p, &kDigitPairs[value % 100 * 2], 2);
    value /= 100;
  }
  if (value >= 10) {
    std::memcpy(p - 2, &kDigitPairs[value * 2], 2);
  } else {
    p[-1] = static_cast<char>('0' + value);
  }
  return end;
}

}  // namespace

std::optional<uint64_t> ParseUint64(Slice text) {
  constexpr size_t kDigitsMax = 20;  // 18446744073709551615
  if (text.empty() || text.size() > kDigitsMax) return std::nullopt;
  if (text[0] == '0' && text.size() > 1) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text.substr(0, kDigitsMax - 1)) {
    if (!IsDigit(c)) return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  if (text.size() < kDigitsMax) return value;
  const char last = text.back();
  if (!IsDigit(last)) return std::nullopt;
  if (__builtin_mul_overflow(value, 10u, &value)) return std::nullopt;
  if (__builtin_add_overflow(value, static_cast<uint64_t>(last - '0'), &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<int64_t> ParseInt64(Slice text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  const std::optional<uint64_t> magnitude = ParseUint64(text);
  if (!magnitude) return std::nullopt;
  constexpr uint64_t kMax = INT64_MAX;
  if (!negative) {
    if (*magnitude > kMax) return std::nullopt;
    return static_cast<int64_t>(*magnitude);
  }
  if (*magnitude == 0 || *magnitude > kMax + 1) return std::nullopt;  // "-0" is not a number
  return static_cast<int64_t>(~*magnitude + 1);
}

std::optional<long double> ParseLongDouble(Slice text) {
  if (text.empty() || text.size() >= kLongDoubleCharsMax || IsSpace(text[0])) return std::nullopt;
  char terminated[kLongDoubleCharsMax];
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';

  char* end = nullptr;
  errno = 0;
  const long double value = strtold_l(terminated, &end, CLocale());
  if (end != terminated + text.size() || std::isnan(value)) return std::nullopt;
  // Too large, or so small that nothing is left; a denormal also sets ERANGE and is fine.
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

char* FormatInt64(char* to, int64_t value) {
  uint64_t magnitude = static_cast<uint64_t>(value);
  if (value < 0) {
    *to++ = '-';
    magnitude = ~magnitude + 1;
  }
  return FormatUint64(to, magnitude);
}

std::string Int64ToString(int64_t value) {
  char text[kInt64CharsMax];
  return std::string(text, FormatInt64(text, value));
}

std::string FormatLongDouble(long double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (std::isnan(value)) return "nan";
  char text[kLongDoubleCharsMax];
  const std::to_chars_result result =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed, kHumanDigits);
  std::string human(text, result.ptr);
  human.erase(human.find_last_not_of('0') + 1);
  if (human.back() == '.') human.pop_back();
  return human == "-0" ? "0" : human;
}

std::optional<uint64_t> ParseMemorySize(Slice text) {
  size_t digits = 0;
  while (digits < text.size() && IsDigit(text[digits])) ++digits;
  std::string unit(text.substr(digits));
  for (char& c : unit) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;

  struct Unit {
    Slice name;
    uint64_t bytes;
  };
  static constexpr Unit kUnits[] = {
      {"", 1},
      {"b", 1},
      {"k", 1000},
      {"kb", 1024},
      {"m", 1000 * 1000},
      {"mb", 1024 * 1024},
      {"g", 1000ull * 1000 * 1000},
      {"gb", 1024ull * 1024 * 1024},
  };
  uint64_t bytes = 0;
  const char* const end = text.data() + digits;
  const std::from_chars_result result = std::from_chars(text.data(), end, bytes);
  if (digits == 0 || result.ec != std::errc()) return std::nullopt;
  for (const Unit& known : kUnits) {
    if (unit != known.name) continue;
    if (__builtin_mul_overflow(bytes, known.bytes, &bytes)) return std::nullopt;
    return bytes;
  }
  return std::nullopt;
}

}  // namespace varve
