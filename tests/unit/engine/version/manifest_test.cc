// tests/unit/engine/version/manifest_test.cc: the manifest through damage, errors and power cuts.
#include "engine/version/manifest.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "engine/file_names.h"
#include "env/sim_env.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr uint64_t kDatabase = 77;

// All of a state, as bytes.
std::string Image(const ManifestState& state) {
  std::string bytes;
  state.Snapshot().EncodeTo(&bytes);
  return bytes;
}

std::shared_ptr<FileMeta> Table(uint64_t number, int level, const std::string& key) {
  auto file = std::make_shared<FileMeta>();
  file->number = number;
  file->level = level;
  file->size_bytes = 1000;
  file->entries = 5;
  file->smallest = key;
  file->largest = key + "~";
  return file;
}

ManifestState NewState() {
  ManifestState state;
  state.database_id = kDatabase;
  return state;
}

// The nth thing that happens to a database.
VersionEdit NthEdit(uint64_t n) {
  VersionEdit edit;
  const uint64_t number = 100 + n;
  edit.next_file_number = number + 1;
  edit.flushed_group = 10 * n;
  edit.first_log_segment = n;
  edit.added = {Table(number, n % 2 == 0 ? 0 : 1, "key" + std::to_string(n))};
  if (n > 2) edit.removed = {{n % 2 == 0 ? 0 : 1, number - 2}};
  edit.counts = {{"db", static_cast<int64_t>(n)}};
  edit.log_ends_added = {{n, 40 * n}};
  if (n > 1) edit.log_ends_removed = {n - 1};
  edit.dead_prefixes_added = {{"p" + std::to_string(n), number}};
  if (n > 3) edit.dead_prefixes_removed = {"p" + std::to_string(n - 3)};
  return edit;
}

// The states a database goes through: states[n] is that after n edits.
std::vector<ManifestState> History(uint64_t edits) {
  std::vector<ManifestState> states = {NewState()};
  for (uint64_t n = 1; n <= edits; ++n) {
    states.push_back(states.back());
    const Status applied = states.back().Apply(NthEdit(n));
    REQUIRE_MESSAGE(applied.ok(), applied.ToString());
  }
  return states;
}

struct Database {
  SimEnv env;
  ManifestWriter writer{env, "data", kDatabase};

  explicit Database(uint64_t seed = 1) : env(seed) {
    REQUIRE(env.CreateDirectory("data").ok());
    REQUIRE(env.SyncDirectory("").ok());
  }
};

TEST_CASE("manifest: what was appended is read back") {
  const std::vector<ManifestState> history = History(8);
  Database database;
  CHECK(ReadManifest(database.env, "data").status().is_not_found());
  CHECK_FALSE(database.writer.ok());
  REQUIRE(database.writer.Start(3, history[0].Snapshot()).ok());
  for (uint64_t n = 1; n <= 8; ++n) {
    REQUIRE(database.writer.Append(NthEdit(n)).ok());
    const Result<ManifestContents> contents = ReadManifest(database.env, "data");
    REQUIRE_MESSAGE(contents.ok(), contents.status().ToString());
    CHECK(Image(contents->state) == Image(history[n]));
    CHECK(contents->number == 3);
    CHECK(contents->edits == n + 1);
    CHECK(contents->size_bytes == database.writer.size_bytes());
    CHECK_FALSE(contents->torn);
  }
  // Rolled over, it is the same state in a new file.
  REQUIRE(database.writer.Start(200, history[8].Snapshot()).ok());
  CHECK(database.env.Contents("data/CURRENT").starts_with("MANIFEST-000200 "));
  CHECK(database.writer.snapshot_bytes() == database.writer.size_bytes());
  const Result<ManifestContents> contents = ReadManifest(database.env, "data");
  REQUIRE(contents.ok());
  CHECK(Image(contents->state) == Image(history[8]));
  CHECK(contents->number == 200);
}

TEST_CASE("manifest: CURRENT reads as manifest.h shows it") {
  Database database;
  REQUIRE(database.writer.Start(12, NewState().Snapshot()).ok());
  CHECK(database.env.Contents("data/CURRENT") == "MANIFEST-000012 6f8e2de37ccdf1ae\n");
}

// A manifest of one snapshot and `edits` edits, and where each record begins; the end is the last.
struct Written {
  std::string bytes;
  std::vector<size_t> starts;
};
Written Write(uint64_t edits) {
  Database database;
  Written written;
  written.starts.push_back(kManifestHeaderBytes);
  REQUIRE(database.writer.Start(3, NewState().Snapshot()).ok());
  written.starts.push_back(database.writer.size_bytes());
  for (uint64_t n = 1; n <= edits; ++n) {
    REQUIRE(database.writer.Append(NthEdit(n)).ok());
    written.starts.push_back(database.writer.size_bytes());
  }
  written.bytes = database.env.Contents("data/MANIFEST-000003");
  return written;
}

