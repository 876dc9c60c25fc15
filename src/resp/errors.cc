// resp/errors.cc: the texts with arguments, and what each StatusCode says to a client.
#include "resp/errors.h"

#include <algorithm>
#include <initializer_list>

#include "base/check.h"

namespace varve {

namespace {

std::string Concat(std::initializer_list<Slice> parts) {
  size_t size = 0;
  for (Slice part : parts) size += part.size();
  std::string text;
  text.reserve(size);
  for (Slice part : parts) text.append(part);
  return text;
}

// How much of a name or an argument an error repeats.
constexpr size_t kQuotedBytesMax = 128;

// What an error repeats of what a client sent: as Redis, up to the first NUL.
Slice Quoted(Slice text, size_t bytes_max = Slice::npos) {
  return text.substr(0, std::min(text.find('\0'), bytes_max));
}

// Redis' codes for what it has no counterpart of were chosen by what clients do with them: every
// client shows "MISCONF" as "the server cannot write just now", and retries or reports.
constexpr Slice kNoSpace =
    "MISCONF The disk is full: writes are refused until there is room. Reads, DEL and FLUSHDB "
    "are served.";
constexpr Slice kUnavailable =
    "MISCONF Errors writing to the log: writes are refused until it can be written again. Reads "
    "are served.";
constexpr Slice kIoError = "IOERR A read or write of the disk failed";
constexpr Slice kCorruption = "CORRUPTION Stored data failed its check";
constexpr Slice kAborted = "ERR The server is shutting down";

}  // namespace

std::string ErrorText(const Status& status) {
  const auto with_message = [&](Slice text) {
    if (status.message().empty()) return std::string(text);
    return Concat({text, ": ", status.message()});
  };
  switch (status.code()) {
    case StatusCode::kOk:
    case StatusCode::kPending: break;
    case StatusCode::kNotFound: return std::string(errors::kNoSuchKey);
    case StatusCode::kIoError: return with_message(kIoError);
    case StatusCode::kNoSpace: return std::string(kNoSpace);
    case StatusCode::kCorruption: return with_message(kCorruption);
    case StatusCode::kInvalidArgument: return with_message("ERR Invalid argument");
    case StatusCode::kLocked: return with_message("ERR The data directory is locked");
    case StatusCode::kUnavailable: return std::string(kUnavailable);
    case StatusCode::kAborted: return std::string(kAborted);
    case StatusCode::kNotSupported: return with_message("ERR Not supported here");
    case StatusCode::kClientError: return std::string(status.message());
    case StatusCode::kWrongType: return std::string(errors::kWrongType);
    case StatusCode::kSyntaxError: return std::string(errors::kSyntax);
    case StatusCode::kNotAnInteger: return std::string(errors::kNotAnInteger);
    case StatusCode::kNotAFloat: return std::string(errors::kNotAFloat);
    case StatusCode::kIncrementOverflow: return std::string(errors::kIncrementOverflow);
    case StatusCode::kNanOrInfinity: return std::string(errors::kNanOrInfinity);
    case StatusCode::kStringTooLong: return std::string(errors::kStringTooLong);
    case StatusCode::kOffsetOutOfRange: return std::string(errors::kOffsetOutOfRange);
    case StatusCode::kNoSuchKey: return std::string(errors::kNoSuchKey);
    case StatusCode::kDbIndexOutOfRange: return std::string(errors::kDbIndexOutOfRange);
  }
  DCHECK(false);
  return "ERR internal error";
}

namespace errors {

std::string ExpectedBulk(char got) {
  return Concat({"ERR Protocol error: expected '$', got '", Slice(&got, 1), "'"});
}

std::string WrongArity(Slice command) {
  return Concat({"ERR wrong number of arguments for '", command, "' command"});
}

std::string ExecAbortWrongArity(Slice command) {
  return Concat({"EXECABORT Transaction discarded because of: wrong number of arguments for '",
                 command, "' command"});
}

std::string UnknownCommand(std::span<const Slice> argv) {
  std::string arguments;
  for (size_t i = 1; i < argv.size() && arguments.size() < kQuotedBytesMax; ++i) {
    const size_t room = kQuotedBytesMax - arguments.size();
    arguments.append("'").append(Quoted(argv[i], room)).append("' ");
  }
  const Slice name = argv.empty() ? Slice() : Quoted(argv[0], kQuotedBytesMax);
  return Concat({"ERR unknown command '", name, "', with args beginning with: ", arguments});
}

namespace {

std::string TryHelp(Slice what, Slice container, Slice subcommand) {
  std::string upper(container);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return Concat({what, " '", Quoted(subcommand, kQuotedBytesMax), "'. Try ", upper, " HELP."});
}

}  // namespace

std::string UnknownSubcommand(Slice container, Slice subcommand) {
  return TryHelp("ERR unknown subcommand", container, subcommand);
}

std::string UnknownSubcommandOrArity(Slice container, Slice subcommand) {
  return TryHelp("ERR unknown subcommand or wrong number of arguments for", container, subcommand);
}

std::string InvalidExpireTime(Slice command) {
  return Concat({"ERR invalid expire time in '", command, "' command"});
}

std::string UnsupportedOption(Slice option) {
  return Concat({"ERR Unsupported option ", Quoted(option)});
}

std::string HelloSyntax(Slice option) {
  return Concat({"ERR Syntax error in HELLO option '", Quoted(option), "'"});
}

std::string UnknownClientType(Slice type) {
  return Concat({"ERR Unknown client type '", Quoted(type), "'"});
}

std::string NoSuchUser(Slice user) { return Concat({"ERR No such user '", Quoted(user), "'"}); }

std::string UnrecognizedOption(Slice option) {
  return Concat({"ERR Unrecognized option '", Quoted(option), "'"});
}

std::string ClientInfoCharacters(Slice attribute) {
  return Concat({"ERR ", attribute, " cannot contain spaces, newlines or special characters."});
}

std::string UnknownConfig(Slice name) {
  return Concat(
      {"ERR Unknown option or number of arguments for CONFIG SET - '", Quoted(name), "'"});
}

std::string ConfigSetFailed(Slice name, Slice reason) {
  return Concat({"ERR CONFIG SET failed (possibly related to argument '", name, "') - ", reason});
}

std::string SaveFailed(Slice reason) { return Concat({"ERR Saving failed: ", reason}); }

std::string ConfigRewriteFailed(Slice reason) {
  return Concat({"ERR Rewriting config file: ", reason});
}

}  // namespace errors

}  // namespace varve
