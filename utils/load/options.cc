// utils/load/options.cc: one row an option.
#include "utils/load/options.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/numbers.h"

namespace varve::load {

namespace {

constexpr uint64_t kKeysMax = 1'000'000'000'000;  // twelve digits
constexpr double kRateMax = 1e8;
constexpr double kSecondsMax = 1e7;

struct Row {
  Slice name;
  Slice wants;
  Slice default_text;
  Slice meaning;
  bool (*set)(Options& options, Slice text);  // false: not what the option wants
};

// The part before the first `separator`; `text` keeps what is behind it, or nothing.
Slice TakeUpTo(char separator, Slice* text) {
  const size_t end = std::min(text->find(separator), text->size());
  const Slice part = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return part;
}

// Above 0; 0 if it is none.
double PositiveNumber(Slice text, double max) {
  const std::optional<long double> number = ParseLongDouble(text);
  return number && *number > 0 && *number <= max ? static_cast<double>(*number) : 0;
}

template <auto kMember, uint64_t kMin, uint64_t kMax = UINT64_MAX>
bool SetNumber(Options& options, Slice text) {
  const std::optional<uint64_t> number = ParseUint64(text);
  if (!number || *number < kMin || *number > kMax) return false;
  options.*kMember = *number;
  return true;
}

bool SetHost(Options& options, Slice text) {
  options.host = text;
  return true;
}

bool SetPhases(Options& options, Slice text) {
  struct Form {
    Slice name;
    Phase::Kind kind;
    bool has_seconds;
  };
  static constexpr Form kForms[] = {
      {"load", Phase::Kind::kLoad, false}, {"load-expiring", Phase::Kind::kLoadExpiring, false},
      {"full", Phase::Kind::kFull, true},  {"pace", Phase::Kind::kPace, true},
      {"idle", Phase::Kind::kIdle, true},  {"check", Phase::Kind::kCheck, false},
  };
  while (!text.empty()) {
    Slice rest = TakeUpTo(',', &text);
    Phase phase;
    phase.name = rest;
    const Slice name = TakeUpTo(':', &rest);
    const auto* const form = std::find_if(std::begin(kForms), std::end(kForms),
                                          [name](const Form& f) { return f.name == name; });
    if (form == std::end(kForms)) return false;
    phase.kind = form->kind;
    if (form->has_seconds) {
      phase.seconds = PositiveNumber(TakeUpTo(':', &rest), kSecondsMax);
      if (phase.seconds == 0) return false;
    }
    if (phase.kind == Phase::Kind::kPace) {
      Slice rate = TakeUpTo(':', &rest);
      const bool in_percent = rate.ends_with('%');
      if (in_percent) rate.remove_suffix(1);
      const double number = PositiveNumber(rate, kRateMax);
      if (number == 0) return false;
      (in_percent ? phase.rate_part : phase.rate) = in_percent ? number / 100 : number;
    }
    if (!rest.empty()) return false;
    options.phases.push_back(std::move(phase));
  }
  return !options.phases.empty();
}

bool SetMix(Options& options, Slice text) {
  static constexpr Slice kNames[kOperations] = {"get", "set", "setex", "del"};
  options.mix.fill(0);
  uint64_t sum = 0;
  while (!text.empty()) {
    Slice weight = TakeUpTo(',', &text);
    const Slice name = TakeUpTo(':', &weight);
    const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
    const std::optional<uint64_t> number = ParseUint64(weight);
    if (found == std::end(kNames) || !number || *number > UINT32_MAX) return false;
    options.mix[static_cast<size_t>(found - std::begin(kNames))] = *number;
    sum += *number;
  }
  return sum > 0;
}

bool SetSizes(Options& options, Slice text) {
  options.sizes.clear();
  while (!text.empty()) {
    Slice weight = TakeUpTo(',', &text);
    const std::optional<uint64_t> bytes = ParseMemorySize(TakeUpTo(':', &weight));
    const std::optional<uint64_t> number = weight.empty() ? 1 : ParseUint64(weight);
    if (!bytes || *bytes < Values::kHeadBytes || *bytes > Values::kSizeMax) return false;
    if (!number || *number == 0 || *number > UINT32_MAX) return false;
    options.sizes.push_back({*bytes, *number});
  }
  return !options.sizes.empty();
}

bool SetZipf(Options& options, Slice text) {
  options.zipf = text == "0" ? 0 : PositiveNumber(text, 10);
  return text == "0" || options.zipf > 0;
}

template <bool kAt>
bool SetExpiry(Options& options, Slice text) {
  const std::optional<int64_t> from = ParseInt64(TakeUpTo('-', &text));
  const std::optional<int64_t> to = ParseInt64(text);
  if (!from || !to || *from <= 0 || *to < *from) return false;
  options.expire_min_ms = *from;
  options.expire_max_ms = *to;
  options.expire_at = kAt;
  return true;
}

bool SetAllExist(Options& options, Slice text) {
  options.all_exist = text == "1";
  return text == "0" || text == "1";
}

using O = Options;

// clang-format off
constexpr Row kRows[] = {
    {"host", "an IPv4 address", "127.0.0.1", "of the server", SetHost},
    {"port", "1 to 65535", "6379", "of the server", SetNumber<&O::port, 1, 65535>},
    {"phases", "a list of load, load-expiring, full:SECONDS, pace:SECONDS:RATE, pace:SECONDS:N%, idle:SECONDS, check", "none", "one after the other", SetPhases},
    {"connections", "1 to 10000", "50", "that share the load", SetNumber<&O::connections, 1, 10000>},
    {"pipeline", "1 to 10000", "1", "requests that a connection sends at a time", SetNumber<&O::pipeline, 1, 10000>},
    {"keys", "a number from 1", "1000000", "how many there are", SetNumber<&O::keys, 1, kKeysMax>},
    {"zipf", "0 to 10", "0", "exponent of the popularity of keys; 0 draws uniformly, 0.99 is usual", SetZipf},
    {"mix", "weights of get, set, setex, del", "get:1", "such as get:95,set:5", SetMix},
    {"size", "24 to 1mb, or a list of SIZE:WEIGHT", "100", "bytes of a value, such as 100:9,1kb:1", SetSizes},
    {"expire", "FROM-TO in ms", "1000-60000", "when what setex sets expires, from its sending", SetExpiry<false>},
    {"expire-at", "FROM-TO in ms", "", "the same as Unix time", SetExpiry<true>},
    {"seed", "a number", "1", "of all choices by chance", SetNumber<&O::seed, 0>},
    {"run", "1 to 4294967295", "1", "written into values; greater than of earlier runs on the same data", SetNumber<&O::run, 1, UINT32_MAX>},
    {"all-exist", "0 or 1", "0", "earlier runs have left every key there, for good", SetAllExist},
};
// clang-format on

std::string Quoted(Slice text) { return "'" + std::string(text) + "'"; }

Status SetOption(Options& options, Slice argument) {
  Slice value = argument;
  Slice name = TakeUpTo('=', &value);
  if (!name.starts_with("--")) {
    return Status::InvalidArgument("what is " + Quoted(argument) + "? Options are --NAME=VALUE");
  }
  name.remove_prefix(2);
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    if (row.set(options, value)) return Status::Ok();
    return Status::InvalidArgument("--" + std::string(name) + " wants " + std::string(row.wants) +
                                   ", not " + Quoted(value));
  }
  return Status::InvalidArgument("no option " + Quoted(argument) + "; --help lists them");
}

Status CheckTogether(const Options& options) {
  if (options.phases.empty()) return Status::InvalidArgument("--phases says what to do");
  bool measured = false;
  for (const Phase& phase : options.phases) {
    measured |= phase.kind == Phase::Kind::kFull;
    if (phase.rate_part > 0 && !measured) {
      return Status::InvalidArgument(Quoted(phase.name) + " needs a full phase before it");
    }
  }
  return Status::Ok();
}

}  // namespace

Result<Options> ParseOptions(std::span<const std::string> arguments) {
  Options options;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      options.help = true;
      return options;
    }
    if (Status s = SetOption(options, argument); !s.ok()) return s;
  }
  if (Status s = CheckTogether(options); !s.ok()) return s;
  return options;
}

std::string OptionsUsage() {
  std::string usage;
  for (const Row& row : kRows) {
    usage.append("  --").append(row.name).append("  ").append(row.wants);
    if (!row.default_text.empty()) usage.append(" (").append(row.default_text).append(")");
    usage.append("\n      ").append(row.meaning).append("\n");
  }
  return usage;
}

}  // namespace varve::load
