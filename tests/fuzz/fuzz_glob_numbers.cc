// tests/fuzz/fuzz_glob_numbers.cc: foreign bytes as patterns and as numbers.
//
// The first line of an input is a pattern, the rest a text; both are also read as numbers of every
// kind. What was read must be written back as it was, or read back as the same.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/glob.h"
#include "base/numbers.h"

namespace {

using namespace varve;

void CheckNumbers(Slice text) {
  if (const auto value = ParseInt64(text)) CHECK(Int64ToString(*value) == text);
  if (const auto value = ParseUint64(text)) CHECK(std::to_string(*value) == text);
  if (const auto value = ParseLongDouble(text)) {
    CHECK(!std::isnan(*value));
    const std::string human = FormatLongDouble(*value);
    const auto again = ParseLongDouble(human);
    CHECK(again.has_value());
    // A number of 17 digits behind the point is its own human form.
    CHECK(FormatLongDouble(*again) == human);
  }
  static_cast<void>(ParseMemorySize(text));
}

void CheckGlob(Slice pattern, Slice text) {
  const std::string prefix = GlobLiteralPrefix(pattern);
  CHECK(prefix.size() <= pattern.size());
  if (GlobMatch(pattern, text)) {
    CHECK(text.starts_with(prefix));
    CHECK(GlobMatch(std::string(pattern) + "*", text) ||
          pattern.find_first_of("[\\") != Slice::npos);
  }
  static_cast<void>(GlobMatch(pattern, text, true));

  std::string escaped;
  for (const char c : text) escaped.append("\\").push_back(c);
  CHECK(GlobMatch(escaped, text));
  CHECK(GlobLiteralPrefix(escaped) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kInputBytesMax = 8 * 1024;  // glob takes pattern times text
  if (size > kInputBytesMax) return 0;
  const Slice input(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(input.find('\n'), size);
  const Slice pattern = input.substr(0, line);
  const Slice text = line < size ? input.substr(line + 1) : Slice();
  CheckGlob(pattern, text);
  CheckNumbers(pattern);
  CheckNumbers(text);
  return 0;
}
