// tests/sim/engine_check_test.cc: the check of a closed database finds damage, and nothing else.
//
// That a sound database is found sound is told by the random histories, which check before each opening
// (engine_random_test.cc). Here small databases are damaged, one bit after the other, and each damage must be
// found in the file where it is. Bits that cannot matter are those of LogMap::Judge and of what
// holds nothing; that they do not matter is shown by opening the database.
#include "engine/check/manifest_records.h"
#include "engine/log/log_format.h"
#include "engine/log/log_reader.h"
#include "engine/version/manifest.h"
#include "tests/sim/small_database.h"

namespace varve {
namespace {

constexpr char kDirectory[] = "/db";

// --- What one bit of the log is worth ---

enum class Worth : uint8_t {
  kProblem,  // must be found
  kNote,     // cannot be told from a power cut: must be noted
  kEither,   // a problem if something else shows it, else a note
  kNothing,  // is read by nobody, or says nothing
};

struct Judgement {
  Worth worth;
  const char* why;
  bool changes_data = false;  // although it is no problem
};

// All records of all live segments of a sound database.
class LogMap {
 public:
  explicit LogMap(DatabaseCopy& copy) {
    const Result<ManifestContents> manifest = ReadManifest(copy.env, kDirectory);
    REQUIRE(manifest.ok());
    state_ = manifest->state;
    for (const std::string& name : copy.Names()) {
      const std::optional<FileName> file = ParseFileName(name);
      if (file && file->kind == FileKind::kLog) Read(copy, name, file->number);
    }
  }

  Judgement Judge(const std::string& name, uint64_t offset) const {
    const Segment& segment = segments_.at(name);
    if (segment.number < state_.first_log_segment) return {Worth::kNothing, "a dead segment"};
    if (segment.known_end && *segment.known_end <= kLogFileHeaderBytes) {
      return {Worth::kNothing, "a void segment"};
    }
    if (offset < kLogFileHeaderBytes) return JudgeHeader(segment);
    for (const Record& record : segment.records) {
      if (offset >= record.offset && offset < record.end)
        return JudgeRecord(segment, record, offset);
    }
    return {Worth::kNothing, "behind the last record"};
  }

 private:
  struct Record {
    uint64_t offset;
    uint64_t end;
    uint64_t payload_end;
    LogRecordHeader header;
    bool is_seal() const { return header.type == LogRecordType::kSeal; }
  };
  struct Segment {
    uint64_t number = 0;
    std::optional<uint64_t> known_end;
    std::vector<Record> records;
  };

  void Read(DatabaseCopy& copy, const std::string& name, uint64_t number) {
    Segment& segment = segments_[name];
    segment.number = number;
    const auto end = state_.log_ends.find(number);
    if (end != state_.log_ends.end()) segment.known_end = end->second;
    const Result<std::unique_ptr<File>> file = copy.env.Open(copy.PathOf(name), OpenMode::kRead);
    REQUIRE(file.ok());
    LogReader reader(**file, name, number, state_.database_id, segment.known_end);
    LogRecord record;
    while (reader.Next(&record)) {
      const uint64_t payload_end = record.offset + kLogRecordHeaderBytes + record.payload.size();
      segment.records.push_back({record.offset, reader.offset(), payload_end, record.header});
    }
  }

  Judgement JudgeHeader(const Segment& segment) const {
    if (!segment.records.empty()) return {Worth::kProblem, "a header with records behind it"};
    if (segment.number == state_.first_log_segment) {
      return {Worth::kProblem, "the header of the first segment"};
    }
    return {Worth::kNote, "the header of an empty segment, which might be in the making"};
  }

  Judgement JudgeRecord(const Segment& segment, const Record& record, uint64_t offset) const {
    const bool last = &record == &segment.records.back();
    if (offset >= record.payload_end) {
      if (last) return {Worth::kNothing, "padding, and nothing behind it"};
      return {Worth::kProblem, "padding between records"};
    }
    const bool flushed = record.header.group <= state_.flushed_group;
    if (segment.known_end && (last || !flushed)) {
      return {Worth::kProblem, "the manifest says that it is good"};
    }
    if (record.is_seal()) return {Worth::kNote, "a seal holds nothing"};
    if (IsKnownDurable(segment, record)) return {Worth::kProblem, "a later record knew it durable"};
    if (flushed && last) {
      return {Worth::kNothing, "tables have it, and nothing behind it says that it was there"};
    }
    if (flushed) return {Worth::kNote, "tables have it, and it may never have been in the log"};
    return {Worth::kNote, "the end of a log that was not closed may be torn", true};
  }

