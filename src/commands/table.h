// commands/table.h: all commands, and how one is found.
//
// Each file of commands/ gives its rows; the table gathers them once, at first use, sorted by name.
// A lookup is one hash of the name in lower case: a few nanoseconds, no allocation. Threads: the
// table is immutable; any.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "commands/command.h"

namespace varve {

std::span<const Command> ConnectionCommands();
std::span<const Command> ClientCommands();
std::span<const Command> KeyCommands();
std::span<const Command> ExpireCommands();
std::span<const Command> ScanCommands();
std::span<const Command> StringCommands();
std::span<const Command> TransactionCommands();
std::span<const Command> AdminCommands();
std::span<const Command> LatencyCommands();
std::span<const Command> CommandCommands();

// Any case. Null if unknown.
const Command* FindCommand(Slice name);
// Likewise; a subcommand as "client|kill".
const Command* FindByFullName(Slice name);
// In a stable order, by name.
std::span<const Command* const> AllCommands();
// In [0, CommandCount()), subcommands behind all commands: for statistics.
int CommandIndex(const Command& command);
int CommandCount();  // subcommands included
const Command& CommandAt(int index);

// The row to run for a request: the command, or its subcommand. An error status is the
// reply: unknown command, unknown subcommand, wrong number of arguments, worded as Redis 7 does.
Result<const Command*> ResolveCommand(const Request& request);

// Where a request of `argument_count` arguments has its keys. Valid also where the request is too
// short.
//   for (size_t i = range.first; i <= range.last; i += range.step) use(argv[i]);
struct KeyRange {
  size_t first = 1;
  size_t last = 0;  // before first: no keys
  size_t step = 1;
};
KeyRange KeysOf(const Command& command, size_t argument_count);

// The same as a list. Empty for a command without keys; an error if the request is too short for
// its first.
Result<std::vector<size_t>> KeyIndexes(const Command& command, const Request& request);

}  // namespace varve
