// data/string.h: strings, and what can be done to their bytes.
//
// A string is one record: the value's bytes are the string's. Numbers are kept as their decimal
// text, as clients see them. A missing key counts as the empty string, or as 0, wherever that makes
// sense.
//
// Threads: loop. Errors: kWrongType, kPending and read errors come from Load; the operations name
// their own. An operation that fails has written nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/view.h"

namespace varve {

class String {
 public:
  String(View& view, Slice key) : view_(view), key_(key) {}

  // Reads the string. To be called before anything else.
  Status Load();

  bool found() const { return found_; }
  Slice bytes() const { return value_.bytes; }
  const KeyValue& value() const { return value_; }

  // --- Each replaces the value and keeps the expiry. ---
  // The sum. kNotAnInteger, kIncrementOverflow.
  Result<int64_t> IncrBy(int64_t increment);
  // The sum as it was written. kNotAFloat, kNanOrInfinity.
  Result<std::string> IncrByFloat(long double increment);
  // The new length. kStringTooLong.
  Result<size_t> Append(Slice tail);
  // Writes `patch` at `offset`, zeros before it where there was nothing; the new length. An empty
  // patch changes nothing. kStringTooLong.
  Result<size_t> SetRange(size_t offset, Slice patch);

 private:
  void Replace(Slice bytes);
  // As long as the larger of the two; `patch` lies over the old bytes at `offset`.
  void Overlay(size_t size, size_t offset, Slice patch);

  View& view_;
  Slice key_;
  bool found_ = false;
  KeyValue value_;
};

// Bytes `first` to `last`, both included; negative ones count from the end. What lies outside is
// left out.
Slice StringRange(Slice bytes, int64_t first, int64_t last);

// How Redis would keep such bytes; shown by OBJECT ENCODING.
Slice StringEncoding(Slice bytes);

// The longest common subsequence of two strings. Of several, the one that a walk from both ends
// finds which steps back in `b` unless stepping back in `a` keeps more.
class CommonSubsequence {
 public:
  // A stretch that both have: a[a_first, a_first + length) and the same from b_first in b.
  struct Match {
    size_t a_first;
    size_t b_first;
    size_t length;
  };

  // Redis keeps four bytes for each pair of positions, and refuses where they would exceed
  // proto-max-bulk-len. We need a bit only, and keep the bound: it is the time that hurts.
  static constexpr size_t kPairsMax = kValueBytesMax / 4;
  static bool Fits(Slice a, Slice b) { return a.size() < kPairsMax / (b.size() + 1); }

  // Time grows with the product of the lengths. REQUIRES: Fits(a, b).
  CommonSubsequence(Slice a, Slice b);

  size_t length() const { return length_; }
  // From the last to the first.
  const std::vector<Match>& matches() const { return matches_; }
  // `a` as given to Of.
  std::string Bytes(Slice a) const;

 private:
  size_t length_ = 0;
  std::vector<Match> matches_;
};

}  // namespace varve
