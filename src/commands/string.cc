// commands/string.cc: GET, SET and their relatives.
//
// A plain SET, SETEX, PSETEX or MSET reads nothing: it overwrites whatever there is, of whatever
// type. Commands of several keys ask for all of them before they wait for any.
#include "data/string.h"

#include "commands/command.h"
#include "commands/replies.h"
#include "commands/table.h"
#include "data/expiry.h"
#include "resp/errors.h"

namespace varve {

namespace {

// --- Expiry options ----------------------------------------------------------------------------

// A time as it stands in SET and GETEX: absolute, in ms. It must be positive as written and must
// not overflow.
Result<int64_t> ExpiryOf(const CommandContext& ctx, Slice text, TimeFormat format) {
  const std::optional<int64_t> amount = ParseInt64(text);
  if (!amount) return StatusCode::kNotAnInteger;
  const std::optional<int64_t> at_ms = ToExpireAtMs(*amount, format, ctx.view.now_ms());
  if (*amount <= 0 || !at_ms) {
    return errors::Refuse(errors::InvalidExpireTime(ctx.command.short_name()));
  }
  return *at_ms;
}

// The options of SET and GETEX. One word about expiry excludes the others; again, the last one
// counts.
struct Options {
  bool nx = false, xx = false, get = false;
  Slice expiry_word;      // "ex", "keepttl", ...; empty: none
  bool has_time = false;  // not with "keepttl" and "persist"
  TimeFormat format;
  Slice time;

