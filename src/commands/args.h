// commands/args.h: a command's arguments, read once from left to right.
//
// The first bad argument is remembered and every later read returns a harmless value, so that a
// command reads all it needs and tests once, with Finish. Option words are matched without regard
// to case.
//
//   const Slice key = args.Next();
//   const int64_t increment = args.NextInt64();
//   if (Status s = args.Finish(); !s.ok()) return s;
#pragma once

#include <cstdint>
#include <span>

#include "base/numbers.h"
#include "base/shared_bytes.h"
#include "base/slice.h"
#include "base/status.h"
#include "resp/request_reader.h"

namespace varve {

bool EqualsIgnoreCase(Slice a, Slice b);

class ArgReader {
 public:
  // Starts behind the command's name (and behind its subcommand's, if `first` is 2).
  explicit ArgReader(const Request& request, size_t first = 1) : request_(request), next_(first) {}

  bool more() const { return next_ < request_.argv.size(); }
  size_t remaining() const { return request_.argv.size() - next_; }
  Slice Peek() const { return more() ? request_.argv[next_] : Slice(); }

  Slice Next();
  // The argument with its shared bytes, if it came as such.
  Slice Next(SharedBytes* shared);
  int64_t NextInt64(StatusCode error = StatusCode::kNotAnInteger);
  long double NextLongDouble();

  // Consumes the next argument if it is `word`.
  bool TakeWord(Slice word);

  // Remembers `status` as the error unless there is one already.
  void Fail(Status status);
  bool failed() const { return !status_.ok(); }
  // Ok if nothing was bad; arguments left over are a syntax error.
  Status Finish();

 private:
  const Request& request_;
  size_t next_;
  Status status_;
};

}  // namespace varve
