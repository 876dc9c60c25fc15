// commands/expire.cc: when keys expire.
//
// An expiry is an absolute time in the record, so each of these writes the record again. A
// time that has passed deletes the key at once.
#include "commands/command.h"
#include "commands/replies.h"
#include "commands/table.h"
#include "data/expiry.h"
#include "resp/errors.h"

namespace varve {

namespace {

void PutExpiry(View& view, Slice key, const KeyValue& value, int64_t expire_at_ms) {
  if (value.shared) {
    view.Put(key, value.type, expire_at_ms, value.shared);
  } else {
    view.Put(key, value.type, expire_at_ms, value.bytes);
  }
}

// NX: only if it does not expire yet. XX: only if it does. GT, LT: only if that makes it expire
// later, earlier; a key that never expires counts as expiring last of all.
struct Condition {
  bool nx = false, xx = false, gt = false, lt = false;

  void Read(ArgReader& args) {
    while (args.more() && !args.failed()) {
      if (args.TakeWord("nx")) {
        nx = true;
      } else if (args.TakeWord("xx")) {
        xx = true;
      } else if (args.TakeWord("gt")) {
        gt = true;
      } else if (args.TakeWord("lt")) {
        lt = true;
      } else {
        args.Fail(errors::Refuse(errors::UnsupportedOption(args.Peek())));
      }
    }
    if (nx && (xx || gt || lt)) args.Fail(errors::Refuse(errors::kExpireNxWithOthers));
    if (gt && lt) args.Fail(errors::Refuse(errors::kExpireGtWithLt));
  }

