// commands/command.h: what a command is: a function, and the row that says all about it.
//
// A command is a pure function of its arguments and the view: it reads, and leaves a reply and
// writes in the view's batch. It may be run again, and will be when a read was kPending. An error
// status becomes the reply (resp/errors.h); what was written to reply and batch before is dropped.
#pragma once

#include <cstdint>
#include <span>

#include "base/slice.h"
#include "base/status.h"
#include "commands/args.h"
#include "commands/services.h"
#include "commands/session.h"
#include "data/view.h"
#include "resp/reply_writer.h"
#include "resp/request_reader.h"

namespace varve {

struct Command;

struct CommandContext {
  View& view;
  ReplyWriter& reply;
  Session& session;
  Services& services;
  const Command& command;
  const Request& request;
};

using CommandFunction = Status (*)(CommandContext& ctx, ArgReader args);

// Flags, as COMMAND INFO names them.
enum CommandFlag : uint32_t {
  kWrite = 1 << 0,
  kReadOnly = 1 << 1,
  kDenyOom = 1 << 2,
  kAdmin = 1 << 3,
  kNoScript = 1 << 4,
  kLoading = 1 << 5,
  kStale = 1 << 6,
  kFast = 1 << 7,
  kNoAuth = 1 << 8,  // may be run before AUTH
  kNoMulti = 1 << 9,
  kSkipSlowlog = 1 << 10,
  kNoMandatoryKeys = 1 << 11,
  kAllowBusy = 1 << 12,
  kBlocking = 1 << 13,
  kMovableKeys = 1 << 14,
  // Not shown: the dispatcher runs these at once inside MULTI instead of queueing them.
  kNotQueued = 1 << 24,
};

// Where keys stand in the arguments, as COMMAND INFO reports it: {first, last, step}; last may
// be negative, counted from the end; {0, 0, 0}: none.
struct KeyPositions {
  int first = 0;
  int last = 0;
  int step = 0;
};

struct Command {
  Slice name;                     // lower case; a subcommand's with its container's: "client|kill"
  CommandFunction run = nullptr;  // null for a container: one of its subcommands runs
  int arity = 0;                  // with the name; negative: at least
  uint32_t flags = 0;
  KeyPositions keys = {};
  // What is done to them, as COMMAND INFO's key specifications have it: "RO access". Where the keys
  // differ, one specification each: "RW access delete; OW update".
  Slice key_flags = {};
  Slice acl_categories = {};  // beyond those that follow from flags and group: "keyspace dangerous"
  Slice tips = {};            // for clients of many servers: "request_policy:all_shards ..."
  Slice group = {};           // "string", "generic", "connection", "server", "transactions"
  Slice since = {};
  Slice deprecated_since = {};
  Slice replaced_by = {};
  Slice complexity = {};
  Slice summary = {};
  // Its arguments in the notation of Redis' manual: "key value [NX | XX] [GET] [EX seconds | PX
  // milliseconds]". COMMAND DOCS derives its argument tree, and so redis-cli its hints, from this
  // text; see syntax.h.
  Slice syntax = {};
  std::span<const Command> subcommands = {};

  // Set by the table.
  const Command* container = nullptr;  // of a subcommand
  size_t first_argument = 1;           // in argv, behind the name, or both names

  // "kill" of "client|kill".
  Slice short_name() const { return name.substr(name.find('|') + 1); }
};

// Runs ctx.command on ctx.request. REQUIRES: both come from ResolveCommand.
inline Status Run(CommandContext& ctx) {
  return ctx.command.run(ctx, ArgReader(ctx.request, ctx.command.first_argument));
}

}  // namespace varve
