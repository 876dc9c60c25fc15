// resp/errors.h: every error text a client can get, as Redis 7 words it.
//
// Clients parse these, so they are exact; texts that Redis has no counterpart for say so.
// Commands return a Status; ErrorText turns it into the reply. A fixed text is a constant, a text
// with arguments a function; both are whole lines, the code first, without '-' and line end:
//
//   return errors::Refuse(errors::kNestedMulti);
//   return errors::Refuse(errors::InvalidExpireTime("setex"));
//
// Texts may carry bytes of the client's; ReplyWriter::Error turns CR and LF into spaces.
// Threads: any.
#pragma once

#include <span>
#include <string>

#include "base/slice.h"
#include "base/status.h"

namespace varve {

// The whole error line for `status`, without '-' and line end. REQUIRES: not ok and not pending.
std::string ErrorText(const Status& status);

namespace errors {

// The Status that answers with `text`.
inline Status Refuse(Slice text) { return Status::ClientError(std::string(text)); }

// --- Values and keys. The first ones have a StatusCode of their own ---
inline constexpr Slice kWrongType =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr Slice kSyntax = "ERR syntax error";
inline constexpr Slice kNotAnInteger = "ERR value is not an integer or out of range";
inline constexpr Slice kNotAFloat = "ERR value is not a valid float";
inline constexpr Slice kIncrementOverflow = "ERR increment or decrement would overflow";
inline constexpr Slice kNanOrInfinity = "ERR increment would produce NaN or Infinity";
inline constexpr Slice kStringTooLong =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
inline constexpr Slice kOffsetOutOfRange = "ERR offset is out of range";
inline constexpr Slice kNoSuchKey = "ERR no such key";
inline constexpr Slice kDbIndexOutOfRange = "ERR DB index is out of range";
inline constexpr Slice kDecrementOverflow = "ERR decrement would overflow";  // DECRBY of INT64_MIN
inline constexpr Slice kValueOutOfRange = "ERR value is out of range";
inline constexpr Slice kMustBePositive = "ERR value is out of range, must be positive";
inline constexpr Slice kSameObject = "ERR source and destination objects are the same";
inline constexpr Slice kInvalidFirstDbIndex = "ERR invalid first DB index";    // SWAPDB
inline constexpr Slice kInvalidSecondDbIndex = "ERR invalid second DB index";  // SWAPDB
inline constexpr Slice kInvalidCursor = "ERR invalid cursor";
inline constexpr Slice kExpireNxWithOthers =
    "ERR NX and XX, GT or LT options at the same time are not compatible";
inline constexpr Slice kExpireGtWithLt =
    "ERR GT and LT options at the same time are not compatible";
inline constexpr Slice kLcsLenAndIdx =
    "ERR If you want both the length and indexes, please just use IDX.";
inline constexpr Slice kLcsNotStrings = "ERR The specified keys must contain string values";
inline constexpr Slice kObjectFreqNoLfu =
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
    "when switching between policies at runtime LRU and LFU data will take some time to adjust.";
inline constexpr Slice kObjectIdleTimeWithLfu =
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
    "switching between policies at runtime LRU and LFU data will take some time to adjust.";

// --- Connection ---
inline constexpr Slice kNoAuth = "NOAUTH Authentication required.";
inline constexpr Slice kHelloNoAuth =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH "
    "<user> <pass> option can be used to authenticate the client and select the RESP protocol "
    "version at the same time";
inline constexpr Slice kWrongPass = "WRONGPASS invalid username-password pair or user is disabled.";
inline constexpr Slice kAuthWithoutPassword =
    "ERR AUTH <password> called without any password configured for the default user. Are you sure "
    "your configuration is correct?";
inline constexpr Slice kNoProto = "NOPROTO unsupported protocol version";
inline constexpr Slice kHelloVersionNotAnInteger =
    "ERR Protocol version is not an integer or out of range";
inline constexpr Slice kClientNameCharacters =
    "ERR Client names cannot contain spaces, newlines or special characters.";
inline constexpr Slice kNoSuchClient = "ERR No such client";
inline constexpr Slice kClientIdNotPositive = "ERR client-id should be greater than 0";
inline constexpr Slice kInvalidClientId = "ERR Invalid client ID";  // CLIENT LIST ID
inline constexpr Slice kMaxClients = "ERR max number of clients reached";
// Redis' reasons and remedies, shortened to those that Varve has. Clients look at the code.
inline constexpr Slice kProtectedMode =
    "DENIED Varve is running in protected mode because protected mode is enabled and no password "
    "is set. In this mode connections are only accepted from the loopback interface. To connect "
    "from elsewhere, set a password with requirepass, or bind to trusted interfaces and set "
    "protected-mode to no.";

// --- Transactions ---
inline constexpr Slice kNestedMulti = "ERR MULTI calls can not be nested";
inline constexpr Slice kWatchInsideMulti = "ERR WATCH inside MULTI is not allowed";
inline constexpr Slice kExecWithoutMulti = "ERR EXEC without MULTI";
inline constexpr Slice kDiscardWithoutMulti = "ERR DISCARD without MULTI";
inline constexpr Slice kExecAbort = "EXECABORT Transaction discarded because of previous errors.";
inline constexpr Slice kNotInMulti = "ERR Command not allowed inside a transaction";

// --- COMMAND, CONFIG, server ---
inline constexpr Slice kInvalidCommandSpecified = "ERR Invalid command specified";
inline constexpr Slice kInvalidCommandArguments =
    "ERR Invalid number of arguments specified for command";
inline constexpr Slice kCommandHasNoKeys = "ERR The command has no key arguments";
inline constexpr Slice kNoConfigFile = "ERR The server is running without a config file";
inline constexpr Slice kSaveInProgress = "ERR Background save already in progress";
inline constexpr Slice kShutdownFailed = "ERR Errors trying to SHUTDOWN. Check logs.";

// --- Protocol. The connection is closed behind these ---
inline constexpr Slice kInvalidMultibulkLength = "ERR Protocol error: invalid multibulk length";
inline constexpr Slice kUnauthenticatedMultibulkLength =
    "ERR Protocol error: unauthenticated multibulk length";
inline constexpr Slice kInvalidBulkLength = "ERR Protocol error: invalid bulk length";
inline constexpr Slice kUnauthenticatedBulkLength =
    "ERR Protocol error: unauthenticated bulk length";
inline constexpr Slice kTooBigMultibulkCount = "ERR Protocol error: too big mbulk count string";
inline constexpr Slice kTooBigBulkCount = "ERR Protocol error: too big bulk count string";
inline constexpr Slice kTooBigInline = "ERR Protocol error: too big inline request";
inline constexpr Slice kUnbalancedQuotes = "ERR Protocol error: unbalanced quotes in request";
// Redis closes without a word here.
inline constexpr Slice kQueryBufferLimit =
    "ERR Protocol error: request exceeds client-query-buffer-limit";
// Redis aborts here.
inline constexpr Slice kNoMemoryForBulk = "ERR Protocol error: not enough memory for this bulk";
std::string ExpectedBulk(char got);  // "ERR Protocol error: expected '$', got 'x'"

// --- Texts with arguments ---

// `command` as its row has it, a subcommand with its container: "get", "client|kill".
std::string WrongArity(Slice command);
// The same within MULTI, for EXEC itself: "EXECABORT Transaction discarded because of: wrong ...".
std::string ExecAbortWrongArity(Slice command);
// `argv` is the whole request. Quotes its first 128 bytes or so.
std::string UnknownCommand(std::span<const Slice> argv);
// `subcommand` as the client spelled it; `container` in any case: "Try CLIENT HELP.".
std::string UnknownSubcommand(Slice container, Slice subcommand);
// DEBUG and others that look at their arguments themselves.
std::string UnknownSubcommandOrArity(Slice container, Slice subcommand);
std::string InvalidExpireTime(Slice command);
std::string UnsupportedOption(Slice option);   // EXPIRE key 1 option
std::string HelloSyntax(Slice option);         // HELLO 3 option
std::string UnknownClientType(Slice type);     // CLIENT LIST TYPE type
std::string NoSuchUser(Slice user);            // CLIENT KILL USER user
std::string UnrecognizedOption(Slice option);  // CLIENT SETINFO option
// CLIENT SETINFO: `attribute` is "lib-name" or "lib-ver".
std::string ClientInfoCharacters(Slice attribute);
std::string UnknownConfig(Slice name);  // CONFIG SET name
// CONFIG SET: `reason` such as "argument must be a memory value".
std::string ConfigSetFailed(Slice name, Slice reason);
std::string ConfigRewriteFailed(Slice reason);
std::string SaveFailed(Slice reason);  // SAVE

}  // namespace errors

}  // namespace varve
