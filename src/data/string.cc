// data/string.cc: the bytes of strings.
#include "data/string.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/numbers.h"

namespace varve {

namespace {

// Above, Redis keeps a string apart from its object ("raw").
constexpr size_t kEmbeddedBytesMax = 44;

}  // namespace

Status String::Load() {
  Status s = view_.Read(key_, &value_);
  if (s.is_not_found()) return Status::Ok();
  if (!s.ok()) return s;
  if (value_.type != ValueType::kString) return StatusCode::kWrongType;
  found_ = true;
  return Status::Ok();
}

void String::Replace(Slice bytes) {
  view_.Put(key_, ValueType::kString, value_.expire_at_ms, bytes);
}

Result<int64_t> String::IncrBy(int64_t increment) {
  int64_t sum = 0;
  if (found_) {
    const std::optional<int64_t> old = ParseInt64(bytes());
    if (!old) return StatusCode::kNotAnInteger;
    sum = *old;
  }
  if (__builtin_add_overflow(sum, increment, &sum)) return StatusCode::kIncrementOverflow;
  char digits[kInt64CharsMax];
  Replace(Slice(digits, static_cast<size_t>(FormatInt64(digits, sum) - digits)));
  return sum;
}

Result<std::string> String::IncrByFloat(long double increment) {
  long double sum = 0;
  if (found_) {
    const std::optional<long double> old = ParseLongDouble(bytes());
    if (!old) return StatusCode::kNotAFloat;
    sum = *old;
  }
  sum += increment;
  if (!std::isfinite(sum)) return StatusCode::kNanOrInfinity;
  std::string text = FormatLongDouble(sum);
  Replace(text);
  return text;
}

void String::Overlay(size_t size, size_t offset, Slice patch) {
  const auto fill = [&](char* to) {
    if (!bytes().empty()) std::memcpy(to, bytes().data(), bytes().size());
    if (!patch.empty()) std::memcpy(to + offset, patch.data(), patch.size());
  };
  if (size >= kSharedValueBytesMin) {
    SharedBytes shared = SharedBytes::Allocate(size);
    fill(shared.mutable_data());
    view_.Put(key_, ValueType::kString, value_.expire_at_ms, shared);
  } else {
    std::string copy(size, '\0');
    fill(copy.data());
    Replace(copy);
  }
}

Result<size_t> String::Append(Slice tail) {
  const size_t size = bytes().size() + tail.size();
  if (size > kValueBytesMax) return StatusCode::kStringTooLong;
  Overlay(size, bytes().size(), tail);
  return size;
}

Result<size_t> String::SetRange(size_t offset, Slice patch) {
  if (patch.empty()) return bytes().size();
  if (offset > kValueBytesMax || patch.size() > kValueBytesMax - offset) {
    return StatusCode::kStringTooLong;
  }
  const size_t size = std::max(bytes().size(), offset + patch.size());
  Overlay(size, offset, patch);
  return size;
}

Slice StringRange(Slice bytes, int64_t first, int64_t last) {
  const auto size = static_cast<int64_t>(bytes.size());
  // Both before the start and the wrong way round: nothing, even where clamping would meet.
  if (first < 0 && last < 0 && first > last) return {};
  if (first < 0) first = std::max<int64_t>(size + first, 0);
  if (last < 0) last = std::max<int64_t>(size + last, 0);
  last = std::min(last, size - 1);
  if (first > last || size == 0) return {};
  return bytes.substr(static_cast<size_t>(first), static_cast<size_t>(last - first + 1));
}

Slice StringEncoding(Slice bytes) {
  if (bytes.size() <= kInt64CharsMax && ParseInt64(bytes)) return "int";
  return bytes.size() <= kEmbeddedBytesMax ? "embstr" : "raw";
}

// Length of the longest common subsequence of the first i bytes of `a` and j of `b`:
//
//   L(i, j) = L(i-1, j-1) + 1               if a[i-1] == b[j-1]
//           = max(L(i-1, j), L(i, j-1))     otherwise
//
// Only two rows of L are kept, and for each pair one bit: whether L(i-1, j) was the
// larger of the two, which is all that the way back asks for.
CommonSubsequence::CommonSubsequence(Slice a, Slice b) {
  DCHECK(Fits(a, b));
  const size_t rows = a.size() + 1;
  const size_t columns = b.size() + 1;

  std::vector<uint32_t> above(columns), row(columns);
  std::vector<bool> step_in_a(rows * columns);
  for (size_t i = 1; i < rows; ++i) {
    const size_t row_start = i * columns;
    for (size_t j = 1; j < columns; ++j) {
      if (a[i - 1] == b[j - 1]) {
        row[j] = above[j - 1] + 1;
      } else if (above[j] > row[j - 1]) {
        row[j] = above[j];
        step_in_a[row_start + j] = true;
      } else {
        row[j] = row[j - 1];
      }
    }
    std::swap(above, row);
  }

  length_ = above[columns - 1];
  size_t run = 0;  // matches just behind (i, j), without a gap
  size_t i = a.size(), j = b.size();
  const auto end_run = [&] {
    if (run > 0) matches_.push_back({i, j, run});
    run = 0;
  };
  while (i > 0 && j > 0) {
    if (a[i - 1] == b[j - 1]) {
      --i, --j, ++run;
      continue;
    }
    end_run();
    if (step_in_a[i * columns + j]) {
      --i;
    } else {
      --j;
    }
  }
  end_run();
}

std::string CommonSubsequence::Bytes(Slice a) const {
  std::string bytes;
  bytes.reserve(length_);
  for (auto match = matches_.rbegin(); match != matches_.rend(); ++match) {
    bytes.append(a.substr(match->a_first, match->length));
  }
  return bytes;
}

}  // namespace varve
