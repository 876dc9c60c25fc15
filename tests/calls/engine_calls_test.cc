// tests/calls/engine_calls_test.cc: an engine on a real disk, and the Nth system call of each kind fails.
//
// The history is fixed, and goes through everything that touches the disk: opening, log segments and their recycling,
// flushes, compactions, value files, cold reads, a checkpoint, syncs under each durability, closing. Threads run it, so
// that the Nth call of a kind is not the same in each run; it is always one of those. Where the call is hit does not
// matter to what must hold:
//
//   during   a read brings what was written, or an error with a path; writes are taken again, by themselves
//   after    what was reported is there when it is opened again, and nothing else; check.h finds nothing; no
//            descriptor is left open, none was closed twice, no file synced again after a sync of it failed
//
// What was just written is in the page cache, so that few reads would get to wait for the disk. In a world without one
// (Reading) all do.
//
// The engine's retries come after a second or more. Here time passes kHaste times as fast for timers.
//
// The quick tests take a few calls of each kind, the slow ones all. The database is in memory if there is a file system
// there: on a disk each history waits for some 200 syncs. TMPDIR puts it elsewhere.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "engine/check/check.h"
#include "engine/engine.h"
#include "tests/calls/failing_calls.h"
#include "tests/sim/engine_history.h"
#include "tests/sim/tiny_options.h"
#include "tests/support/posix_world.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr uint64_t kHaste = 100;
constexpr uint64_t kPatienceMs = 20'000;  // of real time; then something has been forgotten
constexpr size_t kQuickTriesPerFault = 5;

std::string Place() {
  if (const char* place = std::getenv("TMPDIR")) return place;
  return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

// Where reads find their bytes, or who waits for them.
enum class Reading { kPageCache, kRing, kThreads };

// The real world, but for its timers.
class HastyEnv final : public Env {
 public:
  explicit HastyEnv(Env& env) : env_(env) {}

  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    return env_.Open(path, mode);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return env_.Rename(from, to);
  }
  Status Link(const std::string& from, const std::string& to) override {
    return env_.Link(from, to);
  }
  Status Remove(const std::string& path) override { return env_.Remove(path); }
  Status CreateDirectory(const std::string& path) override { return env_.CreateDirectory(path); }
  Status RemoveDirectory(const std::string& path) override { return env_.RemoveDirectory(path); }
  Status SyncDirectory(const std::string& path) override { return env_.SyncDirectory(path); }
  Result<std::vector<std::string>> List(const std::string& path) override {
    return env_.List(path);
  }
  bool Exists(const std::string& path) override { return env_.Exists(path); }
  Result<DiskSpace> Space(const std::string& directory) override { return env_.Space(directory); }
  Result<std::unique_ptr<DirectoryLock>> LockFile(const std::string& path) override {
    return env_.LockFile(path);
  }
  uint64_t MonotonicUs() override { return env_.MonotonicUs(); }
  int64_t WallUs() override { return env_.WallUs(); }
  uint64_t RandomU64() override { return env_.RandomU64(); }
  void Schedule(Lane lane, Job work, Job done) override {
    env_.Schedule(lane, std::move(work), std::move(done));
  }
  void ScheduleRead(const File& file, uint64_t offset, size_t size, ReadWork work,
                    Job done) override {
    env_.ScheduleRead(file, offset, size, std::move(work), std::move(done));
  }
  bool has_io_uring() const override { return env_.has_io_uring(); }
  void Post(Job job) override { env_.Post(std::move(job)); }
  TimerId RunAfter(uint64_t delay_ms, Job job) override {
    return env_.RunAfter(delay_ms / kHaste, std::move(job));
  }
  void CancelTimer(TimerId id) override { env_.CancelTimer(id); }
  size_t pending_jobs() const override { return env_.pending_jobs(); }
  void RunUntil(const std::function<bool()>& finished) override { env_.RunUntil(finished); }

 private:
  Env& env_;
};

// One life of a database, and of another after it.
class CallHistory {
 public:
  explicit CallHistory(Reading reading)
      : world_(PosixEnvOptions{.workers = {}, .io_uring = reading != Reading::kThreads}, Place()),
        env_(world_.env()) {
    SetLogLevel(LogLevel::kNothing);  // what is wrong here is wrong on purpose
    MakeTiny(options_);
    options_.directory = world_.Path("db");
    options_.spare_segments_max = 2;
    options_.open_tables_max = 3;  // so that they are opened again and again
    calls.emplace(world_.directory());
    if (reading != Reading::kPageCache) calls->Fail(Call::kPreadv2, EAGAIN, 1, UINT32_MAX);
  }
  ~CallHistory() {
    engine_ = nullptr;
    calls.reset();
    SetLogLevel(log_level_);
  }

