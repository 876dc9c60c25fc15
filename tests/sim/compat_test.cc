// tests/sim/compat_test.cc: databases that were written once are still read.
//
// tests/compat/ keeps a file of each format and version that may lie on somebody's disk:
//
//   log1-manifest1-table4-values1/              a database: CURRENT, a manifest, two tables, a value file, two
//                                               log segments
//   log1-manifest1-table4-values1-checkpoint/   a checkpoint of it: the same without a log
//
// LOCK and RESERVE hold nothing. Each file is made by the code that writes it in the engine, not by a
// running engine, whose choices may change while formats stay.
//
// Here their entries are written down. Each database is opened and must hold exactly these; what is
// written today must be the same bytes; and what a later version might write is refused.
//
//   VARVE_WRITE_GOLDEN=1 build/varve-unit-tests -tc='golden files*'
//
// writes them anew. That is right only before a format is released. Afterwards a change of a format takes a
// new version, a new directory beside the old ones, and a reader for both.
#include <zstd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/hash.h"
#include "engine/file_names.h"
#include "engine/log/log_format.h"
#include "engine/log/log_record.h"
#include "engine/table/table_builder.h"
#include "engine/values/value_file_builder.h"
#include "engine/values/value_file_format.h"
#include "engine/version/manifest.h"
#include "tests/sim/engine_world.h"
#include "tests/support/json_values.h"

namespace varve {
namespace {

using Files = std::map<std::string, std::string>;  // name -> contents

const std::string kRoot = "tests/compat/";
const std::string kDatabaseName = "log" + std::to_string(kLogFormatVersion) + "-manifest" +
                                  std::to_string(kManifestFormatVersion) + "-table" +
                                  std::to_string(kTableFormatVersion) + "-values" +
                                  std::to_string(kValueFileFormatVersion);
const std::string kCheckpointName = kDatabaseName + "-checkpoint";

constexpr uint64_t kDatabase = 0x0123456789abcdef;
constexpr uint64_t kValueFile = 4;        // to which the old table refers
constexpr uint64_t kOldTable = 5;         // in level 6, stored as it is
constexpr uint64_t kCompressedTable = 6;  // in level 0, with a dictionary
constexpr uint64_t kFirstSegment = 7;     // cut off behind its second group
constexpr uint64_t kSecondSegment = 9;
constexpr uint64_t kManifest = 8;
constexpr uint64_t kFlushedGroup = 10;
constexpr uint64_t kSegmentBytes = 1024;
constexpr size_t kValueFileThreshold = 1000;
constexpr int64_t kYear2100 = 4'102'444'800'000;

// By which the compressed table in the tree was made.
constexpr unsigned kZstdVersion = 10504;

const std::string kOldTableName = TableFileName(kOldTable);
const std::string kCompressedTableName = TableFileName(kCompressedTable);

// --- What they hold ---

// "s01" is alive and counted, "s02" is dead, "x" is not counted.
std::vector<Change> OldTableChanges() {
  return {
      PutOf("s01apple", "red", 0, 3),
      PutOf("s01banana", "yellow", kYear2100),
      PutOf("s01cherry", "dark"),
      PutOf("s01huge", std::string(700, 'h'), kYear2100 + 1000),  // a block of its own
      PutOf("s01melon", ""),
      PutOf("s01photo", std::string(1500, 'p'), kYear2100, 1),  // in the value file
      PutOf("s02dead", "and gone"),
      PutOf(std::string("x\0\xff", 3), "of any bytes"),
  };
}

std::vector<Change> CompressedTableChanges() {
  Random random(1);
  std::vector<Change> changes = {DeleteOf("s01cherry")};
  for (int i = 100; i < 150; ++i) {
    changes.push_back(PutOf("s01user" + std::to_string(i), JsonUser(random)));
  }
  return changes;
}

// By group, from kFlushedGroup + 1.
std::vector<std::vector<Change>> LoggedChanges() {
  return {{PutOf("s01apple", "green", 0, 3), DeleteOf("s01banana")},
          {PutOf("s01fig", "purple", kYear2100), PutOf("s01user100", "short")},
          {PutOf("s03pear", std::string(300, 'p'))}};
}

Entries WantedOf(const std::vector<std::vector<Change>>& all) {
  HistoryState state;
  for (const std::vector<Change>& changes : all) {
    for (const Change& change : changes) state.Apply(change);
  }
  state.Apply(KillOf("s02"));
  return state.entries;
}

Entries WantedOfCheckpoint() { return WantedOf({OldTableChanges(), CompressedTableChanges()}); }
Entries WantedOfDatabase() {
  std::vector<std::vector<Change>> all = {OldTableChanges(), CompressedTableChanges()};
  for (const auto& changes : LoggedChanges()) all.push_back(changes);
  return WantedOf(all);
}

// --- How they are written ---

// A directory of a simulated world.
struct Written {
  Written() { REQUIRE(env.CreateDirectory("db").ok()); }

