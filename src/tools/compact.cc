// tools/compact.cc: varve-tool compact: arguments, an engine of its own, progress, outcome.
#include "tools/compact.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/log.h"
#include "base/numbers.h"
#include "base/prefix.h"
#include "data/databases.h"
#include "data/key_format.h"
#include "engine/engine.h"
#include "tools/offline.h"
#include "tools/progress_line.h"

namespace varve {

namespace {

constexpr char kName[] = "compact";
constexpr uint64_t kLookMs = 100;

// What was asked for. Keys as they were meant, not as they were written.
struct Request {
  std::optional<uint64_t> database;
  std::optional<std::string> prefix;
  std::optional<std::string> from;
  std::optional<std::string> to;
};

struct Outcome {
  uint64_t bytes_before = 0;  // of tables and value files
  uint64_t bytes_after = 0;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t compactions = 0;
  std::string damage;  // empty, or what was left where it is
};

// False, after saying so, if they make no sense.
bool TakeKey(const std::optional<std::string>& text, std::optional<std::string>* key) {
  if (!text) return true;
  *key = Unquoted(*text);
  if (*key) return true;
  std::fprintf(stderr, "varve-tool compact: '%s' is not written as dump writes keys\n",
               text->c_str());
  return false;
}

bool TakeDatabase(const std::optional<std::string>& text, Request* request) {
  if (!text) return true;
  request->database = ParseUint64(*text);
  if (request->database) return true;
  std::fprintf(stderr, "varve-tool compact: '%s' is no number of a database\n", text->c_str());
  return false;
}

bool MakesSense(const Request& request) {
  const char* what = nullptr;
  if (request.prefix && !request.database) what = "--prefix needs a database: --db=0";
  if (request.prefix && (request.from || request.to)) what = "--prefix is a range of its own";
  if (what != nullptr) std::fprintf(stderr, "varve-tool compact: %s\n", what);
  return what == nullptr;
}

// --- The engine, and the loop it needs ---

uint64_t DataBytes(const EngineStats& stats) { return stats.table_bytes + stats.value_bytes; }

// As it is stored, be it in memory or on the disk.
Result<std::string> ReadKey(Engine& engine, Env& env, Slice key) {
  ReadScope scope;
  for (;;) {
    Value value;
    const Status status = engine.Get(key, scope, &value);
    if (status.ok()) return std::string(value.bytes);
    if (!status.is_pending()) return status;
    bool ready = false;
    scope.WhenReady([&ready] { ready = true; });
    env.RunUntil([&ready] { return ready; });
  }
}

// The prefix of the database's keys. Empty if it has none.
Result<std::string> PrefixOfDatabase(Engine& engine, Env& env, uint64_t number) {
  const Result<std::string> record = ReadKey(engine, env, Databases::RecordKey());
  if (record.status().is_not_found()) return std::string();
  if (!record.ok()) return record.status();
  const Result<Databases> databases = Databases::Decode(*record);
  if (!databases.ok()) return databases.status();
  const bool known = number < databases->spaces.size() && databases->spaces[number] != 0;
  std::string prefix;
  if (known) AppendPrefix(&prefix, KeyKind::kKey, databases->spaces[number]);
  return prefix;
}

struct KeyBounds {
  std::string lower;
  std::string upper;
  bool empty = false;
};

Result<KeyBounds> BoundsOf(const Request& request, Engine& engine, Env& env) {
  if (!request.database) return KeyBounds{request.from.value_or(""), request.to.value_or("")};
  Result<std::string> space = PrefixOfDatabase(engine, env, *request.database);
  if (!space.ok()) return space.status();
  if (space->empty()) return KeyBounds{.lower = {}, .upper = {}, .empty = true};
  const std::string begin = *space + request.prefix.value_or("");
  if (request.prefix) return KeyBounds{begin, PrefixEnd(begin)};
  return KeyBounds{begin + request.from.value_or(""),
                   request.to ? *space + *request.to : PrefixEnd(*space)};
}

// Until it is through, or something does not work that the engine would try for ever.
Status CompactAndWait(Engine& engine, Env& env, const KeyBounds& bounds) {
  std::optional<Status> outcome;
  engine.Compact(bounds.lower, bounds.upper,
                 [&outcome](const Status& status) { outcome = status; });
  ProgressLine progress(env);
  uint64_t all_bytes = 0;
  while (!outcome) {
    bool looked = false;
    const auto timer = env.RunAfter(kLookMs, [&looked] { looked = true; });
    env.RunUntil([&] { return looked || outcome.has_value(); });
    env.CancelTimer(timer);
    const EngineStats stats = engine.stats();
    // A job that fails is told as the outcome, and a damaged value is left where it is. But a flush is tried for ever.
    const bool stuck = !stats.last_error.empty() && !stats.last_error.starts_with("compaction: ");
    if (!outcome && stuck) return Status::IoError(stats.last_error);
    const uint64_t left = stats.range_compaction_bytes_left;
    all_bytes = std::max(all_bytes, left);
    progress.Show(all_bytes - left, all_bytes, FormatBytes(left) + " left");
  }
  return *outcome;
}

Status CompactDatabase(Env& env, const std::string& directory, const Request& request,
                       Outcome* outcome) {
  {
    // The engine would make a database where there is none.
    const Result<OfflineDatabase> database = OpenOffline(env, directory);
    if (!database.ok()) return database.status();
  }
  Options options;
  options.directory = directory;
  options.counted_prefix_size = CountedPrefixSize;
  options.automatic_compaction = false;
  Result<std::unique_ptr<Engine>> opened = Engine::Open(options, env);
  if (!opened.ok()) return opened.status();
  Engine& engine = **opened;
  outcome->bytes_before = DataBytes(engine.stats());
  const Result<KeyBounds> bounds = BoundsOf(request, engine, env);
  Status status = bounds.status();
  if (bounds.ok() && !bounds->empty) status = CompactAndWait(engine, env, *bounds);
  const EngineStats stats = engine.stats();
  outcome->bytes_after = DataBytes(stats);
  outcome->bytes_read = stats.compaction_bytes_read;
  outcome->bytes_written = stats.compaction_bytes_written;
  outcome->compactions = stats.compactions;
  outcome->damage = stats.last_error;
  const Status closed = engine.Close();
  return status.ok() ? closed : status;
}

// --- Output ---

void PrintText(const std::string& directory, const Outcome& outcome) {
  std::printf("%s: %s before, %s after; %s read and %s written by %s\n", directory.c_str(),
              FormatBytes(outcome.bytes_before).c_str(), FormatBytes(outcome.bytes_after).c_str(),
              FormatBytes(outcome.bytes_read).c_str(), FormatBytes(outcome.bytes_written).c_str(),
              Counted(outcome.compactions, "compaction").c_str());
}

void PrintJson(const std::string& directory, const Outcome& outcome) {
  JsonWriter json;
  json.BeginObject().Field("directory", directory);
  json.Field("bytes_before", outcome.bytes_before).Field("bytes_after", outcome.bytes_after);
  json.Field("bytes_read", outcome.bytes_read).Field("bytes_written", outcome.bytes_written);
  json.Field("compactions", outcome.compactions).EndObject();
  std::printf("%s\n", json.text().c_str());
}

}  // namespace

int RunCompact(std::span<const std::string> arguments) {
  OfflineArguments args(kName, "DIR", arguments);
  Request request;
  const bool as_json = args.Switch("--json");
  const std::optional<std::string> database = args.Option("--db", "N");
  const std::optional<std::string> prefix = args.Option("--prefix", "TEXT");
  const std::optional<std::string> from = args.Option("--from", "KEY");
  const std::optional<std::string> to = args.Option("--to", "KEY");
  if (!args.Ok() || !TakeDatabase(database, &request) || !TakeKey(prefix, &request.prefix) ||
      !TakeKey(from, &request.from) || !TakeKey(to, &request.to) || !MakesSense(request)) {
    return kExitNotDone;
  }
  // What goes wrong is told below.
  SetLogLevel(LogLevel::kNothing);
  OfflineWorld world;
  Outcome outcome;
  const Status status = CompactDatabase(world.env(), args.path(), request, &outcome);
  if (!status.ok()) return NotDone(kName, status);
  as_json ? PrintJson(args.path(), outcome) : PrintText(args.path(), outcome);
  if (outcome.damage.empty()) return kExitSound;
  std::fprintf(stderr, "varve-tool compact: %s\n", outcome.damage.c_str());
  return kExitDamaged;
}

}  // namespace varve
