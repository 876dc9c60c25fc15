// engine/disk_reserve.cc: room kept for the day the disk is full.
#include "engine/disk_reserve.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "engine/file_names.h"

namespace varve {

namespace {
constexpr uint64_t kLookIntervalMs = 1000;
// The part of a file system that may be kept, as a divisor.
constexpr uint64_t kPartOfDisk = 20;
// The part of the reserve that stays for the next start.
constexpr uint64_t kPartForStart = 4;
}  // namespace

DiskReserve::DiskReserve(Env& env, std::string directory, uint64_t wanted_bytes,
                         std::function<void()> on_change)
    : env_(env),
      directory_(std::move(directory)),
      path_(JoinPath(directory_, kReserveFileName)),
      wanted_bytes_(wanted_bytes),
      on_change_(std::move(on_change)) {}

DiskReserve::~DiskReserve() {
  if (timer_ != 0) env_.CancelTimer(timer_);
}

uint64_t DiskReserve::SizeOn(const DiskSpace& space) const {
  return std::min(wanted_bytes_, space.total_bytes / kPartOfDisk);
}

DiskReserve::Outcome DiskReserve::Make(Env& env, const std::string& path, uint64_t bytes) {
  (void)env.Remove(path);
  Result<std::unique_ptr<File>> file = env.Open(path, OpenMode::kCreate);
  const Status status = file.ok() ? (*file)->Allocate(bytes) : file.status();
  if (status.ok()) return {status, bytes};
  (void)env.Remove(path);
  if (status.code() == StatusCode::kNoSpace) return {status, 0};
  Log(LogLevel::kNotice, "engine: no room is kept for a full disk: %s", status.ToString().c_str());
  return {Status::Ok(), 0};
}

void DiskReserve::Shrink(Env& env, const std::string& path, uint64_t bytes) {
  Result<std::unique_ptr<File>> file = env.Open(path, OpenMode::kReuse);
  if (!file.ok() || !(*file)->Truncate(bytes).ok()) (void)env.Remove(path);
}

void DiskReserve::RemoveOld(Env& env, const std::string& directory) {
  (void)env.Remove(JoinPath(directory, kReserveFileName));
}

void DiskReserve::Open() {
  const Result<DiskSpace> space = env_.Space(directory_);
  if (!space.ok()) return;
  const uint64_t bytes = SizeOn(*space);
  const Outcome made = Make(env_, path_, bytes);
  kept_bytes_ = made.bytes;
  if (made.status.ok()) return;
  kept_bytes_ = Make(env_, path_, bytes / kPartForStart).bytes;
  NoteNoSpace(made.status);
}

void DiskReserve::NoteNoSpace(const Status& status) {
  if (!status_.ok()) return;
  status_ = status;
  Log(LogLevel::kWarning,
      "engine: the disk is full: %s; writes are refused, but for those that free space",
      status.ToString().c_str());
  const Result<DiskSpace> space = env_.Space(directory_);
  const uint64_t left = space.ok() ? SizeOn(*space) / kPartForStart : 0;
  if (kept_bytes_ > left) {
    kept_bytes_ = left;
    env_.Schedule(
        Lane::kManifest, [&env = env_, path = path_, left] { Shrink(env, path, left); }, [] {});
  }
  on_change_();
  LookLater();
}

void DiskReserve::LookLater() {
  timer_ = env_.RunAfter(kLookIntervalMs, [this] {
    timer_ = 0;
    Look();
  });
}

void DiskReserve::Look() {
  const Result<DiskSpace> space = env_.Space(directory_);
  const uint64_t bytes = space.ok() ? SizeOn(*space) : 0;
  if (!space.ok() || space->available_bytes + kept_bytes_ <= 2 * bytes) return LookLater();
  auto made = std::make_shared<Outcome>();
  env_.Schedule(
      Lane::kManifest, [&env = env_, path = path_, bytes, made] { *made = Make(env, path, bytes); },
      [this, alive = std::weak_ptr<bool>(alive_), made] {
        if (alive.expired()) return;
        if (!made->status.ok()) return LookLater();
        kept_bytes_ = made->bytes;
        status_ = Status::Ok();
        Log(LogLevel::kNotice, "engine: the disk has room again; writes are taken");
        on_change_();
      });
}

}  // namespace varve
