// tools/repair.cc: varve-tool repair: arguments, progress, outcome. The work is engine/check's.
#include "tools/repair.h"

#include <cinttypes>
#include <cstdio>

#include "base/log.h"
#include "data/databases.h"
#include "data/key_format.h"
#include "engine/check/repair.h"
#include "tools/json.h"
#include "tools/offline.h"
#include "tools/progress_line.h"

namespace varve {

namespace {

constexpr char kName[] = "repair";

void PrintText(const std::string& target, const RepairReport& report) {
  for (const LostRange& range : report.lost_ranges) {
    std::printf("lost: keys from %s up to %s: %s\n", Quoted(range.begin).c_str(),
                Quoted(range.end).c_str(), range.why.c_str());
  }
  for (const RepairReport::LostValue& value : report.lost_values) {
    std::printf("lost: key %s: %s\n", Quoted(value.key).c_str(), value.why.c_str());
  }
  if (!report.log_ends_early.empty()) {
    std::printf("lost: what was written last: %s\n", report.log_ends_early.c_str());
  }
  std::printf("%s: %s from tables, %s from the log, %s: %s\n", target.c_str(),
              Counted(report.keys, "key").c_str(), Counted(report.groups, "group").c_str(),
              FormatBytes(report.bytes).c_str(),
              report.complete() ? "nothing was lost" : "the rest is lost");
}

void PrintJson(const std::string& source, const std::string& target, const RepairReport& report) {
  JsonWriter json;
  json.BeginObject().Field("source", Slice(source)).Field("target", Slice(target));
  json.Field("keys", report.keys).Field("groups", report.groups).Field("bytes", report.bytes);
  json.Key("lost_ranges").BeginArray();
  for (const LostRange& range : report.lost_ranges) {
    json.BeginObject()
        .Field("from", Slice(Quoted(range.begin)))
        .Field("to", Slice(Quoted(range.end)));
    json.Field("why", Slice(range.why)).EndObject();
  }
  json.EndArray().Key("lost_values").BeginArray();
  for (const RepairReport::LostValue& value : report.lost_values) {
    json.BeginObject().Field("key", Slice(Quoted(value.key)));
    json.Field("why", Slice(value.why)).EndObject();
  }
  json.EndArray();
  if (!report.log_ends_early.empty()) json.Field("log_ends_early", Slice(report.log_ends_early));
  json.EndObject();
  std::printf("%s\n", json.text().c_str());
}

}  // namespace

int RunRepair(std::span<const std::string> arguments) {
  OfflineArguments args(kName, "DIR TO", arguments, 2);
  const bool as_json = args.Switch("--json");
  if (!args.Ok()) return kExitNotDone;
  // What goes wrong is told below.
  SetLogLevel(LogLevel::kNothing);
  OfflineWorld world;
  RepairReport report;
  Status status;
  {
    ProgressLine progress(world.env());
    RepairRequest request;
    request.source = args.path();
    request.target = args.path(1);
    request.options.counted_prefix_size = CountedPrefixSize;
    request.needed_key = Databases::RecordKey();
    request.on_progress = [&progress](uint64_t done, uint64_t total) {
      progress.Show(done, total, Counted(done, "entries"));
    };
    status = RepairDatabase(world.env(), request, &report);
  }
  if (!status.ok()) return NotDone(kName, status);
  as_json ? PrintJson(args.path(), args.path(1), report) : PrintText(args.path(1), report);
  return report.complete() ? kExitSound : kExitDamaged;
}

}  // namespace varve
