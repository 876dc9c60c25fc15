// tests/sim/small_database.h: a database of a few kilobytes with a bit of everything, to be damaged.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/engine_world.h"

namespace varve {

// In thousands of years: no clock of a test gets there.
inline constexpr int64_t kSmallDatabaseExpiryMs = int64_t{1} << 50;

inline Options SmallOptions(uint64_t seed) {
  Options options = TinyOptions();
  options.durability = static_cast<Durability>(seed % 3);
  options.generation_bytes = 2048;
  options.segment_bytes = 1024;
  options.block_bytes = 256;
  options.compression_level = seed % 2 == 0 ? 1 : 0;
  options.spare_segments_max = seed % 2;
  options.value_file_threshold_bytes = 60;
  options.value_file_bytes = 512;
  return options;
}

// A database with a bit of everything: several lives, tables in two levels, expiring and deleted keys, dead
// prefixes, a log with known ends.
class SmallDatabase {
 public:
  explicit SmallDatabase(uint64_t seed) : world(seed, SmallOptions(seed)) {
    world.check_before_open = true;
    Must(world.Open());
    Write(12);
    Must(world.Flush());
    world.CrashAndCheck(CrashMode::kKeepAll);
    Write(12);
    world.Commit({KillOf("s11")});
    Must(world.Flush());
    if (seed % 3 == 0) Must(world.Compact());
    Write(3);
    world.CrashAndCheck(CrashMode::kKeepAll);
    known_from = world.engine->reported_group();
    Write(4);
    Must(world.Flush());
    Write(4);
    entries = world.ScanAll();
  }

  void Close() {
    Must(world.Close());
    world.Kill();
  }
  // As by kill -9.
  void Kill() { world.Restart(CrashMode::kKeepAll); }

  EngineWorld world;
  Entries entries;
  uint64_t known_from = 0;  // the history tells of states from this group on

 private:
  void Write(int count) {
    for (int i = 0; i < count; ++i) {
      const uint64_t number = world.random.Uniform(30);
      std::string key = (number % 3 == 0 ? "s10" : "s12") + std::to_string(number);
      std::string value = std::to_string(++values_) + std::string(world.random.Uniform(90), 'v');
      const int64_t expire_at_ms = number % 4 == 0 ? kSmallDatabaseExpiryMs + values_ * 1000 : 0;
      world.Commit({PutOf(std::move(key), std::move(value), expire_at_ms),
                    DeleteOf("s12" + std::to_string(world.random.Uniform(30)))});
      if (i == 0 && values_ < 20) world.Commit({PutOf("s11key", "dies")});
      world.engine->EndTurn();
      world.RunSome(10);
    }
    Must(world.Sync());
    world.RunUntilIdle();
  }

  int values_ = 0;
};

}  // namespace varve