  bool IsKnownDurable(const Segment& segment, const Record& record) const {
    const bool flushed = record.header.group <= state_.flushed_group;
    for (const auto& [name, other] : segments_) {
      // Of flushed groups the row of segments may lack some: after a failure of the log.
      if (other.number < segment.number || (flushed && other.number != segment.number)) continue;
      for (const Record& later : other.records) {
        const bool behind = other.number > segment.number || later.offset > record.offset;
        if (behind && later.header.synced_group >= record.header.group) return true;
      }
    }
    return false;
  }

  ManifestState state_;
  std::map<std::string, Segment> segments_;
};

// --- Looking ---

bool NamesOnly(const std::vector<CheckFinding>& findings, const std::string& file) {
  return std::all_of(findings.begin(), findings.end(),
                     [&](const CheckFinding& finding) { return finding.file == file; });
}

// What a flip adds to the notes of the sound database.
bool HasNewNote(const CheckReport& report, const CheckReport& before, const std::string& file) {
  const auto count = [&](const CheckReport& of) {
    return std::count_if(of.notes().begin(), of.notes().end(),
                         [&](const CheckFinding& note) { return note.file == file; });
  };
  return count(report) > count(before);
}

// Everything, by an engine that opens a copy.
Entries ReadAll(const DatabaseCopy& damaged, const Options& options) {
  EngineWorld world(1, options);
  Must(world.env.CreateDirectory(kDirectory).ok());
  for (const std::string& name : damaged.Names()) {
    world.env.SetContents(damaged.PathOf(name), damaged.Contents(name));
  }
  Must(world.Open());
  Entries entries = world.ScanAll();
  world.Kill();
  return entries;
}

enum class Ending : uint8_t { kClosed, kKilled };

class Flipper {
 public:
  // REQUIRES: the database is not open.
  Flipper(const SmallDatabase& database, Ending ending)
      : database_(database),
        copy_(database.world.env, kDirectory),
        sound_(copy_.Check()),
        log_(copy_) {
    REQUIRE_MESSAGE(sound_.sound(), ToString(sound_));
    if (ending == Ending::kKilled) FindLastEdit();
  }

  // Turns around every bits_apart-th bit of every file, one at a time.
  void Run(unsigned bits_apart) {
    for (const std::string& name : copy_.Names()) {
      const uint64_t bits = 8 * copy_.Contents(name).size();
      for (uint64_t bit = bits_apart / 2; bit < bits; bit += bits_apart) {
        const Judgement judgement = Judge(name, bit / 8);
        // Long stretches of bytes that nobody reads.
        if (judgement.worth == Worth::kNothing && bit / 8 % 16 != 0) continue;
        copy_.env.FlipBit(copy_.PathOf(name), bit / 8, bit % 8);
        CheckFlipped(name, bit, judgement);
        copy_.env.FlipBit(copy_.PathOf(name), bit / 8, bit % 8);
      }
    }
  }

  uint64_t found() const { return found_; }
  uint64_t passed() const { return passed_; }

 private:
  // Only a seal of the log says that the last record of a manifest's copy had been written to its end.
  void FindLastEdit() {
    for (const std::string& name : copy_.Names()) {
      const std::optional<FileName> file = ParseFileName(name);
      if (!file || file->kind != FileKind::kManifestCopy) continue;
      const std::string manifest = copy_.Contents(name);
      ManifestRecords records(manifest);
      ManifestRecord record;
      while (records.Next(&record)) {
        if (record.offset == kManifestHeaderBytes) continue;  // the snapshot came before CURRENT
        last_edit_at_ = record.offset;
        last_edit_end_ = record.offset + kManifestRecordHeaderBytes + record.payload.size();
      }
    }
  }

