// tools/simulate.cc: options, and a table with a line for each load and policy.
//
// Threads: one.
#include "tools/simulate.h"

#include <cstdio>
#include <vector>

#include "base/log.h"
#include "base/numbers.h"
#include "engine/compaction/policy.h"
#include "engine/compaction/simulation.h"

namespace varve {

namespace {

constexpr uint64_t kKeysMax = 1u << 26;
constexpr uint64_t kRatioMax = 100;

struct Asked {
  SimulationOptions simulation;
  std::vector<PolicyKind> policies{PolicyKinds().begin(), PolicyKinds().end()};
  std::vector<SimulatedLoad> loads{SimulatedLoads().begin(), SimulatedLoads().end()};
  bool json = false;
  bool help = false;
};

// --- Options ---

struct Row {
  Slice name;
  Slice wants;
  Slice default_text;
  Slice meaning;
  bool (*set)(Asked& asked, Slice text);  // false: not what the option wants
};

bool ReadNumber(Slice text, uint64_t min, uint64_t max, uint64_t* to) {
  const std::optional<uint64_t> number = ParseUint64(text);
  if (!number || *number < min || *number > max) return false;
  *to = *number;
  return true;
}

bool ReadSize(Slice text, uint64_t* to) {
  const std::optional<uint64_t> bytes = ParseMemorySize(text);
  if (!bytes || *bytes == 0) return false;
  *to = *bytes;
  return true;
}

// What is divided by, or counted up to.
bool ReadCount(Slice text, uint64_t min, int* to) {
  uint64_t number = 0;
  if (!ReadNumber(text, min, kRatioMax, &number)) return false;
  *to = static_cast<int>(number);
  return true;
}

// Names separated by commas.
template <typename T>
bool ReadNames(Slice text, std::optional<T> (*parse)(Slice), std::vector<T>* to) {
  to->clear();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::optional<T> one = parse(text.substr(0, comma));
    if (!one) return false;
    to->push_back(*one);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return !to->empty();
}

// clang-format off
constexpr Row kRows[] = {
    {"policy", "leveled, tiered or lazy-leveled", "all", "one, or several with commas", [](Asked& a, Slice t) { return ReadNames(t, ParsePolicyKind, &a.policies); }},
    {"load", "uniform, zipfian, in-order or deletes", "all", "one, or several with commas", [](Asked& a, Slice t) { return ReadNames(t, ParseSimulatedLoad, &a.loads); }},
    {"data-size", "a size", "16gb", "of all that is alive", [](Asked& a, Slice t) { return ReadSize(t, &a.simulation.data_bytes); }},
    {"generation-size", "a size", "64mb", "of a flush", [](Asked& a, Slice t) { return ReadSize(t, &a.simulation.engine.generation_bytes); }},
    {"table-size", "a size", "32mb", "a compaction cuts its output here", [](Asked& a, Slice t) { return ReadSize(t, &a.simulation.engine.table_bytes); }},
    {"level1-size", "a size", "256mb", "of the first level below level 0; leveled", [](Asked& a, Slice t) { return ReadSize(t, &a.simulation.engine.level1_bytes); }},
    {"job-size", "a size", "512mb", "inputs of one compaction", [](Asked& a, Slice t) { return ReadSize(t, &a.simulation.engine.compaction_bytes_max); }},
    {"ratio", "a number from 2 to 100", "10", "of the sizes of two levels; leveled", [](Asked& a, Slice t) { return ReadCount(t, 2, &a.simulation.engine.level_size_ratio); }},
    {"tier-runs", "a number from 2 to 100", "4", "that are merged at once; lazy-leveled: also the last run to the rest", [](Asked& a, Slice t) { return ReadCount(t, 2, &a.simulation.engine.tier_runs); }},
    {"keys", "a number from 1", "262144", "simulated, to stand for all", [](Asked& a, Slice t) { return ReadNumber(t, 1, kKeysMax, &a.simulation.keys); }},
    {"rounds", "a number from 1", "4", "how often the data is written while it is measured", [](Asked& a, Slice t) { return ReadNumber(t, 1, kRatioMax, &a.simulation.rounds); }},
    {"seed", "a number", "1", "of all choices by chance", [](Asked& a, Slice t) { return ReadNumber(t, 0, UINT64_MAX, &a.simulation.seed); }},
    {"json", "0 or 1", "0", "one JSON array instead of text", [](Asked& a, Slice t) { a.json = t == "1"; return t == "0" || t == "1"; }},
};
// clang-format on

std::string Quoted(Slice text) { return "'" + std::string(text) + "'"; }

Status SetOption(Asked& asked, Slice argument) {
  if (!argument.starts_with("--")) {
    return Status::InvalidArgument("what is " + Quoted(argument) + "? Options are --NAME=VALUE");
  }
  const size_t equals = std::min(argument.find('='), argument.size());
  const Slice name = argument.substr(2, equals - 2);
  const Slice value = equals < argument.size() ? argument.substr(equals + 1) : "1";
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    if (row.set(asked, value)) return Status::Ok();
    return Status::InvalidArgument("--" + std::string(name) + " wants " + std::string(row.wants) +
                                   ", not " + Quoted(value));
  }
  return Status::InvalidArgument("no option " + Quoted(argument) + "; --help lists them");
}

Result<Asked> ParseArguments(std::span<const std::string> arguments) {
  Asked asked;
  asked.simulation.engine.generation_bytes = 64u << 20;
  asked.simulation.engine.table_bytes = 32u << 20;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      asked.help = true;
      return asked;
    }
    RETURN_IF_ERROR(SetOption(asked, argument));
  }
  return asked;
}

