// tests/sim/world/runner.h: runs plans in processes of their own, and makes those that fail smaller.
//
// What a world finds ends its process (world.h), and so does a CHECK of the server, a sanitizer's report, or a history that
// never ends: a process for each attempt makes them all the same.
#pragma once

#include <cstdint>
#include <functional>

#include "tests/sim/world/plan.h"
#include "tests/sim/world/world.h"

namespace varve::sim {

// Runs histories of seeds that `next_seed` gives, one after the other, until it gives 0. Returns the seed of the first
// that failed, after it has said why unless `quiet`, or 0. Adds to `totals`, also what came before a failure.
using Planning = Plan (*)(uint64_t seed);
uint64_t RunSeeds(const std::function<uint64_t()>& next_seed, Planning planning, Totals* totals,
                  bool quiet = false);

// Runs one in a process of its own, a calm one under other options, too. `quiet`: it says nothing.
bool Fails(const Plan& plan, bool quiet, bool trace = false);

// A plan that fails with as few steps and commands as could be found in a minute.
Plan Shrink(Plan plan);

}  // namespace varve::sim
