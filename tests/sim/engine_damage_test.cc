// tests/sim/engine_damage_test.cc: a damaged database serves what is not damaged, and never a wrong value.
//
// What engine_check_test.cc does to the check, this does to the engine: each byte of each file is changed, each file cut
// off, removed, exchanged for another. Then every key is what it was, or an error that names the damaged file; only what is
// in the log alone is there once and cannot be left out, so of a damaged log the engine may say that it does not open. And so it stays: keys are written anew and deleted, and flushed;
// what could be read still can, what was written is there, and nothing old comes back, also after another start. Compactions
// go on around what is damaged.
// Only the end of a log that was not closed may be gone: nobody
// can tell it from what a power cut tears. The check makes a note of it, unless a record is gone to its last byte.
#include <array>

#include "engine/check/repair.h"
#include "engine/file_names.h"
#include "tests/sim/small_database.h"

namespace varve {
namespace {

constexpr char kDirectory[] = "/db";

struct DamageTotals {
  uint64_t cases = 0;
  uint64_t refused = 0;    // did not open
  uint64_t named = 0;      // opened; an error for at least one key
  uint64_t served = 0;     // every key as it was
  uint64_t shortened = 0;  // served, but for the end of the log
  uint64_t repaired = 0;
};

class DamagedDatabase {
 public:
  explicit DamagedDatabase(uint64_t seed) : database_(seed) {
    seed % 2 == 0 ? database_.Close() : database_.Kill();
    const SimEnv& env = database_.world.env;
    for (const std::string& name : env.Names(kDirectory)) {
      files_[name] = env.Contents(JoinPath(kDirectory, name));
    }
    last_group_ = database_.world.history.now_group();
    for (const auto& [key, stored] : database_.entries) keys_.insert(key);
    for (int i = 0; i < 30; ++i) keys_.insert("s12" + std::to_string(i));
  }

  // By name: what a file holds.
  using Files = std::map<std::string, std::string>;
  const Files& files() const { return files_; }

  // `file` is the one to be named; empty: any may be.
  void Check(const Files& damaged, const std::string& file, const std::string& what) {
    ++totals_.cases;
    EngineWorld world(totals_.cases, database_.world.options);
    world.faulty = true;
    world.env.set_pending_percent(10);
    Must(world.env.CreateDirectory(kDirectory).ok());
    for (const auto& [name, contents] : damaged) {
      world.env.SetContents(JoinPath(kDirectory, name), contents);
    }
    const Status opened = world.TryOpen();
    if (!opened.ok()) {
      const bool may_be = file.empty() || file.ends_with(".log");
      if (!may_be || opened.code() != StatusCode::kCorruption || !Names(opened, file)) {
        FAIL(what << ": does not open: " << opened.ToString());
      }
      ++totals_.refused;
      return;
    }
    const uint64_t group = world.engine->reported_group();
    const HistoryState wanted = database_.world.history.StateAt(group);
    std::set<std::string> unreadable;
    for (const std::string& key : keys_) {
      if (!IsRight(world, key, wanted, file, what)) unreadable.insert(key);
    }
    const bool named = !unreadable.empty();
    if (group < last_group_) {
      RequireSilenceIsAllowed(damaged, file, what);
      ++totals_.shortened;
    } else {
      if (named && IsThereTwice(file)) FAIL(what << ": " << *unreadable.begin());
      ++(named ? totals_.named : totals_.served);
      if (named) LiveOn(world, wanted, std::move(unreadable), file, what);
    }
    world.Kill();
  }

  // What can be read of it comes back, and nothing else; and it is told what does not.
  void Repair(const Files& damaged, const std::string& file, const std::string& what) {
    EngineWorld world(totals_.cases, database_.world.options);
    world.env.set_pending_percent(10);
    Must(world.env.CreateDirectory(kDirectory).ok());
    for (const auto& [name, contents] : damaged) {
      world.env.SetContents(JoinPath(kDirectory, name), contents);
    }
    RepairRequest request;
    request.source = kDirectory;
    request.target = "/repaired";
    request.options = world.options;
    RepairReport report;
    const Status repaired = RepairDatabase(world.env, request, &report);
    if (!repaired.ok()) {
      const bool refused = repaired.code() == StatusCode::kCorruption && Names(repaired, file);
      if (!refused) FAIL(what << ": repair: " << repaired.ToString());
      return;
    }
    ++totals_.repaired;
    RequireSound(world.env, "/repaired");
    world.options.directory = "/repaired";
    Must(world.Open());
    // Of what an older manifest leads to it is not known what it should be.
    if (report.last_group < database_.known_from) {
      if (report.log_ends_early.empty()) FAIL(what << ": repaired only what was long ago");
      return;
    }
    const HistoryState wanted = database_.world.history.StateAt(report.last_group);
    for (const std::string& key : keys_) {
      if (Read(world, key, what).is_not_found() && IsLost(report, key)) continue;
      if (!IsRight(world, key, wanted, file, what + ", repaired")) FAIL(what << ": " << key);
    }
    if (report.last_group < last_group_ && report.log_ends_early.empty()) {
      RequireSilenceIsAllowed(damaged, file, what);
    }
    world.Kill();
  }

