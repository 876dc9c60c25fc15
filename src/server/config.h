// server/config.h: what an operator can set, where it comes from, and how it changes.
//
//   default -> configuration file -> environment (VARVE_PORT) -> flags (--port 7000)
//
// Each overrides those before it. Names are the same everywhere, and are rows of config_table.cc;
// an unknown name or a bad value ends the start, and the message says where it stands.
//
// Threads: loop.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/slice.h"
#include "server/limits.h"

namespace varve {

struct OutputLimits {
  OutputLimit normal, replica, pubsub;
};

// Meanings, units and reasons: conf/varve.conf. Ranges and defaults: config_table.cc.
struct Config {
  // --- Network ---
  std::vector<std::string> bind;
  int64_t port = 0;
  std::string unixsocket;
  int64_t unixsocketperm = 0;
  int64_t tcp_backlog = 0;
  int64_t tcp_keepalive_seconds = 0;
  int64_t timeout_seconds = 0;
  bool protected_mode = true;
  std::string requirepass;

  // --- Data ---
  std::string dir;
  std::string appendfsync;
  int64_t databases = 0;
  int64_t memory_limit_bytes = 0;  // 0: half of what there is; see machine.h
  int64_t compression_level = 0;
  bool compression_dictionary = false;
  bool io_uring = false;
  std::string compaction_policy;
  int64_t scrub_bytes_per_second = 0;
  int64_t value_file_threshold_bytes = 0;  // 0: values stay in tables
  int64_t loop_rest_us = 0;                // 0: never
  int64_t busy_poll_us = 0;                // 0: never
  int64_t checkpoints_max = 0;             // 0: all are kept

  // --- Limits on clients ---
  int64_t maxclients = 0;
  int64_t proto_max_bulk_bytes = 0;
  int64_t client_query_buffer_bytes = 0;
  OutputLimits client_output_limits;

  // --- The process ---
  bool daemonize = false;
  std::string supervised;
  std::string pidfile;
  std::string logfile;
  std::string loglevel;
  int64_t latency_monitor_threshold_ms = 0;  // 0: off

  // The file it was read from; empty if none. Not an option.
  std::string file;
};

// Every option at its default.
Config DefaultConfig();

// From file, environment and flags. `arguments` are the program's, without its name: [FILE] [--name
// value...]... An error names the place: "varve.conf:12: port: ...".
using GetEnv = std::function<const char*(const char* name)>;
Result<Config> LoadConfig(std::span<const std::string> arguments, const GetEnv& get_env);

// CONFIG GET: names that match any of the patterns, with their values.
std::vector<std::pair<std::string, std::string>> GetConfig(const Config& config,
                                                           std::span<const Slice> patterns);

// CONFIG SET: all or nothing, in `config`. An error is the whole reply, as Redis words it.
Status SetConfig(std::span<const std::pair<Slice, Slice>> values, Config* config);

// CONFIG REWRITE: `text` is the file as it is. Lines that say what holds, comments and order are
// kept; others are replaced; what is not there and not at its default is added at the end.
Result<std::string> RewriteConfig(Slice text, const Config& config);

// The options that differ and could not be changed in a running server.
std::vector<std::string> ChangedAtStartOnly(const Config& before, const Config& after);
// `to` gets all those options of `from` that may change in a running server.
void CopyChangeable(const Config& from, Config* to);

// Words of a line: blanks separate, quotes and backslashes work as in Redis' files. An error if
// quotes do not match.
Result<std::vector<std::string>> SplitWords(Slice line);
// The same the other way: quoted where it has to be.
std::string QuoteWord(Slice word);

}  // namespace varve
