// engine/scrubber.cc: reads tables and value files at rest.
#include "engine/scrubber.h"

#include <algorithm>
#include <utility>

namespace varve {

namespace {
constexpr uint64_t kFirstPassMs = 1000;
constexpr uint64_t kPassIntervalMs = 24 * 3600 * 1000;
// No timer is faster.
constexpr uint64_t kPauseMsMin = 100;
}  // namespace

void Scrubber::SetRate(uint64_t bytes_per_second) {
  rate_ = bytes_per_second;
  if (rate_ > 0 && timer_ == 0 && !reading_) RunAfter(kFirstPassMs);
}

void Scrubber::Stop() {
  stopped_ = true;
  alive_.reset();
  if (timer_ != 0) parts_.env.CancelTimer(std::exchange(timer_, 0));
}

void Scrubber::RunAfter(uint64_t ms) {
  timer_ = parts_.env.RunAfter(ms, [this] {
    timer_ = 0;
    ReadNext();
  });
}

void Scrubber::ReadNext() {
  if (stopped_ || rate_ == 0) return;
  if (!std::exchange(stats_.running, true)) {
    pass_began_us_ = parts_.env.MonotonicUs();
    files_ = LiveFiles();
    file_ = 0;
    place_ = Place();
    stats_.bytes = 0;
  }
  if (file_ == files_.size()) return EndPass();
  Read(files_[file_]);
}

void Scrubber::EndPass() {
  files_ = {};
  stats_.running = false;
  ++stats_.passes;
  stats_.last_pass_ms = parts_.env.WallMs();
  const uint64_t took_ms = (parts_.env.MonotonicUs() - pass_began_us_) / 1000;
  RunAfter(std::max(kPassIntervalMs - std::min(took_ms, kPassIntervalMs), kFirstPassMs));
}

std::vector<Scrubber::LiveFile> Scrubber::LiveFiles() const {
  std::vector<LiveFile> files;
  const std::shared_ptr<const Version> version = parts_.version();
  files.reserve(version->table_count() + version->value_files().size());
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& table : version->level(level)) files.push_back({table->number, true, {}});
  }
  for (const LiveValueFile& file : version->value_files()) {
    files.push_back({file.meta.number, false, file.meta});
  }
  std::sort(files.begin(), files.end(),
            [](const LiveFile& a, const LiveFile& b) { return a.number < b.number; });
  return files;
}

// Looks at all there are: asked only where there is damage.
bool Scrubber::IsLive(uint64_t number) const {
  const std::vector<LiveFile> files = LiveFiles();
  return std::any_of(files.begin(), files.end(),
                     [number](const LiveFile& file) { return file.number == number; });
}

void Scrubber::Read(const LiveFile& file) {
  reading_ = true;
  auto outcome = std::make_shared<Outcome>();
  const auto read = [files = parts_.files, file, place = place_, outcome] {
    *outcome =
        file.is_table ? ReadTable(files, file.number, place) : ReadValues(files, file.values);
  };
  parts_.env.Schedule(Lane::kCheckpoint, read,
                      [this, alive = std::weak_ptr<bool>(alive_), outcome] {
                        if (!alive.expired()) DidRead(std::move(*outcome));
                      });
}

Scrubber::Outcome Scrubber::ReadTable(const TableDirectory& files, uint64_t number, Place place) {
  if (!place.reader) {
    Result<std::shared_ptr<const TableReader>> opened = files.Open(number);
    if (!opened.ok()) return {.damages = {opened.status()}};
    place.reader = std::move(*opened);
  }
  TableReader::Verified verified;
  verified.blocks_end = place.blocks_end;
  place.reader->VerifyPartition(place.partition++, &verified);
  place.blocks_end = verified.blocks_end;
  const bool more = place.partition < place.reader->partition_count();
  if (!more) place.reader->VerifyExpiryBlocks(&verified);
  Outcome outcome{.damages = std::move(verified.damages), .bytes = verified.bytes};
  if (more) outcome.next = std::move(place);
  return outcome;
}

Scrubber::Outcome Scrubber::ReadValues(const TableDirectory& files, const ValueFileMeta& meta) {
  const auto reader = files.OpenValues(meta.number);
  if (!reader.ok()) return {.damages = {reader.status()}};
  Outcome outcome{.bytes = meta.size_bytes};
  const Status status = (*reader)->Verify(meta.size_bytes, meta.records);
  if (!status.ok()) outcome.damages.push_back(status);
  return outcome;
}

void Scrubber::DidRead(Outcome outcome) {
  reading_ = false;
  stats_.bytes += outcome.bytes;
  // Of a file that was replaced meanwhile nothing is wanted any more.
  const bool live = outcome.damages.empty() || IsLive(files_[file_].number);
  if (live) {
    for (const Status& damage : outcome.damages) {
      ++stats_.damages;
      parts_.on_damage(damage);
    }
  }
  if (live && outcome.next) {
    place_ = std::move(*outcome.next);
  } else {
    ++file_;
    place_ = Place();
  }
  if (rate_ > 0) RunAfter(std::max(outcome.bytes * 1000 / rate_, kPauseMsMin));
}

}  // namespace varve