TEST_CASE("manifest: one changed byte anywhere is corruption, or costs the last edit") {
  constexpr uint64_t kEdits = 4;
  const std::vector<ManifestState> history = History(kEdits);
  const Written written = Write(kEdits);
  const size_t last_start = written.starts[kEdits];
  Database database;
  size_t harmless = 0;
  for (size_t at = 0; at < written.bytes.size(); ++at) {
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      CAPTURE(at);
      std::string bad = written.bytes;
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ flip);
      database.env.SetContents("data/MANIFEST-000003", bad);
      const Result<ManifestContents> contents =
          ReadManifestFile(database.env, "data/MANIFEST-000003", 3);
      if (!contents.ok()) {
        CHECK(contents.status().code() == StatusCode::kCorruption);
        CHECK(contents.status().message().starts_with("data/MANIFEST-000003: "));
        CHECK(at < last_start);
        continue;
      }
      if (Image(contents->state) == Image(history[kEdits])) {
        ++harmless;  // padding
        continue;
      }
      CHECK(at >= last_start);
      CHECK(contents->torn);
      CHECK(Image(contents->state) == Image(history[kEdits - 1]));
    }
  }
  CHECK(harmless < 3 * 8 * (kEdits + 1));
}

TEST_CASE("manifest: cut at any byte it is the state before the cut") {
  constexpr uint64_t kEdits = 4;
  const std::vector<ManifestState> history = History(kEdits);
  const Written written = Write(kEdits);
  Database database;
  for (size_t size = 0; size <= written.bytes.size(); ++size) {
    CAPTURE(size);
    for (const bool zeros_follow : {false, true}) {
      std::string cut = written.bytes.substr(0, size);
      if (zeros_follow) cut.resize(cut.size() + 100);
      database.env.SetContents("data/MANIFEST-000003", cut);
      const Result<ManifestContents> contents =
          ReadManifestFile(database.env, "data/MANIFEST-000003", 3);
      if (!contents.ok()) {
        CHECK(contents.status().code() == StatusCode::kCorruption);
        CHECK(size < written.starts[1]);  // without a snapshot there is nothing
        continue;
      }
      // The record of the last edit is whole, its padding excepted, and that of the next is not.
      const uint64_t last = contents->edits - 1;
      REQUIRE(last <= kEdits);
      CHECK(Image(contents->state) == Image(history[last]));
      CHECK(size + kManifestAlignBytes > written.starts[last + 1]);
      if (last < kEdits) CHECK(size < written.starts[last + 2]);
    }
  }
}

TEST_CASE("manifest: one changed byte, or a cut, in either file costs nothing") {
  constexpr uint64_t kEdits = 4;
  const std::string whole = Image(History(kEdits)[kEdits]);
  const Written written = Write(kEdits);
  Database database;
  REQUIRE(database.writer.Start(3, NewState().Snapshot()).ok());
  const auto read = [&] {
    const Result<ManifestContents> contents = ReadManifest(database.env, "data");
    REQUIRE_MESSAGE(contents.ok(), contents.status().ToString());
    CHECK(Image(contents->state) == whole);
    return *contents;
  };
  const std::string paths[] = {"data/MANIFEST-000003", "data/MANIFEST-000003.copy"};
  for (const std::string& path : paths) database.env.SetContents(path, written.bytes);
  CHECK(read().damage.ok());
  for (const std::string& path : paths) {
    size_t told = 0;
    for (size_t at = 0; at < written.bytes.size(); ++at) {
      CAPTURE(path);
      CAPTURE(at);
      std::string bad = written.bytes;
      bad[at] = static_cast<char>(bad[at] ^ 0x10);
      database.env.SetContents(path, bad);
      const Status damage = read().damage;
      if (!damage.ok()) ++told;
      if (!damage.ok()) CHECK(damage.message().starts_with(path + ": "));
      database.env.SetContents(path, Slice(written.bytes).substr(0, at));
      read();
    }
    // What ends with a bad record looks as if the power had failed.
    CHECK(told > written.bytes.size() / 2);
    database.env.SetContents(path, written.bytes);
  }
  // Of two that end early, the one that ends later.
  database.env.SetContents(paths[0], Slice(written.bytes).substr(0, written.starts[2] + 20));
  database.env.SetContents(paths[1], Slice(written.bytes).substr(0, written.starts[3] + 20));
  const Result<ManifestContents> later = ReadManifest(database.env, "data");
  REQUIRE(later.ok());
  CHECK(Image(later->state) == Image(History(2)[2]));
  CHECK(later->file == "MANIFEST-000003.copy");
  // A database of a former version has none.
  database.env.SetContents(paths[0], written.bytes);
  REQUIRE(database.env.Remove(paths[1]).ok());
  CHECK(read().damage.ok());
  // What is of another database is no copy.
  Database other;
  ManifestState state;
  state.database_id = kDatabase + 1;
  ManifestWriter writer(other.env, "data", state.database_id);
  REQUIRE(writer.Start(3, state.Snapshot()).ok());
  database.env.SetContents(paths[1], other.env.Contents(paths[0]));
  CHECK(ReadManifest(database.env, "data").status().message() ==
        "MANIFEST-000003 and MANIFEST-000003.copy are of two databases");
}