void PrintUsage() {
  std::printf(
      "varve-tool simulate [--NAME=VALUE]...\n"
      "\n"
      "Runs the compaction policies on trees without a disk and prints what they cost:\n"
      "\n"
      "  write     bytes of tables written for each byte that was to be written\n"
      "  runs      sorted runs that a scan merges, on average and at most\n"
      "  tables    whose range holds a key that is looked for; filters spare nearly all but one\n"
      "  space     bytes of tables for each byte alive, on average and at most\n"
      "  one job   bytes that the largest compaction wrote\n"
      "\n"
      "Options, with their defaults:\n");
  for (const Row& row : kRows) {
    std::printf("  --%-16s %s (%s)\n", row.name.data(), row.meaning.data(),
                row.default_text.data());
  }
}

// --- Results ---

void PrintText(SimulatedLoad load, PolicyKind policy, const SimulationResult& r) {
  std::printf("%-9s %-13s %7.2f %7.1f %4llu %7.2f %7.2f %5.2f %10s\n", ToString(load),
              ToString(policy), r.write, r.runs, static_cast<unsigned long long>(r.runs_max),
              r.tables, r.space, r.space_max, FormatBytes(r.largest_job_bytes).c_str());
  std::fflush(stdout);
}

void PrintJson(SimulatedLoad load, PolicyKind policy, const SimulationResult& r, bool first) {
  std::printf("%s\n {\"load\": \"%s\", \"policy\": \"%s\", \"write\": %.3f, \"runs\": %.3f, ",
              first ? "" : ",", ToString(load), ToString(policy), r.write, r.runs);
  std::printf("\"runs_max\": %llu, \"tables\": %.3f, \"space\": %.3f, \"space_max\": %.3f, ",
              static_cast<unsigned long long>(r.runs_max), r.tables, r.space, r.space_max);
  std::printf("\"largest_job_bytes\": %llu}", static_cast<unsigned long long>(r.largest_job_bytes));
}

Status RunAll(const Asked& asked) {
  std::printf(asked.json ? "["
                         : "load      policy          write    runs  max  tables   space   max"
                           "    one job\n");
  bool first = true;
  for (const SimulatedLoad load : asked.loads) {
    for (const PolicyKind policy : asked.policies) {
      SimulationOptions options = asked.simulation;
      options.load = load;
      options.engine.compaction_policy = policy;
      const Result<SimulationResult> result = Simulate(options);
      if (!result.ok()) return result.status();
      asked.json ? PrintJson(load, policy, *result, first) : PrintText(load, policy, *result);
      first = false;
    }
  }
  if (asked.json) std::printf("\n]\n");
  return Status::Ok();
}

}  // namespace

int RunSimulate(std::span<const std::string> arguments) {
  const Result<Asked> asked = ParseArguments(arguments);
  if (asked.ok() && asked->help) {
    PrintUsage();
    return 0;
  }
  const Status status = asked.ok() ? RunAll(*asked) : asked.status();
  if (status.ok()) return 0;
  std::fprintf(stderr, "varve-tool simulate: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace varve
