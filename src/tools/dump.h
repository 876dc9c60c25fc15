// tools/dump.h: varve-tool dump DIR|FILE: what the bytes of a database say.
//
// Of a directory: the manifest in charge, the tables it names from level 0 down, the live log segments.
// Of a file: that file, also if it was taken out of its directory. One line for each part, edit, group
// and entry: see lines.h.
//
//   --json        a JSON object each line
//   --no-entries  without the entries of tables and log
//   --keys        entries without their values
//   --full        values to their end; else their first kDumpValueBytesMax bytes
//   --from=KEY    only entries with this key or a greater one; written as dump writes it
//   --to=KEY      only entries with smaller keys
//
// Exit code 0 if all could be read, 1 if something could not (a line says what, and the rest goes on), 2
// if nothing was done. What is wrong rather than unreadable is for `check` to say.
#pragma once

#include <span>
#include <string>

namespace varve {

int RunDump(std::span<const std::string> arguments);

}  // namespace varve
