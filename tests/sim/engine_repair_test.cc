// tests/sim/engine_repair_test.cc: a repair is whole or nothing, and refused if the key that the rest depends on may be lost.
//
// What else a repair brings back is tried, byte by byte, in engine_damage_test.cc.
#include <memory>
#include <string>

#include "engine/check/repair.h"
#include "engine/file_names.h"
#include "engine/table/table_directory.h"
#include "engine/version/manifest.h"
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

constexpr char kDirectory[] = "/db";
constexpr char kTarget[] = "/repaired";
constexpr char kBefore[] = "s10before";
constexpr char kNeeded[] = "s10needed";
constexpr char kBehind[] = "s10next";  // it comes next, in a block of its own

struct Damaged {
  enum class Needed { kInTable, kInValueFile, kNotYet };
  explicit Damaged(Needed where = Needed::kInTable, uint64_t seed = 1)
      : world(seed, OneKeyABlock()) {
    Must(world.Open());
    needed = std::string(where == Needed::kInValueFile ? 1000 : 100, 'n');
    if (where != Needed::kNotYet) world.Commit({PutOf(kNeeded, std::string(needed))});
    world.Commit({PutOf(kBefore, std::string(100, 'v')), PutOf(kBehind, std::string(100, 'v'))});
    Must(world.Flush());
  }

  static Options OneKeyABlock() {
    Options options = TinyOptions();
    options.block_bytes = 100;
    return options;
  }
  // As by kill -9.
  void Kill() { world.Restart(CrashMode::kKeepAll); }
  // What is put now is in the log only.
  void PutInLog(const char* key, const std::string& value) {
    world.Commit({PutOf(key, std::string(value))});
    Must(world.Sync());
  }
  void DamageBlockOf(const char* key) {
    const Result<ManifestContents> manifest = ReadManifest(world.env, kDirectory);
    Must(manifest.ok());
    const FileList& tables = manifest->state.version->level(0);
    Must(tables.size() == 1);
    const TableDirectory files{&world.env, kDirectory, manifest->state.database_id};
    const auto table = *files.Open(tables[0]->number);
    const auto partition = *table->ReadPartition(table->FindPartition(key));
    Must(partition->blocks() == 3);
    DamageFile(table->path(), partition->Find(key).offset + 10);
  }
  void DamageFile(const std::string& path, uint64_t offset) {
    damaged_path = path;
    world.env.FlipBit(path, offset, 3);
  }
  // The first of its kind.
  std::string FileEndingWith(const std::string& suffix) const {
    for (const std::string& name : world.env.Names(kDirectory)) {
      if (name.ends_with(suffix)) return JoinPath(kDirectory, name);
    }
    FAIL("no file " << suffix);
    return "";
  }

  Status Repair() {
    RepairRequest request;
    request.source = kDirectory;
    request.target = kTarget;
    request.options = world.options;
    request.needed_key = kNeeded;
    return RepairDatabase(world.env, request, &report);
  }
  void RequireRefused() {
    const Status status = Repair();
    CHECK(status.code() == StatusCode::kCorruption);
    const std::string message(status.message());
    CAPTURE(message);
    CHECK(message.starts_with("what says which data belongs to which database is lost: "));
    CHECK(message.find(damaged_path) != std::string::npos);
    CHECK(world.env.Names(kTarget).empty());
  }
  // Returns what is there then.
  Entries RequireRepaired() {
    const Status status = Repair();
    REQUIRE_MESSAGE(status.ok(), status.ToString());
    RequireSound(world.env, kTarget);
    world.options.directory = kTarget;
    Must(world.Open());
    return world.ScanAll();
  }

  std::string needed;  // the needed key's value
  std::string damaged_path;
  RepairReport report;
  EngineWorld world;
};

TEST_CASE("repair: the block of the needed key is lost, and nothing is done") {
  Damaged d;
  d.Kill();
  d.DamageBlockOf(kNeeded);
  d.RequireRefused();
  // Nor is anything in the way of another try.
  d.RequireRefused();
}