  Files files() const {
    Files files;
    for (const std::string& name : env.Names("db")) {
      files[name] = env.Contents(JoinPath("db", name));
    }
    return files;
  }

  FileRef WriteTable(uint64_t number, int level, const TableOptions& options,
                     const std::vector<Change>& changes) {
    const auto file = env.Open(JoinPath("db", TableFileName(number)), OpenMode::kCreate);
    REQUIRE(file.ok());
    TableBuilder builder(options, **file, number, kDatabase);
    for (const Change& c : changes) {
      const bool put = c.kind == EntryKind::kPut;
      Entry entry{.key = c.key,
                  .kind = c.kind,
                  .creates = put,
                  .tag = c.stored.tag,
                  .expire_at_ms = c.stored.expire_at_ms,
                  .value = put ? Slice(*c.stored.value) : Slice()};
      std::string reference;
      if (entry.value.size() >= kValueFileThreshold) {
        AppendValueRef(WriteValue(entry), &reference);
        entry.value = reference;
        entry.in_value_file = true;
      }
      REQUIRE(builder.Add(entry).ok());
    }
    const Result<TableProperties> p = builder.Finish();
    REQUIRE(p.ok());
    auto meta = std::make_shared<FileMeta>();
    meta->number = number;
    meta->level = level;
    meta->size_bytes = p->file_bytes;
    meta->smallest = p->smallest_key;
    meta->largest = p->largest_key;
    meta->entries = p->entries;
    meta->tombstones = p->tombstones;
    meta->expiring = p->expiring;
    meta->first_expiry_ms = p->first_expiry_ms;
    meta->last_expiry_ms = p->last_expiry_ms;
    meta->value_uses = p->value_uses;
    return meta;
  }

  // The only one there is.
  ValueRef WriteValue(const Entry& entry) {
    REQUIRE(values.records == 0);
    const auto file = env.Open(JoinPath("db", ValueFileName(kValueFile)), OpenMode::kCreate);
    REQUIRE(file.ok());
    ValueFileBuilder builder(**file, kValueFile, kDatabase);
    const Result<ValueRef> ref = builder.Add(entry.key, entry.value, 0);
    REQUIRE(ref.ok());
    REQUIRE(builder.Finish().ok());
    values = {kValueFile, builder.file_bytes(), builder.records()};
    return *ref;
  }

