// tests/sim/engine_faults_test.cc: the 1st, 2nd, ... Nth disk operation of a fixed history fails, or is the last
// before the power does.
//
// The history has everything in it: small and large writes, deletes, dead prefixes, flushes, compactions, changes
// of the durability, a restart. Each N is tried, until a run passes untouched.
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

// One run of the fixed history. Each part returns false when the power has failed, and then the rest is not run.
class FixedHistory {
 public:
  explicit FixedHistory(EngineWorld& world) : world_(world) {}

  bool Run() {
    using enum Durability;
    return world_.Open() && Writes(25) && Reads(5) &&            //
           world_.Flush() && Large() && Writes(8) &&             //
           Switch(kAlways) && Writes(10) && Switch(kNo) &&       //
           Writes(10) && Switch(kEverySecond) && Second() &&     //
           Writes(5) && Switch(kAlways) && Writes(2) &&          //
           KillSpace() && Writes(8) && Second() && Reads(5) &&   //
           world_.Compact() && Switch(kEverySecond) &&           //
           Writes(6) && Reopen() && Writes(10) &&                //
           world_.Sync() && Large() && Writes(4) && Reads(5) &&  //
           Switch(kAlways) && Writes(8);
  }

 private:
  std::string KeyOf(uint64_t n) const {
    std::string key = n % 5 == 4 ? "c00" : "s0" + std::to_string(n % 5 == 3 ? space_ : n % 3);
    return key + "key" + std::to_string(n);
  }

  bool Writes(int turns) {
    for (; turns > 0; --turns) {
      if (!world_.AwaitWritable()) return false;
      for (uint64_t commits = 1 + random_.Uniform(2); commits > 0; --commits) {
        std::vector<Change> changes;
        for (uint64_t n = 1 + random_.Uniform(4); n > 0; --n) {
          std::string key = KeyOf(random_.Uniform(60));
          const bool remove = random_.OneIn(3) && world_.history.now().entries.contains(key);
          const uint64_t size = random_.Uniform(250);
          changes.push_back(remove ? DeleteOf(std::move(key))
                                   : PutOf(std::move(key), NextValue(size)));
        }
        world_.Commit(std::move(changes));
      }
      world_.engine->EndTurn();
      world_.RunSome(8);
      if (!world_.env.power_is_on()) return false;
    }
    return true;
  }