TEST_CASE("manifest: files that are missing, foreign or swapped are named") {
  Database database;
  REQUIRE(database.writer.Start(3, NewState().Snapshot()).ok());
  REQUIRE(database.writer.Start(5, NewState().Snapshot()).ok());
  const std::string current = database.env.Contents("data/CURRENT");
  const auto read = [&] { return ReadManifest(database.env, "data").status().ToString(); };
  const auto damage = [&] {
    const Result<ManifestContents> contents = ReadManifest(database.env, "data");
    return contents.ok() ? contents->damage.ToString() : "not read";
  };

  for (size_t at = 0; at < current.size(); ++at) {
    CAPTURE(at);
    std::string bad = current;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    database.env.SetContents("data/CURRENT", bad);
    CHECK(damage() == "corruption: data/CURRENT: does not name a manifest, or its checksum is bad");
    database.env.SetContents("data/CURRENT", Slice(current).substr(0, at));
    CHECK(damage() == "corruption: data/CURRENT: does not name a manifest, or its checksum is bad");
  }
  database.env.SetContents("data/CURRENT", current + "\n");
  CHECK(damage() == "corruption: data/CURRENT: does not name a manifest, or its checksum is bad");

  database.env.SetContents("data/CURRENT", current);
  CHECK(damage() == "ok");
  const std::string former = database.env.Contents("data/MANIFEST-000003");
  database.env.SetContents("data/MANIFEST-000005", former);
  CHECK(damage() == "corruption: data/MANIFEST-000005: is manifest 3");
  database.env.SetContents("data/MANIFEST-000005.copy", former);
  CHECK(read() == "corruption: data/MANIFEST-000005: is manifest 3");
  REQUIRE(database.env.Remove("data/MANIFEST-000005").ok());
  CHECK(read() == "corruption: data/MANIFEST-000005.copy: is manifest 3");
  REQUIRE(database.env.Remove("data/MANIFEST-000005.copy").ok());
  CHECK(read() == "corruption: data/MANIFEST-000005: missing, though CURRENT names it");

  REQUIRE(database.env.Remove("data/CURRENT").ok());
  CHECK(read() == "not found");  // as if it had never been finished
  database.env.SetContents("data/000009.log", "");
  CHECK(damage() == "corruption: data/CURRENT: missing, though there is 000009.log");
  RemoveManifest(database.env, "data", 3);
  CHECK(read() == "corruption: data/CURRENT: missing, though there is 000009.log");
}

TEST_CASE("manifest: an edit that makes no sense is corruption, with its offset") {
  struct Case {
    std::string why;
    VersionEdit edit;
    std::string want;
  };
  std::vector<Case> cases(8);
  cases[0].edit.flushed_group = 1;
  cases[0].want = "an edit lowers the flushed group from 20 to 1";
  cases[1].edit.next_file_number = 5;
  cases[1].want = "an edit lowers the next file number from 103 to 5";
  cases[2].edit.first_log_segment = 1;
  cases[2].want = "an edit lowers the first log segment from 2 to 1";
  cases[3].edit.added = {Table(103, 2, "x")};
  cases[3].want = "an edit adds table 103, though the next file is 103";
  cases[4].edit.log_ends_removed = {9};
  cases[4].want = "an edit removes the unknown end of segment 9";
  cases[5].edit.dead_prefixes_removed = {"q"};
  cases[5].want = "an edit forgets a prefix that is not dead";
  cases[6].edit.database_id = 78;
  cases[6].want = "an edit renames the database";
  cases[7].edit.removed = {{3, 9}};
  cases[7].want = "an edit removes a table that is not in level 3";
  for (const Case& c : cases) {
    CAPTURE(c.want);
    Database database;
    REQUIRE(database.writer.Start(3, NewState().Snapshot()).ok());
    REQUIRE(database.writer.Append(NthEdit(1)).ok());
    REQUIRE(database.writer.Append(NthEdit(2)).ok());
    REQUIRE(database.writer.Append(c.edit).ok());
    const Status status = ReadManifest(database.env, "data").status();
    CHECK(status.code() == StatusCode::kCorruption);
    CHECK(status.message().starts_with("data/MANIFEST-000003: " + c.want + " (at offset "));

    ManifestState state = History(2)[2];
    const std::string before = Image(state);
    CHECK(state.Apply(c.edit).code() == StatusCode::kCorruption);
    CHECK(Image(state) == before);
  }
}