  bool TakeExpiryWord(ArgReader& args, Slice word) {
    if (!args.TakeWord(word)) return false;
    if (!expiry_word.empty() && expiry_word != word) args.Fail(StatusCode::kSyntaxError);
    expiry_word = word;
    return true;
  }
  bool TakeTime(ArgReader& args, Slice word, TimeFormat word_format) {
    if (args.remaining() < 2 || !TakeExpiryWord(args, word)) return false;
    has_time = true;
    format = word_format;
    time = args.Next();
    return true;
  }
  bool TakeAnyTime(ArgReader& args) {
    return TakeTime(args, "ex", {TimeUnit::kSeconds, true}) ||
           TakeTime(args, "px", {TimeUnit::kMilliseconds, true}) ||
           TakeTime(args, "exat", {TimeUnit::kSeconds, false}) ||
           TakeTime(args, "pxat", {TimeUnit::kMilliseconds, false});
  }
};

void PutValue(View& view, Slice key, int64_t expire_at_ms, Slice bytes, const SharedBytes& shared) {
  if (shared) {
    view.Put(key, ValueType::kString, expire_at_ms, shared);
  } else {
    view.Put(key, ValueType::kString, expire_at_ms, bytes);
  }
}

// --- SET and what it replaced ------------------------------------------------------------------

// SET key value [NX | XX] [GET] [EX | PX | EXAT | PXAT time | KEEPTTL] -> OK, or nil if NX or XX
// forbade it; with GET the old value or nil.
Status Set(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  SharedBytes shared;
  const Slice value = args.Next(&shared);
  if (!args.more()) {
    PutValue(ctx.view, key, 0, value, shared);
    ctx.reply.Ok();
    return Status::Ok();
  }

  Options options;
  while (args.more() && !args.failed()) {
    if (!options.xx && args.TakeWord("nx")) {
      options.nx = true;
    } else if (!options.nx && args.TakeWord("xx")) {
      options.xx = true;
    } else if (args.TakeWord("get")) {
      options.get = true;
    } else if (!options.TakeExpiryWord(args, "keepttl") && !options.TakeAnyTime(args)) {
      args.Fail(StatusCode::kSyntaxError);
    }
  }
  if (Status s = args.Finish(); !s.ok()) return s;
  int64_t expire_at_ms = 0;
  if (options.has_time) {
    const Result<int64_t> at_ms = ExpiryOf(ctx, options.time, options.format);
    if (!at_ms.ok()) return at_ms.status();
    expire_at_ms = *at_ms;
  }

  const bool keep_ttl = options.expiry_word == "keepttl";
  bool found = false;
  KeyValue old;
  if (options.get) {
    if (Status s = ctx.view.GetString(key, &found, &old); !s.ok()) return s;
  } else if (options.nx || options.xx || keep_ttl) {
    Status s = ctx.view.Peek(key, &old);
    if (!s.ok() && !s.is_not_found()) return s;
    found = s.ok();
  }
  const bool allowed = !(options.nx && found) && !(options.xx && !found);
  if (options.get && found) {
    ReplyValue(ctx.reply, old);
  } else if (options.get || !allowed) {
    ctx.reply.Null();
  } else {
    ctx.reply.Ok();
  }
  if (!allowed) return Status::Ok();
  if (keep_ttl && found) expire_at_ms = old.expire_at_ms;
  PutValue(ctx.view, key, expire_at_ms, value, shared);
  return Status::Ok();
}

// SETNX key value -> 1, or 0 if the key is there already.
Status SetNx(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  SharedBytes shared;
  const Slice value = args.Next(&shared);
  if (Status s = args.Finish(); !s.ok()) return s;

  KeyValue old;
  Status s = ctx.view.Peek(key, &old);
  if (!s.ok() && !s.is_not_found()) return s;
  if (s.is_not_found()) PutValue(ctx.view, key, 0, value, shared);
  ctx.reply.Integer(s.is_not_found() ? 1 : 0);
  return Status::Ok();
}

Status SetExpiring(CommandContext& ctx, ArgReader args, TimeUnit unit) {
  const Slice key = args.Next();
  const Slice time = args.Next();
  SharedBytes shared;
  const Slice value = args.Next(&shared);
  if (Status s = args.Finish(); !s.ok()) return s;

  const Result<int64_t> at_ms = ExpiryOf(ctx, time, {unit, true});
  if (!at_ms.ok()) return at_ms.status();
  PutValue(ctx.view, key, *at_ms, value, shared);
  ctx.reply.Ok();
  return Status::Ok();
}

// SETEX key seconds value -> OK.
Status SetEx(CommandContext& ctx, ArgReader args) {
  return SetExpiring(ctx, args, TimeUnit::kSeconds);
}

// PSETEX key milliseconds value -> OK.
Status PSetEx(CommandContext& ctx, ArgReader args) {
  return SetExpiring(ctx, args, TimeUnit::kMilliseconds);
}

// GETSET key value -> the old value or nil. The expiry goes.
Status GetSet(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  SharedBytes shared;
  const Slice value = args.Next(&shared);
  if (Status s = args.Finish(); !s.ok()) return s;

  bool found = false;
  KeyValue old;
  if (Status s = ctx.view.GetString(key, &found, &old); !s.ok()) return s;
  if (found) {
    ReplyValue(ctx.reply, old);
  } else {
    ctx.reply.Null();
  }
  PutValue(ctx.view, key, 0, value, shared);
  return Status::Ok();
}

void PutPairs(View& view, ArgReader args) {
  while (args.more()) {
    const Slice key = args.Next();
    SharedBytes shared;
    const Slice value = args.Next(&shared);
    PutValue(view, key, 0, value, shared);
  }
}

// MSET key value [key value ...] -> OK.
Status MSet(CommandContext& ctx, ArgReader args) {
  if (args.remaining() % 2 != 0) return errors::Refuse(errors::WrongArity(ctx.command.name));
  PutPairs(ctx.view, args);
  ctx.reply.Ok();
  return Status::Ok();
}

// MSETNX key value [key value ...] -> 1, or 0 and nothing is set if any of the keys is there.
Status MSetNx(CommandContext& ctx, ArgReader args) {
  if (args.remaining() % 2 != 0) return errors::Refuse(errors::WrongArity(ctx.command.name));
  bool pending = false;
  bool found = false;
  for (ArgReader keys = args; keys.more();) {
    KeyValue old;
    Status s = ctx.view.Peek(keys.Next(), &old);
    if (!s.ok() && !s.is_not_found() && !s.is_pending()) return s;
    pending |= s.is_pending();
    found |= s.ok();
    (void)keys.Next();
  }
  if (found) {  // Whatever the others turn out to be.
    ctx.reply.Integer(0);
    return Status::Ok();
  }
  if (pending) return Status::Pending();
  PutPairs(ctx.view, args);
  ctx.reply.Integer(1);
  return Status::Ok();
}

// --- GET and its relatives ---------------------------------------------------------------------

// GET key -> the value or nil.
Status Get(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  bool found = false;
  KeyValue value;
  if (Status s = ctx.view.GetString(key, &found, &value); !s.ok()) return s;
  if (found) {
    ReplyValue(ctx.reply, value);
  } else {
    ctx.reply.Null();
  }
  return Status::Ok();
}

// MGET key [key ...] -> a value or nil for each key; nil also for what is no string.
Status MGet(CommandContext& ctx, ArgReader args) {
  ctx.reply.Array(args.remaining());
  bool pending = false;
  while (args.more()) {
    bool found = false;
    KeyValue value;
    Status s = ctx.view.GetString(args.Next(), &found, &value);
    if (s.is_pending()) {
      pending = true;
      continue;
    }
    if (!s.ok() && s.code() != StatusCode::kWrongType) return s;
    if (found) {
      ReplyValue(ctx.reply, value);
    } else {
      ctx.reply.Null();
    }
  }
  return pending ? Status::Pending() : Status::Ok();
}

// GETDEL key -> the value or nil; the key goes.
Status GetDel(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  if (Status s = args.Finish(); !s.ok()) return s;
  bool found = false;
  KeyValue value;
  if (Status s = ctx.view.GetString(key, &found, &value); !s.ok()) return s;
  if (!found) {
    ctx.reply.Null();
    return Status::Ok();
  }
  ReplyValue(ctx.reply, value);
  ctx.view.Delete(key);
  return Status::Ok();
}

// GETEX key [EX | PX | EXAT | PXAT time | PERSIST] -> the value or nil. A time in the past deletes.
// A bad time is an error only if the key is there.
Status GetEx(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  Options options;
  while (args.more() && !args.failed()) {
    if (!options.TakeExpiryWord(args, "persist") && !options.TakeAnyTime(args)) {
      args.Fail(StatusCode::kSyntaxError);
    }
  }
  if (Status s = args.Finish(); !s.ok()) return s;

  bool found = false;
  KeyValue value;
  if (Status s = ctx.view.GetString(key, &found, &value); !s.ok()) return s;
  if (!found) {
    ctx.reply.Null();
    return Status::Ok();
  }
  int64_t expire_at_ms = value.expire_at_ms;
  if (options.expiry_word == "persist") expire_at_ms = 0;
  if (options.has_time) {
    const Result<int64_t> at_ms = ExpiryOf(ctx, options.time, options.format);
    if (!at_ms.ok()) return at_ms.status();
    expire_at_ms = *at_ms;
  }
  ReplyValue(ctx.reply, value);
  if (expire_at_ms == value.expire_at_ms) return Status::Ok();
  if (expire_at_ms != 0 && HasPassed(expire_at_ms, ctx.view.now_ms())) {
    ctx.view.Delete(key);
  } else {
    PutValue(ctx.view, key, expire_at_ms, value.bytes, value.shared);
  }
  return Status::Ok();
}

// STRLEN key -> the length; 0 if there is no such key.
Status StrLen(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  bool found = false;
  KeyValue value;
  if (Status s = ctx.view.GetString(key, &found, &value); !s.ok()) return s;
  ctx.reply.Integer(static_cast<int64_t>(value.bytes.size()));
  return Status::Ok();
}

// GETRANGE key start end -> the bytes from start to end, both included; negative ones count from
// the end.
Status GetRange(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  const int64_t first = args.NextInt64();
  const int64_t last = args.NextInt64();
  if (Status s = args.Finish(); !s.ok()) return s;

  bool found = false;
  KeyValue value;
  if (Status s = ctx.view.GetString(key, &found, &value); !s.ok()) return s;
  const Slice range = StringRange(value.bytes, first, last);
  if (value.shared && range.size() >= kSharedValueBytesMin) {
    ctx.reply.Bulk(SharedBytes::Alias(range, std::make_shared<SharedBytes>(value.shared)));
  } else {
    ctx.reply.Bulk(range);
  }
  return Status::Ok();
}

// --- Changes in place --------------------------------------------------------------------------

// APPEND key value -> the new length. A missing key counts as empty.
Status Append(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  const Slice tail = args.Next();
  if (Status s = args.Finish(); !s.ok()) return s;

  String string(ctx.view, key);
  if (Status s = string.Load(); !s.ok()) return s;
  const Result<size_t> size = string.Append(tail);
  if (!size.ok()) return size.status();
  ctx.reply.Integer(static_cast<int64_t>(*size));
  return Status::Ok();
}

// SETRANGE key offset value -> the new length. An empty value changes nothing.
Status SetRange(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  const int64_t offset = args.NextInt64();
  const Slice patch = args.Next();
  if (!args.failed() && offset < 0) args.Fail(StatusCode::kOffsetOutOfRange);
  if (Status s = args.Finish(); !s.ok()) return s;

  String string(ctx.view, key);
  if (Status s = string.Load(); !s.ok()) return s;
  const Result<size_t> size = string.SetRange(static_cast<size_t>(offset), patch);
  if (!size.ok()) return size.status();
  ctx.reply.Integer(static_cast<int64_t>(*size));
  return Status::Ok();
}

Status IncrementBy(CommandContext& ctx, Slice key, int64_t increment) {
  String string(ctx.view, key);
  if (Status s = string.Load(); !s.ok()) return s;
  const Result<int64_t> sum = string.IncrBy(increment);
  if (!sum.ok()) return sum.status();
  ctx.reply.Integer(*sum);
  return Status::Ok();
}

// INCR key -> the sum. Refuses what is no integer, and a sum that would not fit an int64.
Status Incr(CommandContext& ctx, ArgReader args) { return IncrementBy(ctx, args.Next(), 1); }

// DECR key -> the difference.
Status Decr(CommandContext& ctx, ArgReader args) { return IncrementBy(ctx, args.Next(), -1); }

// INCRBY key increment -> the sum.
Status IncrBy(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  const int64_t increment = args.NextInt64();
  if (Status s = args.Finish(); !s.ok()) return s;
  return IncrementBy(ctx, key, increment);
}

// DECRBY key decrement -> the difference.
Status DecrBy(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  const int64_t decrement = args.NextInt64();
  if (Status s = args.Finish(); !s.ok()) return s;
  // It has no positive counterpart.
  if (decrement == INT64_MIN) return errors::Refuse(errors::kDecrementOverflow);
  return IncrementBy(ctx, key, -decrement);
}

// INCRBYFLOAT key increment -> the sum, as text.
//
// The sum is what is logged, not the increment: adding again on another machine could give another
// text.
Status IncrByFloat(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  const long double increment = args.NextLongDouble();
  // The type of what is stored counts before a bad increment.
  String string(ctx.view, key);
  if (Status s = string.Load(); !s.ok()) return s;
  if (Status s = args.Finish(); !s.ok()) return s;
  const Result<std::string> sum = string.IncrByFloat(increment);
  if (!sum.ok()) return sum.status();
  ctx.reply.Bulk(*sum);
  return Status::Ok();
}

// --- LCS ---------------------------------------------------------------------------------------

void ReplyMatches(ReplyWriter& reply, const CommonSubsequence& common, int64_t length_min,
                  bool with_length) {
  size_t wanted = 0;
  for (const CommonSubsequence::Match& match : common.matches()) {
    if (static_cast<int64_t>(match.length) >= length_min) ++wanted;
  }
  reply.Map(2);
  reply.Bulk("matches");
  reply.Array(wanted);
  for (const CommonSubsequence::Match& match : common.matches()) {
    if (static_cast<int64_t>(match.length) < length_min) continue;
    reply.Array(with_length ? 3 : 2);
    for (const size_t first : {match.a_first, match.b_first}) {
      reply.Array(2);
      reply.Integer(static_cast<int64_t>(first));
      reply.Integer(static_cast<int64_t>(first + match.length - 1));
    }
    if (with_length) reply.Integer(static_cast<int64_t>(match.length));
  }
  reply.Bulk("len");
  reply.Integer(static_cast<int64_t>(common.length()));
}

// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN] -> the longest common subsequence, its
// length, or where its stretches lie.
Status Lcs(CommandContext& ctx, ArgReader args) {
  const Slice keys[2] = {args.Next(), args.Next()};
  bool with_len = false, with_idx = false, with_match_length = false;
  int64_t length_min = 0;

  // The keys are looked at before the options.
  KeyValue values[2];
  bool pending = false;
  for (int i = 0; i < 2; ++i) {
    bool found = false;
    Status s = ctx.view.GetString(keys[i], &found, &values[i]);
    if (s.code() == StatusCode::kWrongType) return errors::Refuse(errors::kLcsNotStrings);
    if (!s.ok() && !s.is_pending()) return s;
    pending |= s.is_pending();
  }
  if (pending) return Status::Pending();
  while (args.more() && !args.failed()) {
    if (args.TakeWord("idx")) {
      with_idx = true;
    } else if (args.TakeWord("len")) {
      with_len = true;
    } else if (args.TakeWord("withmatchlen")) {
      with_match_length = true;
    } else if (args.remaining() >= 2 && args.TakeWord("minmatchlen")) {
      length_min = args.NextInt64();
    } else {
      args.Fail(StatusCode::kSyntaxError);
    }
  }
  if (Status s = args.Finish(); !s.ok()) return s;
  if (with_len && with_idx) return errors::Refuse(errors::kLcsLenAndIdx);
  const Slice a = values[0].bytes;
  const Slice b = values[1].bytes;
  if (!CommonSubsequence::Fits(a, b)) {
    return Status::ClientError(
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  }

  const CommonSubsequence common(a, b);
  if (with_idx) {
    ReplyMatches(ctx.reply, common, length_min, with_match_length);
  } else if (with_len) {
    ctx.reply.Integer(static_cast<int64_t>(common.length()));
  } else {
    ctx.reply.Bulk(common.Bytes(a));
  }
  return Status::Ok();
}

// --- The rows ----------------------------------------------------------------------------------

constexpr Slice kGroup = "string";

// clang-format off
constexpr Command kCommands[] = {
    {.name = "append", .run = Append, .arity = 3, .flags = kWrite | kDenyOom | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW insert", .group = kGroup, .since = "2.0.0",
     .complexity = "O(N), N the length of the new value",
     .summary = "Adds bytes to the end of a string, creating it if there is none.",
     .syntax = "key value"},
    {.name = "decr", .run = Decr, .arity = 2, .flags = kWrite | kDenyOom | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW access update", .group = kGroup, .since = "1.0.0",
     .complexity = "O(1)", .summary = "Takes 1 from an integer, creating it at 0.",
     .syntax = "key"},
    {.name = "decrby", .run = DecrBy, .arity = 3, .flags = kWrite | kDenyOom | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW access update", .group = kGroup, .since = "1.0.0",
     .complexity = "O(1)", .summary = "Takes a number from an integer, creating it at 0.",
     .syntax = "key decrement"},
    {.name = "get", .run = Get, .arity = 2, .flags = kReadOnly | kFast,
     .keys = {1, 1, 1}, .key_flags = "RO access", .group = kGroup, .since = "1.0.0",
     .complexity = "O(1)", .summary = "Reads a string.", .syntax = "key"},
    {.name = "getdel", .run = GetDel, .arity = 2, .flags = kWrite | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW access delete", .group = kGroup, .since = "6.2.0",
     .complexity = "O(1)", .summary = "Reads a string and deletes its key.", .syntax = "key"},
    {.name = "getex", .run = GetEx, .arity = -2, .flags = kWrite | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW access update", .group = kGroup, .since = "6.2.0",
     .complexity = "O(1)", .summary = "Reads a string and changes when its key expires.",
     .syntax = "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
               "PXAT unix-time-milliseconds | PERSIST]"},
    {.name = "getrange", .run = GetRange, .arity = 4, .flags = kReadOnly,
     .keys = {1, 1, 1}, .key_flags = "RO access", .group = kGroup, .since = "2.4.0",
     .complexity = "O(N), N the length of the answer", .summary = "Reads a part of a string.",
     .syntax = "key start end"},
    {.name = "getset", .run = GetSet, .arity = 3, .flags = kWrite | kDenyOom | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW access update", .group = kGroup, .since = "1.0.0",
     .deprecated_since = "6.2.0", .replaced_by = "`SET` with the `GET` option",
     .complexity = "O(1)", .summary = "Sets a string and returns its old value.",
     .syntax = "key value"},
    {.name = "incr", .run = Incr, .arity = 2, .flags = kWrite | kDenyOom | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW access update", .group = kGroup, .since = "1.0.0",
     .complexity = "O(1)", .summary = "Adds 1 to an integer, creating it at 0.", .syntax = "key"},
    {.name = "incrby", .run = IncrBy, .arity = 3, .flags = kWrite | kDenyOom | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW access update", .group = kGroup, .since = "1.0.0",
     .complexity = "O(1)", .summary = "Adds a number to an integer, creating it at 0.",
     .syntax = "key increment"},
    {.name = "incrbyfloat", .run = IncrByFloat, .arity = 3, .flags = kWrite | kDenyOom | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW access update", .group = kGroup, .since = "2.6.0",
     .complexity = "O(1)", .summary = "Adds to a floating point number, creating it at 0.",
     .syntax = "key increment:double"},
    {.name = "lcs", .run = Lcs, .arity = -3, .flags = kReadOnly,
     .keys = {1, 2, 1}, .key_flags = "RO access", .group = kGroup, .since = "7.0.0",
     .complexity = "O(N*M), N and M the lengths of the strings",
     .summary = "Finds the longest common subsequence of two strings.",
     .syntax = "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]"},
    {.name = "mget", .run = MGet, .arity = -2, .flags = kReadOnly | kFast,
     .keys = {1, -1, 1}, .key_flags = "RO access", .tips = "request_policy:multi_shard",
     .group = kGroup, .since = "1.0.0", .complexity = "O(N), N keys",
     .summary = "Reads several strings at once.", .syntax = "key [key ...]"},
    {.name = "mset", .run = MSet, .arity = -3, .flags = kWrite | kDenyOom,
     .keys = {1, -1, 2}, .key_flags = "OW update",
     .tips = "request_policy:multi_shard response_policy:all_succeeded",
     .group = kGroup, .since = "1.0.1", .complexity = "O(N), N keys",
     .summary = "Sets several strings at once.", .syntax = "key value [key value ...]"},
    {.name = "msetnx", .run = MSetNx, .arity = -3, .flags = kWrite | kDenyOom,
     .keys = {1, -1, 2}, .key_flags = "OW insert",
     .tips = "request_policy:multi_shard response_policy:agg_min",
     .group = kGroup, .since = "1.0.1", .complexity = "O(N), N keys",
     .summary = "Sets several strings at once, if none of the keys is there.",
     .syntax = "key value [key value ...]"},
    {.name = "psetex", .run = PSetEx, .arity = 4, .flags = kWrite | kDenyOom,
     .keys = {1, 1, 1}, .key_flags = "OW update", .group = kGroup, .since = "2.6.0",
     .complexity = "O(1)", .summary = "Sets a string that expires after some milliseconds.",
     .syntax = "key milliseconds value"},
    {.name = "set", .run = Set, .arity = -3, .flags = kWrite | kDenyOom,
     .keys = {1, 1, 1}, .key_flags = "RW access update variable_flags", .group = kGroup,
     .since = "1.0.0", .complexity = "O(1)",
     .summary = "Sets a string, whatever the key held before.",
     .syntax = "key value [NX | XX] [GET] [EX seconds | PX milliseconds | "
               "EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]"},
    {.name = "setex", .run = SetEx, .arity = 4, .flags = kWrite | kDenyOom,
     .keys = {1, 1, 1}, .key_flags = "OW update", .group = kGroup, .since = "2.0.0",
     .complexity = "O(1)", .summary = "Sets a string that expires after some seconds.",
     .syntax = "key seconds value"},
    {.name = "setnx", .run = SetNx, .arity = 3, .flags = kWrite | kDenyOom | kFast,
     .keys = {1, 1, 1}, .key_flags = "OW insert", .group = kGroup, .since = "1.0.0",
     .complexity = "O(1)", .summary = "Sets a string if the key is not there.",
     .syntax = "key value"},
    {.name = "setrange", .run = SetRange, .arity = 4, .flags = kWrite | kDenyOom,
     .keys = {1, 1, 1}, .key_flags = "RW update", .group = kGroup, .since = "2.2.0",
     .complexity = "O(N), N the length of the new value",
     .summary = "Overwrites a part of a string, filling up with zeros.",
     .syntax = "key offset value"},
    {.name = "strlen", .run = StrLen, .arity = 2, .flags = kReadOnly | kFast,
     .keys = {1, 1, 1}, .key_flags = "RO", .group = kGroup, .since = "2.2.0",
     .complexity = "O(1)", .summary = "Tells how long a string is.", .syntax = "key"},
    {.name = "substr", .run = GetRange, .arity = 4, .flags = kReadOnly,
     .keys = {1, 1, 1}, .key_flags = "RO access", .group = kGroup, .since = "1.0.0",
     .deprecated_since = "2.0.0", .replaced_by = "`GETRANGE`",
     .complexity = "O(N), N the length of the answer", .summary = "Reads a part of a string.",
     .syntax = "key start end"},
};
// clang-format on

}  // namespace

std::span<const Command> StringCommands() { return kCommands; }

}  // namespace varve