  const DamageTotals& totals() const { return totals_; }

 private:
  // Keys that were read must still be; `file` may stay the reason why others cannot be.
  void LiveOn(EngineWorld& world, HistoryState wanted, std::set<std::string> unreadable,
              const std::string& file, const std::string& what) {
    uint64_t number = 0;
    std::set<std::string> deleted;
    for (const std::string& key : keys_) {
      const uint64_t dice = (totals_.cases + number++) % 5;
      if (dice == 0) {
        const Change change = PutOf(std::string(key), "anew" + std::to_string(number));
        world.Commit({change});
        wanted.entries[key] = change.stored;
      } else if (dice == 1) {
        world.Commit({DeleteOf(std::string(key))});
        wanted.entries.erase(key);
        // Of one that could be read, tables may know nothing: then it is as if it had never been.
        if (unreadable.contains(key)) deleted.insert(key);
      }
      if (dice < 2) unreadable.erase(key);
    }
    // Those that never were: where a filter is damaged nobody knows that.
    for (const std::string& key : keys_) {
      if (!wanted.entries.contains(key) && !deleted.contains(key)) unreadable.insert(key);
    }
    Must(world.Flush());
    for (int i = 0; i < 3; ++i) {
      world.env.AdvanceMs(1000);
      world.RunUntilIdle();
    }
    CheckAll(world, wanted, unreadable, file, what + ", written on");
    // A tombstone may have met what it deletes, and both are gone: then it is as for those that never were.
    unreadable.merge(deleted);
    world.Kill();
    if (const Status opened = world.TryOpen(); !opened.ok()) {
      FAIL(what << ": does not open again: " << opened.ToString());
    }
    CheckAll(world, wanted, unreadable, file, what + ", written on, opened again");
  }

  void CheckAll(EngineWorld& world, const HistoryState& wanted,
                const std::set<std::string>& unreadable, const std::string& file,
                const std::string& what) {
    for (const std::string& key : keys_) {
      if (!IsRight(world, key, wanted, file, what) && !unreadable.contains(key)) {
        FAIL(what << ": " << key << " cannot be read any more");
      }
    }
  }

  static bool IsThereTwice(const std::string& file) {
    return file.starts_with("MANIFEST-") || file == kCurrentFileName;
  }

  static bool Names(const Status& status, const std::string& file) {
    return status.message().find(file.empty() ? std::string(kDirectory) : file) != Slice::npos;
  }

  static Status Read(EngineWorld& world, const std::string& key, const std::string& what,
                     Stored* found = nullptr) {
    ReadScope scope;
    Value value;
    Status status = world.engine->Get(key, scope, &value);
    while (status.is_pending()) {
      if (!world.Wait(scope)) FAIL(what << ": no end of waiting for " << key);
      status = world.engine->Get(key, scope, &value);
    }
    if (status.ok() && found != nullptr) {
      *found = {value.tag, value.expire_at_ms, std::make_shared<const std::string>(value.bytes)};
    }
    return status;
  }

  // False: an error that names the file.
  bool IsRight(EngineWorld& world, const std::string& key, const HistoryState& wanted,
               const std::string& file, const std::string& what) {
    Stored found;
    const Status status = Read(world, key, what, &found);
    if (status.code() == StatusCode::kCorruption) {
      if (!Names(status, file)) FAIL(what << ": " << key << ": " << status.ToString());
      return false;
    }
    const auto it = wanted.entries.find(key);
    if (status.is_not_found()) {
      if (it != wanted.entries.end()) FAIL(what << ": " << key << " is missing");
      return true;
    }
    if (!status.ok()) FAIL(what << ": " << key << ": " << status.ToString());
    if (it == wanted.entries.end()) FAIL(what << ": " << key << " should not be there");
    if (!(found == it->second)) FAIL(what << ": " << key << " has a wrong value");
    return true;
  }

  // The log ends early, and nobody said so.
  void RequireSilenceIsAllowed(const Files& damaged, const std::string& file,
                               const std::string& what) {
    const bool cut = file.ends_with(".log") && damaged.at(file).size() < files_.at(file).size();
    if (!cut && !IsNoted(damaged)) FAIL(what << ": lost the end of the log without a word");
  }

