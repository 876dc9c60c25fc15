// tests/unit/env/sim_env_test.cc: the simulated world is as unkind as the real one, no more, and
// always in the same way for the same seed.
#include "env/sim_env.h"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>

namespace varve {
namespace {

using enum CrashMode;
constexpr CrashMode kCrashModes[] = {kDropUnsynced, kKeepAll, kTorn, kRandomPages};
constexpr CrashMode kPowerCuts[] = {kDropUnsynced, kTorn, kRandomPages};

std::unique_ptr<File> Open(Env& env, const std::string& path, OpenMode mode = OpenMode::kCreate) {
  Result<std::unique_ptr<File>> file = env.Open(path, mode);
  REQUIRE(file.ok());
  return std::move(*file);
}

// A file at `path` with a durable name and durable contents, opened for writing.
std::unique_ptr<File> OpenDurable(SimEnv& env, const std::string& path, Slice contents) {
  env.SetContents(path, contents);
  return Open(env, path, OpenMode::kReuse);
}

}  // namespace

TEST_CASE("sim file: unsynced bytes are read but may go, synced bytes stay") {
  for (const CrashMode mode : kCrashModes) {
    SimEnv env(1);
    std::unique_ptr<File> file = OpenDurable(env, "f", "");
    REQUIRE(file->WriteAt(0, Slice("synced")).ok());
    REQUIRE(file->Sync().ok());
    REQUIRE(file->WriteAt(6, Slice(" unsynced")).ok());
    REQUIRE(file->WriteAt(0, Slice("S")).ok());
    CHECK(*ReadWholeFile(env, "f") == "Synced unsynced");
    env.Restart(mode);
    if (mode == kDropUnsynced) CHECK(env.Contents("f") == "synced");
    if (mode == kKeepAll) CHECK(env.Contents("f") == "Synced unsynced");
    // The old world's file is dead.
    CHECK(file->WriteAt(0, Slice("x")).code() == StatusCode::kIoError);
    CHECK_FALSE(file->Size().ok());
  }
}

TEST_CASE("sim file: after a crash of the process alone, a power cut still takes the unsynced") {
  SimEnv env(1);
  std::unique_ptr<File> file = OpenDurable(env, "f", "old");
  REQUIRE(file->WriteAt(0, Slice("new")).ok());
  env.Restart(kKeepAll);
  CHECK(env.Contents("f") == "new");
  env.Restart(kDropUnsynced);
  CHECK(env.Contents("f") == "old");
}

TEST_CASE("sim file: a torn tail is a prefix of what was appended, at every length") {
  std::set<std::string> seen;
  const std::string all = "durable|first|second|third";
  for (uint64_t seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    SimEnv env(seed);
    std::unique_ptr<File> file = OpenDurable(env, "f", "durable|");
    uint64_t offset = 8;
    for (const Slice word : {"first|", "second|", "third"}) {
      REQUIRE(file->WriteAt(offset, word).ok());
      offset += word.size();
    }
    env.Restart(kTorn);
    const std::string left = env.Contents("f");
    CHECK(left == all.substr(0, left.size()));
    CHECK(left.size() >= 8);
    seen.insert(left);
  }
  CHECK(seen.size() == all.size() - 8 + 1);
}

TEST_CASE("sim file: random pages are each as they were at some moment, whatever the others are") {
  // Three versions of a file of two pages. No page may mix versions, except at a sector's edge.
  constexpr size_t kPage = kSimPageBytes;
  std::set<std::string> seen;
  bool torn = false;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    SimEnv env(seed);
    std::unique_ptr<File> file = OpenDurable(env, "f", std::string(2 * kPage, 'a'));
    REQUIRE(file->WriteAt(0, std::string(2 * kPage, 'b')).ok());
    REQUIRE(file->WriteAt(0, std::string(2 * kPage, 'c')).ok());
    env.Restart(kRandomPages);
    const std::string left = env.Contents("f");
    REQUIRE(left.size() == 2 * kPage);
    std::string shape;
    for (size_t page = 0; page < 2; ++page) {
      const Slice bytes = Slice(left).substr(page * kPage, kPage);
      const size_t edge = std::min(bytes.find_first_not_of(bytes[0]), bytes.size());
      CHECK(edge % kSimSectorBytes == 0);
      CHECK(bytes.substr(edge).find_first_not_of(bytes.back()) == Slice::npos);
      if (edge < bytes.size()) torn = true;
      shape += bytes.back();
    }
    seen.insert(shape);
  }
  CHECK(seen.size() == 9);
  CHECK(torn);
}