  Judgement Judge(const std::string& name, uint64_t offset) const {
    const std::vector<std::string>& strangers = sound_.strangers();
    if (std::find(strangers.begin(), strangers.end(), name) != strangers.end()) {
      return {Worth::kNothing, "nothing names the file"};
    }
    switch (ParseFileName(name)->kind) {
      case FileKind::kReserve: return {Worth::kNothing, "room that holds nothing"};
      case FileKind::kLock: return {Worth::kNothing, "the lock is not its bytes"};
      case FileKind::kLog: return log_.Judge(name, offset);
      case FileKind::kManifestCopy:
        if (offset < last_edit_at_ || offset >= last_edit_end_) break;
        return {Worth::kNote, "the last change in a manifest's copy may be torn"};
      default: break;
    }
    return {Worth::kProblem,
            "all of the file is under checksums, but for zeros that must be zeros"};
  }

  void CheckFlipped(const std::string& name, uint64_t bit, const Judgement& judgement) {
    const CheckReport report = copy_.Check();
    const std::string where = name + " at " + std::to_string(bit / 8) + ", bit " +
                              std::to_string(bit % 8) + ": " + judgement.why;
    const bool shown = judgement.worth == Worth::kEither && !report.sound();
    if (judgement.worth == Worth::kProblem || shown) {
      ++found_;
      if (report.sound()) FAIL("not found: " << where << ToString(report));
      if (!NamesOnly(report.problems(), name)) FAIL("wrong file: " << where << ToString(report));
      return;
    }
    ++passed_;
    if (!report.sound()) FAIL("no damage: " << where << ToString(report));
    if (judgement.worth != Worth::kNothing && !HasNewNote(report, sound_, name)) {
      FAIL("not noted: " << where << ToString(report));
    }
    if (judgement.changes_data) return;
    if (ReadAll(copy_, database_.world.options) != database_.entries) FAIL("matters: " << where);
  }

  const SmallDatabase& database_;
  DatabaseCopy copy_;
  const CheckReport sound_;
  const LogMap log_;
  uint64_t last_edit_at_ = UINT64_MAX;  // of a copy whose end nobody vouches for
  uint64_t last_edit_end_ = 0;
  uint64_t found_ = 0;
  uint64_t passed_ = 0;
};

void FlipDatabases(uint64_t seeds, unsigned bits_apart) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    for (const Ending ending : {Ending::kClosed, Ending::kKilled}) {
      CAPTURE(seed);
      CAPTURE(static_cast<int>(ending));
      SmallDatabase database(seed);
      ending == Ending::kClosed ? database.Close() : database.Kill();
      Flipper flipper(database, ending);
      flipper.Run(bits_apart);
      REQUIRE(flipper.found() > 1000);
      REQUIRE(flipper.passed() > 100);
    }
  }
}

TEST_CASE("check: a bit of a database that is not as it was is found, and where it is") {
  FlipDatabases(3, 7);  // every byte, and each of its bits in turn
}

TEST_CASE("check, slow: every bit of many databases") { FlipDatabases(12, 1); }

// --- Damage of other kinds ---

struct Damaged {
  Damaged() : database(2) {
    database.Close();
    copy = std::make_unique<DatabaseCopy>(database.world.env, kDirectory);
    for (const std::string& name : copy->Names()) {
      if (name.ends_with(".table")) tables.push_back(name);
      if (name.ends_with(".log")) logs.push_back(name);
      if (name.ends_with(".values")) value_files.push_back(name);
      if (name.starts_with("MANIFEST-") && !name.ends_with(".copy")) manifest = name;
    }
    REQUIRE(tables.size() >= 2);
    REQUIRE(value_files.size() >= 2);
  }

  void Remove(const std::string& name) { REQUIRE(copy->env.Remove(copy->PathOf(name)).ok()); }
  void Set(const std::string& name, const std::string& contents) {
    copy->env.SetContents(copy->PathOf(name), contents);
  }
  bool Finds(const std::string& file, Slice text) {
    const CheckReport report = copy->Check();
    for (const CheckFinding& problem : report.problems()) {
      if (problem.file == file && problem.text.find(text) != std::string::npos) return true;
    }
    MESSAGE(ToString(report));
    return false;
  }

  SmallDatabase database;
  std::unique_ptr<DatabaseCopy> copy;
  std::vector<std::string> tables;
  std::vector<std::string> logs;
  std::vector<std::string> value_files;
  std::string manifest;
};