  // All of it, with whatever was told to fail.
  void Run() {
    Open();
    Writes(12);
    WriteLarge();
    SetDurability(Durability::kAlways);
    Writes(4);
    Reads();
    Await("a flush", [this](auto done) { engine_->Flush(done); });
    SetDurability(Durability::kEverySecond);
    Writes(12);
    Checkpoint();
    Reads();
    Await("a compaction", [this](auto done) { engine_->Compact({}, {}, done); });
    // What could not be closed in good order ends as if it had been killed.
    const bool closed = engine_->Close().ok();
    if (closed) promised_ = engine_->last_commit_group();
    engine_ = nullptr;
    Open();
    CheckRecovered();
    SetDurability(Durability::kNo);
    Writes(8);
    Await("a sync", [this](auto done) { engine_->Sync(done); });
    Reads();
  }

  // The faults are over.
  void EndAndCheck(bool close) {
    calls->Heal();
    if (close && engine_->Close().ok()) promised_ = engine_->last_commit_group();
    engine_ = nullptr;
    RequireSound();
    Open();
    CheckRecovered();
    Writes(2);
    REQUIRE(engine_->Close().ok());
    promised_ = engine_->last_commit_group();
    engine_ = nullptr;
    RequireSound();
    CHECK(calls->closed_twice() == 0);
    CHECK(calls->synced_again() == 0);
  }

  std::optional<FailingCalls> calls;

 private:
  using Done = std::function<void(Status)>;

  void Open() {
    Result<std::unique_ptr<Engine>> opened = Engine::Open(options_, env_);
    if (!opened.ok()) {
      CheckError(opened.status());
      opened = Engine::Open(options_, env_);
    }
    REQUIRE_MESSAGE(opened.ok(), opened.status().ToString());
    engine_ = std::move(*opened);
    engine_->OnReported([this] { promised_ = std::max(promised_, engine_->reported_group()); });
  }

  // What is there is a first part of the history, and no less than was promised. The rest is forgotten.
  void CheckRecovered() {
    const uint64_t last = engine_->reported_group();
    if (last < promised_) FAIL("found up to group " << last << ", but promised " << promised_);
    const HistoryState wanted = history_.StateAt(last);
    const Entries found = ScanAll();
    if (!wanted.Agrees(found, env_.WallMs())) FAIL(Differences(wanted, found));
    history_.Rebase(last);
    promised_ = last;
  }

  void RequireSound() {
    for (const char* name : {"db", "copy"}) {
      if (!env_.Exists(world_.Path(name))) continue;
      CheckReport report;
      const Status status = CheckDatabase(env_, world_.Path(name), &report);
      REQUIRE_MESSAGE(status.ok(), status.ToString());
      for (const CheckFinding& problem : report.problems()) FAIL_CHECK(problem.ToString());
      REQUIRE(report.sound());
    }
  }

  void CheckError(const Status& status) {
    CAPTURE(status.ToString());
    CHECK(calls->failed() > 0);
    CHECK(status.code() != StatusCode::kCorruption);
    CHECK(Slice(status.message()).find('/') != Slice::npos);
  }

  void SetDurability(Durability durability) { engine_->SetDurability(durability); }

  void Writes(int turns) {
    for (; turns > 0; --turns) {
      if (!engine_->writable().ok()) CheckError(engine_->writable());
      RunUntil("to be writable", [this] { return engine_->writable().ok(); });
      std::vector<Change> changes;
      for (int i = 0; i < 8; ++i) {
        const std::string key = KeyOf(random_.Uniform(60));
        if (random_.OneIn(4) && history_.now().entries.contains(key)) {
          changes.push_back(DeleteOf(key));
        } else {
          std::string value = std::to_string(++values_) + ":";
          value.append(random_.Uniform(280), static_cast<char>('a' + values_ % 26));
          changes.push_back(PutOf(key, std::move(value)));
        }
      }
      Commit(std::move(changes));
      const uint64_t group = engine_->last_commit_group();
      engine_->EndTurn();
      // Some turns are short, and leave their work to the next.
      if (turns % 3 == 0) continue;
      RunUntil("a report", [this, group] { return engine_->reported_group() >= group; });
    }
  }

