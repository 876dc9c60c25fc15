// tests/sim/world/runner.cc: processes for plans.
#include "tests/sim/world/runner.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace varve::sim {

namespace {

// No history takes a second; a sanitizer makes it twenty.
constexpr unsigned kHistorySecondsMax = 120;
// Under which a calm plan runs beside its own options.
constexpr int kOptionSets = 4;
constexpr auto kShrinkTime = std::chrono::seconds(60);

// What a process tells the one that made it, as it goes.
struct Report {
  uint64_t seed = 0;  // under way; 0: all is done
  Totals totals;
};

Report* ShareReport() {
  void* const memory =
      mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("varve-sim: mmap");
    std::exit(1);
  }
  return new (memory) Report;
}

// Returns whether the child came to its end.
bool RunChild(const std::function<void()>& work, bool quiet) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    std::perror("varve-sim: fork");
    std::exit(1);
  }
  if (child == 0) {
    if (quiet) {
      const int null = open("/dev/null", O_WRONLY);
      if (null >= 0) dup2(null, STDERR_FILENO);
    }
    work();
    std::fflush(nullptr);
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
  }
  if (!quiet && WIFSIGNALED(status)) {
    std::fprintf(stderr, "varve-sim: ended by signal %d (%s)\n", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string RunWorld(const Plan& plan, Totals& totals, bool trace) {
  alarm(kHistorySecondsMax);
  World world(plan, totals, trace);
  world.Run();
  alarm(0);
  return world.transcript();
}

[[noreturn]] void Differ(const Plan& plan, const std::string& a, const std::string& b) {
  const size_t at =
      static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const size_t line = at == 0 ? 0 : a.rfind('\n', at - 1) + 1;
  std::fprintf(stderr, "seed %llu: under other options the reply is not %s but %s\n",
               static_cast<unsigned long long>(plan.seed), Shortened(Slice(a).substr(line)).c_str(),
               Shortened(Slice(b).substr(line)).c_str());
  std::fflush(stderr);
  _exit(kViolationExit);
}

void RunOne(const Plan& plan, Totals& totals, bool trace) {
  const std::string transcript = RunWorld(plan, totals, trace);
  if (!plan.calm) return;
  Random random(plan.seed);
  for (int i = 0; i < kOptionSets; ++i) {
    Plan other = plan;
    other.options_seed = random.Next() | 1;
    const std::string again = RunWorld(other, totals, trace);
    if (again != transcript) Differ(plan, transcript, again);
  }
}

bool IsBound(const Argv& argv) {
  return argv[0] == "MULTI" || argv[0] == "EXEC" || argv[0] == "DISCARD";
}

// Leaves steps out, in pieces of half of them down to one, as long as it fails.
class Shrinker {
 public:
  explicit Shrinker(Plan plan) : plan_(std::move(plan)) {}

  Plan Run() {
    for (size_t before = 0; before != Size() && !late();) {
      before = Size();
      ShrinkSteps();
      ShrinkCommands();
    }
    return std::move(plan_);
  }

 private:
  using Clock = std::chrono::steady_clock;

  size_t Size() const {
    size_t size = plan_.steps.size();
    for (const Step& step : plan_.steps) size += step.commands.size();
    return size;
  }
  bool late() const { return Clock::now() > end_; }

  bool Try(Plan candidate) {
    if (!Fails(candidate, true)) return false;
    plan_ = std::move(candidate);
    return true;
  }

  void ShrinkSteps() {
    for (size_t piece = std::max<size_t>(plan_.steps.size() / 2, 1); piece > 0; piece /= 2) {
      for (size_t at = 0; at < plan_.steps.size() && !late();) {
        Plan candidate = plan_;
        const auto begin = candidate.steps.begin() + static_cast<ptrdiff_t>(at);
        const size_t count = std::min(piece, candidate.steps.size() - at);
        candidate.steps.erase(begin, begin + static_cast<ptrdiff_t>(count));
        if (!Try(std::move(candidate))) at += count;
      }
    }
  }

  void ShrinkCommands() {
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      for (size_t c = 0; c < plan_.steps[s].commands.size() && !late();) {
        Plan candidate = plan_;
        std::vector<Argv>& commands = candidate.steps[s].commands;
        // A transaction stays one: what follows an EXEC that is not there would be something else.
        const bool removable = commands.size() > 1 && !IsBound(commands[c]);
        commands.erase(commands.begin() + static_cast<ptrdiff_t>(c));
        if (!removable || !Try(std::move(candidate))) ++c;
      }
    }
  }

  Plan plan_;
  const Clock::time_point end_ = Clock::now() + kShrinkTime;
};

}  // namespace

uint64_t RunSeeds(const std::function<uint64_t()>& next_seed, Planning planning, Totals* totals,
                  bool quiet) {
  Report* const report = ShareReport();
  report->totals = *totals;
  const bool ended = RunChild(
      [&] {
        while ((report->seed = next_seed()) != 0) {
          RunOne(planning(report->seed), report->totals, false);
        }
      },
      quiet);
  *totals = report->totals;
  const uint64_t failed = ended ? 0 : report->seed;
  munmap(report, sizeof(Report));
  return failed;
}

bool Fails(const Plan& plan, bool quiet, bool trace) {
  return !RunChild(
      [&] {
        Totals totals;
        RunOne(plan, totals, trace);
      },
      quiet);
}

Plan Shrink(Plan plan) { return Shrinker(std::move(plan)).Run(); }

}  // namespace varve::sim