TEST_CASE("repair: the blocks beside that of the needed key are lost, and the rest comes back") {
  for (const char* lost : {kBefore, kBehind}) {
    CAPTURE(lost);
    Damaged d;
    d.Kill();
    d.DamageBlockOf(lost);
    const Entries found = d.RequireRepaired();
    CHECK(d.report.lost_ranges.size() == 1);
    CHECK(found.size() == 2);
    CHECK(!found.contains(lost));
    CHECK(*found.at(kNeeded).value == d.needed);
  }
}

TEST_CASE("repair: the needed key is lost in a table, but the log has a newer one") {
  Damaged d;
  d.PutInLog(kNeeded, "newer");
  d.Kill();
  d.DamageBlockOf(kNeeded);
  const Entries found = d.RequireRepaired();
  CHECK(!d.report.complete());
  CHECK(found.size() == 3);
  CHECK(*found.at(kNeeded).value == "newer");
}

TEST_CASE(
    "repair: the needed key is lost in a table, and what the log has of others does not help") {
  Damaged d;
  d.PutInLog(kBehind, "newer");
  d.Kill();
  d.DamageBlockOf(kNeeded);
  d.RequireRefused();
}

TEST_CASE("repair: the value of the needed key is lost, and nothing is done") {
  Damaged d(Damaged::Needed::kInValueFile);
  d.Kill();
  const std::string path = d.FileEndingWith(".values");
  d.DamageFile(path, d.world.env.Contents(path).size() / 2);
  d.RequireRefused();
}

TEST_CASE(
    "repair: the needed key may have been written behind damage to the log, and nothing is done") {
  Damaged d(Damaged::Needed::kNotYet);
  const std::string marker(100, 'm');
  d.PutInLog(kBehind, marker);
  d.PutInLog(kNeeded, d.needed);
  d.Kill();
  for (const std::string& name : d.world.env.Names(kDirectory)) {
    const std::string path = JoinPath(kDirectory, name);
    const size_t at = d.world.env.Contents(path).find(marker);
    if (name.ends_with(".log") && at != std::string::npos) d.DamageFile(path, at);
  }
  d.RequireRefused();
}

TEST_CASE("repair: the needed key was never there, and nobody misses it") {
  Damaged d(Damaged::Needed::kNotYet);
  d.Kill();
  CHECK(d.RequireRepaired().size() == 2);
  CHECK(d.report.complete());
}

TEST_CASE("repair: another that works at the same target is left alone") {
  Damaged d;
  d.Kill();
  Options options = d.world.options;
  options.directory = std::string(kTarget) + ".partial";
  const Result<std::unique_ptr<Engine>> other = Engine::Open(options, d.world.env);
  REQUIRE(other.ok());
  const std::vector<std::string> before = d.world.env.Names(options.directory);
  CHECK(d.Repair().code() == StatusCode::kLocked);
  CHECK(d.world.env.Names(options.directory) == before);
  Must((*other)->Close().ok());
}

// Whatever ends it, and whatever the disk keeps of it.
TEST_CASE("repair: at any moment there is a whole database by the target's name, or none") {
  int absent = 0;
  int whole = 0;
  for (const bool power_fails : {true, false}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      bool untouched = false;
      for (uint64_t n = 1; !untouched; ++n) {
        CAPTURE(power_fails);
        CAPTURE(seed);
        CAPTURE(n);
        Damaged d(Damaged::Needed::kInTable, seed);
        d.PutInLog("s10last", "value");
        d.Kill();
        SimEnv& env = d.world.env;
        power_fails ? env.CutPowerAfter(n) : env.FailNth(n);
        const Status status = d.Repair();
        untouched = env.power_is_on() && env.faults() == 0;
        if (untouched) REQUIRE_MESSAGE(status.ok(), status.ToString());
        env.DropJobs();
        env.Restart(CrashMode::kRandomPages);
        if (status.ok()) CHECK(env.Exists(kTarget));
        if (!env.Exists(kTarget)) {
          ++absent;
          continue;
        }
        ++whole;
        d.world.options.directory = kTarget;
        Must(d.world.Open());
        CHECK(d.world.ScanAll().size() == 4);
      }
    }
  }
  CHECK(absent > 100);
  CHECK(whole > 10);
}

}  // namespace
}  // namespace varve
