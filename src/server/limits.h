// server/limits.h: what one client may cost, as the dispatcher, the turn and the cron go by it.
//
// Filled from the configuration; changes at run time reach every client, which all refer to the one
// ClientLimits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "resp/limits.h"

namespace varve {

// Of client-output-buffer-limit. Zero: no limit.
struct OutputLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  int64_t soft_seconds = 0;
};

struct ClientLimits {
  RequestLimits requests;          // of those who may run commands
  RequestLimits requests_no_auth;  // of those who have not said AUTH yet
  OutputLimit output;              // "normal"
  OutputLimit output_pubsub;       // for later; kept so that it can be read back
  int64_t idle_seconds_max = 0;    // timeout
  size_t clients_max = 10000;
};

// A client whose unsent replies exceed this gets no further command run until they have left.
// Thereby a pipeline may be as deep as it likes: what it asks for is bounded by this plus one
// reply.
inline constexpr size_t kUnsentBytesMax = 1 << 20;

// Requests parsed at once, so that their keys can be prefetched together.
inline constexpr size_t kRequestsPerBatch = 64;
// So many are waited for, from one readable client to the next, before they are run.
inline constexpr size_t kRequestsGathered = 16;

// After so much the next client gets its turn.
inline constexpr size_t kRequestsPerTurnMax = 1024;
inline constexpr uint64_t kServeUsMax = 1000;

}  // namespace varve