  bool Large() {
    if (!world_.AwaitWritable()) return false;
    world_.Commit({PutOf("s01large", NextValue(70'000)), PutOf(KeyOf(7), NextValue(10)),
                   PutOf("c00large", NextValue(66'000))});
    world_.engine->EndTurn();
    world_.RunSome(8);
    return world_.env.power_is_on();
  }

  bool KillSpace() {
    if (!world_.AwaitWritable()) return false;
    world_.Commit({PutOf(KeyOf(1), NextValue(10)), KillOf("s0" + std::to_string(space_)),
                   PutOf(KeyOf(2), NextValue(10))});
    ++space_;
    world_.engine->EndTurn();
    return true;
  }

  bool Reads(int count) {
    for (; count > 0; --count) {
      if (!world_.CheckGet(KeyOf(random_.Uniform(60)))) return false;
    }
    return world_.CheckGet("s01large");
  }

  bool Switch(Durability to) {
    world_.SetDurability(to);
    world_.RunSome(3);
    return world_.env.power_is_on();
  }

  // After a second of peace all that was reported is on the disk, unless nobody wanted it to be.
  bool Second() {
    world_.engine->EndTurn();
    for (int i = 0; i < 3; ++i) {
      world_.RunUntilIdle();
      world_.env.AdvanceMs(500);
    }
    world_.RunUntilIdle();
    if (!world_.env.power_is_on()) return false;
    if (!world_.faulty) world_.Promise(world_.engine->last_commit_group());
    return true;
  }

  bool Reopen() {
    const bool closed = world_.Close();
    if (!world_.env.power_is_on()) return false;
    // Otherwise it ends as if it had been killed.
    if (!closed) world_.Restart(CrashMode::kKeepAll);
    if (closed) world_.Kill();
    if (!world_.Open()) return false;
    world_.CheckRecovered();
    return world_.env.power_is_on();
  }

  std::string NextValue(size_t size) {
    std::string value = std::to_string(++values_) + ":";
    value.resize(std::max(size, value.size()), static_cast<char>('a' + values_ % 26));
    return value;
  }

  EngineWorld& world_;
  Random random_{7};
  int values_ = 0;
  int space_ = 3;
};

// The world ends and begins anew, and the next opening is cut short after `again` operations.
void CrashTwiceAndCheck(EngineWorld& world, CrashMode mode, uint64_t again) {
  world.Restart(mode);
  world.env.CutPowerAfter(again);
  const bool opened = world.Open();
  world.env.CutPowerAfter(0);
  const CrashMode second = again % 2 == 0 ? CrashMode::kDropUnsynced : CrashMode::kRandomPages;
  world.CrashAndCheck(opened ? CrashMode::kKeepAll : second);
}

void FailEach(StatusCode code, bool and_after) {
  uint64_t n = 0;
  for (bool untouched = false; !untouched;) {
    ++n;
    CAPTURE(n);
    NameHistory(n);
    EngineWorld world(1, TinyOptions());
    world.faulty = true;
    world.env.FailNth(n, code, and_after);
    FixedHistory history(world);
    Must(history.Run());
    untouched = world.env.faults() == 0;
    world.Heal();
    Must(world.AwaitWritable());
    Must(world.Sync());
    world.faulty = false;
    world.CheckExactly(world.ScanAll());
    // What a failed sync lost must not matter any more.
    world.CrashAndCheck(n % 2 == 0 ? CrashMode::kDropUnsynced : CrashMode::kKeepAll);
    if (n % 8 == 0) Must(world.CheckSettled());
    Must(world.Close());
  }
  MESSAGE(n << " runs");
}

void CutEach(Durability durability, CrashMode mode) {
  Options options = TinyOptions();
  options.durability = durability;
  uint64_t n = 0;
  for (bool untouched = false; !untouched;) {
    ++n;
    CAPTURE(n);
    NameHistory(n);
    EngineWorld world(1, options);
    world.env.CutPowerAfter(n);
    FixedHistory history(world);
    untouched = history.Run();
    if (n % 3 == 0) {
      CrashTwiceAndCheck(world, mode, 1 + world.random.Uniform(40));
    } else {
      world.CrashAndCheck(mode);
    }
    world.LiveOnAndCheck();
    if (n % 8 == 0) Must(world.CheckSettled());
    Must(world.Close());
  }
  MESSAGE(n << " runs");
}

TEST_CASE("engine faults: any one disk operation may fail, and nothing reported is lost") {
  FailEach(StatusCode::kIoError, false);
}

TEST_CASE("engine faults: any one operation may find the disk full") {
  FailEach(StatusCode::kNoSpace, false);
}

TEST_CASE(
    "engine faults: the disk may fail for a while, at any operation, and the engine comes back") {
  FailEach(StatusCode::kIoError, true);
}

TEST_CASE(
    "engine faults: the disk may be full for a while, at any operation, and the engine comes "
    "back") {
  FailEach(StatusCode::kNoSpace, true);
}

TEST_CASE("engine faults: the process may die at any operation") {
  CutEach(Durability::kEverySecond, CrashMode::kKeepAll);
}

TEST_CASE("engine faults: the power may fail at any operation, and what was not synced is gone") {
  CutEach(Durability::kEverySecond, CrashMode::kDropUnsynced);
}

TEST_CASE("engine faults: the power may fail at any operation, and leaves torn files") {
  CutEach(Durability::kAlways, CrashMode::kTorn);
}

TEST_CASE("engine faults: the power may fail at any operation, and leaves any pages") {
  CutEach(Durability::kNo, CrashMode::kRandomPages);
}

}  // namespace
}  // namespace varve