TEST_CASE("check: files that are missing, changed names, or are of another length") {
  SUBCASE("a table is missing") {
    Damaged d;
    d.Remove(d.tables[0]);
    CHECK(d.Finds(d.tables[0], "missing, though the manifest names it"));
  }
  SUBCASE("CURRENT is missing; the rest is looked at even so") {
    Damaged d;
    d.Remove(kCurrentFileName);
    CHECK(d.Finds(kCurrentFileName, "missing, though there is data"));
    d.copy->env.FlipBit(d.copy->PathOf(d.tables[1]), 20, 0);
    CHECK(d.Finds(d.tables[1], "bad checksum"));
  }
  SUBCASE("the manifest is missing") {
    Damaged d;
    d.Remove(d.manifest);
    CHECK(d.Finds(d.manifest, "missing, though CURRENT names it"));
  }
  SUBCASE("its copy is missing, as in a database of a former version") {
    Damaged d;
    d.Remove(d.manifest + ".copy");
    const CheckReport report = d.copy->Check();
    CHECK(report.sound());
    CHECK(ToString(report).find(d.manifest + ".copy: missing") != std::string::npos);
    Damaged both;
    both.Remove(both.manifest);
    both.Remove(both.manifest + ".copy");
    CHECK(both.Finds(both.manifest, "missing, though CURRENT names it"));
  }
  SUBCASE("the log is missing") {
    Damaged d;
    const Result<ManifestContents> manifest = ReadManifest(d.copy->env, kDirectory);
    REQUIRE(manifest.ok());
    for (const std::string& name : d.logs) d.Remove(name);
    CHECK(d.Finds(LogFileName(manifest->state.first_log_segment), "missing, though the manifest"));
  }
  SUBCASE("two tables changed names") {
    Damaged d;
    const std::string first = d.copy->Contents(d.tables[0]);
    d.Set(d.tables[0], d.copy->Contents(d.tables[1]));
    d.Set(d.tables[1], first);
    CHECK(d.Finds(d.tables[0], "under another name"));
    CHECK(d.Finds(d.tables[1], "under another name"));
  }
  SUBCASE("a table of another database") {
    Damaged d;
    SmallDatabase other(5);
    other.Close();
    const DatabaseCopy foreign(other.world.env, kDirectory);
    for (const std::string& name : foreign.Names()) {
      if (name.ends_with(".table")) d.Set(d.tables[0], foreign.Contents(name));
    }
    CHECK(d.Finds(d.tables[0], "belongs to another database"));
  }
  SUBCASE("a value file is missing") {
    Damaged d;
    d.Remove(d.value_files[0]);
    CHECK(d.Finds(d.value_files[0], "missing, though the manifest names it"));
  }
  SUBCASE("two value files changed names") {
    Damaged d;
    const std::string first = d.copy->Contents(d.value_files[0]);
    d.Set(d.value_files[0], d.copy->Contents(d.value_files[1]));
    d.Set(d.value_files[1], first);
    CHECK(d.Finds(d.value_files[0], "value file of another number"));
    CHECK(d.Finds(d.value_files[1], "value file of another number"));
  }
  SUBCASE("a value file is cut off, or goes on behind its end") {
    Damaged d;
    const std::string whole = d.copy->Contents(d.value_files[0]);
    for (size_t size = 0; size < whole.size(); size += 7) {
      d.Set(d.value_files[0], whole.substr(0, size));
      if (!d.Finds(d.value_files[0], "the manifest says size")) FAIL("cut off at " << size);
    }
    d.Set(d.value_files[0], whole + std::string(8, '\0'));
    CHECK(d.Finds(d.value_files[0], "the manifest says size"));
    CHECK(d.Finds(d.value_files[0], "no record"));
  }
  SUBCASE("a table is cut off, or goes on behind its end") {
    Damaged d;
    const std::string whole = d.copy->Contents(d.tables[0]);
    for (size_t size = 0; size < whole.size(); size += 13) {
      d.Set(d.tables[0], whole.substr(0, size));
      if (!d.Finds(d.tables[0], "")) FAIL("cut off at " << size);
    }
    d.Set(d.tables[0], whole + std::string(8, '\0'));
    CHECK(d.Finds(d.tables[0], "no table footer"));
  }
  SUBCASE("the manifest goes on with what is no record") {
    Damaged d;
    d.Set(d.manifest, d.copy->Contents(d.manifest) + std::string(64, 'x'));
    CHECK(d.Finds(d.manifest, "bad record, though the database was closed in good order"));
  }
  SUBCASE(
      "the manifest is cut off: what it no longer names is missed by the log, or was never there") {
    Damaged d;
    const std::string whole = d.copy->Contents(d.manifest);
    for (size_t size = 0; size < whole.size(); ++size) {
      d.Set(d.manifest, whole.substr(0, size));
      (void)d.copy->Check();  // no crash
    }
  }
}

