// server/info.h: INFO's text.
//
// Names and formats are those that Redis' clients and tools look for; what Redis has and Varve has
// not (forks, scripts, replicas) is left out or 0. What is Varve's own is in the section "engine".
//
// Threads: loop.
#pragma once

#include <span>
#include <string>

#include "base/slice.h"
#include "data/databases.h"
#include "engine/engine.h"
#include "server/checkpoints.h"
#include "server/clients.h"
#include "server/config.h"
#include "server/machine.h"
#include "server/stats.h"

namespace varve {

struct InfoSource {
  const Config& config;
  const ServerStats& stats;
  const Clients& clients;
  const Databases& databases;
  const Engine& engine;
  const Checkpoints& checkpoints;
  std::string run_id;
  int64_t now_ms = 0;
  int64_t started_ms = 0;
  uint64_t memory_limit_bytes = 0;
  bool supervised = false;
};

// `sections` in any case; empty: the default ones. Also "all", "everything", "default".
std::string FormatInfo(const InfoSource& source, std::span<const Slice> sections);

}  // namespace varve
