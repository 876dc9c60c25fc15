// commands/admin.cc: whole databases, CONFIG, and the server itself.
#include <algorithm>
#include <utility>
#include <vector>

#include "commands/command.h"
#include "commands/replies.h"
#include "commands/table.h"
#include "resp/errors.h"

namespace varve {

namespace {

// --- Whole databases ---------------------------------------------------------------------------

// DBSIZE -> how many keys the database has.
Status DbSize(CommandContext& ctx, ArgReader) {
  const Result<int64_t> count = ctx.view.CountKeys(ctx.view.database());
  if (!count.ok()) return count.status();
  ctx.reply.Integer(*count);
  return Status::Ok();
}

// What FLUSHDB and FLUSHALL accept. Either way it is done when the answer comes: the database's
// space is dead.
Status TakeFlushMode(ArgReader& args) {
  if (!args.TakeWord("async")) args.TakeWord("sync");
  return args.Finish();
}

// FLUSHDB [ASYNC | SYNC] -> OK.
Status FlushDb(CommandContext& ctx, ArgReader args) {
  if (Status s = TakeFlushMode(args); !s.ok()) return s;
  ctx.view.Flush(ctx.view.database());
  ctx.reply.Ok();
  return Status::Ok();
}

// FLUSHALL [ASYNC | SYNC] -> OK.
Status FlushAll(CommandContext& ctx, ArgReader args) {
  if (Status s = TakeFlushMode(args); !s.ok()) return s;
  ctx.view.FlushAll();
  ctx.reply.Ok();
  return Status::Ok();
}

// SWAPDB index1 index2 -> OK.
Status SwapDb(CommandContext& ctx, ArgReader args) {
  const std::optional<int64_t> first = ParseInt64(args.Next());
  const std::optional<int64_t> second = ParseInt64(args.Next());
  const auto is_int = [](const std::optional<int64_t>& index) {
    return index && *index >= INT32_MIN && *index <= INT32_MAX;
  };
  if (!is_int(first)) return errors::Refuse(errors::kInvalidFirstDbIndex);
  if (!is_int(second)) return errors::Refuse(errors::kInvalidSecondDbIndex);
  const int64_t count = ctx.view.database_count();
  if (*first < 0 || *first >= count || *second < 0 || *second >= count) {
    return StatusCode::kDbIndexOutOfRange;
  }
  ctx.view.Swap(static_cast<int>(*first), static_cast<int>(*second));
  ctx.reply.Ok();
  return Status::Ok();
}

// --- CONFIG ------------------------------------------------------------------------------------

// CONFIG GET pattern [pattern ...] -> names and values.
Status ConfigGet(CommandContext& ctx, ArgReader args) {
  std::vector<Slice> patterns;
  while (args.more()) patterns.push_back(args.Next());
  const auto values = ctx.services.ConfigGet(patterns);
  ctx.reply.Map(values.size());
  for (const auto& [name, value] : values) {
    ctx.reply.Bulk(name);
    ctx.reply.Bulk(value);
  }
  return Status::Ok();
}

// CONFIG SET name value [name value ...] -> OK. All or nothing.
Status ConfigSet(CommandContext& ctx, ArgReader args) {
  if (args.remaining() % 2 != 0) return StatusCode::kSyntaxError;
  std::vector<std::pair<Slice, Slice>> values;
  while (args.more()) {
    const Slice name = args.Next();
    values.emplace_back(name, args.Next());
  }
  if (Status s = ctx.services.ConfigSet(values); !s.ok()) return s;
  ctx.reply.Ok();
  return Status::Ok();
}

// CONFIG REWRITE -> OK.
Status ConfigRewrite(CommandContext& ctx, ArgReader) {
  if (Status s = ctx.services.ConfigRewrite(); !s.ok()) return s;
  ctx.reply.Ok();
  return Status::Ok();
}

// CONFIG RESETSTAT -> OK.
Status ConfigResetStat(CommandContext& ctx, ArgReader) {
  ctx.services.ResetStats();
  ctx.reply.Ok();
  return Status::Ok();
}

Status ConfigHelp(CommandContext& ctx, ArgReader) {
  static constexpr Slice kLines[] = {
      "GET <pattern> [<pattern> ...]",
      "    Settings whose names match, with their values.",
      "SET <name> <value> [<name> <value> ...]",
      "    Changes settings, all or none.",
      "REWRITE",
      "    Writes the settings in use into the config file.",
      "RESETSTAT",
      "    Sets the counters of INFO to 0.",
      "HELP",
      "    This text.",
  };
  return ReplyHelp(ctx, kLines);
}

// --- The server --------------------------------------------------------------------------------

// INFO [section ...] -> lines of name:value.
Status Info(CommandContext& ctx, ArgReader args) {
  std::vector<Slice> sections;
  while (args.more()) sections.push_back(args.Next());
  ctx.reply.Verbatim("txt", ctx.services.Info(sections));
  return Status::Ok();
}

// TIME -> seconds since 1970, and microseconds.
Status Time(CommandContext& ctx, ArgReader) {
  constexpr int64_t kUsPerSecond = 1'000'000;
  const int64_t us = ctx.services.WallUs();
  ctx.reply.Array(2);
  ctx.reply.Bulk(Int64ToString(us / kUsPerSecond));
  ctx.reply.Bulk(Int64ToString(us % kUsPerSecond));
  return Status::Ok();
}

// BGSAVE [SCHEDULE] -> a status: a checkpoint is under way.
Status BgSave(CommandContext& ctx, ArgReader args) {
  args.TakeWord("schedule");  // there is nothing that it would have to wait for
  if (Status s = args.Finish(); !s.ok()) return s;
  if (Status s = ctx.services.BackgroundSave(); !s.ok()) return s;
  ctx.reply.SimpleString("Background saving started");
  return Status::Ok();
}

// SAVE -> OK, when the checkpoint is there. Other clients are served meanwhile.
Status Save(CommandContext& ctx, ArgReader) {
  if (Status s = ctx.services.Save(); !s.ok()) return s;
  ctx.reply.Ok();
  return Status::Ok();
}

// LASTSAVE -> the Unix time at which the last checkpoint was done, or the server was started.
Status LastSave(CommandContext& ctx, ArgReader) {
  ctx.reply.Integer(ctx.services.LastSaveUnixTime());
  return Status::Ok();
}

// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT] -> nothing: the connection closes.
//
// Whatever was acknowledged is kept, with NOSAVE as well. A shutdown is never long enough to be
// aborted.
Status Shutdown(CommandContext& ctx, ArgReader args) {
  bool save = false, no_save = false, now = false, force = false, abort = false;
  while (args.more() && !args.failed()) {
    if (args.TakeWord("nosave")) {
      no_save = true;
    } else if (args.TakeWord("save")) {
      save = true;
    } else if (args.TakeWord("now")) {
      now = true;
    } else if (args.TakeWord("force")) {
      force = true;
    } else if (args.TakeWord("abort")) {
      abort = true;
    } else {
      args.Fail(StatusCode::kSyntaxError);
    }
  }
  if ((save && no_save) || (abort && (save || no_save || now || force))) {
    args.Fail(StatusCode::kSyntaxError);
  }
  if (Status s = args.Finish(); !s.ok()) return s;
  if (abort) return Status::ClientError("ERR No shutdown in progress.");
  ctx.services.Shutdown(now);
  return Status::Ok();
}

// DEBUG SLEEP seconds -> OK, that much later; nobody is served meanwhile.
Status Debug(CommandContext& ctx, ArgReader args) {
  if (args.remaining() == 1 && args.TakeWord("help")) {
    static constexpr Slice kLines[] = {
        "SLEEP <seconds>",
        "    Stops the whole server for a while. Decimals allowed.",
        "HELP",
        "    This text.",
    };
    return ReplyHelp(ctx, kLines);
  }
  const Slice subcommand = args.Peek();
  if (args.remaining() == 2 && args.TakeWord("sleep")) {
    constexpr long double kSecondsMax = 3600;
    // What is no number is no time, as in Redis.
    const long double seconds = ParseLongDouble(args.Next()).value_or(0);
    ctx.services.SleepUs(
        static_cast<uint64_t>(std::clamp<long double>(seconds, 0, kSecondsMax) * 1'000'000));
    ctx.reply.Ok();
    return Status::Ok();
  }
  return errors::Refuse(errors::UnknownSubcommandOrArity("debug", subcommand));
}

// --- The rows ----------------------------------------------------------------------------------

constexpr Slice kGroup = "server";
constexpr uint32_t kAdminAlways = kAdmin | kNoScript | kLoading | kStale;

// clang-format off
constexpr Command kConfigCommands[] = {
    {.name = "config|get", .run = ConfigGet, .arity = -3, .flags = kAdminAlways,
     .group = kGroup, .since = "2.0.0", .complexity = "O(N), N settings",
     .summary = "Reads settings.", .syntax = "parameter [parameter ...]"},
    {.name = "config|help", .run = ConfigHelp, .arity = 2, .flags = kLoading | kStale,
     .group = kGroup, .since = "5.0.0", .complexity = "O(1)",
     .summary = "Lists the subcommands."},
    {.name = "config|resetstat", .run = ConfigResetStat, .arity = 2, .flags = kAdminAlways,
     .group = kGroup, .since = "2.0.0", .complexity = "O(1)",
     .summary = "Sets the counters of INFO to 0."},
    {.name = "config|rewrite", .run = ConfigRewrite, .arity = 2, .flags = kAdminAlways,
     .group = kGroup, .since = "2.8.0", .complexity = "O(N), N settings",
     .summary = "Writes the settings in use into the config file."},
    {.name = "config|set", .run = ConfigSet, .arity = -4, .flags = kAdminAlways,
     .tips = "request_policy:all_nodes response_policy:all_succeeded", .group = kGroup,
     .since = "2.0.0", .complexity = "O(N), N settings", .summary = "Changes settings.",
     .syntax = "parameter value [parameter value ...]"},
};

constexpr Command kCommands[] = {
    {.name = "bgsave", .run = BgSave, .arity = -1, .flags = kAdmin | kNoScript | kNoMulti,
     .group = kGroup, .since = "1.0.0", .complexity = "O(N), N tables",
     .summary = "Makes a checkpoint of all databases, in the background.",
     .syntax = "[SCHEDULE]"},
    {.name = "config", .arity = -2, .group = kGroup, .since = "2.0.0",
     .complexity = "Depends on the subcommand.", .summary = "About the server's settings.",
     .subcommands = kConfigCommands},
    {.name = "dbsize", .run = DbSize, .arity = 1, .flags = kReadOnly | kFast,
     .acl_categories = "keyspace",
     .tips = "request_policy:all_shards response_policy:agg_sum", .group = kGroup,
     .since = "1.0.0", .complexity = "O(1)", .summary = "Counts the keys of the database."},
    {.name = "debug", .run = Debug, .arity = -2, .flags = kAdminAlways, .group = kGroup,
     .since = "1.0.0", .complexity = "Depends on the subcommand.",
     .summary = "For tests.", .syntax = "<SLEEP seconds:double | HELP>"},
    {.name = "flushall", .run = FlushAll, .arity = -1, .flags = kWrite,
     .acl_categories = "keyspace dangerous",
     .tips = "request_policy:all_shards response_policy:all_succeeded", .group = kGroup,
     .since = "1.0.0", .complexity = "O(N), N databases",
     .summary = "Empties all databases.", .syntax = "[ASYNC | SYNC]"},
    {.name = "flushdb", .run = FlushDb, .arity = -1, .flags = kWrite,
     .acl_categories = "keyspace dangerous",
     .tips = "request_policy:all_shards response_policy:all_succeeded", .group = kGroup,
     .since = "1.0.0", .complexity = "O(1)", .summary = "Empties the database.",
     .syntax = "[ASYNC | SYNC]"},
    {.name = "info", .run = Info, .arity = -1, .flags = kLoading | kStale,
     .acl_categories = "dangerous",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special",
     .group = kGroup, .since = "1.0.0", .complexity = "O(1)",
     .summary = "Describes the server and what it has done.", .syntax = "[section [section ...]]"},
    {.name = "lastsave", .run = LastSave, .arity = 1, .flags = kLoading | kStale | kFast,
     .acl_categories = "admin dangerous", .tips = "nondeterministic_output", .group = kGroup,
     .since = "1.0.0", .complexity = "O(1)",
     .summary = "Tells when the last checkpoint was done."},
    {.name = "save", .run = Save, .arity = 1, .flags = kAdmin | kNoScript | kNoMulti,
     .group = kGroup, .since = "1.0.0", .complexity = "O(N), N tables",
     .summary = "Makes a checkpoint of all databases, and waits for it."},
    {.name = "shutdown", .run = Shutdown, .arity = -1,
     .flags = kAdminAlways | kNoMulti | kAllowBusy, .group = kGroup, .since = "1.0.0",
     .complexity = "O(N), N bytes not yet synced", .summary = "Stops the server.",
     .syntax = "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]"},
    {.name = "swapdb", .run = SwapDb, .arity = 3, .flags = kWrite | kFast,
     .acl_categories = "keyspace dangerous", .group = kGroup, .since = "4.0.0",
     .complexity = "O(N), N watched keys", .summary = "Exchanges two databases.",
     .syntax = "index1 index2"},
    {.name = "time", .run = Time, .arity = 1, .flags = kLoading | kStale | kFast,
     .tips = "nondeterministic_output", .group = kGroup, .since = "2.6.0",
     .complexity = "O(1)", .summary = "Tells the server's time."},
};
// clang-format on

}  // namespace

std::span<const Command> AdminCommands() { return kCommands; }

}  // namespace varve