  SimEnv env{1};
  ValueFileMeta values;
};

std::string RecordOf(uint64_t segment, uint64_t group, const std::vector<Change>& changes) {
  Batch batch;
  for (const Change& c : changes) {
    if (c.kind == EntryKind::kPut)
      batch.Put(c.key, c.stored.tag, c.stored.expire_at_ms, Slice(*c.stored.value));
    if (c.kind == EntryKind::kTombstone) batch.Delete(c.key);
  }
  const bool seal = changes.empty();
  const LogRecordHeader header{.segment = segment,
                               .group = group,
                               .synced_group = group - 1,
                               .type = seal ? LogRecordType::kSeal : LogRecordType::kData};
  const Slice payload = batch.bytes();
  std::string record(kLogRecordHeaderBytes, '\0');
  EncodeLogHeader(kDatabase, header, {&payload, 1}, record.data());
  record.append(payload);
  record.resize(AlignLogOffset(record.size()));
  return record;
}

void WriteDatabase(Written& to, bool with_log) {
  const FileRef old_table =
      to.WriteTable(kOldTable, 6, {.block_bytes = 512, .compression_level = 0}, OldTableChanges());
  const FileRef compressed = to.WriteTable(
      kCompressedTable, 0,
      {.block_bytes = 512, .filter_bits_per_key = 16, .dictionary_sample_bytes = 4096},
      CompressedTableChanges());

  ManifestState first;
  first.database_id = kDatabase;
  first.next_file_number = kValueFile;
  VersionEdit second;
  second.next_file_number = 20;
  second.added = {old_table, compressed};
  second.value_files_added = {to.values};
  second.flushed_group = kFlushedGroup;
  second.counts = {{"s01", 5 + 50}};  // with what the tombstone took
  second.dead_prefixes_added = {{"s02", kCompressedTable}};
  if (with_log) {
    const auto logged = LoggedChanges();
    std::string front = EncodeLogFileHeader(kDatabase, kFirstSegment) +
                        RecordOf(kFirstSegment, kFlushedGroup + 1, logged[0]) +
                        RecordOf(kFirstSegment, kFlushedGroup + 2, logged[1]);
    second.first_log_segment = kFirstSegment;
    second.log_ends_added = {{kFirstSegment, front.size()}};
    // Given up by an opening: nobody had been told of it.
    front += RecordOf(kFirstSegment, kFlushedGroup + 3, {PutOf("s01never", "seen")});
    std::string back = EncodeLogFileHeader(kDatabase, kSecondSegment) +
                       RecordOf(kSecondSegment, kFlushedGroup + 3, logged[2]) +
                       RecordOf(kSecondSegment, kFlushedGroup + 3, {});
    front.resize(kSegmentBytes);
    back.resize(kSegmentBytes);
    to.env.SetContents(JoinPath("db", LogFileName(kFirstSegment)), front);
    to.env.SetContents(JoinPath("db", LogFileName(kSecondSegment)), back);
  }
  ManifestWriter manifest(to.env, "db", kDatabase);
  REQUIRE(manifest.Start(kManifest, first.Snapshot()).ok());
  REQUIRE(manifest.Append(second).ok());
}

Files FilesWrittenNow(bool with_log) {
  Written written;
  WriteDatabase(written, with_log);
  return written.files();
}

// --- Those in the tree ---

Files ReadGolden(const std::string& name) {
  Files files;
  for (const auto& file : std::filesystem::directory_iterator(kRoot + name)) {
    std::ifstream in(file.path(), std::ios::binary);
    files[file.path().filename()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return files;
}

void WriteGolden(const std::string& name, const Files& files) {
  std::filesystem::remove_all(kRoot + name);
  std::filesystem::create_directories(kRoot + name);
  for (const auto& [file, contents] : files) {
    std::ofstream out(kRoot + name + "/" + file, std::ios::binary);
    out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
    REQUIRE(out.flush());
  }
}

std::vector<std::string> GoldenNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  return names;
}

// A world in which somebody left these files.
struct Found : EngineWorld {
  explicit Found(const Files& files) : EngineWorld(1, TinyOptions()) {
    Must(env.CreateDirectory(options.directory).ok());
    for (const auto& [name, contents] : files) env.SetContents(Path(name), contents);
  }
  std::string Path(const std::string& name) const { return JoinPath(options.directory, name); }
};

// Without what lies under the dead prefix: who scans knows that.
Entries Alive(Entries entries) {
  std::erase_if(entries, [](const auto& entry) { return entry.first.starts_with("s02"); });
  return entries;
}

// Changes `size` bytes at `at`, and the checksum at `checksum_at` of all before it.
void Patch(std::string* bytes, size_t at, size_t size, uint64_t value, size_t checksum_at) {
  char number[8];
  StoreFixed64(number, value);
  bytes->replace(at, size, number, size);
  StoreFixed64(bytes->data() + checksum_at, Checksum(Slice(*bytes).substr(0, checksum_at)));
}

std::string RefusalOf(const Files& files) {
  Found world(files);
  const Status status = world.TryOpen();
  return status.ok() ? "opened" : std::string(status.message());
}

TEST_CASE("golden files: they are written anew when asked for") {
  if (std::getenv("VARVE_WRITE_GOLDEN") == nullptr) return;
  WriteGolden(kDatabaseName, FilesWrittenNow(true));
  WriteGolden(kCheckpointName, FilesWrittenNow(false));
}

TEST_CASE("golden files: each database is sound and holds what it was given") {
  REQUIRE(GoldenNames().size() >= 2);
  for (const std::string& name : GoldenNames()) {
    CAPTURE(name);
    const Files files = ReadGolden(name);
    const Entries wanted =
        name.ends_with("-checkpoint") ? WantedOfCheckpoint() : WantedOfDatabase();
    Found world(files);
    RequireSound(world.env, world.options.directory);
    REQUIRE(world.Open());
    CHECK(Alive(world.ScanAll()) == wanted);
    for (const auto& [key, stored] : wanted) {
      ReadScope scope;
      Value value;
      Status status = Status::Pending();
      while (status.is_pending()) {
        status = world.engine->Get(key, scope, &value);
        if (status.is_pending()) REQUIRE(world.Wait(scope));
      }
      CAPTURE(key);
      REQUIRE(status.ok());
      CHECK(value.bytes == *stored.value);
      CHECK(value.tag == stored.tag);
      CHECK(value.expire_at_ms == stored.expire_at_ms);
    }
    // And goes on from there.
    Batch batch;
    batch.Put("s01new", 0, 0, Slice("value"));
    world.engine->Commit(batch);
    REQUIRE(world.Compact());
    Entries more = wanted;
    more["s01new"] = PutOf("s01new", "value").stored;
    CHECK(Alive(world.ScanAll()) == more);
    int64_t counted = 0;
    for (const auto& [key, stored] : more) counted += key.starts_with("s01") ? 1 : 0;
    CHECK(world.engine->CountKeys("s01") == counted);
    REQUIRE(world.engine->Close().ok());
    RequireSound(world.env, world.options.directory);
  }
}

TEST_CASE("golden files: what is written today is the same to the byte") {
  for (const bool with_log : {true, false}) {
    const std::string& name = with_log ? kDatabaseName : kCheckpointName;
    INFO("The format of ", name, " has changed. If it was never released, write the golden files ",
         "anew (see the top of this test). Otherwise give the format a new version, keep these, ",
         "and add those of the new version beside them.");
    REQUIRE(std::filesystem::exists(kRoot + name));
    Files golden = ReadGolden(name);
    Files now = FilesWrittenNow(with_log);
    // Another version of zstd may make other bytes; and of this table the manifest tells the size.
    if (ZSTD_versionNumber() != kZstdVersion) {
      for (Files* files : {&golden, &now}) {
        files->erase(kCompressedTableName);
        files->erase(ManifestFileName(kManifest));
        files->erase(ManifestCopyFileName(kManifest));
      }
    }
    for (const auto& [file, contents] : golden) {
      CAPTURE(file);
      CHECK(now.contains(file));
      CHECK((now[file] == contents));
    }
    CHECK(now.size() == golden.size());
  }
}

TEST_CASE("golden files: what a later version would write is refused by name") {
  const Files sound = ReadGolden(kDatabaseName);
  const std::string manifest = ManifestFileName(kManifest);
  const std::string copy = ManifestCopyFileName(kManifest);
  const std::string log = LogFileName(kFirstSegment);
  REQUIRE(RefusalOf(sound) == "opened");
  const auto text = [](const std::string& file, const char* format, uint64_t version) {
    return "/db/" + file + ": " + format + " format " + std::to_string(version + 1) +
           ", this program knows " + std::to_string(version);
  };

  Files files = sound;
  Patch(&files[manifest], 8, 4, kManifestFormatVersion + 1, kManifestHeaderBytes - 8);
  files[copy] = files[manifest];
  CHECK(RefusalOf(files) == text(manifest, "manifest", kManifestFormatVersion));

  files = sound;
  Patch(&files[log], 8, 4, kLogFormatVersion + 1, kLogFileHeaderBytes - 8);
  CHECK(RefusalOf(files) == text(log, "log", kLogFormatVersion));

  // What the manifest says of the database as a whole.
  files = sound;
  std::string& bytes = files[manifest];
  const size_t record = kManifestHeaderBytes;
  const size_t length = LoadFixed32(bytes.data() + record + 8);
  REQUIRE(Slice(bytes).substr(record + kManifestRecordHeaderBytes, 2) == "\x01\x01");
  bytes[record + kManifestRecordHeaderBytes + 2] = static_cast<char>(kDatabaseFormatVersion + 1);
  StoreFixed64(bytes.data() + record, Hash(Slice(bytes).substr(record + 8, 8 + length), kDatabase));
  files[copy] = bytes;
  CHECK(RefusalOf(files).starts_with(text(manifest, "database", kDatabaseFormatVersion)));

  // Tables are opened when they are needed, and those of this version go on being read.
  files = sound;
  std::string& table = files[kOldTableName];
  const size_t footer = table.size() - sizeof(TableFooter);
  std::string patched = table.substr(footer);
  Patch(&patched, offsetof(TableFooter, version), 8, kTableFormatVersion + 1,
        offsetof(TableFooter, checksum));
  table.replace(footer, std::string::npos, patched);
  Found world(files);
  REQUIRE(world.Open());
  ReadScope scope;
  Value value;
  const auto get = [&](Slice key) {
    Status status = Status::Pending();
    while (status.is_pending()) {
      status = world.engine->Get(key, scope, &value);
      if (status.is_pending()) REQUIRE(world.Wait(scope));
    }
    return status;
  };
  const Status refused = get("s01melon");
  CHECK(refused.code() == StatusCode::kNotSupported);
  CHECK(refused.message() == text(kOldTableName, "table", kTableFormatVersion));
  CHECK(get("s01user101").ok());

  // Likewise value files.
  files = sound;
  Patch(&files[ValueFileName(kValueFile)], kValueFileVersionAt, 4, kValueFileFormatVersion + 1,
        kValueFileChecksumAt);
  Found other(files);
  REQUIRE(other.Open());
  ReadScope other_scope;
  Status of_value = Status::Pending();
  while (of_value.is_pending()) {
    of_value = other.engine->Get("s01photo", other_scope, &value);
    if (of_value.is_pending()) REQUIRE(other.Wait(other_scope));
  }
  CHECK(of_value.code() == StatusCode::kCorruption);
  CHECK(of_value.message() ==
        text(ValueFileName(kValueFile), "value file", kValueFileFormatVersion));
}

}  // namespace
}  // namespace varve
