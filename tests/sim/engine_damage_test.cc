// tests/sim/engine_damage_test.cc: a damaged database serves what is not damaged, and never a wrong value.
//
// What engine_check_test.cc does to the check, this does to the engine: each byte of each file is changed, each file cut
// off, removed, exchanged for another. Then either the engine does not open and says which file is why, or every key
// is what it was, or an error that names the damaged file. Only the end of a log that was not closed may be gone: nobody
// can tell it from what a power cut tears. The check makes a note of it, unless a record is gone to its last byte.
#include <array>

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

  // The last change in a manifest may be torn as well: then what does not fit to the one before is named.
  static std::string FileToName(const std::string& damaged) {
    return damaged.starts_with("MANIFEST-") ? "" : damaged;
  }

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
      if (opened.code() != StatusCode::kCorruption || !Names(opened, file)) {
        FAIL(what << ": does not open: " << opened.ToString());
      }
      ++totals_.refused;
      return;
    }
    const uint64_t group = world.engine->reported_group();
    const HistoryState wanted = database_.world.history.StateAt(group);
    bool named = false;
    for (const std::string& key : keys_) named |= !IsRight(world, key, wanted, file, what);
    if (group < last_group_) {
      const bool cut = file.ends_with(".log") && damaged.at(file).size() < files_.at(file).size();
      if (!cut && !IsNoted(damaged)) FAIL(what << ": lost the end of the log without a word");
      ++totals_.shortened;
    } else {
      ++(named ? totals_.named : totals_.served);
    }
    world.Kill();
  }

  const DamageTotals& totals() const { return totals_; }

 private:
  static bool Names(const Status& status, const std::string& file) {
    return status.message().find(file.empty() ? std::string(kDirectory) : file) != Slice::npos;
  }

  // False: an error that names the file.
  bool IsRight(EngineWorld& world, const std::string& key, const HistoryState& wanted,
               const std::string& file, const std::string& what) {
    ReadScope scope;
    Value value;
    Status status = world.engine->Get(key, scope, &value);
    while (status.is_pending()) {
      if (!world.Wait(scope)) FAIL(what << ": no end of waiting for " << key);
      status = world.engine->Get(key, scope, &value);
    }
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
    const Stored found{value.tag, value.expire_at_ms,
                       std::make_shared<const std::string>(value.bytes)};
    if (it == wanted.entries.end()) FAIL(what << ": " << key << " should not be there");
    if (!(found == it->second)) FAIL(what << ": " << key << " has a wrong value");
    return true;
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

void FlipBits(DamagedDatabase& database, unsigned bits_apart) {
  DamagedDatabase::Files damaged = database.files();
  for (auto& [name, contents] : damaged) {
    for (uint64_t bit = bits_apart / 2; bit < 8 * contents.size(); bit += bits_apart) {
      char& byte = contents[bit / 8];
      const char mask = static_cast<char>(1 << bit % 8);
      // What is zero behind a log's end is long, and read by nobody.
      if (byte == 0 && name.ends_with(".log") && bit / 8 % 16 != 0) continue;
      byte = static_cast<char>(byte ^ mask);
      database.Check(damaged, DamagedDatabase::FileToName(name),
                     At("a bit turned in", name, bit / 8));
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
      database.Check(damaged, DamagedDatabase::FileToName(name), At("cut off", name, size));
    }
    contents = whole;
  }
}

void Exchange(DamagedDatabase& database) {
  const DamagedDatabase::Files& files = database.files();
  for (const auto& [name, contents] : files) {
    DamagedDatabase::Files damaged = files;
    damaged.erase(name);
    database.Check(damaged, "", "without " + name);
    for (const auto& [other, others] : files) {
      if (other == name) continue;
      damaged = files;
      damaged[name] = others;
      database.Check(damaged, "", other + " in the place of " + name);
      damaged[other] = contents;
      database.Check(damaged, "", other + " and " + name + " exchanged");
    }
  }
}

void Tell(const std::string& what, const DamageTotals& totals) {
  MESSAGE(what << ": " << totals.cases << " cases: " << totals.refused << " not opened, "
               << totals.named << " with keys that cannot be read, " << totals.served
               << " served in full, " << totals.shortened << " without the end of the log");
}

TEST_CASE("damage: a bit of a database turned, and no wrong value is served") {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    DamagedDatabase database(seed);
    FlipBits(database, 5);
    CHECK(database.totals().refused > 400);
    CHECK(database.totals().named > 1000);
  }
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
