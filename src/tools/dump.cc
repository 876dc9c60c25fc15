// tools/dump.cc: varve-tool dump: arguments, and which files. The work is dumper.h's.
#include "tools/dump.h"

#include <cstdio>

#include "base/coding.h"
#include "engine/check/manifest_records.h"
#include "engine/file_names.h"
#include "engine/log/log_format.h"
#include "engine/table/table_format.h"
#include "engine/values/value_file_format.h"
#include "tools/dumper.h"
#include "tools/offline.h"

namespace varve {

namespace {

constexpr char kName[] = "dump";

// False, after saying so, if a key is not written as dump writes it.
bool TakeKey(const std::optional<std::string>& text, std::optional<std::string>* key) {
  if (!text) return true;
  *key = Unquoted(*text);
  if (*key) return true;
  std::fprintf(stderr, "varve-tool dump: '%s' is not written as dump writes keys\n", text->c_str());
  return false;
}

// --- A directory ---

// What cannot be opened is told, and the next one has its turn.
std::unique_ptr<File> OpenPart(Env& env, const std::string& directory, const std::string& name,
                               Dumper& dumper) {
  Result<std::unique_ptr<File>> file = env.Open(JoinPath(directory, name), OpenMode::kRead);
  if (file.ok()) return std::move(*file);
  dumper.Problem(name, 0, file.status().message());
  return nullptr;
}

void DumpTables(Env& env, const std::string& directory, const ManifestState& state,
                Dumper& dumper) {
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& table : state.version->level(level)) {
      const std::string name = TableFileName(table->number);
      const std::unique_ptr<File> file = OpenPart(env, directory, name, dumper);
      if (file) dumper.Table({name, table->number, state.database_id, level}, *file);
    }
  }
}

void DumpValueFiles(Env& env, const std::string& directory, const ManifestState& state,
                    Dumper& dumper) {
  for (const LiveValueFile& values : state.version->value_files()) {
    const std::string name = ValueFileName(values.meta.number);
    std::unique_ptr<File> file = OpenPart(env, directory, name, dumper);
    if (file) dumper.Values({name, values.meta.number, state.database_id}, std::move(file));
  }
}

void DumpSegments(Env& env, const std::string& directory, const OfflineDatabase& database,
                  Dumper& dumper) {
  const ManifestState& state = database.manifest.state;
  for (const uint64_t segment : database.log_segments) {
    LogToDump what{LogFileName(segment), segment, state.database_id, std::nullopt};
    const auto end = state.log_ends.find(segment);
    if (end != state.log_ends.end()) what.known_end = end->second;
    const std::unique_ptr<File> file = OpenPart(env, directory, what.name, dumper);
    if (file) dumper.Log(what, *file);
  }
}

Status DumpDirectory(Env& env, const std::string& directory, Dumper& dumper) {
  const Result<OfflineDatabase> database = OpenOffline(env, directory);
  if (!database.ok()) return database.status();
  const std::string& manifest = database->manifest.file;
  const Result<std::string> file = ReadWholeFile(env, JoinPath(directory, manifest));
  if (!file.ok()) return file.status();
  dumper.Manifest(manifest, *file);
  DumpTables(env, directory, database->manifest.state, dumper);
  DumpValueFiles(env, directory, database->manifest.state, dumper);
  DumpSegments(env, directory, *database, dumper);
  return Status::Ok();
}

// --- A file ---

// What its name says; if it has another one, what its first or last bytes say.
std::optional<FileName> KindOf(const File& file, Slice name, uint64_t size) {
  const std::optional<FileName> named = ParseFileName(name);
  if (named && named->number != 0) return named;
  char first[kLogMagicBytes] = {};
  char last[sizeof(uint64_t)] = {};
  if (size < sizeof(last) || !file.ReadAt(0, sizeof(first), first).ok() ||
      !file.ReadAt(size - sizeof(last), sizeof(last), last).ok()) {
    return std::nullopt;
  }
  const Slice magic(first, sizeof(first));
  if (magic == kValueFileMagic) return FileName{FileKind::kValues, 0};
  if (magic == kLogMagic) return FileName{FileKind::kLog, 0};
  if (magic == kManifestMagic) return FileName{FileKind::kManifest, 0};
  if (LoadFixed64(last) == kTableMagic) return FileName{FileKind::kTable, 0};
  return std::nullopt;
}

Status DumpFile(Env& env, const std::string& path, Dumper& dumper) {
  Result<std::unique_ptr<File>> file = env.Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  const Result<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  const std::string name = path.substr(path.find_last_of('/') + 1);
  const std::optional<FileName> kind = KindOf(**file, name, *size);
  const Status unknown =
      Status::InvalidArgument(path + ": no manifest, log segment, table or value file");
  if (!kind) return unknown;
  const std::optional<uint64_t> number =
      kind->number != 0 ? std::optional(kind->number) : std::nullopt;
  if (kind->kind == FileKind::kLog) {
    dumper.Log({name, number, std::nullopt, std::nullopt}, **file);
  } else if (kind->kind == FileKind::kTable) {
    dumper.Table({name, number, std::nullopt, std::nullopt}, **file);
  } else if (kind->kind == FileKind::kValues) {
    dumper.Values({name, number, std::nullopt}, std::move(*file));
  } else if (kind->kind == FileKind::kManifest || kind->kind == FileKind::kManifestCopy) {
    const Result<std::string> whole = ReadWholeFile(env, path);
    if (!whole.ok()) return whole.status();
    dumper.Manifest(name, *whole);
  } else {
    return unknown;
  }
  return Status::Ok();
}

}  // namespace

int RunDump(std::span<const std::string> arguments) {
  OfflineArguments args(kName, "DIR|FILE", arguments);
  DumpOptions options;
  options.as_json = args.Switch("--json");
  options.entries = !args.Switch("--no-entries");
  options.values = !args.Switch("--keys");
  options.whole_values = args.Switch("--full");
  const std::optional<std::string> from = args.Option("--from", "KEY");
  const std::optional<std::string> to = args.Option("--to", "KEY");
  if (!args.Ok() || !TakeKey(from, &options.from) || !TakeKey(to, &options.to)) {
    return kExitNotDone;
  }
  OfflineWorld world;
  Dumper dumper(options);
  const bool is_directory = world.env().List(args.path()).ok();
  const Status status = is_directory ? DumpDirectory(world.env(), args.path(), dumper)
                                     : DumpFile(world.env(), args.path(), dumper);
  std::fflush(stdout);
  if (!status.ok()) return NotDone(kName, status);
  return dumper.found_problems() ? kExitDamaged : kExitSound;
}

}  // namespace varve