  // Enough that background jobs send it on its way to the disk before they sync it.
  void WriteLarge() {
    RunUntil("to be writable", [this] { return engine_->writable().ok(); });
    std::string value(300 << 10, '\0');
    for (char& c : value) c = static_cast<char>(random_.Next());
    std::vector<Change> changes;
    changes.push_back(PutOf(KeyOf(0), std::move(value)));
    Commit(std::move(changes));
    const uint64_t group = engine_->last_commit_group();
    engine_->EndTurn();
    RunUntil("a report", [this, group] { return engine_->reported_group() >= group; });
  }

  void Commit(std::vector<Change> changes) {
    Batch batch;
    for (const Change& change : changes) {
      if (change.kind == EntryKind::kPut) {
        batch.Put(change.key, change.stored.tag, 0, *change.stored.value);
      } else {
        batch.Delete(change.key);
      }
    }
    history_.Add(engine_->Commit(batch), std::move(changes));
  }

  static std::string KeyOf(uint64_t n) { return "s00key" + std::to_string(n); }

  void Reads() {
    for (uint64_t n = 0; n < 60; n += 2) {
      const std::string key = KeyOf(n);
      ReadScope scope;
      Value value;
      Status status = engine_->Get(key, scope, &value);
      while (status.is_pending()) {
        AwaitRead(scope);
        status = engine_->Get(key, scope, &value);
      }
      const auto wanted = history_.now().entries.find(key);
      const bool exists = wanted != history_.now().entries.end();
      if (status.ok()) {
        CHECK(exists);
        if (exists) CHECK(value.bytes == *wanted->second.value);
      } else if (status.is_not_found()) {
        CHECK_FALSE(exists);
      } else {
        CheckError(status);
      }
    }
  }

  Entries ScanAll() {
    for (int tries = 0;; ++tries) {
      Entries all;
      const Status status = TryScan(&all);
      if (status.ok()) return all;
      CheckError(status);
      REQUIRE(tries < 10);
    }
  }

  Status TryScan(Entries* all) {
    ReadScope scope;
    for (;;) {
      all->clear();
      Status status;
      const std::unique_ptr<EntryIterator> it = engine_->Scan({}, {}, scope);
      for (it->SeekToFirst(); it->Valid() && status.ok(); it->Next()) {
        const Entry& e = it->entry();
        if (e.kind != EntryKind::kPut) continue;
        Value value;
        value.bytes = e.value;
        if (e.in_value_file) status = engine_->Get(e.key, scope, &value);
        (*all)[std::string(e.key)] = {e.tag, e.expire_at_ms,
                                      std::make_shared<const std::string>(value.bytes)};
      }
      if (status.ok()) status = it->status();
      if (!status.is_pending()) return status;
      AwaitRead(scope);
    }
  }

  void AwaitRead(ReadScope& scope) {
    bool ready = false;
    scope.WhenReady([&ready] { ready = true; });
    RunUntil("a read", [&ready] { return ready; });
  }

  // Asks until the answer is good: what failed once shall not fail for ever.
  void Await(const char* what, const std::function<void(Done)>& ask) {
    for (int tries = 0;; ++tries) {
      const auto outcome = std::make_shared<std::optional<Status>>();
      const uint64_t group = engine_->last_commit_group();
      ask([outcome](const Status& status) { *outcome = status; });
      engine_->EndTurn();
      RunUntil(what, [outcome] { return outcome->has_value(); });
      if ((*outcome)->ok()) {
        promised_ = std::max(promised_, group);
        return;
      }
      CheckError(**outcome);
      REQUIRE(tries < 10);
      RunUntil("to be writable", [this] { return engine_->writable().ok(); });
    }
  }

  void Checkpoint() {
    Await("a checkpoint", [this](Done done) {
      engine_->Checkpoint(world_.Path("copy"), [this, done](const Result<CheckpointInfo>& info) {
        // Its name could not be synced, but all of it is there.
        const bool there = env_.Exists(world_.Path("copy/CURRENT"));
        done(info.ok() || there ? Status::Ok() : info.status());
      });
    });
  }

  void RunUntil(const char* what, const std::function<bool()>& finished) {
    bool late = false;
    const Env::TimerId timer = world_.env().RunAfter(kPatienceMs, [&late] { late = true; });
    world_.env().RunUntil([&] { return late || finished(); });
    world_.env().CancelTimer(timer);
    if (late && !finished()) {
      FAIL("waited in vain for " << what << "; writable: " << engine_->writable().ToString()
                                 << ", last error: " << engine_->stats().last_error);
    }
  }

