// base/quoted.cc: bytes as text, and back.
#include "base/quoted.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

namespace varve {

namespace {

// What Quoted writes with a letter or a sign behind the backslash, and that.
constexpr std::pair<char, char> kEscapes[] = {
    {'"', '"'}, {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}};

// Takes three octal digits. Nothing if there are none, or they make no byte.
std::optional<char> TakeOctal(Slice* text) {
  if (text->size() < 3) return std::nullopt;
  unsigned byte = 0;
  for (const char digit : text->substr(0, 3)) {
    if (digit < '0' || digit > '7') return std::nullopt;
    byte = 8 * byte + static_cast<unsigned>(digit - '0');
  }
  if (byte > 0xff) return std::nullopt;
  text->remove_prefix(3);
  return static_cast<char>(byte);
}

std::optional<char> TakeEscaped(Slice* text) {
  if (text->empty()) return std::nullopt;
  for (const auto& [byte, letter] : kEscapes) {
    if (text->front() != letter) continue;
    text->remove_prefix(1);
    return byte;
  }
  return TakeOctal(text);
}

}  // namespace

std::string Quoted(Slice bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    const auto* const escape = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                                            [c](const auto& e) { return e.first == c; });
    if (escape != std::end(kEscapes)) {
      text.append({'\\', escape->second});
    } else if (byte >= 0x20 && byte < 0x7f) {
      text.push_back(c);
    } else {
      // Three octal digits: unlike \x, they end where they end.
      char octal[8];
      std::snprintf(octal, sizeof(octal), "\\%03o", static_cast<unsigned>(byte));
      text += octal;
    }
  }
  return text += '"';
}

std::optional<std::string> Unquoted(Slice text) {
  if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"')) {
    text = text.substr(1, text.size() - 2);
  }
  std::string bytes;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    const std::optional<char> byte = c == '\\' ? TakeEscaped(&text) : std::optional(c);
    if (!byte) return std::nullopt;
    bytes.push_back(*byte);
  }
  return bytes;
}

}  // namespace varve
