// tests/unit/engine/version/pins_test.cc: which files stay, for whom, and until when.
#include "engine/version/pins.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

using Paths = std::vector<std::string>;

// A database as the numbers of its files: tables, and one value file that belongs to each odd one.
class Database {
 public:
  void Bring(uint64_t number) {
    VersionEdit edit;
    auto table = std::make_shared<FileMeta>();
    table->number = number;
    table->level = number % 3 == 0 ? 0 : 1;
    table->size_bytes = table->entries = 1;
    table->smallest = table->largest = std::to_string(1'000'000 + number);
    if (number % 2 == 1) {
      table->value_uses = {{ValuesOf(number), 1}};
      edit.value_files_added = {{ValuesOf(number), 1 + kValueFileHeaderBytes, 1}};
    }
    edit.added = {table};
    Apply(edit);
    tables_[number] = table;
  }
  // The files that leave with it.
  std::vector<uint64_t> Lose(uint64_t number) {
    VersionEdit edit;
    edit.Remove(*tables_.at(number));
    Apply(edit);
    tables_.erase(number);
    std::vector<uint64_t> files = {number};
    if (number % 2 == 1) files.push_back(ValuesOf(number));
    return files;
  }
  std::set<uint64_t> Files() const {
    std::set<uint64_t> files;
    for (const auto& [number, table] : tables_) {
      files.insert(number);
      if (number % 2 == 1) files.insert(ValuesOf(number));
    }
    return files;
  }
  const std::map<uint64_t, FileRef>& tables() const { return tables_; }
  PinnedState StateAt(uint64_t now_us) const {
    return {.manifest = state_, .since_us = now_us, .lock = nullptr};
  }

 private:
  static uint64_t ValuesOf(uint64_t table) { return 1'000'000 + table; }
  void Apply(const VersionEdit& edit) {
    const auto version = state_.version->Apply(edit);
    REQUIRE_MESSAGE(version.ok(), version.status().ToString());
    state_.version = *version;
  }

  ManifestState state_;
  std::map<uint64_t, FileRef> tables_;
};

bool Hold(Pins& pins, uint64_t number) { return pins.Hold(number, 10, std::to_string(number)); }

TEST_CASE("pins: a file stays as long as anyone holds a state that has it") {
  // As drawn in pins.h.
  Database database;
  Pins pins;
  CHECK(pins.empty());
  CHECK(pins.oldest_us() == 0);
  const uint64_t a = 2, b = 4, c = 6, d = 8;
  database.Bring(a);
  database.Bring(c);
  auto p = pins.Add(database.StateAt(100));
  database.Bring(b);
  database.Bring(d);
  database.Lose(c);
  CHECK(Hold(pins, c));
  auto q = pins.Add(database.StateAt(200));
  database.Lose(a);
  database.Lose(b);
  CHECK(Hold(pins, a));
  CHECK(Hold(pins, b));
  CHECK(pins.held_bytes() == 30);
  CHECK(pins.count() == 2);
  CHECK(pins.oldest_us() == 100);
  CHECK(pins.Collect().empty());

  q.reset();
  CHECK(pins.count() == 1);
  CHECK(pins.Collect() == Paths{"4"});
  CHECK(pins.held_bytes() == 20);
  p.reset();
  CHECK(pins.count() == 0);
  CHECK(pins.oldest_us() == 0);
  CHECK(pins.held_bytes() == 20);  // until they are collected
  CHECK(pins.Collect() == Paths{"6", "2"});
  CHECK(pins.held_bytes() == 0);
  CHECK(pins.empty());
  CHECK_FALSE(Hold(pins, d));
}

TEST_CASE("pins: any pins and files, against what each state has") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Database database;
    Pins pins;
    struct Held {
      std::shared_ptr<const PinnedState> state;
      std::set<uint64_t> files;
    };
    std::vector<Held> held;
    std::set<uint64_t> on_disk;
    uint64_t now_us = 0;
    const auto check = [&] {
      for (const std::string& path : pins.Collect()) REQUIRE(on_disk.erase(std::stoull(path)) == 1);
      std::set<uint64_t> wanted = database.Files();
      const size_t alive = wanted.size();
      for (const Held& one : held) wanted.insert(one.files.begin(), one.files.end());
      REQUIRE(on_disk == wanted);
      REQUIRE(pins.held_bytes() == 10 * (wanted.size() - alive));
      REQUIRE(pins.count() == held.size());
      REQUIRE(pins.oldest_us() == (held.empty() ? 0 : held.front().state->since_us));
    };
    for (uint64_t number = 1; number < 60; ++number) {
      database.Bring(number);
      on_disk.merge(database.Files());
      while (!database.tables().empty() && random.OneIn(2)) {
        auto table = database.tables().begin();
        std::advance(table, random.Uniform(database.tables().size()));
        for (const uint64_t file : database.Lose(table->first)) {
          if (!Hold(pins, file)) on_disk.erase(file);
        }
      }
      if (random.OneIn(4)) held.push_back({pins.Add(database.StateAt(++now_us)), database.Files()});
      while (!held.empty() && random.OneIn(5)) {
        held.erase(held.begin() + static_cast<ptrdiff_t>(random.Uniform(held.size())));
      }
      if (random.OneIn(2)) check();
    }
    held.clear();
    check();
    REQUIRE(pins.empty());
  }
}

}  // namespace
}  // namespace varve