  const LogLevel log_level_ = GetLogLevel();
  PosixWorld world_;
  HastyEnv env_;
  Options options_;
  std::unique_ptr<Engine> engine_;
  History history_;
  uint64_t promised_ = 0;
  Random random_{7};
  int values_ = 0;
};

struct Fault {
  Call call;
  int error;
};

// Which call fails how. Others than these the engine does not make, or takes no notice of the difference.
std::vector<Fault> Faults(Reading reading) {
  if (reading == Reading::kThreads) return {{Call::kPread, EIO}, {Call::kPread, kHalf}};
  if (reading == Reading::kRing) {
    return {{Call::kRingRead, EIO},     {Call::kRingRead, EINTR},   {Call::kRingRead, EAGAIN},
            {Call::kRingRead, kHalf},   {Call::kRingSubmit, EINTR}, {Call::kRingSubmit, EBUSY},
            {Call::kRingSubmit, ENOMEM}};
  }
  std::vector<Fault> faults = {{Call::kOpen, EMFILE},   {Call::kPread, kHalf},
                               {Call::kPreadv2, kHalf}, {Call::kPreadv2, EAGAIN},
                               {Call::kPwritev, kHalf}, {Call::kFallocate, EOPNOTSUPP},
                               {Call::kLink, EXDEV}};
  for (size_t i = 0; i < kCalls; ++i) {
    for (const int error : {EIO, EINTR}) faults.push_back({static_cast<Call>(i), error});
  }
  for (const Call call :
       {Call::kOpen, Call::kPwritev, Call::kFallocate, Call::kFdatasync, Call::kFsync,
        Call::kRename, Call::kLink, Call::kMkdir, Call::kSyncFileRange}) {
    for (const int error : {ENOSPC, EDQUOT}) faults.push_back({call, error});
  }
  return faults;
}

// How often an undisturbed history makes each call.
std::map<Call, uint64_t> CountCalls(Reading reading) {
  CallHistory history(reading);
  history.Run();
  std::map<Call, uint64_t> counts;
  std::string text;
  for (size_t i = 0; i < kCalls; ++i) {
    const Call call = static_cast<Call>(i);
    counts[call] = history.calls->count(call);
    text += " " + std::to_string(counts[call]) + " " + NameOf(call) + ",";
  }
  history.EndAndCheck(true);
  MESSAGE("calls:" << text);
  return counts;
}

// Every call, or some `tries_max` of each kind for each error.
void FailEach(Reading reading, uint64_t tries_max) {
  std::map<Call, uint64_t> counts = CountCalls(reading);
  const size_t open_before = OpenDescriptors();
  uint64_t runs = 0;
  uint64_t met = 0;
  for (const Fault& fault : Faults(reading)) {
    const uint64_t calls = counts[fault.call];
    const uint64_t step = std::max<uint64_t>(1, calls / tries_max);
    // Not the same ones for each error.
    const uint64_t first = 1 + static_cast<uint64_t>(fault.error + 2) % step;
    for (uint64_t nth = first; nth <= calls; nth += step) {
      const std::string call = NameOf(fault.call);
      CAPTURE(call);
      CAPTURE(fault.error);
      CAPTURE(nth);
      {
        CallHistory history(reading);
        history.calls->Fail(fault.call, fault.error, nth);
        history.Run();
        met += history.calls->failed(fault.call);
        history.EndAndCheck(runs % 2 == 0);
      }
      CHECK(OpenDescriptors() == open_before);
      ++runs;
    }
  }
  MESSAGE(runs << " runs, in " << met << " of them the call came");
  // Not all that one run makes come in another: threads take turns as they please.
  CHECK(met >= runs / 2);
}

TEST_CASE("engine calls: some calls of each kind fail, and nothing reported is lost") {
  FailEach(Reading::kPageCache, kQuickTriesPerFault);
}

TEST_CASE("engine calls: some reads from the disk fail, and nothing reported is lost") {
  FailEach(Reading::kRing, kQuickTriesPerFault);
  FailEach(Reading::kThreads, kQuickTriesPerFault);
}

TEST_CASE("engine calls: every call may fail, and nothing reported is lost (slow)") {
  FailEach(Reading::kPageCache, UINT64_MAX);
}

TEST_CASE("engine calls: every read from the disk may fail, and nothing reported is lost (slow)") {
  FailEach(Reading::kRing, UINT64_MAX);
  FailEach(Reading::kThreads, UINT64_MAX);
}

}  // namespace
}  // namespace varve
