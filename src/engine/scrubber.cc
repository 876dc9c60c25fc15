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
    place_ = {};
    stats_.bytes = 0;
  }
  const LiveFile file = FirstFrom(place_.file_number);
  if (file.number == 0) return EndPass();
  if (file.number != place_.file_number) GoTo(file.number);
  Read(file);
}

void Scrubber::GoTo(uint64_t file_number) {
  place_ = Place();
  place_.file_number = file_number;
}

void Scrubber::EndPass() {
  stats_.running = false;
  ++stats_.passes;
  stats_.last_pass_ms = parts_.env.WallMs();
  const uint64_t took_ms = (parts_.env.MonotonicUs() - pass_began_us_) / 1000;
  RunAfter(std::max(kPassIntervalMs - std::min(took_ms, kPassIntervalMs), kFirstPassMs));
}

Scrubber::LiveFile Scrubber::FirstFrom(uint64_t number) const {
  LiveFile first;
  const auto take = [&first, number](uint64_t candidate) {
    if (candidate < number || (first.number != 0 && first.number <= candidate)) return false;
    first.number = candidate;
    return true;
  };
  const std::shared_ptr<const Version> version = parts_.version();
  for (int level = 0; level < kLevels; ++level) {
    for (const FileRef& table : version->level(level)) {
      if (take(table->number)) first.is_table = true;
    }
  }
  for (const LiveValueFile& file : version->value_files()) {
    if (!take(file.meta.number)) continue;
    first.is_table = false;
    first.values = file.meta;
  }
  return first;
}

void Scrubber::Read(const LiveFile& file) {
  reading_ = true;
  auto outcome = std::make_shared<Outcome>();
  const auto read = [files = parts_.files, file, place = place_, outcome] {
    if (file.is_table) {
      *outcome = ReadTable(files, place);
      return;
    }
    const auto reader = files.OpenValues(file.number);
    outcome->bytes = file.values.size_bytes;
    outcome->status = reader.ok() ? (*reader)->Verify(file.values.size_bytes, file.values.records)
                                  : reader.status();
  };
  parts_.env.Schedule(Lane::kCheckpoint, read,
                      [this, alive = std::weak_ptr<bool>(alive_), outcome] {
                        if (!alive.expired()) DidRead(*outcome);
                      });
}

Scrubber::Outcome Scrubber::ReadTable(const TableDirectory& files, const Place& place) {
  Outcome outcome;
  outcome.reader = place.reader;
  if (!outcome.reader) {
    Result<std::shared_ptr<const TableReader>> opened = files.Open(place.file_number);
    if (!opened.ok()) {
      outcome.status = opened.status();
      return outcome;
    }
    outcome.reader = std::move(*opened);
  }
  outcome.more = place.partition + 1 < outcome.reader->partition_count();
  outcome.status = outcome.reader->VerifyPartition(place.partition, &outcome.bytes);
  if (outcome.status.ok() && !outcome.more) {
    outcome.status = outcome.reader->VerifyExpiryBlocks(&outcome.bytes);
  }
  return outcome;
}

void Scrubber::DidRead(const Outcome& outcome) {
  reading_ = false;
  stats_.bytes += outcome.bytes;
  // Of a file that was replaced meanwhile nothing is wanted any more.
  const bool live = FirstFrom(place_.file_number).number == place_.file_number;
  if (!outcome.status.ok() && live) {
    ++stats_.damages;
    parts_.on_damage(outcome.status);
  }
  if (outcome.more && live) {
    ++place_.partition;
    place_.reader = outcome.reader;
  } else {
    GoTo(place_.file_number + 1);
  }
  if (rate_ > 0) RunAfter(std::max(outcome.bytes * 1000 / rate_, kPauseMsMin));
}

}  // namespace varve
