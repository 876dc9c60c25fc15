// commands/command_command.cc: COMMAND: what the table says, as Redis 7.0 says it.
//
// Client libraries read COMMAND INFO for key positions, redis-cli reads COMMAND DOCS for its hints.
#include "commands/command.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/glob.h"
#include "commands/replies.h"
#include "commands/syntax.h"
#include "commands/table.h"
#include "resp/errors.h"

namespace varve {

namespace {

std::vector<Slice> Split(Slice text, Slice separator) {
  std::vector<Slice> parts;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    text = end == Slice::npos ? Slice() : text.substr(end + separator.size());
  }
  return parts;
}

// --- Flags and categories ----------------------------------------------------------------------

// In the order in which Redis lists them.
struct FlagName {
  CommandFlag flag;
  Slice name;
};
// clang-format off
constexpr FlagName kFlagNames[] = {
    {kWrite, "write"},       {kReadOnly, "readonly"},   {kDenyOom, "denyoom"},
    {kAdmin, "admin"},       {kNoScript, "noscript"},   {kBlocking, "blocking"},
    {kLoading, "loading"},   {kStale, "stale"},         {kSkipSlowlog, "skip_slowlog"},
    {kFast, "fast"},         {kNoAuth, "no_auth"},      {kNoMandatoryKeys, "no_mandatory_keys"},
    {kNoMulti, "no_multi"},  {kMovableKeys, "movablekeys"}, {kAllowBusy, "allow_busy"},
};
constexpr Slice kCategories[] = {
    "keyspace", "read",  "write",    "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",   "stream",     "pubsub",      "admin",
    "fast",     "slow",  "blocking", "dangerous", "connection", "transaction", "scripting",
};
// clang-format on

Slice CategoryOfGroup(Slice group) {
  if (group == "generic") return "keyspace";
  if (group == "transactions") return "transaction";
  if (group == "server") return {};
  return group;
}

// `category` without '@'. What follows from flags and group, and what the row adds.
bool IsInCategory(const Command& command, Slice category) {
  const uint32_t flags = command.flags;
  if (category == "read") return (flags & kReadOnly) != 0;
  if (category == "write") return (flags & kWrite) != 0;
  if (category == "fast") return (flags & kFast) != 0;
  if (category == "slow") return (flags & kFast) == 0;
  if (category == "blocking") return (flags & kBlocking) != 0;
  if ((category == "admin" || category == "dangerous") && (flags & kAdmin) != 0) return true;
  // A mere container belongs to no group.
  if (command.run != nullptr && category == CategoryOfGroup(command.group)) return true;
  const std::vector<Slice> more = Split(command.acl_categories, " ");
  return std::find(more.begin(), more.end(), category) != more.end();
}

void ReplyWords(ReplyWriter& reply, const std::vector<Slice>& words) {
  reply.Set(words.size());
  for (const Slice word : words) reply.SimpleString(word);
}

std::vector<Slice> FlagsOf(const Command& command) {
  std::vector<Slice> names;
  for (const FlagName& flag : kFlagNames) {
    if ((command.flags & flag.flag) != 0) names.push_back(flag.name);
  }
  return names;
}

// --- COMMAND INFO ------------------------------------------------------------------------------

// A specification of where keys are: from `first`, `last` counted from there, or from the end if
// negative.
struct KeySpec {
  std::vector<Slice> flags;
  int first;
  int last;
};

std::vector<KeySpec> KeySpecsOf(const Command& command) {
  std::vector<KeySpec> specs;
  const std::vector<Slice> parts = Split(command.key_flags, "; ");
  for (size_t i = 0; i < parts.size(); ++i) {
    KeySpec spec{Split(parts[i], " "), command.keys.first, command.keys.last};
    if (parts.size() > 1) {
      spec.first += static_cast<int>(i);
      spec.last = 0;
    } else if (spec.last >= 0) {
      spec.last -= spec.first;
    }
    specs.push_back(std::move(spec));
  }
  return specs;
}

void ReplyKeySpec(ReplyWriter& reply, const Command& command, const KeySpec& spec) {
  reply.Map(3);
  reply.Bulk("flags");
  ReplyWords(reply, spec.flags);
  reply.Bulk("begin_search");
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk("index");
  reply.Bulk("spec");
  reply.Map(1);
  reply.Bulk("index");
  reply.Integer(spec.first);
  reply.Bulk("find_keys");
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk("range");
  reply.Bulk("spec");
  reply.Map(3);
  reply.Bulk("lastkey");
  reply.Integer(spec.last);
  reply.Bulk("keystep");
  reply.Integer(command.keys.step);
  reply.Bulk("limit");
  reply.Integer(0);
}

void ReplyInfo(ReplyWriter& reply, const Command& command) {
  reply.Array(10);
  reply.Bulk(command.name);
  reply.Integer(command.arity);
  ReplyWords(reply, FlagsOf(command));
  reply.Integer(command.keys.first);
  reply.Integer(command.keys.last);
  reply.Integer(command.keys.step);

  std::vector<std::string> categories;
  for (const Slice category : kCategories) {
    if (IsInCategory(command, category)) categories.push_back("@" + std::string(category));
  }
  ReplyWords(reply, {categories.begin(), categories.end()});

  const std::vector<Slice> tips = Split(command.tips, " ");
  reply.Set(tips.size());
  for (const Slice tip : tips) reply.Bulk(tip);

  const std::vector<KeySpec> specs = KeySpecsOf(command);
  reply.Set(specs.size());
  for (const KeySpec& spec : specs) ReplyKeySpec(reply, command, spec);

  // Of RESP3's two ways to say "none", Redis chose this one here.
  if (command.subcommands.empty()) {
    reply.Set(0);
  } else {
    reply.Array(command.subcommands.size());
  }
  for (const Command& subcommand : command.subcommands) ReplyInfo(reply, subcommand);
}

// COMMAND, COMMAND INFO [name ...] -> the rows of all commands, or of those named; nil for unknown
// ones.
Status CommandInfo(CommandContext& ctx, ArgReader args) {
  if (!args.more()) {
    ctx.reply.Array(AllCommands().size());
    for (const Command* command : AllCommands()) ReplyInfo(ctx.reply, *command);
    return Status::Ok();
  }
  ctx.reply.Array(args.remaining());
  while (args.more()) {
    if (const Command* command = FindByFullName(args.Next())) {
      ReplyInfo(ctx.reply, *command);
    } else {
      ctx.reply.Null();
    }
  }
  return Status::Ok();
}

// --- COMMAND DOCS ------------------------------------------------------------------------------

void ReplyArgument(ReplyWriter& reply, const Command& command, const SyntaxArgument& argument,
                   int64_t* keys_seen) {
  std::vector<Slice> flags;
  if (argument.optional) flags.push_back("optional");
  if (argument.multiple) flags.push_back("multiple");
  if (argument.multiple_token) flags.push_back("multiple_token");
  const bool is_key = argument.type == "key";
  reply.Map(2 + (is_key ? 1 : 0) + (argument.token.empty() ? 0 : 1) + (flags.empty() ? 0 : 1) +
            (argument.children.empty() ? 0 : 1));
  reply.Bulk("name");
  reply.Bulk(argument.name);
  reply.Bulk("type");
  reply.Bulk(argument.type);
  if (is_key) {
    // Keys beyond the last specification belong to it.
    const auto specs = static_cast<int64_t>(KeySpecsOf(command).size());
    reply.Bulk("key_spec_index");
    reply.Integer(std::min((*keys_seen)++, std::max<int64_t>(specs - 1, 0)));
  }
  if (!argument.token.empty()) {
    reply.Bulk("token");
    reply.Bulk(argument.token);
  }
  if (!flags.empty()) {
    reply.Bulk("flags");
    ReplyWords(reply, flags);
  }
  if (argument.children.empty()) return;
  reply.Bulk("arguments");
  reply.Array(argument.children.size());
  for (const SyntaxArgument& child : argument.children) {
    ReplyArgument(reply, command, child, keys_seen);
  }
}

void ReplyDocs(ReplyWriter& reply, const Command& command) {
  const bool deprecated = !command.deprecated_since.empty();
  const std::vector<SyntaxArgument> arguments = ParseSyntax(command.syntax);
  reply.Bulk(command.name);
  reply.Map(4 + (deprecated ? 3 : 0) + (arguments.empty() ? 0 : 1) +
            (command.subcommands.empty() ? 0 : 1));
  reply.Bulk("summary");
  reply.Bulk(command.summary);
  reply.Bulk("since");
  reply.Bulk(command.since);
  reply.Bulk("group");
  reply.Bulk(command.group);
  reply.Bulk("complexity");
  reply.Bulk(command.complexity);
  if (deprecated) {
    reply.Bulk("doc_flags");
    ReplyWords(reply, {"deprecated"});
    reply.Bulk("deprecated_since");
    reply.Bulk(command.deprecated_since);
    reply.Bulk("replaced_by");
    reply.Bulk(command.replaced_by);
  }
  if (!arguments.empty()) {
    int64_t keys_seen = 0;
    reply.Bulk("arguments");
    reply.Array(arguments.size());
    for (const SyntaxArgument& argument : arguments) {
      ReplyArgument(reply, command, argument, &keys_seen);
    }
  }
  if (!command.subcommands.empty()) {
    reply.Bulk("subcommands");
    reply.Map(command.subcommands.size());
    for (const Command& subcommand : command.subcommands) ReplyDocs(reply, subcommand);
  }
}

// COMMAND DOCS [name ...] -> what each is for and what it takes; unknown ones are left out.
Status CommandDocs(CommandContext& ctx, ArgReader args) {
  std::vector<const Command*> commands;
  if (!args.more()) commands.assign(AllCommands().begin(), AllCommands().end());
  while (args.more()) {
    if (const Command* command = FindByFullName(args.Next())) commands.push_back(command);
  }
  ctx.reply.Map(commands.size());
  for (const Command* command : commands) ReplyDocs(ctx.reply, *command);
  return Status::Ok();
}

// --- COMMAND COUNT, LIST, GETKEYS --------------------------------------------------------------

// COMMAND COUNT -> how many there are, subcommands not counted.
Status CommandCountAll(CommandContext& ctx, ArgReader) {
  ctx.reply.Integer(static_cast<int64_t>(AllCommands().size()));
  return Status::Ok();
}

// COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern] -> names, subcommands
// included.
Status CommandList(CommandContext& ctx, ArgReader args) {
  enum class Filter { kNone, kModule, kCategory, kPattern } filter = Filter::kNone;
  Slice value;
  if (args.remaining() == 3 && args.TakeWord("filterby")) {
    if (args.TakeWord("module")) {
      filter = Filter::kModule;
    } else if (args.TakeWord("aclcat")) {
      filter = Filter::kCategory;
    } else if (args.TakeWord("pattern")) {
      filter = Filter::kPattern;
    } else {
      return StatusCode::kSyntaxError;
    }
    value = args.Next();
  }
  if (Status s = args.Finish(); !s.ok()) return s;

  std::vector<Slice> names;
  for (int i = 0; i < CommandCount(); ++i) {
    const Command& command = CommandAt(i);
    bool wanted = true;
    switch (filter) {
      case Filter::kNone: break;
      case Filter::kModule: wanted = false; break;  // There are none.
      case Filter::kCategory: wanted = IsInCategory(command, value); break;
      case Filter::kPattern: wanted = GlobMatch(value, command.name, true); break;
    }
    if (wanted) names.push_back(command.name);
  }
  ctx.reply.Array(names.size());
  for (const Slice name : names) ctx.reply.Bulk(name);
  return Status::Ok();
}

// The request that the arguments of COMMAND GETKEYS are, its command and where its keys are.
struct Inner {
  Request request;
  const Command* command = nullptr;
  std::vector<size_t> keys;
};

Status ReadInner(ArgReader& args, Inner* inner) {
  while (args.more()) inner->request.argv.push_back(args.Next());
  const std::vector<Slice>& argv = inner->request.argv;
  const Command* command = FindCommand(argv[0]);
  if (command != nullptr && !command->subcommands.empty()) {
    const Command* const container = command;
    command = container->run != nullptr ? container : nullptr;
    for (const Command& subcommand : container->subcommands) {
      if (argv.size() > 1 && EqualsIgnoreCase(subcommand.short_name(), argv[1])) {
        command = &subcommand;
      }
    }
  }
  if (command == nullptr) return errors::Refuse(errors::kInvalidCommandSpecified);
  if (command->keys.first == 0) return errors::Refuse(errors::kCommandHasNoKeys);
  const auto count = static_cast<int>(argv.size());
  if (command->arity >= 0 ? count != command->arity : count < -command->arity) {
    return errors::Refuse(errors::kInvalidCommandArguments);
  }
  Result<std::vector<size_t>> keys = KeyIndexes(*command, inner->request);
  if (!keys.ok()) return keys.status();
  inner->command = command;
  inner->keys = std::move(*keys);
  return Status::Ok();
}

// COMMAND GETKEYS name argument [argument ...] -> the keys among the arguments.
Status CommandGetKeys(CommandContext& ctx, ArgReader args) {
  Inner inner;
  if (Status s = ReadInner(args, &inner); !s.ok()) return s;
  ctx.reply.Array(inner.keys.size());
  for (const size_t index : inner.keys) ctx.reply.Bulk(inner.request.argv[index]);
  return Status::Ok();
}

// COMMAND GETKEYSANDFLAGS name argument [argument ...] -> the keys, each with what is done to it.
Status CommandGetKeysAndFlags(CommandContext& ctx, ArgReader args) {
  Inner inner;
  if (Status s = ReadInner(args, &inner); !s.ok()) return s;
  const std::vector<KeySpec> specs = KeySpecsOf(*inner.command);
  ctx.reply.Array(inner.keys.size());
  for (size_t i = 0; i < inner.keys.size(); ++i) {
    std::vector<Slice> flags = specs[std::min(i, specs.size() - 1)].flags;
    if (!flags.empty() && flags.back() == "variable_flags") {
      // SET: it reads the old value only if told to.
      const std::vector<Slice>& argv = inner.request.argv;
      const bool reads = std::any_of(argv.begin() + 3, argv.end(), [](Slice argument) {
        return EqualsIgnoreCase(argument, "get");
      });
      flags =
          reads ? std::vector<Slice>{"RW", "access", "update"} : std::vector<Slice>{"OW", "update"};
    }
    ctx.reply.Array(2);
    ctx.reply.Bulk(inner.request.argv[inner.keys[i]]);
    ReplyWords(ctx.reply, flags);
  }
  return Status::Ok();
}

Status CommandHelp(CommandContext& ctx, ArgReader) {
  static constexpr Slice kLines[] = {
      "(no subcommand)",
      "    The same as INFO.",
      "COUNT",
      "    How many commands there are.",
      "DOCS [<name> ...]",
      "    What commands are for and what they take.",
      "GETKEYS <command> <argument> [...]",
      "    Which arguments are keys.",
      "GETKEYSANDFLAGS <command> <argument> [...]",
      "    The same, with what is done to them.",
      "INFO [<name> ...]",
      "    Arity, flags and key positions of commands.",
      "LIST [FILTERBY (MODULE|ACLCAT|PATTERN) <value>]",
      "    The names of commands.",
      "HELP",
      "    This text.",
  };
  return ReplyHelp(ctx, kLines);
}

// --- The rows ----------------------------------------------------------------------------------

constexpr Slice kGroup = "server";
constexpr Slice kCategory = "connection";
constexpr uint32_t kFlags = kLoading | kStale;
constexpr Slice kUnordered = "nondeterministic_output_order";

// clang-format off
constexpr Command kSubcommands[] = {
    {.name = "command|count", .run = CommandCountAll, .arity = 2, .flags = kFlags,
     .acl_categories = kCategory, .group = kGroup, .since = "2.8.13", .complexity = "O(1)",
     .summary = "Counts the commands."},
    {.name = "command|docs", .run = CommandDocs, .arity = -2, .flags = kFlags,
     .acl_categories = kCategory, .tips = kUnordered, .group = kGroup, .since = "7.0.0",
     .complexity = "O(N), N commands", .summary = "Describes commands.",
     .syntax = "[command-name [command-name ...]]"},
    {.name = "command|getkeys", .run = CommandGetKeys, .arity = -4, .flags = kFlags,
     .acl_categories = kCategory, .group = kGroup, .since = "2.8.13",
     .complexity = "O(N), N arguments", .summary = "Finds the keys in a request."},
    {.name = "command|getkeysandflags", .run = CommandGetKeysAndFlags, .arity = -4,
     .flags = kFlags, .acl_categories = kCategory, .group = kGroup, .since = "7.0.0",
     .complexity = "O(N), N arguments",
     .summary = "Finds the keys in a request, and what it does to them."},
    {.name = "command|help", .run = CommandHelp, .arity = 2, .flags = kFlags,
     .acl_categories = kCategory, .group = kGroup, .since = "5.0.0", .complexity = "O(1)",
     .summary = "Lists the subcommands."},
    {.name = "command|info", .run = CommandInfo, .arity = -2, .flags = kFlags,
     .acl_categories = kCategory, .tips = kUnordered, .group = kGroup, .since = "2.8.13",
     .complexity = "O(N), N commands", .summary = "Tells arity, flags and keys of commands.",
     .syntax = "[command-name [command-name ...]]"},
    {.name = "command|list", .run = CommandList, .arity = -2, .flags = kFlags,
     .acl_categories = kCategory, .tips = kUnordered, .group = kGroup, .since = "7.0.0",
     .complexity = "O(N), N commands", .summary = "Names the commands.",
     .syntax = "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]"},
};

constexpr Command kCommands[] = {
    {.name = "command", .run = CommandInfo, .arity = -1, .flags = kFlags,
     .acl_categories = kCategory, .tips = kUnordered, .group = kGroup, .since = "2.8.13",
     .complexity = "O(N), N commands", .summary = "Tells arity, flags and keys of all commands.",
     .subcommands = kSubcommands},
};
// clang-format on

}  // namespace

std::span<const Command> CommandCommands() { return kCommands; }

}  // namespace varve