TEST_CASE("sim file: a later page may be there while an earlier one is zeros or missing") {
  bool hole = false;
  bool zeros_behind = false;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimEnv env(seed);
    std::unique_ptr<File> file = OpenDurable(env, "f", "");
    REQUIRE(file->WriteAt(0, std::string(3 * kSimPageBytes, 'x')).ok());
    env.Restart(kRandomPages);
    const std::string left = env.Contents("f");
    if (left.empty()) continue;
    hole = hole || (left[0] == '\0' && left.find('x') != std::string::npos);
    zeros_behind = zeros_behind || (left[0] == 'x' && left.back() == '\0');
  }
  CHECK(hole);
  CHECK(zeros_behind);
}

TEST_CASE("sim file: a failed sync loses bytes for ever, though reads and later syncs deny it") {
  size_t lost = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    SimEnv env(seed);
    std::unique_ptr<File> file = OpenDurable(env, "f", "----");
    REQUIRE(file->WriteAt(0, Slice("ab")).ok());
    env.FailNth(1);
    CHECK(file->Sync().code() == StatusCode::kIoError);
    CHECK(env.faults() == 1);
    REQUIRE(file->WriteAt(2, Slice("cd")).ok());
    CHECK(file->Sync().ok());
    REQUIRE(file->WriteAt(3, Slice("e")).ok());
    CHECK(*ReadWholeFile(env, "f") == "abce");
    env.Restart(kDropUnsynced);
    const std::string left = env.Contents("f");
    CHECK((left == "--cd" || left == "abcd"));
    if (left == "--cd") ++lost;
  }
  CHECK(lost > 25);
  CHECK(lost < 50);
}

TEST_CASE("sim file: a failed write leaves any first part of itself") {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimEnv env(seed);
    std::unique_ptr<File> file = OpenDurable(env, "f", "");
    env.FailNth(1);
    const Slice pieces[] = {"ab", "cd"};
    const Status status = file->WriteAt(0, pieces);
    CHECK(status.code() == StatusCode::kIoError);
    CHECK(status.message() == "f: write: Input/output error");
    const std::string left = env.Contents("f");
    CHECK(left == std::string("abcd").substr(0, left.size()));
    sizes.insert(left.size());
  }
  CHECK(sizes.size() == 5);
}

TEST_CASE("sim file: any history of writes, cuts and syncs survives as a naive model says") {
  // The model keeps every change since the beginning and replays those that count.
  struct Change {
    uint64_t offset;
    std::string bytes;
    bool cut;
    bool durable;
  };
  for (uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    SimFile file;
    std::vector<Change> changes;
    const auto replay = [&](bool all) {
      std::string bytes;
      for (const Change& change : changes) {
        if (!all && !change.durable) continue;
        const size_t end = change.offset + change.bytes.size();
        if (change.cut || end > bytes.size()) bytes.resize(end);
        bytes.replace(change.offset, change.bytes.size(), change.bytes);
      }
      return bytes;
    };
    for (int step = 0; step < 60; ++step) {
      const uint64_t offset = random.Uniform(300);
      switch (random.Uniform(6)) {
        case 0:
          file.Truncate(offset);
          changes.push_back({offset, "", true, false});
          break;
        case 1:
          if (random.OneIn(3)) {
            file.Sync();
            for (Change& change : changes) change.durable = true;
          }
          break;
        case 2:
          file.WriteZeros(offset, 50);
          changes.push_back({offset, std::string(50, '\0'), false, false});
          break;
        default: {
          const std::string bytes(1 + random.Uniform(80), static_cast<char>('a' + step % 26));
          const Slice slice = bytes;
          file.Write(offset, {&slice, 1}, bytes.size());
          changes.push_back({offset, bytes, false, false});
        }
      }
      REQUIRE(file.bytes() == replay(true));
    }
    const CrashMode mode = kCrashModes[random.Uniform(2)];
    file.Crash(mode, random);
    CHECK(file.bytes() == replay(mode == kKeepAll));
  }
}

