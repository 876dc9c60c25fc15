// base/status.cc: the words behind the codes.
#include "base/status.h"

#include <cerrno>
#include <system_error>

namespace varve {

namespace {

Slice CodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "ok";
    case StatusCode::kPending: return "pending";
    case StatusCode::kNotFound: return "not found";
    case StatusCode::kIoError: return "I/O error";
    case StatusCode::kNoSpace: return "no space";
    case StatusCode::kCorruption: return "corruption";
    case StatusCode::kInvalidArgument: return "invalid argument";
    case StatusCode::kLocked: return "locked";
    case StatusCode::kUnavailable: return "unavailable";
    case StatusCode::kAborted: return "aborted";
    case StatusCode::kNotSupported: return "not supported";
    case StatusCode::kClientError: return "client error";
    case StatusCode::kWrongType: return "wrong type";
    case StatusCode::kSyntaxError: return "syntax error";
    case StatusCode::kNotAnInteger: return "not an integer";
    case StatusCode::kNotAFloat: return "not a float";
    case StatusCode::kIncrementOverflow: return "increment overflow";
    case StatusCode::kNanOrInfinity: return "NaN or infinity";
    case StatusCode::kStringTooLong: return "string too long";
    case StatusCode::kOffsetOutOfRange: return "offset out of range";
    case StatusCode::kNoSuchKey: return "no such key";
    case StatusCode::kDbIndexOutOfRange: return "database index out of range";
  }
  return "unknown";
}

}  // namespace

Status Status::FromErrno(int error, Slice path, Slice what) {
  const StatusCode code =
      error == ENOSPC || error == EDQUOT ? StatusCode::kNoSpace : StatusCode::kIoError;
  std::string message(path);
  message.append(": ").append(what).append(": ");
  message.append(std::generic_category().message(error));
  return {code, std::move(message)};
}

std::string Status::ToString() const {
  std::string text(CodeName(code_));
  if (message_) text.append(": ").append(*message_);
  return text;
}

}  // namespace varve