  bool Allows(int64_t old_ms, int64_t new_ms) const {
    const bool expires = old_ms != 0;
    if (nx && expires) return false;
    if (xx && !expires) return false;
    if (gt && (!expires || new_ms <= old_ms)) return false;
    if (lt && expires && new_ms >= old_ms) return false;
    return true;
  }
};

Status SetExpiry(CommandContext& ctx, ArgReader args, TimeFormat format) {
  const Slice key = args.Next();
  const Slice time = args.Next();
  Condition condition;
  condition.Read(args);
  if (Status s = args.Finish(); !s.ok()) return s;
  const std::optional<int64_t> amount = ParseInt64(time);
  if (!amount) return StatusCode::kNotAnInteger;
  const std::optional<int64_t> at_ms = ToExpireAtMs(*amount, format, ctx.view.now_ms());
  if (!at_ms) return errors::Refuse(errors::InvalidExpireTime(ctx.command.name));

  KeyValue value;
  Status s = ctx.view.Read(key, &value);
  if (!s.ok() && !s.is_not_found()) return s;
  if (s.is_not_found() || !condition.Allows(value.expire_at_ms, *at_ms)) {
    ctx.reply.Integer(0);
    return Status::Ok();
  }
  if (HasPassed(*at_ms, ctx.view.now_ms())) {
    ctx.view.Delete(key);
  } else {
    PutExpiry(ctx.view, key, value, *at_ms);
  }
  ctx.reply.Integer(1);
  return Status::Ok();
}

// EXPIRE key seconds [NX | XX | GT | LT] -> 1, or 0 if there is no such key or the condition
// forbade it.
Status Expire(CommandContext& ctx, ArgReader args) {
  return SetExpiry(ctx, args, {TimeUnit::kSeconds, true});
}

// PEXPIRE: the same in milliseconds.
Status PExpire(CommandContext& ctx, ArgReader args) {
  return SetExpiry(ctx, args, {TimeUnit::kMilliseconds, true});
}

// EXPIREAT: the same at a Unix time.
Status ExpireAt(CommandContext& ctx, ArgReader args) {
  return SetExpiry(ctx, args, {TimeUnit::kSeconds, false});
}

// PEXPIREAT: the same at a Unix time in milliseconds.
Status PExpireAt(CommandContext& ctx, ArgReader args) {
  return SetExpiry(ctx, args, {TimeUnit::kMilliseconds, false});
}

constexpr int64_t kNoSuchKeyReply = -2;
constexpr int64_t kNeverExpiresReply = -1;

Status GetExpiry(CommandContext& ctx, ArgReader args, TimeFormat format) {
  KeyValue value;
  Status s = ctx.view.GetMeta(args.Next(), &value);
  if (!s.ok() && !s.is_not_found()) return s;
  if (s.is_not_found()) {
    ctx.reply.Integer(kNoSuchKeyReply);
  } else if (value.expire_at_ms == 0) {
    ctx.reply.Integer(kNeverExpiresReply);
  } else {
    const int64_t ms = value.expire_at_ms - (format.from_now ? ctx.view.now_ms() : 0);
    ctx.reply.Integer(format.unit == TimeUnit::kSeconds ? MsToSeconds(ms) : ms);
  }
  return Status::Ok();
}

// TTL key -> seconds until it expires; -1: never; -2: no such key.
Status Ttl(CommandContext& ctx, ArgReader args) {
  return GetExpiry(ctx, args, {TimeUnit::kSeconds, true});
}

// PTTL: the same in milliseconds.
Status PTtl(CommandContext& ctx, ArgReader args) {
  return GetExpiry(ctx, args, {TimeUnit::kMilliseconds, true});
}

// EXPIRETIME: the same as a Unix time.
Status ExpireTime(CommandContext& ctx, ArgReader args) {
  return GetExpiry(ctx, args, {TimeUnit::kSeconds, false});
}

// PEXPIRETIME: the same as a Unix time in milliseconds.
Status PExpireTime(CommandContext& ctx, ArgReader args) {
  return GetExpiry(ctx, args, {TimeUnit::kMilliseconds, false});
}

// PERSIST key -> 1, or 0 if there is no such key or it does not expire anyway.
Status Persist(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  KeyValue value;
  Status s = ctx.view.Read(key, &value);
  if (!s.ok() && !s.is_not_found()) return s;
  const bool expires = s.ok() && value.expire_at_ms != 0;
  if (expires) PutExpiry(ctx.view, key, value, 0);
  ctx.reply.Integer(expires ? 1 : 0);
  return Status::Ok();
}

// --- The rows ----------------------------------------------------------------------------------

constexpr Slice kGroup = "generic";
// All of them read the value and write it again.
constexpr Slice kWriteComplexity = "O(N), N the length of the value";

// clang-format off
constexpr Command kCommands[] = {
    {.name = "expire", .run = Expire, .arity = -3, .flags = kWrite | kFast, .keys = {1, 1, 1},
     .key_flags = "RW update", .group = kGroup, .since = "1.0.0",
     .complexity = kWriteComplexity, .summary = "Makes a key expire after some seconds.",
     .syntax = "key seconds [NX | XX | GT | LT]"},
    {.name = "expireat", .run = ExpireAt, .arity = -3, .flags = kWrite | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW update", .group = kGroup, .since = "1.2.0",
     .complexity = kWriteComplexity, .summary = "Makes a key expire at a Unix time.",
     .syntax = "key unix-time-seconds [NX | XX | GT | LT]"},
    {.name = "expiretime", .run = ExpireTime, .arity = 2, .flags = kReadOnly | kFast,
     .keys = {1, 1, 1}, .key_flags = "RO access", .group = kGroup, .since = "7.0.0",
     .complexity = "O(1)", .summary = "Tells the Unix time at which a key expires.",
     .syntax = "key"},
    {.name = "persist", .run = Persist, .arity = 2, .flags = kWrite | kFast, .keys = {1, 1, 1},
     .key_flags = "RW update", .group = kGroup, .since = "2.2.0",
     .complexity = kWriteComplexity, .summary = "Makes a key never expire.", .syntax = "key"},
    {.name = "pexpire", .run = PExpire, .arity = -3, .flags = kWrite | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW update", .group = kGroup, .since = "2.6.0",
     .complexity = kWriteComplexity, .summary = "Makes a key expire after some milliseconds.",
     .syntax = "key milliseconds [NX | XX | GT | LT]"},
    {.name = "pexpireat", .run = PExpireAt, .arity = -3, .flags = kWrite | kFast,
     .keys = {1, 1, 1}, .key_flags = "RW update", .group = kGroup, .since = "2.6.0",
     .complexity = kWriteComplexity,
     .summary = "Makes a key expire at a Unix time in milliseconds.",
     .syntax = "key unix-time-milliseconds [NX | XX | GT | LT]"},
    {.name = "pexpiretime", .run = PExpireTime, .arity = 2, .flags = kReadOnly | kFast,
     .keys = {1, 1, 1}, .key_flags = "RO access", .group = kGroup, .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Tells the Unix time in milliseconds at which a key expires.",
     .syntax = "key"},
    {.name = "pttl", .run = PTtl, .arity = 2, .flags = kReadOnly | kFast, .keys = {1, 1, 1},
     .key_flags = "RO access", .tips = "nondeterministic_output", .group = kGroup,
     .since = "2.6.0", .complexity = "O(1)",
     .summary = "Tells how many milliseconds a key has left.", .syntax = "key"},
    {.name = "ttl", .run = Ttl, .arity = 2, .flags = kReadOnly | kFast, .keys = {1, 1, 1},
     .key_flags = "RO access", .tips = "nondeterministic_output", .group = kGroup,
     .since = "1.0.0", .complexity = "O(1)", .summary = "Tells how many seconds a key has left.",
     .syntax = "key"},
};
// clang-format on

}  // namespace

std::span<const Command> ExpireCommands() { return kCommands; }

}  // namespace varve