TEST_CASE("check: it comes to an end, whatever the files hold") {
  const Damaged base;
  Random random(1);
  const std::vector<std::string> names = base.copy->Names();
  for (int i = 0; i < 500; ++i) {
    CAPTURE(i);
    DatabaseCopy copy(base.copy->env, kDirectory);
    for (uint64_t n = 1 + random.Uniform(3); n > 0; --n) {
      const std::string& name = names[random.Uniform(names.size())];
      std::string contents = copy.Contents(name);
      const size_t at = random.Uniform(contents.size() + 1);
      switch (random.Uniform(4)) {
        case 0: contents.resize(at); break;
        case 1: contents.insert(at, random.Uniform(100), static_cast<char>(random.Next())); break;
        case 2: contents = copy.Contents(names[random.Uniform(names.size())]); break;
        case 3:
          for (char& c : contents) {
            if (random.OneIn(20)) c = static_cast<char>(random.Next());
          }
          break;
      }
      copy.env.SetContents(copy.PathOf(name), contents);
    }
    (void)copy.Check();
  }
}

TEST_CASE("check: what it cannot check it leaves as it is, and says why") {
  SimEnv env(1);
  REQUIRE(env.CreateDirectory(kDirectory).ok());
  CheckReport report;
  Status status = CheckDatabase(env, kDirectory, &report);
  CHECK(status.is_not_found());
  CHECK(status.message() == "/db: no database here");
  CHECK(env.Names(kDirectory).empty());
  CHECK(CheckDatabase(env, "/nowhere", &report).is_not_found());

  EngineWorld world(1, TinyOptions());
  REQUIRE(world.Open());
  status = CheckDatabase(world.env, kDirectory, &report);
  CHECK(status.code() == StatusCode::kLocked);
  Must(world.Close());
  CHECK(CheckDatabase(world.env, kDirectory, &report).ok());
  CHECK(report.sound());
}

// A failed write of the manifest leaves half a record behind, and for a new manifest there may be no room:
// that is no damage, also if the log could be closed.
TEST_CASE("check: a manifest that could not be written when the database closed is no damage") {
  int closed = 0;
  for (uint64_t room_bytes = 0; room_bytes < 6000; room_bytes += 250) {
    for (uint64_t n = 1; n <= 40; ++n) {
      CAPTURE(room_bytes);
      CAPTURE(n);
      SmallDatabase database(1);
      EngineWorld& world = database.world;
      world.RunUntilIdle();
      uint64_t used_bytes = 0;
      for (const std::string& name : world.env.Names(kDirectory)) {
        used_bytes += world.env.Contents(JoinPath(kDirectory, name)).size();
      }
      world.faulty = true;
      world.env.SetCapacity(used_bytes + room_bytes);
      world.env.FailNth(n);
      world.engine->Flush([](const Status&) {});
      if (world.Close()) ++closed;
      world.Kill();
      RequireSound(world.env, kDirectory);
    }
  }
  CHECK(closed > 100);
}

TEST_CASE("check: files that nothing names are told apart from damage") {
  SmallDatabase database(1);
  database.Close();
  DatabaseCopy copy(database.world.env, kDirectory);
  for (const char* name : {"000001.log", "999999.table", "CURRENT.tmp", "notes.txt"}) {
    copy.env.SetContents(copy.PathOf(name), "whatever");
  }
  const CheckReport report = copy.Check();
  CHECK(report.sound());
  const std::vector<std::string> expected = {"000001.log", "999999.table", "CURRENT.tmp",
                                             "notes.txt"};
  CHECK(report.strangers() == expected);
}

}  // namespace
}  // namespace varve
