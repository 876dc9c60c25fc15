// commands/replies.h: replies and arguments that several commands share.
#pragma once

#include <string>

#include "base/result.h"
#include "commands/args.h"
#include "commands/command.h"
#include "data/view.h"

namespace varve {

// A value as a bulk string; a large one is shared with the reply.
inline void ReplyValue(ReplyWriter& reply, const KeyValue& value) {
  if (value.shared) {
    reply.Bulk(value.shared);
  } else {
    reply.Bulk(value.bytes);
  }
}

// As TYPE has it.
inline Slice TypeName(ValueType type) {
  switch (type) {
    case ValueType::kString: return "string";
  }
  return "unknown";
}

// A database index as SELECT, MOVE and COPY read it: fails with their errors.
inline int NextDatabase(ArgReader& args, const View& view) {
  const int64_t index = args.NextInt64();
  if (!args.failed() && (index < INT32_MIN || index > INT32_MAX)) {
    args.Fail(Status::ClientError(
        "ERR value is out of range, value must between -2147483648 and 2147483647"));
  }
  if (index < 0 || index >= view.database_count()) args.Fail(StatusCode::kDbIndexOutOfRange);
  return args.failed() ? 0 : static_cast<int>(index);
}

// Printable, without blanks: names and such stand in CLIENT LIST's lines. May be empty.
bool IsClientName(Slice name);

// The answer of a HELP subcommand: a heading for `command`, then the lines given.
Status ReplyHelp(CommandContext& ctx, std::span<const Slice> lines);

}  // namespace varve
