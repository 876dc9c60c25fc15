// tests/unit/env/posix_env_test.cc: the real world keeps the promises of env.h.
#include "env/posix_env.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>
#include <cstdlib>
#include <set>

#include "base/log.h"
#include "tests/support/posix_world.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

using World = PosixWorld;

bool Contains(Slice text, Slice part) { return text.find(part) != Slice::npos; }

}  // namespace

TEST_CASE("posix file: what was written is read back, short only at the end of the file") {
  World world;
  const std::unique_ptr<File> file = world.Create("f");
  const Slice pieces[] = {"one", "", "two", "three"};
  REQUIRE(file->WriteAt(0, pieces).ok());
  REQUIRE(file->WriteAt(3, Slice("TWO")).ok());
  REQUIRE(file->Sync().ok());
  CHECK(*file->Size() == 11);

  char bytes[32] = {};
  CHECK(*file->ReadAt(0, 11, bytes) == 11);
  CHECK(Slice(bytes, 11) == "oneTWOthree");
  CHECK(*file->ReadAt(6, 32, bytes) == 5);
  CHECK(*file->ReadAt(11, 32, bytes) == 0);
  CHECK(*file->ReadAt(1000, 32, bytes) == 0);

  REQUIRE(file->Truncate(3).ok());
  CHECK(*file->ReadAt(0, 32, bytes) == 3);
}

TEST_CASE("posix file: more slices than one system call takes are written in order") {
  World world;
  const std::unique_ptr<File> file = world.Create("f");
  std::vector<std::string> texts;
  std::string whole;
  for (int i = 0; i < 3000; ++i) {
    texts.push_back(std::string(static_cast<size_t>(i % 7), static_cast<char>('a' + i % 26)));
    whole += texts.back();
  }
  const std::vector<Slice> slices(texts.begin(), texts.end());
  REQUIRE(file->WriteAt(5, slices).ok());
  CHECK(*ReadWholeFile(world.env(), world.Path("f")) == std::string(5, '\0') + whole);
}

TEST_CASE("posix file: a write that the system cuts short goes on, and its error names the file") {
  World world;
  // In a child, since the limit and the ignored signal belong to the process. It uses only file
  // calls.
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{10'000, 10'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    Result<std::unique_ptr<File>> file = world.env().Open(world.Path("f"), OpenMode::kCreate);
    const std::string text(6000, 'x');
    const Slice pieces[] = {text, text};
    const Status status = (*file)->WriteAt(0, pieces);
    const bool right = status.code() == StatusCode::kIoError &&
                       Contains(status.message(), world.Path("f") + ": write: ") &&
                       *(*file)->Size() == 10'000;
    _exit(right ? 0 : 1);
  }
  int result = -1;
  REQUIRE(waitpid(child, &result, 0) == child);
  CHECK(result == 0);
}

