// commands/replies.cc: what replies.h promises, as far as it is not inline.
#include "commands/replies.h"

namespace varve {

bool IsClientName(Slice name) {
  for (const char c : name) {
    if (c < '!' || c > '~') return false;
  }
  return true;
}

Status ReplyHelp(CommandContext& ctx, std::span<const Slice> lines) {
  const Command& container = ctx.command.container ? *ctx.command.container : ctx.command;
  std::string heading;
  for (const char c : container.name) {
    heading.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c);
  }
  ctx.reply.Array(lines.size() + 1);
  ctx.reply.SimpleString(heading + " <subcommand> [<argument> ...]. Subcommands are:");
  for (const Slice line : lines) ctx.reply.SimpleString(line);
  return Status::Ok();
}

}  // namespace varve