  static bool IsLost(const RepairReport& report, const std::string& key) {
    const auto in_range = [&key](const LostRange& r) { return r.begin <= key && key < r.end; };
    const auto is_key = [&key](const RepairReport::LostValue& v) { return v.key == key; };
    return std::any_of(report.lost_ranges.begin(), report.lost_ranges.end(), in_range) ||
           std::any_of(report.lost_values.begin(), report.lost_values.end(), is_key);
  }

  static bool IsNoted(const Files& damaged) {
    SimEnv env(1);
    env.set_pending_percent(0);
    Must(env.CreateDirectory(kDirectory).ok());
    for (const auto& [name, contents] : damaged) {
      env.SetContents(JoinPath(kDirectory, name), contents);
    }
    CheckReport report;
    Must(CheckDatabase(env, kDirectory, &report).ok());
    return !report.sound() || !report.notes().empty();
  }

  SmallDatabase database_;
  Files files_;
  std::set<std::string> keys_;
  uint64_t last_group_ = 0;
  DamageTotals totals_;
};

std::string At(const std::string& what, const std::string& name, uint64_t offset) {
  return what + " " + name + " at " + std::to_string(offset);
}

// `name` is the one damaged file, or empty.
void Try(DamagedDatabase& database, const DamagedDatabase::Files& damaged, const std::string& name,
         const std::string& what) {
  database.Check(damaged, name, what);
  database.Repair(damaged, name, what);
}

void FlipBits(DamagedDatabase& database, unsigned bits_apart) {
  DamagedDatabase::Files damaged = database.files();
  for (auto& [name, contents] : damaged) {
    for (uint64_t bit = bits_apart / 2; bit < 8 * contents.size(); bit += bits_apart) {
      char& byte = contents[bit / 8];
      const char mask = static_cast<char>(1 << bit % 8);
      // What is zero behind a log's end is long, and read by nobody.
      if (byte == 0 && name.ends_with(".log") && bit / 8 % 16 != 0) continue;
      byte = static_cast<char>(byte ^ mask);
      Try(database, damaged, name, At("a bit turned in", name, bit / 8));
      byte = static_cast<char>(byte ^ mask);
    }
  }
}

void CutOff(DamagedDatabase& database, size_t bytes_apart) {
  DamagedDatabase::Files damaged = database.files();
  for (auto& [name, contents] : damaged) {
    const std::string whole = contents;
    for (size_t size = 0; size < whole.size(); size += bytes_apart) {
      contents = whole.substr(0, size);
      Try(database, damaged, name, At("cut off", name, size));
    }
    contents = whole;
  }
}

void Exchange(DamagedDatabase& database) {
  const DamagedDatabase::Files& files = database.files();
  for (const auto& [name, contents] : files) {
    DamagedDatabase::Files damaged = files;
    damaged.erase(name);
    Try(database, damaged, "", "without " + name);
    for (const auto& [other, others] : files) {
      if (other == name) continue;
      damaged = files;
      damaged[name] = others;
      Try(database, damaged, "", other + " in the place of " + name);
      damaged[other] = contents;
      Try(database, damaged, "", other + " and " + name + " exchanged");
    }
  }
}

void Tell(const std::string& what, const DamageTotals& totals) {
  MESSAGE(what << ": " << totals.cases << " cases: " << totals.refused << " not opened, "
               << totals.named << " with keys that cannot be read, " << totals.served
               << " served in full, " << totals.shortened << " without the end of the log; "
               << totals.repaired << " repaired");
}

TEST_CASE("damage: a bit of a database turned, and no wrong value is served") {
  uint64_t refused = 0;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    DamagedDatabase database(seed);
    FlipBits(database, 5);
    refused += database.totals().refused;
    CHECK(database.totals().named > 1000);
    CHECK(database.totals().repaired > 5000);
  }
  CHECK(refused > 400);
}

TEST_CASE("damage: files cut off, and no wrong value is served") {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    DamagedDatabase database(seed);
    CutOff(database, 3);
  }
}

TEST_CASE("damage: files removed or exchanged, and no wrong value is served") {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    DamagedDatabase database(seed);
    Exchange(database);
  }
}

TEST_CASE("damage, slow: every bit, every length, every pair of files") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    DamagedDatabase database(seed);
    FlipBits(database, 1);
    Tell("bits", database.totals());
    CutOff(database, 1);
    Exchange(database);
    Tell("with lengths and exchanges", database.totals());
  }
}

}  // namespace
}  // namespace varve
