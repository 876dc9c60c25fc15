// commands/session.h: what commands know, and may change, of the connection they run for.
//
// The server's client owns one. No sockets here: a front end of another protocol, or a simulation,
// makes its own. Threads: loop.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "resp/request_reader.h"

namespace varve {

// What CLIENT REPLY asked for.
enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkipThis };

struct Session {
  uint64_t id = 0;
  int database = 0;
  int resp_version = 2;
  bool authenticated = true;
  std::string name;
  std::string library_name;     // CLIENT SETINFO lib-name
  std::string library_version;  // CLIENT SETINFO lib-ver
  ReplyMode reply_mode = ReplyMode::kOn;
  bool no_evict = false;
  bool close_after_reply = false;

  // MULTI: requests are copied here until EXEC.
  struct QueuedCommand {
    const struct Command* command;
    Request request;  // its slices point into `bytes`
    std::string bytes;
  };
  bool in_multi = false;
  bool multi_failed = false;  // a command was refused while queueing: EXEC aborts
  std::vector<QueuedCommand> queued;
  bool watched_key_changed = false;
};

}  // namespace varve