// Starts a manifest, appends edits, rolls over twice. Returns how many edits are known to be
// durable; `attempted` counts those that may be. Goes on behind errors as the engine does: with a
// new manifest of the full state.
uint64_t RunHistory(Database& database, const std::vector<ManifestState>& history,
                    uint64_t* attempted) {
  uint64_t number = 1000;
  uint64_t durable = 0;
  *attempted = 0;
  for (uint64_t n = 0; n < history.size(); ++n) {
    *attempted = n;
    const bool roll_over = n % 3 == 0;
    bool done = !roll_over && database.writer.ok() && database.writer.Append(NthEdit(n)).ok();
    for (int tries = 0; !done && tries < 3; ++tries) {
      done = database.writer.Start(number++, history[n].Snapshot()).ok();
      CHECK(database.writer.ok() == done);
    }
    if (!done) return durable;
    durable = n;
  }
  return durable;
}

TEST_CASE("manifest: a power cut at any operation leaves the last durable state or the next") {
  const std::vector<ManifestState> history = History(7);
  for (const CrashMode mode :
       {CrashMode::kDropUnsynced, CrashMode::kKeepAll, CrashMode::kTorn, CrashMode::kRandomPages}) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      for (uint64_t n = 1;; ++n) {
        CAPTURE(static_cast<int>(mode));
        CAPTURE(n);
        Database database(seed);
        database.env.CutPowerAfter(n);
        uint64_t attempted = 0;
        const uint64_t durable = RunHistory(database, history, &attempted);
        const bool cut = !database.env.power_is_on();
        database.env.Restart(mode);
        const Result<ManifestContents> contents = ReadManifest(database.env, "data");
        if (attempted == 0 && !contents.ok()) {
          CHECK(contents.status().is_not_found());
          continue;
        }
        REQUIRE_MESSAGE(contents.ok(), contents.status().ToString());
        const std::string image = Image(contents->state);
        CHECK((image == Image(history[durable]) || image == Image(history[attempted])));
        if (!cut) break;
      }
    }
  }
}

TEST_CASE(
    "manifest: after any one failed operation the database is whole, then and after a power cut") {
  const std::vector<ManifestState> history = History(7);
  for (const StatusCode code : {StatusCode::kIoError, StatusCode::kNoSpace}) {
    for (const bool for_ever : {false, true}) {
      for (uint64_t n = 1;; ++n) {
        CAPTURE(n);
        CAPTURE(for_ever);
        Database database;
        database.env.FailNth(n, code, for_ever);
        uint64_t attempted = 0;
        const uint64_t durable = RunHistory(database, history, &attempted);
        const bool untouched = database.env.faults() == 0;
        if (!for_ever) CHECK(durable == history.size() - 1);
        database.env.FailNth(0);
        for (const CrashMode mode : {CrashMode::kKeepAll, CrashMode::kRandomPages}) {
          const Result<ManifestContents> contents = ReadManifest(database.env, "data");
          if (attempted == 0 && !contents.ok()) {
            CHECK(contents.status().is_not_found());
            continue;
          }
          REQUIRE_MESSAGE(contents.ok(), contents.status().ToString());
          const std::string image = Image(contents->state);
          CHECK((image == Image(history[durable]) || image == Image(history[attempted])));
          database.env.Restart(mode);
        }
        if (untouched) break;
      }
    }
  }
}

TEST_CASE("manifest: an error while reading is an error, not a shorter history") {
  const std::vector<ManifestState> history = History(3);
  for (uint64_t n = 1;; ++n) {
    Database database;
    uint64_t attempted = 0;
    RunHistory(database, history, &attempted);
    database.env.FailNth(n);
    const Result<ManifestContents> contents = ReadManifest(database.env, "data");
    if (database.env.faults() == 0) {
      CHECK(contents.ok());
      CHECK(n > 6);
      break;
    }
    // Where one of the files has it all, the other one is not missed.
    if (contents.ok()) {
      CHECK(Image(contents->state) == Image(history.back()));
    } else {
      CHECK(contents.status().code() == StatusCode::kIoError);
    }
  }
}

}  // namespace
}  // namespace varve
