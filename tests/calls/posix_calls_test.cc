// tests/calls/posix_calls_test.cc: each system call of the real world fails in each way, and Env says what env.h promises.
#include <fcntl.h>
#include <uv.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "env/env.h"
#include "tests/calls/failing_calls.h"
#include "tests/support/posix_world.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr char kContents[] = "Nine thousand bytes are read in pieces. ";
constexpr size_t kSize = 9000;

// A directory with a file `f` of kSize bytes, and FailingCalls on it.
struct Place {
  explicit Place(const PosixEnvOptions& options = {}) : world(options), calls(world.directory()) {
    while (contents.size() < kSize) contents += kContents;
    contents.resize(kSize);
    file = world.Create("f");
    REQUIRE(file->WriteAt(0, contents).ok());
  }
  Env& env() { return world.env(); }
  std::string Path(const std::string& name) const { return world.Path(name); }
  std::string Contents() { return *ReadWholeFile(env(), Path("f")); }

  PosixWorld world;
  FailingCalls calls;
  std::string contents;
  std::unique_ptr<File> file;
};

// One operation and one system call that it makes. It is done in a fresh Place, and what it opens it closes.
struct Operation {
  std::string name;  // doctest prints no char* but its address
  Call call;
  std::function<Status(Place&)> run;
};

Status ReadAll(Place& p, bool may_wait) {
  std::string bytes(kSize, '\0');
  const Result<size_t> read =
      may_wait ? p.file->ReadAt(0, kSize, bytes.data()) : p.file->TryReadAt(0, kSize, bytes.data());
  if (!read.ok()) return read.status();
  CHECK(*read == kSize);
  CHECK(bytes == p.contents);
  return Status::Ok();
}

Status ScheduleReadAll(Place& p) {
  Status status = Status::Pending();
  p.env().ScheduleRead(
      *p.file, 0, kSize,
      [&](const Result<Slice>& bytes) {
        status = bytes.status();
        if (bytes.ok()) CHECK(*bytes == p.contents);
      },
      [] {});
  p.world.RunAll();
  return status;
}

Status WriteMany(Place& p) {
  std::vector<Slice> slices;
  const Slice text(p.contents);
  for (size_t at = 0; at < kSize; at += 7) slices.push_back(text.substr(at, 7));
  RETURN_IF_ERROR(p.file->WriteAt(0, slices));
  CHECK(p.Contents() == p.contents);
  return Status::Ok();
}

Status OpenAs(Place& p, const std::string& name, OpenMode mode) {
  return p.env().Open(p.Path(name), mode).status();
}

