// base/status.h: how a call says what went wrong.
//
// A Status is a code and, for errors that need one, a message with its context: which
// file, which offset, which argument. Codes fall in three families:
//
//   flow       kOk; kPending (what is needed is not here yet, run me again); kNotFound
//   world      disk, corruption, resources: the message names the file
//   request    what a client asked cannot be done: resp/errors.h turns the code into
//              Redis' own text. kClientError carries its whole text as message.
//
// Threads    any. Cost: an Ok or message-less Status allocates nothing.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/slice.h"

namespace varve {

enum class StatusCode : unsigned char {
  kOk,
  kPending,
  kNotFound,

  kIoError,
  kNoSpace,
  kCorruption,
  kInvalidArgument,  // bad option, config or command line; the message says which
  kLocked,           // another process holds the directory
  kUnavailable,      // writes are refused for now: the log failed or the disk is full
  kAborted,          // shutting down
  kNotSupported,     // the system cannot do it here: another way has to be taken

  kClientError,  // the message is the error reply, whole, without '-'
  kWrongType,
  kSyntaxError,
  kNotAnInteger,
  kNotAFloat,
  kIncrementOverflow,
  kNanOrInfinity,
  kStringTooLong,
  kOffsetOutOfRange,
  kNoSuchKey,
  kDbIndexOutOfRange,
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code) : code_(code) {}  // NOLINT: a code is a Status without words
  Status(StatusCode code, std::string message)
      : code_(code), message_(std::make_unique<std::string>(std::move(message))) {}

  Status(const Status& other) { *this = other; }
  Status& operator=(const Status& other) {
    code_ = other.code_;
    message_ = other.message_ ? std::make_unique<std::string>(*other.message_) : nullptr;
    return *this;
  }
  Status(Status&&) = default;
  Status& operator=(Status&&) = default;

  static Status Ok() { return {}; }
  static Status Pending() { return StatusCode::kPending; }
  static Status NotFound() { return StatusCode::kNotFound; }
  static Status Corruption(std::string m) { return {StatusCode::kCorruption, std::move(m)}; }
  static Status IoError(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
  static Status InvalidArgument(std::string m) {
    return {StatusCode::kInvalidArgument, std::move(m)};
  }
  // `reply` is the whole error line a client gets, such as "ERR no such key".
  static Status ClientError(std::string reply) {
    return {StatusCode::kClientError, std::move(reply)};
  }

  // The error of a failed system call on `path`: kNoSpace for ENOSPC and EDQUOT, else kIoError.
  // The message reads "<path>: <what>: <strerror>".
  static Status FromErrno(int error, Slice path, Slice what);

  bool ok() const { return code_ == StatusCode::kOk; }
  bool is_pending() const { return code_ == StatusCode::kPending; }
  bool is_not_found() const { return code_ == StatusCode::kNotFound; }
  StatusCode code() const { return code_; }
  Slice message() const { return message_ ? Slice(*message_) : Slice(); }

  // For logs and tests: "corruption: 000012.log: bad checksum at 81920".
  std::string ToString() const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::unique_ptr<std::string> message_;
};

}  // namespace varve
