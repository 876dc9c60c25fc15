// commands/connection.cc: who is there, and how we talk. CLIENT is in client_command.cc.
#include "commands/command.h"
#include "commands/redis_version.h"
#include "commands/replies.h"
#include "commands/table.h"
#include "resp/errors.h"

namespace varve {

namespace {

constexpr Slice kDefaultUser = "default";

// PING [message] -> PONG, or the message.
Status Ping(CommandContext& ctx, ArgReader args) {
  if (args.remaining() > 1) return errors::Refuse(errors::WrongArity(ctx.command.name));
  if (args.more()) {
    ctx.reply.Bulk(args.Next());
  } else {
    ctx.reply.SimpleString("PONG");
  }
  return Status::Ok();
}

// ECHO message -> the message.
Status Echo(CommandContext& ctx, ArgReader args) {
  SharedBytes shared;
  const Slice message = args.Next(&shared);
  if (shared) {
    ctx.reply.Bulk(shared);
  } else {
    ctx.reply.Bulk(message);
  }
  return Status::Ok();
}

// Without a password any is right, as in Redis; of user names there is one.
Status Authenticate(CommandContext& ctx, Slice user, Slice password) {
  const bool right = ctx.services.PasswordRequired() ? ctx.services.CheckPassword(user, password)
                                                     : user == kDefaultUser;
  if (!right) return errors::Refuse(errors::kWrongPass);
  ctx.session.authenticated = true;
  return Status::Ok();
}

// AUTH [username] password -> OK.
Status Auth(CommandContext& ctx, ArgReader args) {
  if (args.remaining() > 2) return StatusCode::kSyntaxError;
  Slice user = kDefaultUser;
  if (args.remaining() == 2) {
    user = args.Next();
  } else if (!ctx.services.PasswordRequired()) {
    return errors::Refuse(errors::kAuthWithoutPassword);
  }
  if (Status s = Authenticate(ctx, user, args.Next()); !s.ok()) return s;
  ctx.reply.Ok();
  return Status::Ok();
}

// HELLO [protover [AUTH username password] [SETNAME clientname]] -> who we are, in the new
// protocol.
//
// Options take effect one after the other, also those before a bad one.
Status Hello(CommandContext& ctx, ArgReader args) {
  Session& session = ctx.session;
  int64_t version = session.resp_version;
  if (args.more()) {
    const std::optional<int64_t> wanted = ParseInt64(args.Next());
    if (!wanted) return errors::Refuse(errors::kHelloVersionNotAnInteger);
    if (*wanted < 2 || *wanted > 3) return errors::Refuse(errors::kNoProto);
    version = *wanted;
  }
  while (args.more()) {
    if (args.remaining() >= 3 && args.TakeWord("auth")) {
      const Slice user = args.Next();
      if (Status s = Authenticate(ctx, user, args.Next()); !s.ok()) return s;
    } else if (args.remaining() >= 2 && args.TakeWord("setname")) {
      const Slice name = args.Next();
      if (!IsClientName(name)) return errors::Refuse(errors::kClientNameCharacters);
      session.name = name;
    } else {
      return errors::Refuse(errors::HelloSyntax(args.Peek()));
    }
  }
  if (!session.authenticated) return errors::Refuse(errors::kHelloNoAuth);

  session.resp_version = static_cast<int>(version);
  ReplyWriter reply(ctx.reply.out(), session.resp_version);
  reply.Map(7);
  reply.Bulk("server");
  reply.Bulk("redis");
  reply.Bulk("version");
  reply.Bulk(kRedisVersion);
  reply.Bulk("proto");
  reply.Integer(version);
  reply.Bulk("id");
  reply.Integer(static_cast<int64_t>(session.id));
  reply.Bulk("mode");
  reply.Bulk("standalone");
  reply.Bulk("role");
  reply.Bulk("master");
  reply.Bulk("modules");
  reply.Array(0);
  return Status::Ok();
}

// SELECT index -> OK.
Status Select(CommandContext& ctx, ArgReader args) {
  const int database = NextDatabase(args, ctx.view);
  if (Status s = args.Finish(); !s.ok()) return s;
  ctx.session.database = database;
  ctx.view.Select(database);
  ctx.reply.Ok();
  return Status::Ok();
}

// QUIT -> OK, and the connection ends.
Status Quit(CommandContext& ctx, ArgReader) {
  ctx.session.close_after_reply = true;
  ctx.reply.Ok();
  return Status::Ok();
}

// RESET -> RESET: the connection as it was when it was new.
Status Reset(CommandContext& ctx, ArgReader) {
  Session& session = ctx.session;
  ctx.services.Unwatch(session);
  session.in_multi = false;
  session.multi_failed = false;
  session.queued.clear();
  session.watched_key_changed = false;
  session.database = 0;
  session.resp_version = 2;
  session.authenticated = !ctx.services.PasswordRequired();
  session.name.clear();
  session.reply_mode = ReplyMode::kOn;
  session.no_evict = false;
  ctx.view.Select(0);
  ReplyWriter(ctx.reply.out(), session.resp_version).SimpleString("RESET");
  return Status::Ok();
}

// --- The rows ----------------------------------------------------------------------------------

constexpr Slice kGroup = "connection";
// May be run at any time, by anyone.
constexpr uint32_t kAlways = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy;

// clang-format off
constexpr Command kCommands[] = {
    {.name = "auth", .run = Auth, .arity = -2, .flags = kAlways, .group = kGroup,
     .since = "1.0.0", .complexity = "O(1)", .summary = "Tells the server the password.",
     .syntax = "[username] password"},
    {.name = "echo", .run = Echo, .arity = 2, .flags = kLoading | kStale | kFast,
     .group = kGroup, .since = "1.0.0", .complexity = "O(1)",
     .summary = "Answers what it was sent.", .syntax = "message"},
    {.name = "hello", .run = Hello, .arity = -1, .flags = kAlways, .group = kGroup,
     .since = "6.0.0", .complexity = "O(1)",
     .summary = "Agrees on a protocol, and tells about the server.",
     .syntax = "[protover [AUTH username password] [SETNAME clientname]]"},
    {.name = "ping", .run = Ping, .arity = -1, .flags = kFast,
     .tips = "request_policy:all_shards response_policy:all_succeeded", .group = kGroup,
     .since = "1.0.0", .complexity = "O(1)", .summary = "Answers PONG, or what it was sent.",
     .syntax = "[message]"},
    {.name = "quit", .run = Quit, .arity = -1, .flags = kAlways | kNotQueued, .group = kGroup,
     .since = "1.0.0", .complexity = "O(1)", .summary = "Ends the connection."},
    {.name = "reset", .run = Reset, .arity = 1, .flags = kAlways | kNotQueued, .group = kGroup,
     .since = "6.2.0", .complexity = "O(1)", .summary = "Makes the connection as new."},
    {.name = "select", .run = Select, .arity = 2, .flags = kLoading | kStale | kFast,
     .group = kGroup, .since = "1.0.0", .complexity = "O(1)",
     .summary = "Chooses the connection's database.", .syntax = "index"},
};
// clang-format on

}  // namespace

std::span<const Command> ConnectionCommands() { return kCommands; }

}  // namespace varve
