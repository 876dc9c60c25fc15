// tests/sim/world/main.cc: varve-sim: histories of a whole server in a simulated world.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include "base/planted_bug.h"
#include "tests/sim/world/plan.h"
#include "tests/sim/world/runner.h"

namespace varve::sim {
namespace {

constexpr char kUsage[] =
    "varve-sim [--calm] [--seed N [--shrink] [--trace]] [--seeds FIRST-LAST] [--minutes M]\n"
    "          [--planted all | NAME]\n"
    "\n"
    "Runs histories of a server in a world whose disk, clocks and chance come from a seed. "
    "Without\n"
    "options, for a minute, with seeds that have not been tried; what fails is made smaller, "
    "shown,\n"
    "and can be run again with its seed. --calm: without faults, each under several sets of "
    "options,\n"
    "which have to give the same answers. --planted, of varve-sim-planted only: makes mistakes on\n"
    "purpose, and fails if one is not found within the time.\n";

using Clock = std::chrono::steady_clock;

int Usage(const char* wrong) {
  if (wrong != nullptr) std::fprintf(stderr, "varve-sim: %s\n\n", wrong);
  std::fputs(kUsage, wrong != nullptr ? stderr : stdout);
  return wrong != nullptr ? 2 : 0;
}

Planning planning = MakePlan;

void Explain(uint64_t seed, bool trace) {
  std::printf("seed %llu fails; looking for a smaller history ...\n",
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  const Plan plan = Shrink(planning(seed));
  std::printf("\n%s\n", ToString(plan).c_str());
  (void)Fails(plan, false, trace);
  std::printf("again, whole: make %s SEED=%llu TRACE=1\n",
              planning == MakePlan ? "sim" : "metamorphic", static_cast<unsigned long long>(seed));
}

int RunMany(const std::function<uint64_t()>& next_seed) {
  const Clock::time_point begin = Clock::now();
  Totals totals;
  const uint64_t failed = RunSeeds(next_seed, planning, &totals);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf(
      "%llu histories, %llu commands, %llu crashes, %llu failed operations of %llu, %llu "
      "checkpoints; %.0f s, %.0f crashes/s\n",
      static_cast<unsigned long long>(totals.histories),
      static_cast<unsigned long long>(totals.commands),
      static_cast<unsigned long long>(totals.crashes),
      static_cast<unsigned long long>(totals.faults),
      static_cast<unsigned long long>(totals.operations),
      static_cast<unsigned long long>(totals.checkpoints), seconds,
      static_cast<double>(totals.crashes) / seconds);
  if (failed != 0) Explain(failed, false);
  return failed != 0 ? 1 : 0;
}

int RunRange(uint64_t first, uint64_t last) {
  uint64_t seed = first;
  return RunMany([&]() -> uint64_t { return seed <= last ? seed++ : 0; });
}

int RunMinutes(double minutes) {
  const auto end = Clock::now() + std::chrono::duration<double>(60 * minutes);
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  uint64_t seed = static_cast<uint64_t>(since_1970.count()) << 8;
  std::printf("seeds from %llu on\n", static_cast<unsigned long long>(seed));
  return RunMany([&]() -> uint64_t { return Clock::now() < end ? seed++ : 0; });
}

#ifdef VARVE_PLANTED_BUGS

struct NamedBug {
  PlantedBug bug;
  const char* name;
  const char* what;
};
constexpr NamedBug kBugs[] = {
#define VARVE_NAMED_BUG(name, what) {PlantedBug::name, #name, what},
    VARVE_PLANTED_BUGS_LIST(VARVE_NAMED_BUG)
#undef VARVE_NAMED_BUG
};

// The same seeds for each, so that the table is the same each time.
int FindPlanted(const std::string& wanted, double minutes) {
  int missed = 0, tried = 0;
  for (const NamedBug& bug : kBugs) {
    if (wanted != "all" && wanted != bug.name) continue;
    ++tried;
    planted_bug = bug.bug;
    const Clock::time_point begin = Clock::now();
    const auto end = begin + std::chrono::duration<double>(60 * minutes);
    uint64_t seed = 1;
    Totals totals;
    const uint64_t found = RunSeeds([&]() -> uint64_t { return Clock::now() < end ? seed++ : 0; },
                                    planning, &totals, true);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (found != 0) {
      std::printf("%-22s found after %6llu histories, %6.2f s: %s\n", bug.name,
                  static_cast<unsigned long long>(totals.histories + 1), seconds, bug.what);
    } else {
      std::printf("%-22s NOT FOUND in %llu histories, %.0f s: %s\n", bug.name,
                  static_cast<unsigned long long>(totals.histories), seconds, bug.what);
      ++missed;
    }
    std::fflush(stdout);
  }
  if (tried == 0) return Usage(("there is no such bug: " + wanted).c_str());
  std::printf("%d of %d found\n", tried - missed, tried);
  return missed > 0 ? 1 : 0;
}

#else

int FindPlanted(const std::string&, double) {
  return Usage("--planted is for varve-sim-planted: here no mistake can be made on purpose");
}

#endif

int Main(int argc, char** argv) {
  bool trace = false;
  bool shrink = false;
  const char* seed = nullptr;
  const char* range = nullptr;
  const char* planted = nullptr;
  double minutes = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const bool has_value = i + 1 < argc;
    if (option == "--help") return Usage(nullptr);
    if (option == "--calm") {
      planning = MakeCalmPlan;
    } else if (option == "--trace") {
      trace = true;
    } else if (option == "--shrink") {
      shrink = true;
    } else if (option == "--seed" && has_value) {
      seed = argv[++i];
    } else if (option == "--seeds" && has_value) {
      range = argv[++i];
    } else if (option == "--planted" && has_value) {
      planted = argv[++i];
    } else if (option == "--minutes" && has_value) {
      minutes = std::strtod(argv[++i], nullptr);
    } else {
      return Usage(("unknown, or without its value: " + option).c_str());
    }
  }
  if (planted != nullptr) return FindPlanted(planted, minutes);
  if (seed != nullptr) {
    const Plan plan = planning(std::strtoull(seed, nullptr, 10));
    if (shrink) {
      Explain(plan.seed, trace);
      return 1;
    }
    if (trace) std::printf("%s\n", ToString(plan).c_str());
    const bool fails = Fails(plan, false, trace);
    std::printf("seed %s %s\n", seed, fails ? "fails" : "passes");
    return fails ? 1 : 0;
  }
  if (range != nullptr) {
    const char* const dash = std::strchr(range, '-');
    if (dash == nullptr) return Usage("--seeds takes FIRST-LAST");
    return RunRange(std::strtoull(range, nullptr, 10), std::strtoull(dash + 1, nullptr, 10));
  }
  return RunMinutes(minutes);
}

}  // namespace
}  // namespace varve::sim

int main(int argc, char** argv) { return varve::sim::Main(argc, argv); }
