// commands/transaction.cc: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//
// The dispatcher copies what comes between MULTI and EXEC into the session. EXEC runs it as one
// unit, on one view and into one batch: all of it is committed, or nothing.
//
//   run each   error: what this command wrote is taken back, its error stands in its place
//              kPending: everything is taken back, and EXEC as a whole runs again later
//
// The few commands that change the session instead of the data (SELECT, HELLO, CLIENT SETNAME) have
// done so by then; SessionState undoes it.
#include "commands/command.h"
#include "commands/table.h"
#include "resp/errors.h"

namespace varve {

namespace {

// What commands may change of a session while EXEC runs them.
class SessionState {
 public:
  explicit SessionState(const Session& session)
      : database_(session.database),
        resp_version_(session.resp_version),
        authenticated_(session.authenticated),
        no_evict_(session.no_evict),
        reply_mode_(session.reply_mode),
        name_(session.name),
        library_name_(session.library_name),
        library_version_(session.library_version) {}

  void Restore(Session& session) {
    session.database = database_;
    session.resp_version = resp_version_;
    session.authenticated = authenticated_;
    session.no_evict = no_evict_;
    session.reply_mode = reply_mode_;
    session.name = name_;
    session.library_name = library_name_;
    session.library_version = library_version_;
  }

 private:
  const int database_;
  const int resp_version_;
  const bool authenticated_;
  const bool no_evict_;
  const ReplyMode reply_mode_;
  const std::string name_, library_name_, library_version_;
};

void EndTransaction(CommandContext& ctx) {
  ctx.session.in_multi = false;
  ctx.session.multi_failed = false;
  ctx.session.queued.clear();
  ctx.services.Unwatch(ctx.session);
  ctx.session.watched_key_changed = false;
}

// Whether a key that was there when WATCH named it has expired. Nobody has written that, so nobody
// told.
Status WatchedKeyExpired(CommandContext& ctx, bool* expired) {
  *expired = false;
  Status status;
  const int database = ctx.view.database();
  ctx.services.ForEachWatched(ctx.session, [&](int watched_database, Slice key, bool existed) {
    if (!existed || !status.ok()) return;
    ctx.view.Select(watched_database);
    KeyValue value;
    Status s = ctx.view.Peek(key, &value);
    if (s.is_not_found()) {
      *expired = true;
    } else if (!s.ok()) {
      status = std::move(s);
    }
  });
  ctx.view.Select(database);
  return status;
}

// Runs one queued command; its reply, or its error, is written. Only kPending is returned.
Status RunQueued(CommandContext& ctx, const Session::QueuedCommand& queued) {
  const View::Mark mark = ctx.view.mark();
  const uint64_t reply_start = ctx.reply.out().position();
  // HELLO may have changed the version since the last one.
  ReplyWriter reply(ctx.reply.out(), ctx.session.resp_version);
  CommandContext inner{ctx.view, reply, ctx.session, ctx.services, *queued.command, queued.request};
  Status s = Run(inner);
  if (s.ok() || s.is_pending()) return s;
  ctx.view.TruncateTo(mark);
  ctx.reply.out().TruncateTo(reply_start);
  reply.Error(ErrorText(s));
  return Status::Ok();
}

// MULTI -> OK. What follows is queued.
Status Multi(CommandContext& ctx, ArgReader) {
  if (ctx.session.in_multi) return errors::Refuse(errors::kNestedMulti);
  ctx.session.in_multi = true;
  ctx.reply.Ok();
  return Status::Ok();
}

// Ok with a null array if a watched key has changed. What is refused has not happened, nor what it did to the session.
Status RunTransaction(CommandContext& ctx) {
  Session& session = ctx.session;
  if (session.multi_failed) return errors::Refuse(errors::kExecAbort);
  bool expired = false;
  if (!session.watched_key_changed) {
    if (Status s = WatchedKeyExpired(ctx, &expired); !s.ok()) return s;
  }
  if (session.watched_key_changed || expired) {
    ctx.reply.NullArray();
    return Status::Ok();
  }

  SessionState before(session);
  const bool may_yield = ctx.view.may_yield();
  ctx.view.set_may_yield(false);
  ctx.reply.Array(session.queued.size());
  Status status;
  for (const Session::QueuedCommand& queued : session.queued) {
    status = RunQueued(ctx, queued);
    if (!status.ok()) break;
  }
  ctx.view.set_may_yield(may_yield);
  if (status.ok()) status = ctx.view.Accepted();
  if (!status.ok()) before.Restore(session);
  return status;
}

// EXEC -> the replies of all that was queued; nil if a watched key has changed. However it ends, the transaction is over.
Status Exec(CommandContext& ctx, ArgReader) {
  if (!ctx.session.in_multi) return errors::Refuse(errors::kExecWithoutMulti);
  Status status = RunTransaction(ctx);
  if (!status.is_pending()) EndTransaction(ctx);
  return status;
}

// DISCARD -> OK. What was queued is forgotten, and what was watched.
Status Discard(CommandContext& ctx, ArgReader) {
  if (!ctx.session.in_multi) return errors::Refuse(errors::kDiscardWithoutMulti);
  EndTransaction(ctx);
  ctx.reply.Ok();
  return Status::Ok();
}

// WATCH key [key ...] -> OK. EXEC will do nothing if one of the keys has changed by then.
Status Watch(CommandContext& ctx, ArgReader args) {
  if (ctx.session.in_multi) return errors::Refuse(errors::kWatchInsideMulti);
  // Nothing is watched before it is known of all keys whether they are there.
  std::vector<bool> exists;
  bool pending = false;
  for (ArgReader keys = args; keys.more();) {
    KeyValue value;
    Status s = ctx.view.Peek(keys.Next(), &value);
    if (!s.ok() && !s.is_not_found() && !s.is_pending()) return s;
    pending |= s.is_pending();
    exists.push_back(s.ok());
  }
  if (pending) return Status::Pending();
  for (const bool exists_now : exists) {
    ctx.services.Watch(ctx.session, ctx.view.database(), args.Next(), exists_now);
  }
  ctx.reply.Ok();
  return Status::Ok();
}

// UNWATCH -> OK. Within EXEC, which ends all watching, there is nothing left to do; and EXEC may have to wait, and look at what is
// watched once more.
Status Unwatch(CommandContext& ctx, ArgReader) {
  if (!ctx.session.in_multi) {
    ctx.services.Unwatch(ctx.session);
    ctx.session.watched_key_changed = false;
  }
  ctx.reply.Ok();
  return Status::Ok();
}

// --- The rows ----------------------------------------------------------------------------------

constexpr Slice kGroup = "transactions";

// clang-format off
constexpr Command kCommands[] = {
    {.name = "discard", .run = Discard, .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kNotQueued, .group = kGroup,
     .since = "2.0.0", .complexity = "O(N), N queued commands",
     .summary = "Forgets what was queued since MULTI."},
    {.name = "exec", .run = Exec, .arity = 1,
     .flags = kNoScript | kLoading | kStale | kSkipSlowlog | kNotQueued, .group = kGroup,
     .since = "1.2.0", .complexity = "Depends on the queued commands.",
     .summary = "Runs what was queued since MULTI, all in one go."},
    {.name = "multi", .run = Multi, .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kNotQueued, .group = kGroup,
     .since = "1.2.0", .complexity = "O(1)",
     .summary = "Begins a transaction: what follows is queued."},
    {.name = "unwatch", .run = Unwatch, .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy, .group = kGroup,
     .since = "2.2.0", .complexity = "O(N), N watched keys", .summary = "Watches no key any more."},
    {.name = "watch", .run = Watch, .arity = -2,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kNotQueued, .keys = {1, -1, 1},
     .key_flags = "RO", .group = kGroup, .since = "2.2.0", .complexity = "O(N), N keys",
     .summary = "Makes the next EXEC depend on keys staying as they are.",
     .syntax = "key [key ...]"},
};
// clang-format on

}  // namespace

std::span<const Command> TransactionCommands() { return kCommands; }

}  // namespace varve
