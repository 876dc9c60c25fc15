// commands/client_command.cc: CLIENT and its subcommands.
#include <algorithm>
#include <functional>
#include <vector>

#include "commands/command.h"
#include "commands/replies.h"
#include "commands/table.h"
#include "resp/errors.h"

namespace varve {

namespace {

bool IsClientType(Slice type) {
  for (const Slice known : {"normal", "slave", "replica", "pubsub", "master"}) {
    if (EqualsIgnoreCase(type, known)) return true;
  }
  return false;
}

// --- About oneself -----------------------------------------------------------------------------

// CLIENT ID -> the connection's number.
Status ClientId(CommandContext& ctx, ArgReader) {
  ctx.reply.Integer(static_cast<int64_t>(ctx.session.id));
  return Status::Ok();
}

// CLIENT INFO -> this connection's line of CLIENT LIST.
Status ClientInfo(CommandContext& ctx, ArgReader) {
  ctx.reply.Verbatim("txt", ctx.services.DescribeClient(ctx.session));
  return Status::Ok();
}

// CLIENT GETNAME -> the name or nil.
Status ClientGetName(CommandContext& ctx, ArgReader) {
  if (ctx.session.name.empty()) {
    ctx.reply.Null();
  } else {
    ctx.reply.Bulk(ctx.session.name);
  }
  return Status::Ok();
}

// CLIENT SETNAME connection-name -> OK. An empty name takes it away.
Status ClientSetName(CommandContext& ctx, ArgReader args) {
  const Slice name = args.Next();
  if (!IsClientName(name)) return errors::Refuse(errors::kClientNameCharacters);
  ctx.session.name = name;
  ctx.reply.Ok();
  return Status::Ok();
}

// CLIENT SETINFO LIB-NAME | LIB-VER value -> OK. Of Redis 7.2; newer libraries send it at start.
Status ClientSetInfo(CommandContext& ctx, ArgReader args) {
  const Slice attribute = args.Next();
  const Slice value = args.Next();
  const bool is_name = EqualsIgnoreCase(attribute, "lib-name");
  if (!is_name && !EqualsIgnoreCase(attribute, "lib-ver")) {
    return errors::Refuse(errors::UnrecognizedOption(attribute));
  }
  if (!IsClientName(value)) {
    return errors::Refuse(errors::ClientInfoCharacters(is_name ? "lib-name" : "lib-ver"));
  }
  (is_name ? ctx.session.library_name : ctx.session.library_version) = value;
  ctx.reply.Ok();
  return Status::Ok();
}

Status TakeOnOff(ArgReader& args, bool* on) {
  *on = args.TakeWord("on");
  if (!*on && !args.TakeWord("off")) return StatusCode::kSyntaxError;
  return Status::Ok();
}

// CLIENT NO-EVICT ON | OFF -> OK.
Status ClientNoEvict(CommandContext& ctx, ArgReader args) {
  bool on = false;
  if (Status s = TakeOnOff(args, &on); !s.ok()) return s;
  ctx.session.no_evict = on;
  ctx.reply.Ok();
  return Status::Ok();
}

// CLIENT NO-TOUCH ON | OFF -> OK. Of Redis 7.2; times of access are not kept, so there is nothing
// to do.
Status ClientNoTouch(CommandContext& ctx, ArgReader args) {
  bool on = false;
  if (Status s = TakeOnOff(args, &on); !s.ok()) return s;
  ctx.reply.Ok();
  return Status::Ok();
}

// CLIENT REPLY ON | OFF | SKIP -> OK with ON; the others are not answered themselves either.
Status ClientReply(CommandContext& ctx, ArgReader args) {
  Session& session = ctx.session;
  if (args.TakeWord("on")) {
    session.reply_mode = ReplyMode::kOn;
    ctx.reply.Ok();
  } else if (args.TakeWord("off")) {
    session.reply_mode = ReplyMode::kOff;
  } else if (args.TakeWord("skip")) {
    if (session.reply_mode != ReplyMode::kOff) session.reply_mode = ReplyMode::kSkipNext;
  } else {
    return StatusCode::kSyntaxError;
  }
  return Status::Ok();
}

// --- About all ---------------------------------------------------------------------------------

// CLIENT LIST [TYPE type] [ID id ...] -> a line each.
Status ClientList(CommandContext& ctx, ArgReader args) {
  std::function<bool(const Session&)> wanted = [](const Session&) { return true; };
  if (args.remaining() == 2 && args.TakeWord("type")) {
    const Slice type = args.Next();
    if (!IsClientType(type)) return errors::Refuse(errors::UnknownClientType(type));
    // All are normal ones, so far.
    wanted = [any = EqualsIgnoreCase(type, "normal")](const Session&) { return any; };
  } else if (args.remaining() >= 2 && args.TakeWord("id")) {
    std::vector<int64_t> ids;
    while (args.more()) {
      const std::optional<int64_t> id = ParseInt64(args.Next());
      if (!id) return errors::Refuse(errors::kInvalidClientId);
      ids.push_back(*id);
    }
    wanted = [ids = std::move(ids)](const Session& session) {
      return std::find(ids.begin(), ids.end(), static_cast<int64_t>(session.id)) != ids.end();
    };
  }
  if (Status s = args.Finish(); !s.ok()) return s;
  ctx.reply.Verbatim("txt", ctx.services.DescribeClients(wanted));
  return Status::Ok();
}

Status ReadKillFilter(ArgReader& args, Services::ClientFilter* filter) {
  while (args.more()) {
    if (args.remaining() < 2) return StatusCode::kSyntaxError;
    if (args.TakeWord("id")) {
      const std::optional<int64_t> id = ParseInt64(args.Next());
      if (!id || *id < 1) return errors::Refuse(errors::kClientIdNotPositive);
      filter->id = static_cast<uint64_t>(*id);
    } else if (args.TakeWord("type")) {
      const Slice type = args.Next();
      if (!IsClientType(type)) return errors::Refuse(errors::UnknownClientType(type));
      filter->type = type;
    } else if (args.TakeWord("addr")) {
      filter->address = args.Next();
    } else if (args.TakeWord("laddr")) {
      filter->local_address = args.Next();
    } else if (args.TakeWord("user")) {
      const Slice user = args.Next();
      if (user != "default") return errors::Refuse(errors::NoSuchUser(user));
      filter->user = user;
    } else if (args.TakeWord("skipme")) {
      filter->skip_me = args.TakeWord("yes");
      if (!filter->skip_me && !args.TakeWord("no")) return StatusCode::kSyntaxError;
    } else {
      return StatusCode::kSyntaxError;
    }
  }
  return Status::Ok();
}

// CLIENT KILL ip:port -> OK. CLIENT KILL filter value [...] -> how many were closed.
Status ClientKill(CommandContext& ctx, ArgReader args) {
  Services::ClientFilter filter;
  if (args.remaining() == 1) {
    filter.address = args.Next();
    filter.skip_me = false;
    if (ctx.services.KillClients(ctx.session, filter) == 0) {
      return errors::Refuse(errors::kNoSuchClient);
    }
    ctx.reply.Ok();
    return Status::Ok();
  }
  if (Status s = ReadKillFilter(args, &filter); !s.ok()) return s;
  ctx.reply.Integer(ctx.services.KillClients(ctx.session, filter));
  return Status::Ok();
}

Status ClientHelp(CommandContext& ctx, ArgReader) {
  static constexpr Slice kLines[] = {
      "GETNAME",
      "    The connection's name.",
      "ID",
      "    The connection's number.",
      "INFO",
      "    What LIST says about this connection.",
      "KILL <ip:port>",
      "    Closes the connection from there.",
      "KILL <option> <value> [<option> <value> ...]",
      "    Closes the connections to which all options apply:",
      "    ID <number>, TYPE (NORMAL|MASTER|REPLICA|PUBSUB), USER <name>,",
      "    ADDR <ip:port>, LADDR <ip:port>; SKIPME (YES|NO): not this one, unless NO.",
      "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <number> [<number> ...]]",
      "    A line about each connection.",
      "NO-EVICT (ON|OFF)",
      "    Keeps the connection when memory for connections runs out.",
      "NO-TOUCH (ON|OFF)",
      "    Accepted: times of use are not kept.",
      "REPLY (ON|OFF|SKIP)",
      "    Answers, answers nothing, or leaves out the next answer.",
      "SETINFO (LIB-NAME|LIB-VER) <value>",
      "    Tells which client library this is.",
      "SETNAME <name>",
      "    Names the connection.",
      "HELP",
      "    This text.",
  };
  return ReplyHelp(ctx, kLines);
}

// --- The rows ----------------------------------------------------------------------------------

constexpr Slice kGroup = "connection";
constexpr uint32_t kOwn = kNoScript | kLoading | kStale;
constexpr uint32_t kOthers = kOwn | kAdmin;
constexpr Slice kPerConnection = "O(N), N connections";

// clang-format off
constexpr Command kClientCommands[] = {
    {.name = "client|getname", .run = ClientGetName, .arity = 2, .flags = kOwn, .group = kGroup,
     .since = "2.6.9", .complexity = "O(1)", .summary = "Tells the connection's name."},
    {.name = "client|help", .run = ClientHelp, .arity = 2, .flags = kLoading | kStale,
     .group = kGroup, .since = "5.0.0", .complexity = "O(1)",
     .summary = "Lists the subcommands."},
    {.name = "client|id", .run = ClientId, .arity = 2, .flags = kOwn, .group = kGroup,
     .since = "5.0.0", .complexity = "O(1)", .summary = "Tells the connection's number."},
    {.name = "client|info", .run = ClientInfo, .arity = 2, .flags = kOwn,
     .tips = "nondeterministic_output", .group = kGroup, .since = "6.2.0",
     .complexity = "O(1)", .summary = "Describes the connection."},
    {.name = "client|kill", .run = ClientKill, .arity = -3, .flags = kOthers, .group = kGroup,
     .since = "2.4.0", .complexity = kPerConnection, .summary = "Closes connections.",
     .syntax = "<ip:port | <[ID client-id] | "
               "[TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | "
               "[ADDR ip:port] | [LADDR ip:port] | [SKIPME yes/no]>...>"},
    {.name = "client|list", .run = ClientList, .arity = -2, .flags = kOthers,
     .tips = "nondeterministic_output", .group = kGroup, .since = "2.4.0",
     .complexity = kPerConnection, .summary = "Describes all connections.",
     .syntax = "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]"},
    {.name = "client|no-evict", .run = ClientNoEvict, .arity = 3, .flags = kOthers,
     .group = kGroup, .since = "7.0.0", .complexity = "O(1)",
     .summary = "Keeps the connection when memory for connections runs out.",
     .syntax = "<ON | OFF>"},
    {.name = "client|no-touch", .run = ClientNoTouch, .arity = 3, .flags = kOwn,
     .group = kGroup, .since = "7.2.0", .complexity = "O(1)",
     .summary = "Accepted: times of use are not kept.", .syntax = "<ON | OFF>"},
    {.name = "client|reply", .run = ClientReply, .arity = 3, .flags = kOwn, .group = kGroup,
     .since = "3.2.0", .complexity = "O(1)", .summary = "Turns answers on and off.",
     .syntax = "<ON | OFF | SKIP>"},
    {.name = "client|setinfo", .run = ClientSetInfo, .arity = 4, .flags = kOwn,
     .group = kGroup, .since = "7.2.0", .complexity = "O(1)",
     .summary = "Tells which client library this is.",
     .syntax = "<LIB-NAME libname | LIB-VER libver>"},
    {.name = "client|setname", .run = ClientSetName, .arity = 3, .flags = kOwn,
     .group = kGroup, .since = "2.6.9", .complexity = "O(1)",
     .summary = "Names the connection.", .syntax = "connection-name"},
};

constexpr Command kCommands[] = {
    {.name = "client", .arity = -2, .group = kGroup, .since = "2.4.0",
     .complexity = "Depends on the subcommand.", .summary = "About connections.",
     .subcommands = kClientCommands},
};
// clang-format on

}  // namespace

std::span<const Command> ClientCommands() { return kCommands; }

}  // namespace varve
