// commands/args.cc: arguments, read and remembered.
#include "commands/args.h"

#include <optional>
#include <utility>

#include "data/view.h"
#include "resp/limits.h"

namespace varve {

// What arrives as shared bytes is kept as shared bytes.
static_assert(kSharedValueBytes == kSharedValueBytesMin);

namespace {

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

bool EqualsIgnoreCase(Slice a, Slice b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}

Slice ArgReader::Next() {
  if (!more()) {
    Fail(StatusCode::kSyntaxError);
    return {};
  }
  return request_.argv[next_++];
}

Slice ArgReader::Next(SharedBytes* shared) {
  *shared = {};
  if (!request_.shared.empty()) {
    for (const auto& [index, bytes] : request_.shared) {
      if (index == next_) *shared = bytes;
    }
  }
  return Next();
}

int64_t ArgReader::NextInt64(StatusCode error) {
  if (!more()) Fail(StatusCode::kSyntaxError);
  const std::optional<int64_t> value = ParseInt64(Next());
  if (!value) Fail(error);
  return value.value_or(0);
}

long double ArgReader::NextLongDouble() {
  if (!more()) Fail(StatusCode::kSyntaxError);
  const std::optional<long double> value = ParseLongDouble(Next());
  if (!value) Fail(StatusCode::kNotAFloat);
  return value.value_or(0);
}

bool ArgReader::TakeWord(Slice word) {
  if (!more() || !EqualsIgnoreCase(Peek(), word)) return false;
  ++next_;
  return true;
}

void ArgReader::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

Status ArgReader::Finish() {
  if (more()) Fail(StatusCode::kSyntaxError);
  return std::move(status_);
}

}  // namespace varve
