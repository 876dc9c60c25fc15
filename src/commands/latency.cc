// commands/latency.cc: LATENCY: what took long, and how long commands take.
//
// Events are recorded while latency-monitor-threshold is set; histograms always.
#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "commands/command.h"
#include "commands/replies.h"
#include "commands/table.h"

namespace varve {

namespace {

using Event = Services::LatencyEvent;
using Kind = Services::LatencyKind;
using Sample = Services::LatencySample;

// --- Events ------------------------------------------------------------------------------------

bool IsLess(const Sample& a, const Sample& b) { return a.ms < b.ms; }

struct KindRow {
  Kind kind;
  Slice name;
  Slice advice;  // what may be behind it, and where to look
};

constexpr Slice kDiskAdvice =
    "The disk was slow to take the log. With appendfsync always every write waits for a sync;\n"
    "otherwise writers wait when much is pending: see log_pending_bytes and write_debt in INFO\n"
    "engine. Look for what else uses this disk, and whether it is nearly full.\n";

constexpr KindRow kKinds[] = {
    {Kind::kCommand, "command",
     "Nobody else is served while a command runs. LATENCY HISTOGRAM shows which ones take long:\n"
     "DEL of many keys, transactions of many commands, values of megabytes.\n"},
    {Kind::kFastCommand, "fast-command",
     "These do little work for a key. Where neither their keys are many nor their values large,\n"
     "something else had the core: look for other programs on this machine, a busy host below\n"
     "it, memory that is swapped. LATENCY HISTOGRAM shows which ones took long.\n"},
    {Kind::kEventLoop, "event-loop",
     "Turns of the event loop that were long, but not for one slow command: very many clients\n"
     "at a time, or something else that had the core. INFO stats has loop_turn_p99_usec and\n"
     "loop_turn_max_usec.\n"},
    {Kind::kLogWrite, "log-write", kDiskAdvice},
    {Kind::kLogSync, "log-sync", kDiskAdvice},
};
static_assert(std::size(kKinds) == Services::kLatencyKinds);

const KindRow& RowOf(Kind kind) {
  return *std::find_if(std::begin(kKinds), std::end(kKinds),
                       [kind](const KindRow& row) { return row.kind == kind; });
}

Slice NameOf(const Event& event) { return RowOf(event.kind).name; }

// Null if there is no such kind.
const KindRow* FindRow(Slice name) {
  for (const KindRow& row : kKinds) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// Without samples if there are none of that name.
Event FindEvent(const Services& services, Slice name) {
  for (Event& event : services.LatencyEvents()) {
    if (NameOf(event) == name) return std::move(event);
  }
  return {};
}

// LATENCY LATEST -> of each event its name, when it was last, how long it took then, and at most.
Status LatencyLatest(CommandContext& ctx, ArgReader) {
  const std::vector<Event> events = ctx.services.LatencyEvents();
  ctx.reply.Array(events.size());
  for (const Event& event : events) {
    const Sample& latest = event.samples.back();
    ctx.reply.Array(4);
    ctx.reply.Bulk(NameOf(event));
    ctx.reply.Integer(latest.unix_time);
    ctx.reply.Integer(static_cast<int64_t>(latest.ms));
    ctx.reply.Integer(static_cast<int64_t>(event.max_ms));
  }
  return Status::Ok();
}

// LATENCY HISTORY event -> when it was, and how long it took, oldest first.
Status LatencyHistory(CommandContext& ctx, ArgReader args) {
  const Event event = FindEvent(ctx.services, args.Next());
  ctx.reply.Array(event.samples.size());
  for (const Sample& sample : event.samples) {
    ctx.reply.Array(2);
    ctx.reply.Integer(sample.unix_time);
    ctx.reply.Integer(static_cast<int64_t>(sample.ms));
  }
  return Status::Ok();
}

// LATENCY RESET [event ...] -> of how many events there was something to forget.
Status LatencyReset(CommandContext& ctx, ArgReader args) {
  int reset = 0;
  const auto reset_kind = [&](const KindRow& row) {
    reset += ctx.services.ResetLatency(row.kind) ? 1 : 0;
  };
  if (!args.more()) std::for_each(std::begin(kKinds), std::end(kKinds), reset_kind);
  while (args.more()) {
    if (const KindRow* row = FindRow(args.Next())) reset_kind(*row);
  }
  ctx.reply.Integer(reset);
  return Status::Ok();
}

// "59s", "59m", "23h", "100d".
std::string AgeText(int64_t seconds) {
  seconds = std::max<int64_t>(seconds, 0);  // the clock may have been set back
  if (seconds < 60) return Int64ToString(seconds) + "s";
  if (seconds < 60 * 60) return Int64ToString(seconds / 60) + "m";
  if (seconds < 24 * 60 * 60) return Int64ToString(seconds / (60 * 60)) + "h";
  return Int64ToString(seconds / (24 * 60 * 60)) + "d";
}

// A bar for each sample, and below it, downwards, how long ago it was.
std::string GraphOf(const Event& event, int64_t now) {
  constexpr uint64_t kRows = 4;
  const auto [low, high] = std::minmax_element(event.samples.begin(), event.samples.end(), IsLess);
  const uint64_t range_ms = std::max<uint64_t>(high->ms - low->ms, 1);
  std::string text = std::string(NameOf(event)) + ": " + std::to_string(low->ms) + " to " +
                     std::to_string(high->ms) + " ms, at most " + std::to_string(event.max_ms) +
                     " ms\n" + std::string(std::max<size_t>(event.samples.size(), 40), '-') + "\n";
  const auto add_row = [&](auto letter_of) {
    std::string row;
    for (const Sample& sample : event.samples) row.push_back(letter_of(sample));
    row.erase(row.find_last_not_of(' ') + 1);
    if (!row.empty()) text.append(row).append("\n");
  };
  for (uint64_t row = kRows; row-- > 0;) {
    add_row([&](const Sample& sample) {
      return (sample.ms - low->ms) * (kRows - 1) >= row * range_ms ? '#' : ' ';
    });
  }
  text.append("\n");
  constexpr size_t kAgeLettersMax = 6;
  for (size_t letter = 0; letter < kAgeLettersMax; ++letter) {
    add_row([&](const Sample& sample) {
      const std::string age = AgeText(now - sample.unix_time);
      return letter < age.size() ? age[letter] : ' ';
    });
  }
  return text;
}

int64_t UnixTime(const Services& services) { return services.WallUs() / 1'000'000; }

// LATENCY GRAPH event -> its samples as a drawing.
Status LatencyGraph(CommandContext& ctx, ArgReader args) {
  const Slice name = args.Next();
  const Event event = FindEvent(ctx.services, name);
  if (event.samples.empty()) {
    return Status::ClientError("ERR No samples available for event '" + std::string(name) + "'");
  }
  ctx.reply.Verbatim("txt", GraphOf(event, UnixTime(ctx.services)));
  return Status::Ok();
}

std::string ReportOf(const Event& event, int64_t now) {
  uint64_t sum_ms = 0;
  for (const Sample& sample : event.samples) sum_ms += sample.ms;
  const uint64_t high_ms = std::max_element(event.samples.begin(), event.samples.end(), IsLess)->ms;
  const bool once = event.samples.size() == 1;
  return std::string(NameOf(event)) + ": in " + std::to_string(event.samples.size()) +
         (once ? " second, " : " different seconds, ") +
         AgeText(now - event.samples.front().unix_time) + " to " +
         AgeText(now - event.samples.back().unix_time) + " ago; " +
         std::to_string(sum_ms / event.samples.size()) + " ms on average, " +
         std::to_string(high_ms) + " ms the longest, " + std::to_string(event.max_ms) +
         " ms since it was last reset.\n" + std::string(RowOf(event.kind).advice);
}

// LATENCY DOCTOR -> all events in words.
Status LatencyDoctor(CommandContext& ctx, ArgReader) {
  std::string text;
  if (!ctx.services.LatencyMonitorIsOn()) {
    text.append(
        "The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> turns it\n"
        "on: what takes at least that long is recorded from then on.\n");
  }
  const std::vector<Event> events = ctx.services.LatencyEvents();
  for (const Event& event : events) {
    if (!text.empty()) text.append("\n");
    text.append(ReportOf(event, UnixTime(ctx.services)));
  }
  if (text.empty()) text = "Nothing has taken as long as latency-monitor-threshold.\n";
  ctx.reply.Verbatim("txt", text);
  return Status::Ok();
}

// --- Histograms --------------------------------------------------------------------------------

// Upper edges of powers of two nanoseconds, from about a microsecond on; and how many calls took no longer, as far
// as that differs from one to the next.
struct Bucket {
  int64_t edge_us;
  uint64_t calls;
};

std::vector<Bucket> BucketsOf(const Histogram& times_ns) {
  constexpr unsigned kFirstBits = 10;
  constexpr unsigned kPrecisionBits = 7;
  std::vector<Bucket> buckets;
  uint64_t counted = 0;
  for (unsigned bits = kFirstBits; counted < times_ns.total(); ++bits) {
    const uint64_t edge_ns = uint64_t{1} << bits;
    const uint64_t calls =
        bits < Histogram::kValueBits ? times_ns.CountBelow(edge_ns) : times_ns.total();
    if (calls == counted) continue;
    counted = calls;
    // The edge as Redis tells it: the last value that its histogram cannot tell from the power of two.
    const uint64_t told_ns = edge_ns + (edge_ns >> kPrecisionBits) - 1;
    buckets.push_back({static_cast<int64_t>(told_ns / 1000), calls});
  }
  return buckets;
}

struct CommandTimes {
  Slice name;
  const Histogram* times_ns;
};

// Those of the command, or of its subcommands, that have been run.
void AddTimes(const Services& services, const Command& command, std::vector<CommandTimes>* to) {
  for (const Command& subcommand : command.subcommands) AddTimes(services, subcommand, to);
  if (const Histogram* times_ns = services.CommandTimes(command)) {
    to->push_back({command.name, times_ns});
  }
}

// LATENCY HISTOGRAM [command ...] -> by command: how many calls, and how many of them took at most so many microseconds.
Status LatencyHistogram(CommandContext& ctx, ArgReader args) {
  std::vector<CommandTimes> found;
  if (!args.more()) {
    for (const Command* command : AllCommands()) AddTimes(ctx.services, *command, &found);
  }
  while (args.more()) {
    const Command* command = FindByFullName(args.Next());
    if (command != nullptr) AddTimes(ctx.services, *command, &found);
  }
  ctx.reply.Map(found.size());
  for (const auto& [name, times_ns] : found) {
    ctx.reply.Bulk(name);
    ctx.reply.Map(2);
    ctx.reply.Bulk("calls");
    ctx.reply.Integer(static_cast<int64_t>(times_ns->total()));
    ctx.reply.Bulk("histogram_usec");
    const std::vector<Bucket> buckets = BucketsOf(*times_ns);
    ctx.reply.Map(buckets.size());
    for (const Bucket& bucket : buckets) {
      ctx.reply.Integer(bucket.edge_us);
      ctx.reply.Integer(static_cast<int64_t>(bucket.calls));
    }
  }
  return Status::Ok();
}

Status LatencyHelp(CommandContext& ctx, ArgReader) {
  static constexpr Slice kLines[] = {
      "DOCTOR",
      "    What took long, in words, and where to look for the reason.",
      "GRAPH <event>",
      "    Draws the samples of an event.",
      "HISTOGRAM [<command> ...]",
      "    How long commands take: all that have been run, or those named.",
      "HISTORY <event>",
      "    When an event was, and how long it took.",
      "LATEST",
      "    The latest sample of every event.",
      "RESET [<event> ...]",
      "    Forgets the samples of all events, or of those named.",
      "HELP",
      "    This text.",
  };
  return ReplyHelp(ctx, kLines);
}

// --- The rows ----------------------------------------------------------------------------------

constexpr Slice kGroup = "server";
constexpr uint32_t kAdminAlways = kAdmin | kNoScript | kLoading | kStale;
constexpr Slice kTips = "nondeterministic_output request_policy:all_nodes response_policy:special";

// clang-format off
constexpr Command kLatencyCommands[] = {
    {.name = "latency|doctor", .run = LatencyDoctor, .arity = 2, .flags = kAdminAlways,
     .tips = kTips, .group = kGroup, .since = "2.8.13", .complexity = "O(1)",
     .summary = "Describes in words what took long."},
    {.name = "latency|graph", .run = LatencyGraph, .arity = 3, .flags = kAdminAlways,
     .tips = kTips, .group = kGroup, .since = "2.8.13", .complexity = "O(1)",
     .summary = "Draws how long an event took.", .syntax = "event"},
    {.name = "latency|help", .run = LatencyHelp, .arity = 2, .flags = kLoading | kStale,
     .group = kGroup, .since = "2.8.13", .complexity = "O(1)",
     .summary = "Lists the subcommands."},
    {.name = "latency|histogram", .run = LatencyHistogram, .arity = -2, .flags = kAdminAlways,
     .tips = kTips, .group = kGroup, .since = "7.0.0",
     .complexity = "O(N), N commands that have been run",
     .summary = "Tells how long commands take.", .syntax = "[command [command ...]]"},
    {.name = "latency|history", .run = LatencyHistory, .arity = 3, .flags = kAdminAlways,
     .tips = kTips, .group = kGroup, .since = "2.8.13", .complexity = "O(1)",
     .summary = "Tells when an event was, and how long it took.", .syntax = "event"},
    {.name = "latency|latest", .run = LatencyLatest, .arity = 2, .flags = kAdminAlways,
     .tips = kTips, .group = kGroup, .since = "2.8.13", .complexity = "O(1)",
     .summary = "Tells the latest sample of every event."},
    {.name = "latency|reset", .run = LatencyReset, .arity = -2, .flags = kAdminAlways,
     .tips = "request_policy:all_nodes response_policy:all_succeeded", .group = kGroup,
     .since = "2.8.13", .complexity = "O(1)", .summary = "Forgets the samples of events.",
     .syntax = "[event [event ...]]"},
};

constexpr Command kCommands[] = {
    {.name = "latency", .arity = -2, .group = kGroup, .since = "2.8.13",
     .complexity = "Depends on the subcommand.", .summary = "About what takes long.",
     .subcommands = kLatencyCommands},
};
// clang-format on

}  // namespace

std::span<const Command> LatencyCommands() { return kCommands; }

}  // namespace varve