TEST_CASE("sim file: Preallocate leaves exactly that many zeros, to be synced like any write") {
  SimEnv env(1);
  std::unique_ptr<File> file = OpenDurable(env, "f", "longer than that");
  REQUIRE(file->Preallocate(5).ok());
  CHECK(env.Contents("f") == std::string(5, '\0'));
  env.Restart(kDropUnsynced);
  CHECK(env.Contents("f") == "longer than that");
}

TEST_CASE("sim disk: a name survives when its directory was synced, not when its file was") {
  SimEnv env(1);
  REQUIRE(env.CreateDirectory("d").ok());
  REQUIRE(env.SyncDirectory("").ok());
  std::unique_ptr<File> file = Open(env, "d/synced-file");
  REQUIRE(file->WriteAt(0, Slice("x")).ok());
  REQUIRE(file->Sync().ok());
  env.Restart(kDropUnsynced);
  CHECK(env.List("d")->empty());

  file = Open(env, "d/synced-name");
  REQUIRE(file->WriteAt(0, Slice("x")).ok());
  REQUIRE(env.SyncDirectory("d").ok());
  Open(env, "d/late");
  env.Restart(kDropUnsynced);
  CHECK(*env.List("d") == std::vector<std::string>{"synced-name"});
  CHECK(env.Contents("d/synced-name").empty());

  // Neither does a removal last unsynced, nor a directory whose parent was not synced.
  REQUIRE(env.Remove("d/synced-name").ok());
  REQUIRE(env.CreateDirectory("d/e").ok());
  Open(env, "d/e/f");
  REQUIRE(env.SyncDirectory("d/e").ok());
  env.Restart(kDropUnsynced);
  CHECK(*env.List("d") == std::vector<std::string>{"synced-name"});
}

TEST_CASE("sim disk: a rename is there or not, never half, and in its place among others") {
  std::set<std::vector<std::string>> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    SimEnv env(seed);
    env.SetContents("a", "A");
    env.SetContents("b", "B");
    REQUIRE(env.Rename("a", "b").ok());
    Open(env, "a");
    REQUIRE(env.Rename("b", "c").ok());
    env.Restart(seed % 2 == 0 ? kTorn : kRandomPages);
    // What was A is somewhere, once. B goes only when A takes its place.
    std::vector<std::string> world;
    const std::vector<std::string> names = *env.List("");
    for (const std::string& name : names) world.push_back(name + "=" + env.Contents(name));
    seen.insert(world);
  }
  const std::set<std::vector<std::string>> legal = {
      {"a=A", "b=B"}, {"b=A"}, {"a=", "b=A"}, {"a=", "c=A"}, {"c=A"}};
  CHECK(seen == legal);
}

TEST_CASE("sim disk: syncing one directory of a rename makes the whole rename durable") {
  for (const char* synced : {"from", "to"}) {
    SimEnv env(1);
    REQUIRE(env.CreateDirectory("from").ok());
    REQUIRE(env.CreateDirectory("to").ok());
    REQUIRE(env.SyncDirectory("/").ok());
    Open(env, "from/f");
    REQUIRE(env.Rename("from/f", "to/g").ok());
    REQUIRE(env.SyncDirectory(synced).ok());
    env.Restart(kDropUnsynced);
    CHECK(env.List("from")->empty());
    CHECK(*env.List("to") == std::vector<std::string>{"g"});
  }
}

