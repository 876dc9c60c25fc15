// commands/keys.cc: keys as such, whatever they hold. What is about time is in expire.cc, what is
// about many keys in scan.cc.
#include "commands/command.h"
#include "commands/replies.h"
#include "commands/table.h"
#include "data/string.h"
#include "resp/errors.h"

namespace varve {

namespace {

// Writes what was read from one key to another, expiry and all.
void PutCopy(View& view, Slice key, const KeyValue& value) {
  if (value.shared) {
    view.Put(key, value.type, value.expire_at_ms, value.shared);
  } else {
    view.Put(key, value.type, value.expire_at_ms, value.bytes);
  }
}

// --- Are they there? ---------------------------------------------------------------------------

// DEL key [key ...], UNLINK the same -> how many were there.
Status Del(CommandContext& ctx, ArgReader args) {
  int64_t deleted = 0;
  bool pending = false;
  while (args.more()) {
    const Slice key = args.Next();
    KeyValue value;
    Status s = ctx.view.Peek(key, &value);
    pending |= s.is_pending();
    if (!s.ok() && !s.is_not_found() && !s.is_pending()) return s;
    if (!s.ok()) continue;
    ctx.view.Delete(key);
    ++deleted;
  }
  if (pending) return Status::Pending();
  ctx.reply.Integer(deleted);
  return Status::Ok();
}

// EXISTS key [key ...], TOUCH the same -> how many are there; one named twice counts twice.
Status Exists(CommandContext& ctx, ArgReader args) {
  int64_t found = 0;
  bool pending = false;
  while (args.more()) {
    KeyValue value;
    Status s = ctx.view.GetMeta(args.Next(), &value);
    pending |= s.is_pending();
    if (!s.ok() && !s.is_not_found() && !s.is_pending()) return s;
    if (s.ok()) ++found;
  }
  if (pending) return Status::Pending();
  ctx.reply.Integer(found);
  return Status::Ok();
}

// TYPE key -> "string" or "none".
Status Type(CommandContext& ctx, ArgReader args) {
  KeyValue value;
  Status s = ctx.view.GetMeta(args.Next(), &value);
  if (!s.ok() && !s.is_not_found()) return s;
  ctx.reply.SimpleString(s.ok() ? TypeName(value.type) : Slice("none"));
  return Status::Ok();
}

// --- From one key to another -------------------------------------------------------------------

// The new name must be free only if `only_new`; sets `renamed`.
Status RenameKey(CommandContext& ctx, ArgReader args, bool only_new, bool* renamed) {
  const Slice key = args.Next();
  const Slice new_key = args.Next();
  *renamed = false;

  KeyValue value, other;
  Status s = ctx.view.Read(key, &value);
  if (s.is_not_found()) return StatusCode::kNoSuchKey;
  if (!s.ok()) return s;
  if (key == new_key) return Status::Ok();
  if (only_new) {
    s = ctx.view.Peek(new_key, &other);
    if (s.ok()) return Status::Ok();
    if (!s.is_not_found()) return s;
  }
  PutCopy(ctx.view, new_key, value);
  ctx.view.Delete(key);
  *renamed = true;
  return Status::Ok();
}

// RENAME key newkey -> OK. What was at `newkey` goes.
Status Rename(CommandContext& ctx, ArgReader args) {
  bool renamed = false;
  if (Status s = RenameKey(ctx, args, false, &renamed); !s.ok()) return s;
  ctx.reply.Ok();
  return Status::Ok();
}

// RENAMENX key newkey -> 1, or 0 if `newkey` is there, be it `key` itself.
Status RenameNx(CommandContext& ctx, ArgReader args) {
  bool renamed = false;
  if (Status s = RenameKey(ctx, args, true, &renamed); !s.ok()) return s;
  ctx.reply.Integer(renamed ? 1 : 0);
  return Status::Ok();
}

// Writes the value of `key` as `to_key` of database `to`, unless that is there and not to be
// replaced. Sets `copied`. The view's database is the same afterwards.
Status CopyKey(View& view, Slice key, int to, Slice to_key, bool replace, bool* copied) {
  *copied = false;
  KeyValue value, other;
  Status s = view.Read(key, &value);
  if (s.is_not_found()) return Status::Ok();
  if (!s.ok()) return s;

  const int from = view.database();
  view.Select(to);
  if (!replace) s = view.Peek(to_key, &other);
  if (replace || s.is_not_found()) {
    PutCopy(view, to_key, value);
    *copied = true;
    s = Status::Ok();
  }
  view.Select(from);
  return s;
}

// COPY source destination [DB destination-db] [REPLACE] -> 1, or 0 if there is no source or the
// destination is taken.
Status Copy(CommandContext& ctx, ArgReader args) {
  const Slice source = args.Next();
  const Slice destination = args.Next();
  int database = ctx.view.database();
  bool replace = false;
  while (args.more() && !args.failed()) {
    if (args.TakeWord("replace")) {
      replace = true;
    } else if (args.remaining() >= 2 && args.TakeWord("db")) {
      database = NextDatabase(args, ctx.view);
    } else {
      args.Fail(StatusCode::kSyntaxError);
    }
  }
  if (!args.failed() && database == ctx.view.database() && source == destination) {
    args.Fail(errors::Refuse(errors::kSameObject));
  }
  if (Status s = args.Finish(); !s.ok()) return s;

  bool copied = false;
  if (Status s = CopyKey(ctx.view, source, database, destination, replace, &copied); !s.ok()) {
    return s;
  }
  ctx.reply.Integer(copied ? 1 : 0);
  return Status::Ok();
}

// MOVE key db -> 1, or 0 if there is no such key, or one like it in the other database.
Status Move(CommandContext& ctx, ArgReader args) {
  const Slice key = args.Next();
  const int database = NextDatabase(args, ctx.view);
  if (!args.failed() && database == ctx.view.database()) {
    args.Fail(errors::Refuse(errors::kSameObject));
  }
  if (Status s = args.Finish(); !s.ok()) return s;

  bool copied = false;
  if (Status s = CopyKey(ctx.view, key, database, key, false, &copied); !s.ok()) return s;
  if (copied) ctx.view.Delete(key);
  ctx.reply.Integer(copied ? 1 : 0);
  return Status::Ok();
}

// --- OBJECT ------------------------------------------------------------------------------------

// Finds the key that OBJECT is asked about; a missing one answers nil.
Status FindObject(CommandContext& ctx, ArgReader args, bool* found, KeyValue* value) {
  Status s = ctx.view.Read(args.Next(), value);
  *found = s.ok();
  if (!s.is_not_found()) return s;
  ctx.reply.Null();
  return Status::Ok();
}

// OBJECT ENCODING key -> "int", "embstr" or "raw": what Redis would keep such bytes as.
Status ObjectEncoding(CommandContext& ctx, ArgReader args) {
  bool found = false;
  KeyValue value;
  if (Status s = FindObject(ctx, args, &found, &value); !s.ok()) return s;
  if (found) ctx.reply.Bulk(StringEncoding(value.bytes));
  return Status::Ok();
}

// OBJECT FREQ key -> an error: no counters are kept.
Status ObjectFreq(CommandContext& ctx, ArgReader args) {
  bool found = false;
  KeyValue value;
  if (Status s = FindObject(ctx, args, &found, &value); !s.ok()) return s;
  return found ? errors::Refuse(errors::kObjectFreqNoLfu) : Status::Ok();
}

// OBJECT IDLETIME key -> 0: no times of access are kept.
Status ObjectIdleTime(CommandContext& ctx, ArgReader args) {
  bool found = false;
  KeyValue value;
  if (Status s = FindObject(ctx, args, &found, &value); !s.ok()) return s;
  if (found) ctx.reply.Integer(0);
  return Status::Ok();
}

// OBJECT REFCOUNT key -> 1: values are not shared between keys.
Status ObjectRefCount(CommandContext& ctx, ArgReader args) {
  bool found = false;
  KeyValue value;
  if (Status s = FindObject(ctx, args, &found, &value); !s.ok()) return s;
  if (found) ctx.reply.Integer(1);
  return Status::Ok();
}

Status ObjectHelp(CommandContext& ctx, ArgReader) {
  static constexpr Slice kLines[] = {
      "ENCODING <key>", "    How Redis would keep the value: int, embstr or raw.",
      "FREQ <key>",     "    An error: how often a key is used is not counted.",
      "IDLETIME <key>", "    0: when a key was used last is not noted.",
      "REFCOUNT <key>", "    1: keys do not share values.",
      "HELP",           "    This text.",
  };
  return ReplyHelp(ctx, kLines);
}

// --- The rows ----------------------------------------------------------------------------------

constexpr Slice kGroup = "generic";

// clang-format off
constexpr Command kObjectCommands[] = {
    {.name = "object|encoding", .run = ObjectEncoding, .arity = 3, .flags = kReadOnly,
     .keys = {2, 2, 1}, .key_flags = "RO", .tips = "nondeterministic_output", .group = kGroup,
     .since = "2.2.3", .complexity = "O(1)", .summary = "Tells how Redis would keep a value.",
     .syntax = "key"},
    {.name = "object|freq", .run = ObjectFreq, .arity = 3, .flags = kReadOnly,
     .keys = {2, 2, 1}, .key_flags = "RO", .tips = "nondeterministic_output", .group = kGroup,
     .since = "4.0.0", .complexity = "O(1)", .summary = "Tells that use is not counted.",
     .syntax = "key"},
    {.name = "object|help", .run = ObjectHelp, .arity = 2, .flags = kLoading | kStale,
     .group = kGroup, .since = "6.2.0", .complexity = "O(1)",
     .summary = "Lists the subcommands."},
    {.name = "object|idletime", .run = ObjectIdleTime, .arity = 3, .flags = kReadOnly,
     .keys = {2, 2, 1}, .key_flags = "RO", .tips = "nondeterministic_output", .group = kGroup,
     .since = "2.2.3", .complexity = "O(1)", .summary = "Answers 0: times of use are not noted.",
     .syntax = "key"},
    {.name = "object|refcount", .run = ObjectRefCount, .arity = 3, .flags = kReadOnly,
     .keys = {2, 2, 1}, .key_flags = "RO", .tips = "nondeterministic_output", .group = kGroup,
     .since = "2.2.3", .complexity = "O(1)", .summary = "Answers 1: values are not shared.",
     .syntax = "key"},
};

constexpr Command kCommands[] = {
    {.name = "copy", .run = Copy, .arity = -3, .flags = kWrite | kDenyOom, .keys = {1, 2, 1},
     .key_flags = "RO access; OW update", .group = kGroup, .since = "6.2.0",
     .complexity = "O(N), N the length of the value",
     .summary = "Copies a value with its expiry to another key.",
     .syntax = "source destination [DB destination-db] [REPLACE]"},
    {.name = "del", .run = Del, .arity = -2, .flags = kWrite, .keys = {1, -1, 1},
     .key_flags = "RM delete", .tips = "request_policy:multi_shard response_policy:agg_sum",
     .group = kGroup, .since = "1.0.0", .complexity = "O(N), N keys",
     .summary = "Deletes keys.", .syntax = "key [key ...]"},
    {.name = "exists", .run = Exists, .arity = -2, .flags = kReadOnly | kFast,
     .keys = {1, -1, 1}, .key_flags = "RO",
     .tips = "request_policy:multi_shard response_policy:agg_sum", .group = kGroup,
     .since = "1.0.0", .complexity = "O(N), N keys",
     .summary = "Counts how many of some keys are there.", .syntax = "key [key ...]"},
    {.name = "move", .run = Move, .arity = 3, .flags = kWrite | kFast, .keys = {1, 1, 1},
     .key_flags = "RW access update", .group = kGroup, .since = "1.0.0",
     .complexity = "O(N), N the length of the value",
     .summary = "Moves a key to another database.", .syntax = "key db"},
    {.name = "object", .arity = -2, .group = kGroup, .since = "2.2.3",
     .complexity = "Depends on the subcommand.", .summary = "Looks into a value.",
     .subcommands = kObjectCommands},
    {.name = "rename", .run = Rename, .arity = 3, .flags = kWrite, .keys = {1, 2, 1},
     .key_flags = "RW access delete; OW update", .group = kGroup, .since = "1.0.0",
     .complexity = "O(N), N the length of the value",
     .summary = "Gives a key another name, replacing what bears it.", .syntax = "key newkey"},
    {.name = "renamenx", .run = RenameNx, .arity = 3, .flags = kWrite | kFast,
     .keys = {1, 2, 1}, .key_flags = "RW access delete; OW insert", .group = kGroup,
     .since = "1.0.0", .complexity = "O(N), N the length of the value",
     .summary = "Gives a key another name, if nothing bears it.", .syntax = "key newkey"},
    {.name = "touch", .run = Exists, .arity = -2, .flags = kReadOnly | kFast,
     .keys = {1, -1, 1}, .key_flags = "RO",
     .tips = "request_policy:multi_shard response_policy:agg_sum", .group = kGroup,
     .since = "3.2.1", .complexity = "O(N), N keys",
     .summary = "Uses keys, and counts how many are there.", .syntax = "key [key ...]"},
    {.name = "type", .run = Type, .arity = 2, .flags = kReadOnly | kFast, .keys = {1, 1, 1},
     .key_flags = "RO", .group = kGroup, .since = "1.0.0", .complexity = "O(1)",
     .summary = "Tells what type of value a key holds.", .syntax = "key"},
    {.name = "unlink", .run = Del, .arity = -2, .flags = kWrite | kFast, .keys = {1, -1, 1},
     .key_flags = "RM delete", .tips = "request_policy:multi_shard response_policy:agg_sum",
     .group = kGroup, .since = "4.0.0", .complexity = "O(N), N keys",
     .summary = "Deletes keys; the same as DEL, which frees in the background, too.",
     .syntax = "key [key ...]"},
};
// clang-format on

}  // namespace

std::span<const Command> KeyCommands() { return kCommands; }

}  // namespace varve
