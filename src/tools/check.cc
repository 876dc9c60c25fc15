// tools/check.cc: varve-tool check: arguments, progress, outcome. The work is engine/check's.
#include "tools/check.h"

#include <cinttypes>
#include <cstdio>
#include <optional>

#include "engine/check/check.h"
#include "engine/file_names.h"
#include "tools/json.h"
#include "tools/offline.h"
#include "tools/progress_line.h"

namespace varve {

namespace {

constexpr char kName[] = "check";

const char* WhatStrangerIs(const std::string& name) {
  return ParseFileName(name) ? "nothing names it; the next start of the server removes it"
                             : "not a file of the database";
}

void PrintText(const CheckReport& report) {
  for (const CheckFinding& problem : report.problems()) {
    std::printf("%s\n", problem.ToString().c_str());
  }
  for (const CheckFinding& note : report.notes()) {
    std::printf("note: %s\n", note.ToString().c_str());
  }
  for (const std::string& name : report.strangers()) {
    std::printf("note: %s: %s\n", name.c_str(), WhatStrangerIs(name));
  }
  const CheckTotals& totals = report.totals();
  std::printf("%s, %s checked: %s\n", Counted(totals.files, "file").c_str(),
              Counted(totals.bytes, "byte").c_str(),
              report.sound() ? "sound" : Counted(totals.problems, "problem").c_str());
}

void PrintJson(const std::string& directory, const CheckReport& report) {
  JsonWriter json;
  json.BeginObject().Field("directory", directory).Field("sound", report.sound());
  WriteFindings(json, "problems", report.problems());
  WriteFindings(json, "notes", report.notes());
  json.Key("strangers").BeginArray();
  for (const std::string& name : report.strangers()) json.Value(name);
  json.EndArray();
  const CheckTotals& totals = report.totals();
  json.Key("totals").BeginObject();
  json.Field("files", totals.files).Field("bytes", totals.bytes);
  json.Field("problems", totals.problems).Field("manifest_edits", totals.manifest_edits);
  json.Field("tables", totals.tables).Field("blocks", totals.blocks);
  json.Field("entries", totals.entries);
  json.Field("value_files", totals.value_files).Field("values", totals.values);
  json.Field("log_segments", totals.log_segments);
  json.Field("log_groups", totals.log_groups).Field("log_entries", totals.log_entries);
  json.EndObject().EndObject();
  std::printf("%s\n", json.text().c_str());
}

}  // namespace

int RunCheck(std::span<const std::string> arguments) {
  OfflineArguments args(kName, "DIR", arguments);
  const bool as_json = args.Switch("--json");
  if (!args.Ok()) return kExitNotDone;

  OfflineWorld world;
  std::optional<ProgressLine> progress(world.env());
  CheckReport report([&progress](uint64_t done, uint64_t total, const std::string& file) {
    progress->Show(done, total, file);
  });
  const Status status = CheckDatabase(world.env(), args.path(), &report);
  progress.reset();
  if (!status.ok()) return NotDone(kName, status);
  if (as_json) {
    PrintJson(args.path(), report);
  } else {
    PrintText(report);
  }
  return report.sound() ? kExitSound : kExitDamaged;
}

}  // namespace varve