TEST_CASE("sim disk: a rename takes along what it stands on, and a file is never between places") {
  // The file was made in a directory that is not synced: its making is part of the rename.
  SimEnv env(1);
  REQUIRE(env.CreateDirectory("from").ok());
  REQUIRE(env.CreateDirectory("to").ok());
  REQUIRE(env.SyncDirectory("").ok());
  Open(env, "from/f");
  REQUIRE(env.Rename("from/f", "to/g").ok());
  REQUIRE(env.SyncDirectory("to").ok());
  REQUIRE(env.SyncDirectory("from").ok());
  env.Restart(kDropUnsynced);
  CHECK(env.List("from")->empty());

  // The directory it moved to is not synced: its making is part of the rename.
  for (uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    SimEnv other(seed);
    other.SetContents("f", "x");
    REQUIRE(other.CreateDirectory("to").ok());
    REQUIRE(other.Rename("f", "to/g").ok());
    if (seed % 2 == 0) REQUIRE(other.SyncDirectory("to").ok());
    other.Restart(kRandomPages);
    CHECK(other.Exists("f") != other.Exists("to/g"));
    if (seed % 2 == 0) CHECK(other.Exists("to/g"));
  }
}

TEST_CASE("sim disk: unsynced operations on different names survive in any combination") {
  std::set<std::vector<std::string>> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SimEnv env(seed);
    for (const char* name : {"a", "b", "c"}) Open(env, name);
    env.Restart(kRandomPages);
    seen.insert(*env.List(""));
  }
  CHECK(seen.size() == 8);
}

TEST_CASE("sim disk: a link is a second name of one file, and as durable as its directory") {
  SimEnv env(1);
  REQUIRE(env.CreateDirectory("d").ok());
  REQUIRE(env.SyncDirectory("").ok());
  env.SetContents("f", "12345678");
  env.SetCapacity(10);
  REQUIRE(env.Link("f", "d/g").ok());
  CHECK(env.SameFile("f", "d/g"));
  CHECK(env.Space("")->available_bytes == 2);  // it takes no room
  REQUIRE(Open(env, "d/g", OpenMode::kReuse)->WriteAt(0, Slice("A")).ok());
  CHECK(env.Contents("f") == "A2345678");
  CHECK(env.Link("f", "d/g").code() == StatusCode::kIoError);
  CHECK(env.Link("none", "d/h").code() == StatusCode::kIoError);
  CHECK(env.Link("f", "none/h").code() == StatusCode::kIoError);
  CHECK(env.Link("d", "e").code() == StatusCode::kIoError);

  env.Restart(kDropUnsynced);
  CHECK(env.Contents("f") == "12345678");
  CHECK_FALSE(env.Exists("d/g"));
  REQUIRE(env.Link("f", "d/g").ok());
  REQUIRE(env.SyncDirectory("d").ok());
  REQUIRE(env.Remove("f").ok());
  REQUIRE(env.SyncDirectory("").ok());
  env.Restart(kDropUnsynced);
  CHECK_FALSE(env.Exists("f"));
  CHECK(env.Contents("d/g") == "12345678");
}

TEST_CASE("sim disk: where links are impossible, only links fail") {
  SimEnv env(1);
  env.SetContents("f", "x");
  env.FailNth(2, StatusCode::kNotSupported, true);
  CHECK(env.Link("f", "g").ok());
  CHECK(env.List("").ok());
  for (int i = 0; i < 2; ++i) {
    CHECK(env.Link("f", "h").code() == StatusCode::kNotSupported);
    CHECK(Open(env, "h" + std::to_string(i))->Sync().ok());
  }
  CHECK_FALSE(env.Exists("h"));
  CHECK(env.faults() == 2);
}

