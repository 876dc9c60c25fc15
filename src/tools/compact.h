// tools/compact.h: varve-tool compact DIR: gives back the space of what was deleted and overwritten, of a database that
// is not open.
//
// All of it, or a range of keys (Engine::Compact). Which keys, users say as users or as the engine does:
//
//   --db=N         only keys of database N, as SELECT numbers them
//   --prefix=TEXT  of these, only such as begin so
//   --from=KEY     the first key; with --db a key of that database, else one of the engine, as dump and stats print it
//   --to=KEY       the key behind the last one, likewise
//   --json         what was done, as an object
//
// TEXT and KEYs are written as dump writes keys: quotes may be left out, bytes that cannot be printed are octal, as in C.
//
// What the log holds goes to tables first, as when a server starts. Nothing else is compacted. Tables are written
// with the engine's defaults; which policy the server follows does not matter.
//
// Exit code 0 if it is done, 1 if something that had to be read is damaged (a table ends it, and what was done until then
// stays; a value is left where it is), 2 if it is not done. It may be interrupted at any time: the database is then as after a crash of the server.
#pragma once

#include <span>
#include <string>

namespace varve {

int RunCompact(std::span<const std::string> arguments);

}  // namespace varve
