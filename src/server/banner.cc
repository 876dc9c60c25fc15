// server/banner.cc: a few layers of sediment.
#include "server/banner.h"

#include <unistd.h>

#include <cstdio>

#include "base/log.h"
#include "commands/redis_version.h"
#include "server/version.h"

namespace varve {

void PrintBanner(const Config& config, uint64_t memory_limit_bytes) {
  if (isatty(STDOUT_FILENO) == 0) return;
  const std::string memory = FormatBytes(memory_limit_bytes);
  std::printf(
      "\n"
      "   ~  ~   ~    ~  ~\n"
      "   . . . . . . . .     Varve %s, speaks Redis %s\n"
      "   - - - - - - - -     port %d, process %d\n"
      "   = = = = = = = =     data in %s, appendfsync %s\n"
      "   ################    memory-limit %s\n"
      "\n",
      kVersion.data(), kRedisVersion.data(), static_cast<int>(config.port),
      static_cast<int>(getpid()), config.dir.c_str(), config.appendfsync.c_str(), memory.c_str());
  std::fflush(stdout);
}

}  // namespace varve
