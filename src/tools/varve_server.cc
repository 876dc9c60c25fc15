// tools/varve_server.cc: the server's main.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "server/config.h"
#include "server/config_table.h"
#include "server/process.h"
#include "server/server.h"
#include "server/version.h"
#include "tools/malloc_conf.h"

namespace {

constexpr char kUsage[] =
    "varve-server [FILE] [--OPTION VALUE...]...\n"
    "\n"
    "Starts a server with the configuration in FILE. Options override the file, and have the same\n"
    "names there; conf/varve.conf describes each. Environment variables such as VARVE_PORT stand\n"
    "between the two.\n"
    "\n"
    "  varve-server                          with the defaults\n"
    "  varve-server varve.conf --port 7000\n"
    "  varve-server --help | --version\n"
    "\n"
    "Options, with their defaults:\n";

void PrintUsage() {
  std::fputs(kUsage, stdout);
  const varve::Config defaults = varve::DefaultConfig();
  for (const varve::ConfigRow& row : varve::ConfigRows()) {
    if (row.type == varve::ConfigType::kFixed) continue;
    std::printf("  --%-27s %s\n", std::string(row.name).c_str(),
                varve::ConfigValueText(row, defaults).c_str());
  }
}

int Fail(const varve::Status& status) {
  std::fprintf(stderr, "varve-server: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h")) {
    PrintUsage();
    return 0;
  }
  if (!arguments.empty() && (arguments[0] == "--version" || arguments[0] == "-v")) {
    std::printf("varve-server %s\n", varve::kVersion.data());
    return 0;
  }

  const auto load = [arguments] {
    return varve::LoadConfig(arguments, [](const char* name) { return std::getenv(name); });
  };
  const varve::Result<varve::Config> config = load();
  if (!config.ok()) return Fail(config.status());
  if (config->daemonize) {
    if (const varve::Status s = varve::Daemonize(); !s.ok()) return Fail(s);
  }

  varve::Server server(*config, load);
  if (const varve::Status s = server.Start(); !s.ok()) return Fail(s);
  varve::DaemonReady();
  return server.Run();
}
