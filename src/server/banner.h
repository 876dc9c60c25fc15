// server/banner.h: what a starting server shows to whoever started it at a terminal.
#pragma once

#include <cstdint>

#include "server/config.h"

namespace varve {

// Prints nothing unless standard output is a terminal.
void PrintBanner(const Config& config, uint64_t memory_limit_bytes);

}  // namespace varve
