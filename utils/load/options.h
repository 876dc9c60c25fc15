// utils/load/options.h: what the load generator is told.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "utils/load/client.h"
#include "utils/load/values.h"

namespace varve::load {

// A part of the load; one follows the other.
struct Phase {
  enum class Kind : uint8_t {
    kLoad,          // sets every key once, as fast as it can
    kLoadExpiring,  // the same, with times to expire
    kFull,          // draws keys and operations, as fast as it can
    kPace,          // the same at a fixed rate, whatever the server does
    kIdle,          // nothing
    kCheck,         // reads every key once
  };
  Kind kind = Kind::kLoad;
  std::string name;      // as it was asked for
  double seconds = 0;    // full, pace, idle
  double rate = 0;       // pace: operations per second, or
  double rate_part = 0;  // a part of the last full phase's
};

struct Options {
  std::string host = "127.0.0.1";
  uint64_t port = 6379;
  std::vector<Phase> phases;
  uint64_t connections = 50;
  uint64_t pipeline = 1;
  uint64_t keys = 1'000'000;
  double zipf = 0;                                       // exponent; 0: uniform
  std::array<uint64_t, kOperations> mix = {1, 0, 0, 0};  // weights, by Operation
  std::vector<Values::Share> sizes = {{100, 1}};
  // A time to expire, drawn between the two: behind now, or, if `expire_at` is set, of the wall clock.
  int64_t expire_min_ms = 1000;
  int64_t expire_max_ms = 60'000;
  bool expire_at = false;
  uint64_t seed = 1;
  uint64_t run = 1;
  bool all_exist = false;
  bool help = false;
};

// Arguments are --NAME=VALUE. The error is one line that names the argument.
Result<Options> ParseOptions(std::span<const std::string> arguments);

// The options, one a line, each with its default.
std::string OptionsUsage();

}  // namespace varve::load