TEST_CASE("sim disk: an empty directory is removed, or replaced by a rename, and no other") {
  SimEnv env(1);
  REQUIRE(env.CreateDirectory("d").ok());
  REQUIRE(env.CreateDirectory("e").ok());
  env.SetContents("d/f", "x");
  REQUIRE(env.SyncDirectory("").ok());
  CHECK(env.RemoveDirectory("d").code() == StatusCode::kIoError);
  CHECK(env.RemoveDirectory("d/f").code() == StatusCode::kIoError);
  CHECK(env.RemoveDirectory("none").code() == StatusCode::kIoError);
  CHECK(env.Rename("e", "d").code() == StatusCode::kIoError);
  CHECK(env.Rename("d/f", "e").code() == StatusCode::kIoError);
  CHECK(env.Rename("d", "e").ok());
  env.Restart(kDropUnsynced);
  CHECK(env.Exists("d/f"));
  REQUIRE(env.Rename("d", "e").ok());
  REQUIRE(env.SyncDirectory("").ok());
  env.Restart(kDropUnsynced);
  CHECK_FALSE(env.Exists("d"));
  CHECK(env.Contents("e/f") == "x");
  REQUIRE(env.Remove("e/f").ok());
  REQUIRE(env.RemoveDirectory("e").ok());
  env.Restart(kDropUnsynced);
  CHECK(env.Contents("e/f") == "x");
}

TEST_CASE("sim disk: errors are the real ones, and paths mean the same however they are written") {
  SimEnv env(1);
  CHECK(env.Open("f", OpenMode::kRead).status().is_not_found());
  CHECK(env.Open("d/f", OpenMode::kCreate).status().code() == StatusCode::kIoError);
  REQUIRE(env.CreateDirectory("/d").ok());
  CHECK(env.CreateDirectory("d/").ok());
  Open(env, "./d//f");
  CHECK(env.Exists("d/f"));
  CHECK(env.Exists("/"));
  CHECK_FALSE(env.Exists("d/f/g"));
  CHECK(env.Open("d/f", OpenMode::kCreate).status().code() == StatusCode::kIoError);
  CHECK(env.Open("d", OpenMode::kRead).status().code() == StatusCode::kIoError);
  CHECK(env.Remove("d").code() == StatusCode::kIoError);
  CHECK(env.Remove("d/g").is_not_found());
  CHECK(env.Rename("d/g", "d/h").code() == StatusCode::kIoError);
  CHECK(env.Rename("d", "d/e").code() == StatusCode::kIoError);
  CHECK(env.Rename("d/f", "d").code() == StatusCode::kIoError);
  CHECK(env.List("none").status().is_not_found());
  CHECK(env.SyncDirectory("none").code() == StatusCode::kIoError);
  CHECK(Open(env, "d/f", OpenMode::kRead)->WriteAt(0, Slice("x")).code() == StatusCode::kIoError);
  // A removed file lives on for those who have it open.
  std::unique_ptr<File> file = Open(env, "d/f", OpenMode::kReuse);
  REQUIRE(env.Remove("d/f").ok());
  CHECK(file->WriteAt(0, Slice("x")).ok());
  CHECK(*file->Size() == 1);
}

TEST_CASE("sim env: a lock is held once, until it is dropped or the world ends") {
  SimEnv env(1);
  Result<std::unique_ptr<DirectoryLock>> lock = env.LockFile("LOCK");
  REQUIRE(lock.ok());
  CHECK(env.LockFile("LOCK").status().code() == StatusCode::kLocked);
  lock->reset();
  lock = env.LockFile("LOCK");
  REQUIRE(lock.ok());
  for (const CrashMode mode : kCrashModes) {
    env.Restart(mode);
    Result<std::unique_ptr<DirectoryLock>> next = env.LockFile("LOCK");
    REQUIRE(next.ok());
    lock = std::move(next);  // The dead lock goes while the new one is held.
    CHECK(env.LockFile("LOCK").status().code() == StatusCode::kLocked);
  }
}