TEST_CASE("posix file: TryReadAt reads what is cached, and else says pending") {
  World world;
  const std::unique_ptr<File> file = world.Create("f");
  const std::string text(100'000, 'x');
  REQUIRE(file->WriteAt(0, Slice(text)).ok());
  std::string bytes(text.size(), '\0');
  const Result<size_t> read = file->TryReadAt(0, bytes.size(), bytes.data());
  // Some file systems cannot; then it is pending for ever, never wrong.
  if (!read.ok()) {
    CHECK(read.status().is_pending());
    CHECK(file->TryReadAt(0, 1, bytes.data()).status().is_pending());
    return;
  }
  CHECK(*read == text.size());
  CHECK(bytes == text);
  CHECK(*file->TryReadAt(99'999, 100, bytes.data()) == 1);
  CHECK(*file->TryReadAt(100'000, 100, bytes.data()) == 0);
  CHECK(*file->TryReadAt(0, 0, bytes.data()) == 0);

  // With only the beginning in the cache, nothing short may come back as if the file ended there.
  const std::string large(size_t{4} << 20, 'y');
  REQUIRE(file->WriteAt(0, Slice(large)).ok());
  REQUIRE(file->Sync().ok());
  const int descriptor = open(world.Path("f").c_str(), O_RDONLY);
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);
  bytes.resize(large.size());
  CHECK(pread(descriptor, bytes.data(), 65'536, 0) == 65'536);
  close(descriptor);
  const Result<size_t> again = file->TryReadAt(0, bytes.size(), bytes.data());
  CHECK((again.ok() ? *again == bytes.size() : again.status().is_pending()));
  CHECK(*file->ReadAt(0, bytes.size(), bytes.data()) == bytes.size());
  CHECK(bytes == large);
}

TEST_CASE("posix file: Preallocate leaves exactly that many zeros") {
  World world;
  const std::unique_ptr<File> file = world.Create("f");
  for (const uint64_t size : {3'000'001, 4096, 0}) {
    CAPTURE(size);
    REQUIRE(file->WriteAt(100, Slice("old")).ok());
    REQUIRE(file->Preallocate(size).ok());
    CHECK(*ReadWholeFile(world.env(), world.Path("f")) == std::string(size, '\0'));
    struct stat about {};
    REQUIRE(stat(world.Path("f").c_str(), &about) == 0);
    CHECK(static_cast<uint64_t>(about.st_blocks) * 512 >= size);
  }
}

TEST_CASE("posix env: open modes differ in what must exist, and errors name the path") {
  World world;
  Env& env = world.env();
  const std::string path = world.Path("f");
  CHECK(env.Open(path, OpenMode::kRead).status().is_not_found());
  CHECK(env.Open(path, OpenMode::kReuse).status().is_not_found());
  CHECK(Contains(env.Open(path, OpenMode::kRead).status().message(), path));
  world.Create("f");
  const Status again = env.Open(path, OpenMode::kCreate).status();
  CHECK(again.code() == StatusCode::kIoError);
  CHECK(Contains(again.message(), path));
  CHECK(env.Open(world.Path("none/f"), OpenMode::kCreate).status().code() == StatusCode::kIoError);

  {
    Result<std::unique_ptr<File>> reused = env.Open(path, OpenMode::kReuse);
    REQUIRE((*reused)->WriteAt(0, Slice("kept")).ok());
  }
  Result<std::unique_ptr<File>> file = env.Open(path, OpenMode::kRead);
  char bytes[8];
  CHECK(*(*file)->ReadAt(0, sizeof(bytes), bytes) == 4);
  const Status refused = (*file)->WriteAt(0, Slice("no"));
  CHECK(refused.code() == StatusCode::kIoError);
  CHECK(Contains(refused.message(), path));
}

TEST_CASE("posix env: directories list, rename, remove and sync") {
  World world;
  Env& env = world.env();
  CHECK(env.CreateDirectory(world.directory()).ok());
  world.Create("b");
  world.Create("a");
  CHECK(*env.List(world.directory()) == std::vector<std::string>{"a", "b"});
  CHECK(env.Rename(world.Path("b"), world.Path("c")).ok());
  CHECK(env.Rename(world.Path("b"), world.Path("d")).code() == StatusCode::kIoError);
  CHECK(env.CreateDirectory(world.Path("a")).code() == StatusCode::kIoError);
  CHECK(env.Exists(world.Path("c")));
  CHECK_FALSE(env.Exists(world.Path("b")));
  CHECK(env.Remove(world.Path("a")).ok());
  CHECK(env.Remove(world.Path("a")).is_not_found());
  CHECK(env.SyncDirectory(world.directory()).ok());
  CHECK(env.SyncDirectory(world.Path("none")).code() == StatusCode::kIoError);
  CHECK(env.List(world.Path("none")).status().is_not_found());
}

TEST_CASE("posix env: a directory is locked once, also for its own process, and says by whom") {
  World world;
  const std::string path = world.Path("LOCK");
  Result<std::unique_ptr<DirectoryLock>> lock = world.env().LockFile(path);
  REQUIRE(lock.ok());
  const Status second = world.env().LockFile(path).status();
  CHECK(second.code() == StatusCode::kLocked);
  CHECK(second.message() == path + ": locked by process " + std::to_string(getpid()));
  // Opening and closing the file by other means does not drop the lock.
  CHECK(*ReadWholeFile(world.env(), path) == std::to_string(getpid()) + "\n");
  CHECK(world.env().LockFile(path).status().code() == StatusCode::kLocked);
  lock->reset();
  CHECK(world.env().LockFile(path).ok());
  CHECK(world.env().LockFile(world.Path("none/LOCK")).status().code() == StatusCode::kIoError);
}

TEST_CASE("posix env: clocks run and seeds differ") {
  World world;
  const uint64_t before = world.env().MonotonicUs();
  CHECK(world.env().MonotonicUs() >= before);
  CHECK(world.env().WallMs() > 1'700'000'000'000);
  CHECK(world.env().RandomU64() != world.env().RandomU64());
}

// Both ways of reading; io_uring is left out where the system does not have it.
void ForEachWayToRead(const std::function<void(World&)>& test) {
  for (const bool io_uring : {false, true}) {
    PosixEnvOptions options;
    options.io_uring = io_uring;
    World world(options);
    if (world.env().has_io_uring() != io_uring) {
      MESSAGE("no io_uring here");
      continue;
    }
    CAPTURE(io_uring);
    test(world);
  }
}

TEST_CASE("posix reads: what is there comes, short only at the end of the file") {
  ForEachWayToRead([](World& world) {
    const std::unique_ptr<File> file = world.Create("f");
    std::string contents;
    for (int i = 0; contents.size() < 300'000; ++i) contents += std::to_string(i) + " ";
    REQUIRE(file->WriteAt(0, contents).ok());

    struct Read {
      uint64_t offset;
      size_t size;
      std::string bytes = {};
      bool worked = false;
      bool done = false;
    };
    const uint64_t end = contents.size();
    std::vector<Read> reads = {{0, 1},       {0, 0},          {5, 20'000},
                               {1, 250'000}, {end - 10, 100}, {end, 1}};
    // More than are before the disk at a time.
    for (uint64_t i = 0; i < 1000; ++i) reads.push_back({i * 97, 1 + i * 11});
    for (Read& read : reads) {
      world.env().ScheduleRead(
          *file, read.offset, read.size,
          [&read](const Result<Slice>& bytes) {
            REQUIRE(bytes.ok());
            read.bytes = *bytes;
            read.worked = true;
          },
          [&read] {
            CHECK(read.worked);
            read.done = true;
          });
      CHECK_FALSE(read.done);
    }
    CHECK(world.env().pending_jobs() == reads.size());
    world.RunAll();
    for (const Read& read : reads) {
      CHECK(read.done);
      CHECK(read.bytes == contents.substr(read.offset, read.size));
    }
  });
}

TEST_CASE("posix reads: an error names the file") {
  ForEachWayToRead([](World& world) {
    const Result<std::unique_ptr<File>> directory =
        world.env().Open(world.directory(), OpenMode::kRead);
    REQUIRE(directory.ok());
    Status status;
    world.env().ScheduleRead(
        **directory, 0, 10, [&](const Result<Slice>& bytes) { status = bytes.status(); }, [] {});
    world.RunAll();
    CHECK(status.code() == StatusCode::kIoError);
    CHECK(status.message().find(world.directory() + ": read") != Slice::npos);
  });
}

TEST_CASE("posix reads: they begin wherever in a turn they were asked for, without another event") {
  ForEachWayToRead([](World& world) {
    const std::unique_ptr<File> file = world.Create("f");
    REQUIRE(file->WriteAt(0, "contents").ok());
    std::atomic<int> read = 0;  // written by whoever reads
    const auto ask = [&](std::function<void()> then) {
      world.env().ScheduleRead(
          *file, 0, 8,
          [&](const Result<Slice>& bytes) { read += bytes.ok() && *bytes == "contents"; },
          std::move(then));
    };
    // From outside, a read's end, a job's end, a post and a timer; and right before the loop sleeps, twice, since
    // one of the two handles comes after whatever the Env has there.
    ask([&] { ask([] {}); });
    world.env().Schedule(
        Lane::kSync, [] {}, [&] { ask([] {}); });
    world.env().Post([&] { ask([] {}); });
    world.env().RunAfter(5, [&] { ask([] {}); });
    struct BeforeSleep {
      uv_prepare_t handle{};
      std::function<void()> ask;
    } before[2];
    for (int i = 0; i < 2; ++i) {
      before[i].ask = [&, i] {
        uv_prepare_stop(&before[i].handle);
        ask([] {});
      };
      before[i].handle.data = &before[i];
      REQUIRE(uv_prepare_init(world.loop(), &before[i].handle) == 0);
    }
    const auto start = [&](int i) {
      uv_prepare_start(&before[i].handle, [](uv_prepare_t* handle) {
        static_cast<BeforeSleep*>(handle->data)->ask();
      });
    };
    start(0);
    world.env().RunAfter(20, [&] { start(1); });
    world.env().RunUntil([&] { return read == 7; });
    for (BeforeSleep& b : before) uv_close(reinterpret_cast<uv_handle_t*>(&b.handle), nullptr);
    uv_run(world.loop(), UV_RUN_NOWAIT);
  });
}

TEST_CASE("posix reads: closing runs those that are out") {
  ForEachWayToRead([](World& world) {
    const std::unique_ptr<File> file = world.Create("f");
    REQUIRE(file->WriteAt(0, std::string(100'000, 'x')).ok());
    int done = 0;
    for (int i = 0; i < 300; ++i) {
      world.env().ScheduleRead(
          *file, 0, 50'000, [](const Result<Slice>& bytes) { CHECK(bytes->size() == 50'000); },
          [&done] { ++done; });
    }
    world.Close();
    CHECK(done == 300);
  });
}

TEST_CASE("posix loop: a post that posts again lets other events have their turn") {
  World world;
  // Counts the turns of the loop: it is called once in each, right before the loop looks for I/O.
  struct Turns {
    uv_prepare_t handle;
    int count = 0;
  } turns;
  uv_prepare_init(world.loop(), &turns.handle);
  uv_prepare_start(&turns.handle,
                   [](uv_prepare_t* handle) { ++reinterpret_cast<Turns*>(handle)->count; });

  std::set<int> turns_seen;
  int posts = 0;
  bool job_done = false;
  bool fired = false;
  std::function<void()> again = [&] {
    ++posts;
    turns_seen.insert(turns.count);
    if (posts < 5 || !job_done || !fired) world.env().Post(again);
  };
  world.env().Post(again);
  CHECK(posts == 0);
  world.env().RunAfter(1, [&] { fired = true; });
  world.env().Schedule(
      Lane::kSync, [] {}, [&] { job_done = true; });
  world.RunAll();
  CHECK(job_done);
  CHECK(fired);
  CHECK(turns_seen.size() == static_cast<size_t>(posts));
  uv_close(reinterpret_cast<uv_handle_t*>(&turns.handle), nullptr);
  uv_run(world.loop(), UV_RUN_NOWAIT);
}

TEST_CASE("posix loop: posts run in order, and cost the loop no sleep") {
  World world;
  std::vector<int> order;
  world.env().Post([&] {
    order.push_back(1);
    world.env().Post([&] { order.push_back(3); });
  });
  world.env().Post([&] { order.push_back(2); });
  CHECK(world.env().pending_jobs() == 2);
  world.RunAll();
  CHECK(order == std::vector<int>{1, 2, 3});
  CHECK(world.env().pending_jobs() == 0);
}

TEST_CASE("posix loop: jobs and posts keep a loop alive, timers do not") {
  World world;
  bool post = false;
  bool job = false;
  bool timer = false;
  world.env().RunAfter(3'600'000, [&] { timer = true; });
  CHECK(uv_loop_alive(world.loop()) == 0);
  world.env().Post([&] { post = true; });
  world.env().Schedule(
      Lane::kRead, [] {}, [&] { job = true; });
  CHECK(uv_run(world.loop(), UV_RUN_DEFAULT) == 0);
  CHECK(post);
  CHECK(job);
  CHECK_FALSE(timer);
}

TEST_CASE("posix timers: they run once, in the order they are due, never early, unless cancelled") {
  World world;
  Env& env = world.env();
  std::vector<int> order;
  usleep(30'000);  // The loop's own clock is this much behind now; a delay must not suffer.
  const uint64_t start = env.MonotonicUs();
  uint64_t elapsed = 0;
  env.RunAfter(20, [&] {
    order.push_back(20);
    elapsed = env.MonotonicUs() - start;
  });
  const Env::TimerId cancelled = env.RunAfter(1, [&] { order.push_back(1); });
  env.RunAfter(5, [&] {
    order.push_back(5);
    env.CancelTimer(cancelled);  // long gone or never run: either way harmless
    env.RunAfter(0, [&] { order.push_back(6); });
  });
  const Env::TimerId late = env.RunAfter(10, [&] { order.push_back(10); });
  CHECK(late != 0);
  env.CancelTimer(cancelled);
  env.RunAfter(6, [&] { env.CancelTimer(late); });
  env.RunUntil([&] { return order.size() == 3; });
  // On a machine that stalled, 20 was due in the same round as 5, and 6 had to wait for the next.
  CHECK(order.front() == 5);
  CHECK(std::set<int>(order.begin(), order.end()) == std::set<int>{5, 6, 20});
  CHECK(elapsed >= 19'000);  // the loop's clock counts whole milliseconds
}

TEST_CASE("posix timers: RunUntil wakes for what a timer alone brings about") {
  World world;
  bool fired = false;
  world.env().RunAfter(1, [&] { fired = true; });
  world.env().RunUntil([&] { return fired; });
  CHECK(fired);
  // One that is due already runs before the loop looks for I/O, of which there is none to come.
  fired = false;
  world.env().RunAfter(0, [&] { fired = true; });
  world.env().RunUntil([&] { return fired; });
  CHECK(fired);
  fired = false;
  world.env().RunAfter(UINT64_MAX, [&] { fired = true; });
  world.env().Post([] {});
  world.RunAll();
  CHECK_FALSE(fired);
}

TEST_CASE("posix env: a link is a second name of one file, and stays when the first one goes") {
  World world;
  Env& env = world.env();
  REQUIRE(world.Create("f")->WriteAt(0, Slice("bytes")).ok());
  REQUIRE(env.Link(world.Path("f"), world.Path("g")).ok());
  struct stat first {
  }, second{};
  REQUIRE(stat(world.Path("f").c_str(), &first) == 0);
  REQUIRE(stat(world.Path("g").c_str(), &second) == 0);
  CHECK(first.st_ino == second.st_ino);
  CHECK(second.st_nlink == 2);
  const Status there = env.Link(world.Path("f"), world.Path("g"));
  CHECK(there.code() == StatusCode::kIoError);
  CHECK(Contains(there.message(), world.Path("f") + ": link to " + world.Path("g") + ": "));
  REQUIRE(env.Remove(world.Path("f")).ok());
  CHECK(*ReadWholeFile(env, world.Path("g")) == "bytes");
  CHECK(env.Link(world.Path("f"), world.Path("h")).code() == StatusCode::kIoError);
  // On another file system.
  CHECK(env.Link("/proc/self/status", world.Path("h")).code() == StatusCode::kNotSupported);
  CHECK_FALSE(env.Exists(world.Path("h")));
}

TEST_CASE("posix env: an empty directory is removed, or replaced by a rename, and no other") {
  World world;
  Env& env = world.env();
  REQUIRE(env.CreateDirectory(world.Path("d")).ok());
  REQUIRE(env.CreateDirectory(world.Path("e")).ok());
  (void)world.Create("d/f");
  CHECK(env.RemoveDirectory(world.Path("d")).code() == StatusCode::kIoError);
  CHECK(env.Rename(world.Path("e"), world.Path("d")).code() == StatusCode::kIoError);
  CHECK(env.Rename(world.Path("d"), world.Path("e")).ok());
  CHECK(*env.List(world.Path("e")) == std::vector<std::string>{"f"});
  CHECK_FALSE(env.Exists(world.Path("d")));
  CHECK(env.RemoveDirectory(world.Path("e/f")).code() == StatusCode::kIoError);
  REQUIRE(env.Remove(world.Path("e/f")).ok());
  CHECK(env.RemoveDirectory(world.Path("e")).ok());
  CHECK(env.RemoveDirectory(world.Path("e")).code() == StatusCode::kIoError);
}

TEST_CASE("log: levels are kept, a message is one line, sizes read well") {
  World world;
  const std::string path = world.Path("log");
  const LogLevel before = GetLogLevel();
  REQUIRE(SetLogFile(path).ok());
  SetLogLevel(LogLevel::kVerbose);
  Log(LogLevel::kDebug, "unseen");
  Log(LogLevel::kWarning, "client said %s", "a\nb\x7f");
  Log(LogLevel::kNotice, "%s", std::string(20'000, 'x').c_str());
  // Another file takes over; the first is left as it is.
  REQUIRE(SetLogFile(world.Path("log2")).ok());
  Log(LogLevel::kNotice, "second");
  REQUIRE(SetLogFile("").ok());
  CHECK_FALSE(SetLogFile(world.Path("none/log")).ok());
  SetLogLevel(before);

  const std::string text = *ReadWholeFile(world.env(), path);
  CHECK_FALSE(Contains(text, "unseen"));
  const Slice first = Slice(text).substr(0, text.find('\n'));
  CHECK(first.size() == 13 + Slice("# client said a b ").size());
  CHECK(Contains(first, " # client said a b "));
  const Slice second = Slice(text).substr(first.size() + 1);
  CHECK(second.find('\n') == second.size() - 1);
  CHECK(second.size() <= 8192);
  CHECK(Contains(*ReadWholeFile(world.env(), world.Path("log2")), " * second\n"));

  struct Case {
    uint64_t bytes;
    Slice want;
  };
  for (const Case& c :
       {Case{0, "0 B"}, Case{1023, "1023 B"}, Case{1024, "1.0 KiB"}, Case{1'048'575, "1.0 MiB"},
        Case{3'435'973'837, "3.2 GiB"}, Case{UINT64_MAX, "16.0 EiB"}}) {
    CAPTURE(c.bytes);
    CHECK(FormatBytes(c.bytes) == c.want);
  }
}

}  // namespace varve
