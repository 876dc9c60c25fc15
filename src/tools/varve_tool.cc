// tools/varve_tool.cc: main of the tool beside the server. One row, and one function, a subcommand.
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "server/version.h"
#include "tools/backup.h"
#include "tools/bench.h"
#include "tools/check.h"
#include "tools/compact.h"
#include "tools/dump.h"
#include "tools/malloc_conf.h"
#include "tools/repair.h"
#include "tools/simulate.h"
#include "tools/stats.h"

namespace varve {
namespace {

using Arguments = std::span<const std::string>;  // behind the subcommand's name

struct Subcommand {
  const char* name;
  const char* summary;
  int (*run)(Arguments arguments);  // returns the program's exit code
};

int PrintVersion(Arguments) {
  std::printf("varve-tool %s\n", kVersion.data());
  return 0;
}

constexpr Subcommand kSubcommands[] = {
    {"backup", "copies a database that is not open, or a checkpoint: backup DIR TO [--json]",
     RunBackup},
    {"bench", "measures the engine alone; bench --help lists workloads and options", RunBench},
    {"check", "verifies every checksum and invariant of a closed database", RunCheck},
    {"compact", "gives back space of a closed database: compact DIR [--db=N] [--prefix=TEXT]",
     RunCompact},
    {"dump", "prints what the files of a database say: manifest, tables, log", RunDump},
    {"repair", "makes a database of all that can be read of a damaged one: repair DIR TO [--json]",
     RunRepair},
    {"stats", "sums up a closed database: levels, tables, log segments", RunStats},
    {"restore", "makes a database of a backup: restore CHECKPOINT DIR [--json]", RunRestore},
    {"simulate", "prints what each compaction policy would cost; simulate --help lists options",
     RunSimulate},
    {"version", "prints the version", PrintVersion},
};

int PrintUsage(FILE* to) {
  std::fputs("varve-tool SUBCOMMAND [ARGUMENT]...\n\n", to);
  for (const Subcommand& subcommand : kSubcommands) {
    std::fprintf(to, "  %-10s %s\n", subcommand.name, subcommand.summary);
  }
  return to == stdout ? 0 : 1;
}

int RunTool(Arguments arguments) {
  if (arguments.empty()) return PrintUsage(stderr);
  const std::string& name = arguments[0];
  if (name == "help" || name == "--help" || name == "-h") return PrintUsage(stdout);
  for (const Subcommand& subcommand : kSubcommands) {
    if (name == subcommand.name) return subcommand.run(arguments.subspan(1));
  }
  std::fprintf(stderr, "varve-tool: no subcommand '%s'\n\n", name.c_str());
  return PrintUsage(stderr);
}

}  // namespace
}  // namespace varve

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return varve::RunTool(arguments);
}
