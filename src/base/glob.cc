// base/glob.cc: one step of the pattern a byte, and one star to go back to.
//
// Everything in a pattern but '*' matches exactly one byte. So when a match fails, only the
// latest star needs to take one byte more: whatever an earlier star could take instead, the latest
// can take as well. That bounds the time by pattern size times text size, where trying all
// stars, as a recursive matcher does, is exponential.
//
// Odd patterns mean what they mean to Redis: a class that is not closed ends with the pattern, so
// "[ab" is "[ab]", "[" matches nothing and "[^" any byte; a backslash at the end is a backslash;
// the ends of a range may stand in either order; an escaped byte in a class keeps its case. Bytes
// in ranges are compared unsigned, on every machine. (Where Redis contradicts itself we do not
// follow: "**" matches the empty text.)
#include "base/glob.h"

#include <utility>

namespace varve {

namespace {

unsigned char Lower(char c) {
  const unsigned char byte = static_cast<unsigned char>(c);
  return byte >= 'A' && byte <= 'Z' ? static_cast<unsigned char>(byte + 32) : byte;
}

bool SameByte(char a, char b, bool ignore_case) {
  return a == b || (ignore_case && Lower(a) == Lower(b));
}

bool InRange(char from, char to, char c, bool ignore_case) {
  unsigned char low = static_cast<unsigned char>(from);
  unsigned char high = static_cast<unsigned char>(to);
  if (low > high) std::swap(low, high);
  if (!ignore_case) {
    const unsigned char byte = static_cast<unsigned char>(c);
    return byte >= low && byte <= high;
  }
  return Lower(c) >= Lower(static_cast<char>(low)) && Lower(c) <= Lower(static_cast<char>(high));
}

// `p` is behind '['. Says whether `c` is in the class, and moves `p` behind it.
bool MatchClass(const char*& p, const char* end, char c, bool ignore_case) {
  const bool negated = p < end && *p == '^';
  if (negated) ++p;
  bool found = false;
  for (; p < end && *p != ']'; ++p) {
    if (*p == '\\' && end - p >= 2) {
      ++p;
      found |= *p == c;
    } else if (end - p >= 3 && p[1] == '-') {
      found |= InRange(p[0], p[2], c, ignore_case);
      p += 2;
    } else {
      found |= SameByte(*p, c, ignore_case);
    }
  }
  if (p < end) ++p;  // ']'
  return found != negated;
}

// Says whether the next element of the pattern, which is no star, matches `c`, and moves `p`
// behind it. REQUIRES: p < end.
bool MatchOne(const char*& p, const char* end, char c, bool ignore_case) {
  switch (*p) {
    case '?': ++p; return true;
    case '[': ++p; return MatchClass(p, end, c, ignore_case);
    case '\\':
      if (end - p >= 2) ++p;
      break;
    default: break;
  }
  return SameByte(*p++, c, ignore_case);
}

}  // namespace

bool GlobMatch(Slice pattern, Slice text, bool ignore_case) {
  const char* p = pattern.data();
  const char* const pattern_end = p + pattern.size();
  const char* t = text.data();
  const char* const text_end = t + text.size();
  const char* behind_star = nullptr;  // of the latest star
  const char* star_text = nullptr;    // the first byte it has not taken

  while (t < text_end) {
    if (p < pattern_end && *p == '*') {
      behind_star = ++p;
      star_text = t;
      if (p == pattern_end) return true;
      continue;
    }
    if (p < pattern_end && MatchOne(p, pattern_end, *t, ignore_case)) {
      ++t;
      continue;
    }
    if (behind_star == nullptr) return false;
    p = behind_star;
    t = ++star_text;
  }
  while (p < pattern_end && *p == '*') ++p;
  return p == pattern_end;
}

std::string GlobLiteralPrefix(Slice pattern) {
  std::string prefix;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '*' || c == '?' || c == '[') break;
    if (c == '\\' && i + 1 < pattern.size()) ++i;
    prefix.push_back(pattern[i]);
  }
  return prefix;
}

}  // namespace varve
