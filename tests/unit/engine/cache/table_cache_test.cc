// tests/unit/engine/cache/table_cache_test.cc: what the loop has in memory of each table.
#include "engine/cache/table_cache.h"

#include "tests/unit/engine/table/table_fixture.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

// Tables of several partitions.
struct CacheWorld : TableWorld {
  CacheWorld() {
    for (int i = 0; i < 2000; ++i) rows["key" + std::to_string(10'000 + i)].value = "value";
    for (uint64_t number = 1; number <= 4; ++number) {
      readers.push_back(Build(number, rows, {.block_bytes = 64}));
      tables.push_back(cache.Add(number));
    }
    REQUIRE(readers[0]->partition_count() > 5);
    cache.SetCapacity(UINT64_MAX);
    cache.SetOpenMax(100);
  }

  void Load(size_t t) {
    cache.KeepReader(*tables[t], readers[t]);
    for (size_t i = 0; i < readers[t]->partition_count(); ++i) LoadPartition(t, i);
  }
  void LoadPartition(size_t t, size_t i) {
    cache.KeepPartition(*tables[t], i, *readers[t]->ReadPartition(i));
  }
  size_t Loaded(size_t t) {
    if (!tables[t]->reader()) return 0;
    size_t loaded = 0;
    for (size_t i = 0; i < readers[t]->partition_count(); ++i) {
      loaded += static_cast<size_t>(tables[t]->partition(i) != nullptr);
    }
    return loaded;
  }
  void MakeRoom() {
    while (!cache.MakeRoom()) {
    }
  }

  Rows rows;
  TableCache cache;
  std::vector<std::shared_ptr<TableReader>> readers;
  std::vector<TableCache::TableRef> tables;
};

}  // namespace

TEST_CASE("table cache: what is kept is there and counted, until the table dies") {
  CacheWorld world;
  CHECK(world.cache.memory_bytes() == 0);
  CHECK(world.tables[0]->reader() == nullptr);
  world.Load(0);
  CHECK(world.cache.open_tables() == 1);
  CHECK(world.Loaded(0) == world.readers[0]->partition_count());
  CHECK(world.cache.memory_bytes() > 2000 * 10 / 8);
  const uint64_t bytes = world.cache.memory_bytes();
  world.Load(0);  // as when two commands have asked for it
  CHECK(world.cache.memory_bytes() == bytes);
  world.Load(1);
  CHECK(world.cache.memory_bytes() == 2 * bytes);

  world.cache.Erase(1);
  CHECK(world.cache.Find(1) == nullptr);
  CHECK(world.cache.memory_bytes() == bytes);
  world.cache.KeepReader(*world.tables[0], world.readers[0]);  // it comes too late
  CHECK(world.tables[0]->reader() == nullptr);
  world.cache.Erase(2);
  CHECK(world.cache.memory_bytes() == 0);
  CHECK(world.cache.open_tables() == 0);
}

TEST_CASE("table cache: what was not used lately goes first") {
  CacheWorld world;
  world.Load(0);
  world.Load(1);
  const uint64_t bytes = world.cache.memory_bytes();
  world.cache.SetCapacity(bytes / 2);
  world.MakeRoom();  // the first round only takes the marks away
  CHECK(world.cache.memory_bytes() <= bytes / 2);

  CacheWorld other;
  other.Load(0);
  other.Load(1);
  other.cache.SetCapacity(bytes - 1);
  other.MakeRoom();  // all are unmarked now, one is gone
  other.cache.SetCapacity(UINT64_MAX);
  other.Load(0);
  const size_t used = other.Loaded(1);
  other.cache.SetCapacity(bytes * 3 / 4);
  (void)other.tables[0]->reader();
  for (int i = 0; i < 20; ++i) {
    CHECK(other.Loaded(1) == used);  // used again and again
    other.cache.MakeRoom();
  }
  CHECK(other.cache.memory_bytes() <= bytes * 3 / 4);
}

TEST_CASE("table cache: no more tables are open than may be") {
  CacheWorld world;
  world.cache.SetOpenMax(2);
  for (size_t t = 0; t < 4; ++t) world.Load(t);
  CHECK(world.cache.open_tables() == 4);  // whoever uses one may finish
  world.MakeRoom();
  CHECK(world.cache.open_tables() <= 2);
  for (size_t t = 0; t < 4; ++t) world.cache.Erase(t + 1);
  CHECK(world.cache.memory_bytes() == 0);
}

TEST_CASE("table cache: of a table that was closed meanwhile no partition is kept") {
  CacheWorld world;
  world.LoadPartition(0, 0);
  CHECK(world.cache.memory_bytes() == 0);
}

}  // namespace varve
