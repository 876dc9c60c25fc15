// tests/unit/resp/errors_test.cc: texts that clients parse, as redis-server 7.0 sends them.
#include "resp/errors.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace varve {
namespace {

TEST_CASE("errors: each status that a command may return has its text") {
  struct Case {
    Status status;
    Slice want;
  };
  const Case kCases[] = {
      {StatusCode::kWrongType, "WRONGTYPE Operation against a key holding the wrong kind of value"},
      {StatusCode::kSyntaxError, "ERR syntax error"},
      {StatusCode::kNotAnInteger, "ERR value is not an integer or out of range"},
      {StatusCode::kNotAFloat, "ERR value is not a valid float"},
      {StatusCode::kIncrementOverflow, "ERR increment or decrement would overflow"},
      {StatusCode::kNanOrInfinity, "ERR increment would produce NaN or Infinity"},
      {StatusCode::kStringTooLong, "ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
      {StatusCode::kOffsetOutOfRange, "ERR offset is out of range"},
      {StatusCode::kNoSuchKey, "ERR no such key"},
      {StatusCode::kDbIndexOutOfRange, "ERR DB index is out of range"},
      {Status::ClientError("ERR whatever"), "ERR whatever"},
      {errors::Refuse(errors::kNestedMulti), "ERR MULTI calls can not be nested"},
      {Status::Corruption("000012.log: bad checksum at 81920"),
       "CORRUPTION Stored data failed its check: 000012.log: bad checksum at 81920"},
      {Status::IoError("000012.log: read: Input/output error"),
       "IOERR A read or write of the disk failed: 000012.log: read: Input/output error"},
  };
  for (const Case& c : kCases) CHECK(ErrorText(c.status) == c.want);
  CHECK(ErrorText(StatusCode::kNoSpace).starts_with("MISCONF The disk is full"));
  CHECK(ErrorText(StatusCode::kUnavailable).starts_with("MISCONF Errors writing to the log"));
  for (int code = static_cast<int>(StatusCode::kNotFound);
       code <= static_cast<int>(StatusCode::kDbIndexOutOfRange); ++code) {
    const StatusCode status_code = static_cast<StatusCode>(code);
    const std::string text = ErrorText(Status(status_code, "ERR message"));
    CAPTURE(text);
    const size_t blank = text.find(' ');
    REQUIRE(blank != std::string::npos);
    for (const char c : text.substr(0, blank)) CHECK((c >= 'A' && c <= 'Z'));
  }
}

TEST_CASE("errors: texts with arguments") {
  CHECK(errors::WrongArity("client|kill") ==
        "ERR wrong number of arguments for 'client|kill' command");
  CHECK(errors::ExecAbortWrongArity("exec") ==
        "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command");
  CHECK(errors::UnknownSubcommand("client", "Foo") ==
        "ERR unknown subcommand 'Foo'. Try CLIENT HELP.");
  CHECK(errors::UnknownSubcommandOrArity("debug", "foo") ==
        "ERR unknown subcommand or wrong number of arguments for 'foo'. Try DEBUG HELP.");
  CHECK(errors::InvalidExpireTime("setex") == "ERR invalid expire time in 'setex' command");
  CHECK(errors::UnsupportedOption("foo") == "ERR Unsupported option foo");
  CHECK(errors::HelloSyntax("foo") == "ERR Syntax error in HELLO option 'foo'");
  CHECK(errors::UnknownClientType("foo") == "ERR Unknown client type 'foo'");
  CHECK(errors::NoSuchUser("foo") == "ERR No such user 'foo'");
  CHECK(errors::UnknownConfig("foo") ==
        "ERR Unknown option or number of arguments for CONFIG SET - 'foo'");
  CHECK(errors::ConfigSetFailed("port", "duplicate parameter") ==
        "ERR CONFIG SET failed (possibly related to argument 'port') - duplicate parameter");
  CHECK(errors::ExpectedBulk('x') == "ERR Protocol error: expected '$', got 'x'");
}

TEST_CASE("errors: an unknown command is quoted with its first arguments, and no more of them") {
  const std::string x(300, 'x');
  const std::string y(300, 'y');
  struct Case {
    std::vector<Slice> argv;
    std::string want;
  };
  std::string twelve;
  for (int i = 0; i < 10; ++i) twelve += "'abcdefghij' ";
  const Case kCases[] = {
      {{"foo"}, "ERR unknown command 'foo', with args beginning with: "},
      {{""}, "ERR unknown command '', with args beginning with: "},
      {{"foo", "a", "b"}, "ERR unknown command 'foo', with args beginning with: 'a' 'b' "},
      {{x, y, "b"},
       "ERR unknown command '" + std::string(128, 'x') + "', with args beginning with: '" +
           std::string(128, 'y') + "' "},
      {std::vector<Slice>(41, "abcdefghij"),
       "ERR unknown command 'abcdefghij', with args beginning with: " + twelve},
  };
  for (const Case& c : kCases) CHECK(errors::UnknownCommand(c.argv) == c.want);
  const Slice with_nul("a\0b", 3);
  CHECK(errors::UnsupportedOption(with_nul) == "ERR Unsupported option a");
  CHECK(errors::UnknownSubcommand("CLIENT", std::string(300, 'z')) ==
        "ERR unknown subcommand '" + std::string(128, 'z') + "'. Try CLIENT HELP.");
}

}  // namespace
}  // namespace varve