TEST_CASE("sim env: ReplaceFile leaves the old or the new contents, whatever fails") {
  for (const CrashMode mode : kCrashModes) {
    bool old_seen = false;
    bool new_seen = false;
    for (uint64_t n = 1;; ++n) {
      CAPTURE(n);
      SimEnv env(n);
      env.SetContents("CURRENT", "old");
      env.CutPowerAfter(n);
      const Status status = ReplaceFile(env, ".", "CURRENT", "new and longer");
      const bool untouched = env.power_is_on();
      CHECK(status.ok() == untouched);
      env.Restart(mode);
      const std::string left = env.Contents("CURRENT");
      CHECK((left == "old" || left == "new and longer"));
      if (untouched) CHECK(left == "new and longer");
      (left == "old" ? old_seen : new_seen) = true;
      // And whatever the crash left behind, the next one gets through.
      CHECK(ReplaceFile(env, ".", "CURRENT", "third").ok());
      CHECK(*env.List("") == std::vector<std::string>{"CURRENT"});
      if (untouched) break;
    }
    CHECK(old_seen);
    CHECK(new_seen);
  }
  for (const StatusCode code : {StatusCode::kIoError, StatusCode::kNoSpace}) {
    for (uint64_t n = 1;; ++n) {
      CAPTURE(n);
      SimEnv env(n);
      env.SetContents("CURRENT", "old");
      env.FailNth(n, code);
      const Status status = ReplaceFile(env, ".", "CURRENT", "new");
      CHECK(status.ok() == (env.faults() == 0));
      if (!status.ok()) CHECK(status.code() == code);
      if (env.faults() == 0) break;
      for (const CrashMode mode : kPowerCuts) {
        env.Restart(mode);
        const std::string left = env.Contents("CURRENT");
        CHECK((left == "old" || left == "new"));
      }
    }
  }
}

TEST_CASE("sim env: FailNth fails every kind of operation, once or from then on") {
  SimEnv env(1);
  env.set_pending_percent(0);
  std::unique_ptr<File> file = OpenDurable(env, "f", "x");
  char bytes[4];
  const std::vector<std::function<Status()>> operations = {
      [&] { return env.Open("g", OpenMode::kCreate).status(); },
      [&] { return file->ReadAt(0, 1, bytes).status(); },
      [&] { return file->TryReadAt(0, 1, bytes).status(); },
      [&] { return file->WriteAt(1, Slice("y")); },
      [&] { return file->Sync(); },
      [&] { return file->Preallocate(2); },
      [&] { return file->Truncate(1); },
      [&] { return env.Rename("g", "h"); },
      [&] { return env.Link("h", "i"); },
      [&] { return env.CreateDirectory("d"); },
      [&] { return env.SyncDirectory("d"); },
      [&] { return env.List("d").status(); },
      [&] { return env.LockFile("d/LOCK").status(); },
      [&] { return env.Remove("h"); },
      [&] { return env.CreateDirectory("e"); },
      [&] { return env.RemoveDirectory("e"); },
  };
  for (size_t failing = 0; failing < operations.size(); ++failing) {
    CAPTURE(failing);
    env.FailNth(1);
    CHECK(operations[failing]().code() == StatusCode::kIoError);
    CHECK(operations[failing]().ok());
  }
  env.FailNth(3, StatusCode::kIoError, true);
  for (int i = 1; i < 6; ++i) CHECK(env.List("d").ok() == (i < 3));
  env.FailNth(0);
  CHECK(env.List("d").ok());
}

TEST_CASE("sim env: a full disk refuses what grows, keeps the rest, and recovers") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    SimEnv env(seed);
    std::unique_ptr<File> file = OpenDurable(env, "f", "12345678");
    env.SetCapacity(10);
    CHECK(file->WriteAt(8, Slice("9")).ok());
    CHECK(file->WriteAt(7, Slice("abcd")).code() == StatusCode::kNoSpace);
    CHECK(file->WriteAt(0, Slice("AB")).ok());
    CHECK(file->Preallocate(100).code() == StatusCode::kNoSpace);
    CHECK(*file->Size() == 9);
    CHECK(file->Sync().ok());
    env.SetCapacity(100);
    CHECK(file->WriteAt(7, Slice("abcd")).ok());

    env.FailNth(1, StatusCode::kNoSpace, true);
    CHECK(file->WriteAt(0, Slice("inside")).ok());
    CHECK(env.List("").ok());
    CHECK(env.Open("g", OpenMode::kCreate).status().code() == StatusCode::kNoSpace);
    CHECK(file->WriteAt(11, Slice("!")).code() == StatusCode::kNoSpace);
    CHECK(*file->Size() == 11);
    CHECK(env.Remove("f").ok());
  }
}