const std::vector<Operation>& Operations() {
  // clang-format off
  static const std::vector<Operation> all = {
      {"open to read",       Call::kOpen,      [](Place& p) { return OpenAs(p, "f", OpenMode::kRead); }},
      {"open to reuse",      Call::kOpen,      [](Place& p) { return OpenAs(p, "f", OpenMode::kReuse); }},
      {"create",             Call::kOpen,      [](Place& p) { return OpenAs(p, "g", OpenMode::kCreate); }},
      {"read",               Call::kPread,     [](Place& p) { return ReadAll(p, true); }},
      {"try to read",        Call::kPreadv2,   [](Place& p) { return ReadAll(p, false); }},
      {"write",              Call::kPwritev,   WriteMany},
      {"sync",               Call::kFdatasync, [](Place& p) { return p.file->Sync(); }},
      {"preallocate",        Call::kFallocate, [](Place& p) { return p.file->Preallocate(300'000); }},
      {"preallocate: zeros", Call::kPwritev,   [](Place& p) { return p.file->Preallocate(300'000); }},
      {"preallocate: cut",   Call::kFtruncate, [](Place& p) { return p.file->Preallocate(5000); }},
      {"allocate",           Call::kFallocate, [](Place& p) { return p.file->Allocate(300'000); }},
      {"allocate: cut",      Call::kFtruncate, [](Place& p) { return p.file->Allocate(5000); }},
      {"truncate",           Call::kFtruncate, [](Place& p) { return p.file->Truncate(10); }},
      {"size",               Call::kFstat,     [](Place& p) { return p.file->Size().status(); }},
      {"rename",             Call::kRename,    [](Place& p) { return p.env().Rename(p.Path("f"), p.Path("g")); }},
      {"link",               Call::kLink,      [](Place& p) { return p.env().Link(p.Path("f"), p.Path("g")); }},
      {"remove",             Call::kUnlink,    [](Place& p) { return p.env().Remove(p.Path("f")); }},
      {"create directory",   Call::kMkdir,     [](Place& p) { return p.env().CreateDirectory(p.Path("d")); }},
      {"sync directory",     Call::kFsync,     [](Place& p) { return p.env().SyncDirectory(p.world.directory()); }},
      {"... its opening",    Call::kOpen,      [](Place& p) { return p.env().SyncDirectory(p.world.directory()); }},
      {"list",               Call::kOpendir,   [](Place& p) { return p.env().List(p.world.directory()).status(); }},
      {"list: an entry",     Call::kReaddir,   [](Place& p) { return p.env().List(p.world.directory()).status(); }},
      {"space",              Call::kStatvfs,   [](Place& p) { return p.env().Space(p.world.directory()).status(); }},
      {"lock: opening",      Call::kOpen,      [](Place& p) { return p.env().LockFile(p.Path("LOCK")).status(); }},
      {"lock",               Call::kFlock,     [](Place& p) { return p.env().LockFile(p.Path("LOCK")).status(); }},
      {"remove directory",   Call::kRmdir,     [](Place& p) {
         RETURN_IF_ERROR(p.env().CreateDirectory(p.Path("d")));
         return p.env().RemoveDirectory(p.Path("d"));
       }},
  };
  // clang-format on
  return all;
}

// The words of the system for an errno, in a message that begins with a path of the place.
void CheckNames(const Place& place, const Status& status, int error) {
  const std::string message(status.message());
  CAPTURE(message);
  CHECK(message.starts_with(place.world.directory()));
  CHECK(message.ends_with(": " + std::generic_category().message(error)));
}

TEST_CASE("posix calls: one that fails is told with its path and reason, and is not made again") {
  for (const Operation& operation : Operations()) {
    for (const int error : {EIO, ENOSPC, EDQUOT, ENOMEM, EMFILE, EROFS, EACCES}) {
      CAPTURE(operation.name);
      CAPTURE(error);
      Place place;
      const size_t open = OpenDescriptors();
      const uint64_t before = place.calls.count(operation.call);
      place.calls.Fail(operation.call, error);
      const Status status = operation.run(place);
      CHECK(place.calls.failed() == 1);
      CHECK(place.calls.count(operation.call) - before <=
            (operation.call == Call::kFtruncate ? 2 : 1));
      const bool full = error == ENOSPC || error == EDQUOT;
      CHECK(status.code() == (full ? StatusCode::kNoSpace : StatusCode::kIoError));
      CheckNames(place, status, error);
      CHECK(OpenDescriptors() == open);
      CHECK(place.calls.synced_again() == 0);
      CHECK(place.calls.closed_twice() == 0);
    }
  }
}

TEST_CASE("posix calls: the third of several that one operation makes may fail as well") {
  for (const Call call : {Call::kPread, Call::kPwritev}) {
    CAPTURE(NameOf(call));
    Place place;
    place.calls.Fail(call, kHalf, 1, 2);
    place.calls.Fail(call, ENOSPC, 3);
    const Status status = call == Call::kPread ? ReadAll(place, true) : WriteMany(place);
    CHECK(place.calls.failed() == 3);
    CHECK(status.code() == StatusCode::kNoSpace);
    CheckNames(place, status, ENOSPC);
  }
}

TEST_CASE("posix calls: what a signal interrupts is done again, as often as it takes") {
  for (const Operation& operation : Operations()) {
    if (operation.call == Call::kFstat || operation.call == Call::kReaddir) continue;  // cannot be
    CAPTURE(operation.name);
    Place place;
    const size_t open = OpenDescriptors();
    place.calls.Fail(operation.call, EINTR, 1, 3);
    const Status status = operation.run(place);
    CHECK_MESSAGE(status.ok(), status.ToString());
    CHECK(place.calls.failed() == 3);
    CHECK(OpenDescriptors() == open);
  }
}

TEST_CASE("posix calls: a transfer goes on from where it stopped") {
  Place place;
  // From 9000 bytes to one: half of them each time.
  for (const Call call : {Call::kPread, Call::kPwritev}) {
    CAPTURE(NameOf(call));
    const uint64_t before = place.calls.count(call);
    place.calls.Fail(call, kHalf, 1, 100);
    const Status status = call == Call::kPread ? ReadAll(place, true) : WriteMany(place);
    CHECK_MESSAGE(status.ok(), status.ToString());
    CHECK(place.calls.count(call) - before >= 13);
    place.calls.Heal();
  }
  place.calls.Fail(Call::kPwritev, kHalf, 1, 40);
  CHECK(place.file->Preallocate(300'000).ok());
  CHECK(place.Contents() == std::string(300'000, '\0'));
}

TEST_CASE("posix calls: a file that ends in the middle of a read has ended there") {
  Place place;
  std::string bytes(kSize, '\0');
  place.calls.Fail(Call::kPread, kHalf, 1);
  place.calls.Fail(Call::kPread, kNothing, 2);
  const Result<size_t> read = place.file->ReadAt(0, kSize, bytes.data());
  REQUIRE(read.ok());
  CHECK(*read == kSize / 2);
  CHECK(Slice(bytes).substr(0, *read) == Slice(place.contents).substr(0, *read));
  CHECK(place.calls.failed() == 2);
}

TEST_CASE("posix calls: a write that moves nothing is an error, not an endless loop") {
  Place place;
  place.calls.Fail(Call::kPwritev, kNothing);
  const Status status = place.file->WriteAt(0, "text");
  CHECK(status.code() == StatusCode::kIoError);
  CheckNames(place, status, EIO);
}

TEST_CASE("posix calls: a read that must not wait is pending where only a part of it is cached") {
  std::string bytes(kSize, '\0');
  Place place;
  for (const int error : {EAGAIN, kHalf}) {
    place.calls.Fail(Call::kPreadv2, error);
    CHECK(place.file->TryReadAt(0, kSize, bytes.data()).status().is_pending());
  }
  // The file's own end is none of that.
  place.calls.Fail(Call::kPreadv2, kHalf);
  CHECK(*place.file->TryReadAt(kSize - 1, 1, bytes.data()) == 1);
  CHECK(place.calls.failed() == 3);
}

TEST_CASE("posix calls: where no read can be had without waiting the file is asked once") {
  std::string bytes(kSize, '\0');
  for (const int error : {EOPNOTSUPP, ENOSYS, EINVAL}) {
    Place place;
    place.calls.Fail(Call::kPreadv2, error);
    for (int i = 0; i < 3; ++i) {
      CHECK(place.file->TryReadAt(0, kSize, bytes.data()).status().is_pending());
    }
    CHECK(place.calls.count(Call::kPreadv2) == 1);
  }
}

TEST_CASE("posix calls: what a background job writes is on its way while its file grows") {
  constexpr size_t kPiece = 65'000;
  constexpr uint64_t kPieces = 16;
  const std::string piece(kPiece, 'x');
  for (const int error : {0, ENOSYS, EOPNOTSUPP, EINVAL, EIO, ENOSPC}) {
    CAPTURE(error);
    Place place;
    if (error != 0) place.calls.Fail(Call::kSyncFileRange, error, 2);
    Status written;
    Status synced;
    const auto write = [&] {
      for (uint64_t i = 0; written.ok() && i < kPieces; ++i) {
        written = place.file->WriteAt(i * kPiece, piece);
      }
      synced = place.file->Sync();
    };
    write();
    CHECK(place.calls.count(Call::kSyncFileRange) == 0);
    place.env().Schedule(Lane::kFlush, write, [] {});
    place.world.RunAll();
    // After 5, 10 and 14 pieces, as far as there are whole pages.
    CHECK(place.calls.writebacks() ==
          std::vector<Writeback>{{0, 79 * 4096, SYNC_FILE_RANGE_WRITE},
                                 {79 * 4096, 79 * 4096, SYNC_FILE_RANGE_WRITE},
                                 {158 * 4096, 64 * 4096, SYNC_FILE_RANGE_WRITE}});
    CHECK(written.ok());
    CHECK(synced.ok() == (error != EIO && error != ENOSPC));
    CHECK(place.file->Sync().code() == synced.code());  // in doubt for ever
  }
}

TEST_CASE("posix calls: a file is closed once, whatever close says") {
  for (const int error : {EINTR, EIO}) {
    Place place;
    const size_t open = OpenDescriptors();
    place.calls.Fail(Call::kClose, error, 1, 100);
    place.file = nullptr;
    CHECK(place.env().SyncDirectory(place.world.directory()).ok());
    CHECK(place.env().LockFile(place.Path("LOCK")).ok());
    CHECK(place.calls.count(Call::kClose) == 3);
    CHECK(place.calls.closed_twice() == 0);
    CHECK(OpenDescriptors() == open - 1);
  }
}

TEST_CASE("posix calls: some failures are answers") {
  struct Case {
    const char* why;
    Call call;
    int error;
    std::function<Status(Place&)> run;
    StatusCode want;
  };
  const auto open = [](Place& p) { return OpenAs(p, "f", OpenMode::kRead); };
  const auto create = [](Place& p) { return OpenAs(p, "g", OpenMode::kCreate); };
  const auto link = [](Place& p) { return p.env().Link(p.Path("f"), p.Path("g")); };
  const auto remove = [](Place& p) { return p.env().Remove(p.Path("f")); };
  const auto list = [](Place& p) { return p.env().List(p.world.directory()).status(); };
  const auto lock = [](Place& p) { return p.env().LockFile(p.Path("LOCK")).status(); };
  const auto sync = [](Place& p) { return p.env().SyncDirectory(p.world.directory()); };
  const auto zeros = [](Place& p) {
    const Status status = p.file->Preallocate(300'000);
    if (status.ok()) CHECK(p.Contents() == std::string(300'000, '\0'));
    return status;
  };
  // clang-format off
  const Case cases[] = {
      {"the file is not there",            Call::kOpen,      ENOENT,      open,   StatusCode::kNotFound},
      {"its directory is not there",       Call::kOpen,      ENOENT,      create, StatusCode::kIoError},
      {"nothing to be removed",            Call::kUnlink,    ENOENT,      remove, StatusCode::kNotFound},
      {"no such directory",                Call::kOpendir,   ENOENT,      list,   StatusCode::kNotFound},
      {"link to another file system",      Call::kLink,      EXDEV,       link,   StatusCode::kNotSupported},
      {"too many links",                   Call::kLink,      EMLINK,      link,   StatusCode::kNotSupported},
      {"no links here",                    Call::kLink,      EPERM,       link,   StatusCode::kNotSupported},
      {"nor here",                         Call::kLink,      EOPNOTSUPP,  link,   StatusCode::kNotSupported},
      {"nor by this kernel",               Call::kLink,      ENOSYS,      link,   StatusCode::kNotSupported},
      {"locked by another",                Call::kFlock,     EWOULDBLOCK, lock,   StatusCode::kLocked},
      {"a lock is one without its number", Call::kPwrite,    ENOSPC,      lock,   StatusCode::kOk},
      {"and with the old one",             Call::kFtruncate, EIO,         lock,   StatusCode::kOk},
      {"directories that cannot sync",     Call::kFsync,     EINVAL,      sync,   StatusCode::kOk},
      {"blocks that come one by one",      Call::kFallocate, EOPNOTSUPP,  zeros,  StatusCode::kOk},
  };
  // clang-format on
  for (const Case& c : cases) {
    CAPTURE(c.why);
    Place place;
    const size_t before = OpenDescriptors();
    place.calls.Fail(c.call, c.error);
    const Status status = c.run(place);
    CHECK_MESSAGE(status.code() == c.want, status.ToString());
    CHECK(place.calls.failed() == 1);
    CHECK(OpenDescriptors() == before);
  }
}

TEST_CASE("posix calls: what cannot be looked at may be there") {
  Place place;
  CHECK(place.env().Exists(place.Path("f")));
  CHECK_FALSE(place.env().Exists(place.Path("g")));
  CHECK_FALSE(place.env().Exists(place.Path("f/g")));
  for (const int error : {EIO, ENOMEM, EACCES, EINTR}) {
    CAPTURE(error);
    place.calls.Fail(Call::kAccess, error);
    CHECK(place.env().Exists(place.Path("f")));
  }
  CHECK(place.calls.failed() == 4);
}

TEST_CASE("posix calls: what could not be allocated takes no room") {
  Place place;
  place.calls.Fail(Call::kFallocate, ENOSPC);
  CHECK(place.file->Allocate(300'000).code() == StatusCode::kNoSpace);
  CHECK(*place.file->Size() == 0);
}

TEST_CASE("posix calls: a directory that is there already is told from a file") {
  Place place;
  REQUIRE(place.env().CreateDirectory(place.Path("d")).ok());
  // It is not known what is there.
  place.calls.Fail(Call::kStat, EIO);
  CHECK(place.env().CreateDirectory(place.Path("d")).code() == StatusCode::kIoError);
  CHECK(place.env().CreateDirectory(place.Path("d")).ok());
}

TEST_CASE("posix calls: a file is replaced whole or not at all, whichever call fails") {
  for (const Call call : {Call::kUnlink, Call::kOpen, Call::kPwritev, Call::kFdatasync,
                          Call::kRename, Call::kFsync}) {
    for (const int error : {EIO, EDQUOT}) {
      for (uint64_t nth = 1; nth <= 2; ++nth) {
        CAPTURE(NameOf(call));
        CAPTURE(nth);
        Place place;
        REQUIRE(ReplaceFile(place.env(), place.world.directory(), "CURRENT", "old").ok());
        place.calls.Fail(call, error, nth);
        const size_t open = OpenDescriptors();
        const Status status = ReplaceFile(place.env(), place.world.directory(), "CURRENT", "new");
        CHECK(OpenDescriptors() == open);
        CHECK(status.ok() == (place.calls.failed() == 0));
        const std::string now = *ReadWholeFile(place.env(), place.Path("CURRENT"));
        CHECK((now == "new" || (now == "old" && !status.ok())));
        if (place.calls.failed() > 0) CheckNames(place, status, error);
        place.calls.Heal();
        CHECK(ReplaceFile(place.env(), place.world.directory(), "CURRENT", "new").ok());
      }
    }
  }
}

// --- Reads that are scheduled ---

TEST_CASE("posix calls: reads by threads are whole, or say why not") {
  PosixEnvOptions options;
  options.io_uring = false;
  for (const int error : {EINTR, kHalf}) {
    Place place(options);
    place.calls.Fail(Call::kPread, error, 1, 20);
    CHECK(ScheduleReadAll(place).ok());
    CHECK(place.calls.failed() >= 13);
  }
  Place place(options);
  place.calls.Fail(Call::kPread, EIO);
  const Status status = ScheduleReadAll(place);
  CHECK(status.code() == StatusCode::kIoError);
  CheckNames(place, status, EIO);
}

// Whether there is an io_uring to be tested.
bool HasRing(Place& place) {
  if (!place.env().has_io_uring()) MESSAGE("no io_uring here");
  return place.env().has_io_uring();
}

TEST_CASE("posix calls: reads by io_uring are whole, or say why not") {
  for (const int error : {EINTR, EAGAIN, kHalf}) {
    CAPTURE(error);
    Place place;
    if (!HasRing(place)) return;
    place.calls.Fail(Call::kRingRead, error, 1, 20);
    const Status status = ScheduleReadAll(place);
    CHECK_MESSAGE(status.ok(), status.ToString());
    CHECK(place.calls.failed() >= 13);
    CHECK(place.calls.count(Call::kPread) == 0);
  }
  for (const int error : {EIO, ENOMEM}) {
    Place place;
    place.calls.Fail(Call::kRingRead, kHalf, 1);
    place.calls.Fail(Call::kRingRead, error, 2);
    const Status status = ScheduleReadAll(place);
    CHECK(place.calls.failed() == 2);
    CHECK(status.code() == StatusCode::kIoError);
    CheckNames(place, status, error);
    CHECK(ScheduleReadAll(place).ok());
  }
}

TEST_CASE("posix calls: a file that ends in the middle of a read by io_uring has ended there") {
  Place place;
  if (!HasRing(place)) return;
  place.calls.Fail(Call::kRingRead, kHalf, 1);
  place.calls.Fail(Call::kRingRead, kNothing, 2);
  size_t size = 0;
  place.env().ScheduleRead(
      *place.file, 0, kSize, [&](const Result<Slice>& bytes) { size = bytes->size(); }, [] {});
  place.world.RunAll();
  CHECK(size == kSize / 2);
}

TEST_CASE("posix calls: what io_uring does not take now, it gets again") {
  for (const int error : {EINTR, EAGAIN, EBUSY, ENOMEM}) {
    CAPTURE(error);
    Place place;
    if (!HasRing(place)) return;
    place.calls.Fail(Call::kRingSubmit, error, 1, 5);
    CHECK(ScheduleReadAll(place).ok());
    CHECK(place.calls.failed() == 5);
  }
}

TEST_CASE("posix calls: where there is no io_uring, threads read") {
  for (const int error : {EPERM, ENOSYS, ENOMEM, EMFILE, EINVAL}) {
    CAPTURE(error);
    const size_t open = OpenDescriptors();
    {
      PosixWorld world;
      FailingCalls calls(world.directory());
      calls.Fail(Call::kRingSetUp, error, 1, 2);
      uv_loop_t loop;
      REQUIRE(uv_loop_init(&loop) == 0);
      {
        PosixEnv env(&loop);
        CHECK_FALSE(env.has_io_uring());
        const std::unique_ptr<File> file = world.Create("f");
        REQUIRE(file->WriteAt(0, "contents").ok());
        std::string read;
        env.ScheduleRead(
            *file, 0, 100, [&](const Result<Slice>& bytes) { read = *bytes; }, [] {});
        env.RunUntil([&] { return env.pending_jobs() == 0; });
        CHECK(read == "contents");
      }
      CHECK(uv_loop_close(&loop) == 0);
    }
    CHECK(OpenDescriptors() == open);
  }
}

}  // namespace
}  // namespace varve
