// tests/sim/world/plan.h: what is to happen in a world, written down beforehand.
//
// A plan comes from a seed and is a list of steps. No step depends on how another went, so any of them can be left out,
// and what is left is a plan again: a history that fails is made smaller that way (runner.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/sim/world/model.h"

namespace varve::sim {

inline constexpr int kClients = 4;

struct Step {
  enum class Kind : uint8_t {
    kSend,        // `client` sends `commands`, all at once or, with `split`, in two parts
    kTurn,        // the loop makes a turn
    kJobs,        // up to `number` jobs run
    kAdvance,     // the clocks go on by `number` ms
    kJump,        // the wall clock jumps by `number` ms
    kSettle,      // everything is finished
    kPeace,       // everything is finished, a second passes, everything is finished
    kTake,        // of what is sent to `client` it takes only `number` more bytes; 0: all again
    kDisconnect,  // `client` is gone, and comes back as another
    kHold,        // lane `number` hangs
    kRelease,     // no lane does
    kFault,       // the disk operation after `number` others fails; `flag`: and all that follow
    kFull,        // there is room for `number` bytes in all
    kHeal,        // the disk is all right again
    kCutAfter,    // the power fails at the disk operation after `number` others
    kCrash,       // the power fails now, or with `flag` the process is killed
    kStop,        // the server stops and starts in peace
  };
  Kind kind;
  int client = 0;
  int64_t number = 0;
  bool flag = false;
  size_t split = 0;  // bytes of the first part
  std::vector<Argv> commands;
};

struct Plan {
  uint64_t seed =
      0;  // of what the plan does not say: in which order jobs run, what a power cut leaves
  std::string appendfsync;
  // Null: that of an engine with small parts; else others as small (tiny_options.h).
  uint64_t options_seed = 0;
  bool calm = false;
  std::vector<Step> steps;
};

Plan MakePlan(uint64_t seed);

// One whose replies follow from the plan alone: a single client waits for each of them, no fault, nothing lost. Under
// other options it has to get the same. Metamorphic Testing: A New Approach for Generating Next Test Cases (Chen,
// Cheung, Yiu, 1998).
Plan MakeCalmPlan(uint64_t seed);

// A line each: what a person needs to see what happened.
std::string ToString(const Step& step);
std::string ToString(const Plan& plan);
std::string ToString(const Argv& argv);

}  // namespace varve::sim