TEST_CASE("sim env: in a dead world nothing changes, and nothing runs but RunUntil") {
  SimEnv env(1);
  env.SetContents("f", "old");
  std::unique_ptr<File> file = Open(env, "f", OpenMode::kReuse);
  int ran = 0;
  env.Schedule(
      Lane::kLog, [] {}, [&] { ++ran; });
  env.RunAfter(10, [&] { ++ran; });
  const uint64_t before = env.operations();
  env.CutPowerAfter(2);
  CHECK(file->WriteAt(0, Slice("n")).ok());
  CHECK(file->WriteAt(1, Slice("e")).code() == StatusCode::kIoError);
  CHECK_FALSE(env.power_is_on());
  CHECK(file->Sync().code() == StatusCode::kIoError);
  CHECK(env.Remove("f").code() == StatusCode::kIoError);
  CHECK_FALSE(env.Exists("f"));
  CHECK(env.Contents("f") == "nld");
  CHECK(env.operations() == before + 2);

  CHECK_FALSE(env.RunOneJob());
  CHECK(env.RunUntilIdle() == 0);
  env.RunUntil([&] { return ran == 2; });
  CHECK(ran == 2);
  env.RunUntil([] { return false; });  // There is nothing left, so it comes back.

  env.Restart(kDropUnsynced);
  CHECK(env.Contents("f") == "old");
  CHECK(env.List("").ok());
}

TEST_CASE("sim env: dropped jobs die without running, even if their captures make new ones") {
  struct Rude {
    explicit Rude(SimEnv& e, int& c) : env(e), count(c) {}
    ~Rude() {
      if (++count > 5) return;
      env.Post([] { CHECK(false); });
      env.Schedule(
          Lane::kRead, [] {}, [next = std::make_shared<Rude>(env, count)] {});
      env.CancelTimer(env.RunAfter(1, [] {}));
    }
    SimEnv& env;
    int& count;
  };
  SimEnv env(1);
  int count = 0;
  env.Post([rude = std::make_shared<Rude>(env, count)] {});
  env.RunAfter(5, [rude = std::make_shared<Rude>(env, count)] {});
  env.DropJobs();
  CHECK(env.pending_jobs() == 0);
  CHECK(env.RunUntilIdle() == 0);
  CHECK(count > 5);
}

TEST_CASE("sim jobs: a lane keeps its order, reads do not, and lanes overtake each other") {
  bool lanes_overtake = false;
  bool reads_overtake = false;
  bool loop_in_between = false;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    SimEnv env(seed);
    std::vector<int> log_work, log_done, reads;
    bool flushed = false;
    for (int i = 0; i < 4; ++i) {
      env.Schedule(
          Lane::kLog, [&, i] { log_work.push_back(i); },
          [&, i] {
            CHECK(std::find(log_work.begin(), log_work.end(), i) != log_work.end());
            log_done.push_back(i);
          });
      env.Schedule(
          Lane::kRead, [] {}, [&, i] { reads.push_back(i); });
    }
    env.Post([&] { loop_in_between = loop_in_between || log_work.size() == log_done.size() + 1; });
    env.Schedule(
        Lane::kFlush, [&] { flushed = true; },
        [&] { lanes_overtake = lanes_overtake || log_work.size() < 4; });
    CHECK(env.pending_jobs() == 10);
    CHECK(env.RunUntilIdle() == 19);
    CHECK(env.pending_jobs() == 0);
    CHECK(log_work == std::vector<int>{0, 1, 2, 3});
    CHECK(log_done == log_work);
    CHECK(flushed);
    reads_overtake = reads_overtake || !std::is_sorted(reads.begin(), reads.end());
  }
  CHECK(lanes_overtake);
  CHECK(reads_overtake);
  CHECK(loop_in_between);
}

TEST_CASE("sim jobs: a held lane starts nothing, the others go on") {
  SimEnv env(1);
  bool log = false;
  bool read = false;
  env.HoldLane(Lane::kLog, true);
  env.Schedule(
      Lane::kLog, [] {}, [&] { log = true; });
  env.Schedule(
      Lane::kRead, [] {}, [&] { read = true; });
  env.RunUntilIdle();
  CHECK(read);
  CHECK_FALSE(log);
  env.HoldLane(Lane::kLog, false);
  env.RunUntil([&] { return log; });
}

TEST_CASE("sim time: timers wait for the clock, RunUntil moves it, the wall clock may jump") {
  SimEnv env(1);
  std::vector<int> order;
  env.RunAfter(20, [&] { order.push_back(20); });
  env.RunAfter(10, [&] { order.push_back(10); });
  const Env::TimerId cancelled = env.RunAfter(5, [&] { order.push_back(5); });
  CHECK(env.RunUntilIdle() == 0);
  env.CancelTimer(cancelled);
  env.AdvanceMs(10);
  CHECK(env.RunUntilIdle() == 1);
  const uint64_t before_us = env.MonotonicUs();
  const int64_t before_wall = env.WallMs();
  env.RunUntil([&] { return order.size() == 2; });
  CHECK(order == std::vector<int>{10, 20});
  CHECK(env.MonotonicUs() == before_us + 10'000);
  CHECK(env.WallMs() == before_wall + 10);
  env.SetWallMs(1000);
  CHECK(env.WallMs() == 1000);
  env.AdvanceMs(1);
  CHECK(env.WallMs() == 1001);
  CHECK(env.MonotonicUs() == before_us + 11'000);
  env.set_tick_us(3);
  const uint64_t looked = env.MonotonicUs();
  CHECK(env.MonotonicUs() == looked + 3);
}

TEST_CASE("sim env: the same seed tells the same history, another seed another") {
  const auto history = [](uint64_t seed) {
    SimEnv env(seed);
    std::string told;
    env.TraceTo([&](const std::string& line) { told += line + "\n"; });
    std::unique_ptr<File> file = OpenDurable(env, "f", "");
    for (int i = 0; i < 10; ++i) {
      const std::string text = std::to_string(env.RandomU64()) + "\n";
      env.Schedule(
          Lane::kLog,
          [&env, &file, text] {
            if (file->WriteAt(*file->Size(), text).ok() && env.operations() % 3 == 0)
              (void)file->Sync();
          },
          [] {});
      env.Schedule(
          Lane::kRead, [&env] { (void)ReadWholeFile(env, "f"); }, [] {});
    }
    env.RunUntilIdle();
    env.Restart(kRandomPages);
    return told + env.Contents("f");
  };
  CHECK(history(7) == history(7));
  CHECK(history(7) != history(8));
}

TEST_CASE("sim env: TryReadAt is pending as often as it is told") {
  SimEnv env(1);
  env.SetContents("f", "x");
  const std::unique_ptr<File> file = Open(env, "f", OpenMode::kRead);
  const auto pending = [&] {
    int count = 0;
    char byte;
    for (int i = 0; i < 1000; ++i) count += file->TryReadAt(0, 1, &byte).status().is_pending();
    return count;
  };
  CHECK(pending() > 150);
  CHECK(pending() < 350);
  env.set_pending_percent(0);
  CHECK(pending() == 0);
  env.set_pending_percent(100);
  CHECK(pending() == 1000);
}

TEST_CASE("sim env: a flipped bit is read, survives, and flips back") {
  SimEnv env(1);
  env.SetContents("f", "abc");
  env.FlipBit("f", 1, 0);
  CHECK(*ReadWholeFile(env, "f") == "acc");
  env.Restart(kDropUnsynced);
  CHECK(env.Contents("f") == "acc");
  env.FlipBit("f", 1, 0);
  CHECK(env.Contents("f") == "abc");
}

}  // namespace varve
