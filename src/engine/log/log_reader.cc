// engine/log/log_reader.cc: one segment's records, and the rule over all of them.
#include "engine/log/log_reader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/planted_bug.h"
#include "engine/file_names.h"

namespace varve {

namespace {

constexpr uint64_t kChunkBytes = 1u << 20;

// Where a record's segment number lies: see log_format.h.
constexpr size_t kSegmentAt = 16;

}  // namespace

const char* ToString(SegmentEnd end) {
  switch (end) {
    case SegmentEnd::kNone: return "none";
    case SegmentEnd::kSealed: return "sealed";
    case SegmentEnd::kKnownEnd: return "known end";
    case SegmentEnd::kClean: return "clean";
    case SegmentEnd::kTorn: return "torn";
    case SegmentEnd::kNoHeader: return "no header";
  }
  return "?";
}

// --- LogReader ---

LogReader::LogReader(const File& file, std::string path, uint64_t segment, uint64_t database_id,
                     std::optional<uint64_t> known_end)
    : file_(file),
      path_(std::move(path)),
      segment_(segment),
      database_id_(database_id),
      known_end_(known_end) {}

Status LogReader::Start() {
  started_ = true;
  const Result<uint64_t> size = file_.Size();
  if (!size.ok()) return size.status();
  limit_ = std::min(*size, known_end_.value_or(*size));
  const Result<Slice> header = View(0, kLogFileHeaderBytes);
  if (!header.ok()) return header.status();
  Status status = CheckLogFileHeader(*header, database_id_, segment_, path_);
  if (status.is_not_found()) {
    end_ = SegmentEnd::kNoHeader;
    return Status::Ok();
  }
  if (status.ok()) offset_ = kLogFileHeaderBytes;
  return status;
}

bool LogReader::Next(LogRecord* record) {
  if (!started_) status_ = Start();
  if (!status_.ok() || end_ != SegmentEnd::kNone) return false;
  if (known_end_ && offset_ == *known_end_) return AtEnd(SegmentEnd::kKnownEnd);

  const Result<Slice> head = View(offset_, kLogRecordHeaderBytes);
  if (!head.ok()) return Fail(head.status());
  if (head->size() < kLogRecordHeaderBytes) return AtEnd(SegmentEnd::kClean);
  const bool ours = LoadFixed64(head->data() + kSegmentAt) == segment_;
  const SegmentEnd invalid = ours ? SegmentEnd::kTorn : SegmentEnd::kClean;
  if (!DecodeLogHeader(database_id_, segment_, head->data(), &record->header)) {
    return AtEnd(invalid);
  }
  const uint64_t length = record->header.length;
  if (length > limit_ - offset_ - kLogRecordHeaderBytes) return AtEnd(invalid);

  const Result<Slice> whole = View(offset_, kLogRecordHeaderBytes + length);
  if (!whole.ok()) return Fail(whole.status());
  const bool sound =
      whole->size() == kLogRecordHeaderBytes + length &&
      (LogChecksumMatches(database_id_, *whole) || Planted(PlantedBug::kLogChecksumIgnored));
  if (!sound) return AtEnd(invalid);
  record->offset = offset_;
  record->payload = whole->substr(kLogRecordHeaderBytes);
  offset_ += LogRecordBytes(length);
  if (record->header.type == LogRecordType::kSeal) end_ = SegmentEnd::kSealed;
  return true;
}

bool LogReader::AtEnd(SegmentEnd end) {
  end_ = end;
  return false;
}

bool LogReader::Fail(Status status) {
  status_ = std::move(status);
  return false;
}

Status LogReader::FindHeader(uint64_t from, LogRecord* record) {
  if (!started_) RETURN_IF_ERROR(Start());
  for (uint64_t offset = AlignLogOffset(from);;) {
    const Result<Slice> chunk = View(offset, kChunkBytes);
    if (!chunk.ok()) return chunk.status();
    if (chunk->size() < kLogRecordHeaderBytes) return Status::NotFound();
    size_t at = 0;
    for (; at + kLogRecordHeaderBytes <= chunk->size(); at += kLogAlignBytes) {
      if (DecodeLogHeader(database_id_, segment_, chunk->data() + at, &record->header)) {
        record->offset = offset + at;
        record->payload = Slice();
        return Status::Ok();
      }
    }
    offset += at;
  }
}

void LogReader::Resume(uint64_t offset) {
  DCHECK(offset % kLogAlignBytes == 0);
  offset_ = offset;
  end_ = SegmentEnd::kNone;
}

Result<Slice> LogReader::View(uint64_t offset, uint64_t size) {
  if (offset >= limit_) return Slice();
  size = std::min(size, limit_ - offset);
  if (offset < buffer_offset_ || offset + size > buffer_offset_ + buffer_bytes_) {
    // What the buffer already has of it is read again: simpler than moving it, and in the page
    // cache.
    const uint64_t wanted = std::min(std::max(size, kChunkBytes), limit_ - offset);
    if (wanted > buffer_capacity_) {
      buffer_ = std::make_unique_for_overwrite<char[]>(wanted);
      buffer_capacity_ = wanted;
    }
    buffer_bytes_ = 0;
    const Result<size_t> read = file_.ReadAt(offset, wanted, buffer_.get());
    if (!read.ok()) return read.status();
    buffer_offset_ = offset;
    buffer_bytes_ = *read;
  }
  return Slice(buffer_.get(), buffer_bytes_).substr(offset - buffer_offset_, size);
}

// --- ReplayLog ---

namespace {

using Apply = std::function<Status(uint64_t group, Slice payload)>;

class Replay {
 public:
  Replay(Env& env, const LogReplay& what, const Apply& apply)
      : env_(env), what_(what), apply_(apply) {
    log_end_.last_group = what.flushed_group;
  }

  Result<LogEnd> Run() {
    for (size_t i = 0; i < what_.segments.size() && !missing_; ++i) {
      RETURN_IF_ERROR(ReplaySegment(i));
    }
    SetNewEnds();
    return log_end_;
  }

 private:
  // An open segment; `reader` is null if it is void.
  struct Segment {
    std::unique_ptr<File> file;
    std::optional<LogReader> reader;
    std::optional<uint64_t> known_end;
  };

  uint64_t needed_group() const { return log_end_.last_group + 1; }

  Status Open(size_t index, Segment* segment);
  Status ReplaySegment(size_t index);
  Status ReplayRecords(size_t index, LogReader& reader);
  Status ApplyRecord(const LogRecord& record, const LogReader& reader);
  Status StepOverHole(size_t index, const Segment& segment, LogReader& reader, bool* resumed);
  Status EndBefore(size_t index, const LogReader& reader, uint64_t hole, uint64_t search_from);
  Status RefuseIfDurable(LogReader& reader, uint64_t from, const std::string& where);
  void NoteEnd(size_t index, const LogReader& reader);
  void SetNewEnds();

  Env& env_;
  const LogReplay& what_;
  const Apply& apply_;
  LogEnd log_end_;
  bool missing_ = false;        // a group is: the log ends there
  uint64_t segment_group_ = 0;  // the last record's in this segment; 0 before the first
  uint64_t segment_end_ = 0;    // where that record ends
};

Status Replay::Open(size_t index, Segment* segment) {
  const uint64_t number = what_.segments[index];
  if (const auto end = what_.known_ends.find(number); end != what_.known_ends.end()) {
    segment->known_end = end->second;
    if (end->second <= kLogFileHeaderBytes) return Status::Ok();
  }
  std::string path = JoinPath(what_.directory, LogFileName(number));
  Result<std::unique_ptr<File>> file = env_.Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  segment->file = std::move(*file);
  segment->reader.emplace(*segment->file, std::move(path), number, what_.database_id,
                          segment->known_end);
  return Status::Ok();
}

Status Replay::ReplaySegment(size_t index) {
  Segment segment;
  RETURN_IF_ERROR(Open(index, &segment));
  if (!segment.reader) return Status::Ok();
  LogReader& reader = *segment.reader;
  segment_group_ = 0;
  for (bool more = true; more && !missing_;) {
    RETURN_IF_ERROR(ReplayRecords(index, reader));
    if (missing_) break;
    NoteEnd(index, reader);
    more = false;
    if (reader.end() != SegmentEnd::kSealed && reader.end() != SegmentEnd::kKnownEnd) {
      RETURN_IF_ERROR(StepOverHole(index, segment, reader, &more));
    }
  }
  return Status::Ok();
}

// Up to where the segment ends, or a group is missing.
Status Replay::ReplayRecords(size_t index, LogReader& reader) {
  LogRecord record;
  while (reader.Next(&record)) {
    const bool seal = record.header.type == LogRecordType::kSeal;
    if (segment_group_ != 0 && record.header.group < segment_group_ + (seal ? 0 : 1)) {
      return Status::Corruption(reader.path() + ": group " + std::to_string(record.header.group) +
                                " at offset " + std::to_string(record.offset) + " follows group " +
                                std::to_string(segment_group_));
    }
    if (record.header.group > (seal ? log_end_.last_group : needed_group())) {
      return EndBefore(index, reader, record.offset, record.offset);
    }
    segment_group_ = record.header.group;
    segment_end_ = reader.offset();
    if (!seal) RETURN_IF_ERROR(ApplyRecord(record, reader));
  }
  return reader.status();
}

Status Replay::ApplyRecord(const LogRecord& record, const LogReader& reader) {
  if (record.header.group < needed_group()) return Status::Ok();  // flushed, or repeated
  if (Status s = apply_(record.header.group, record.payload); !s.ok()) {
    if (s.code() != StatusCode::kCorruption) return s;
    return Status::Corruption(reader.path() + ": group " + std::to_string(record.header.group) +
                              " at offset " + std::to_string(record.offset) + ": " +
                              std::string(s.message()));
  }
  log_end_.last_group = record.header.group;
  ++log_end_.groups;
  log_end_.payload_bytes += record.payload.size();
  return Status::Ok();
}

// An invalid record ended the segment. If another record follows and everything between was
// flushed long ago, nothing is missing and the replay goes on with it.
Status Replay::StepOverHole(size_t index, const Segment& segment, LogReader& reader,
                            bool* resumed) {
  const uint64_t hole = reader.offset();
  LogRecord next;
  Status status =
      reader.FindHeader(std::max<uint64_t>(hole + kLogAlignBytes, kLogFileHeaderBytes), &next);
  if (!status.ok() && !status.is_not_found()) return status;
  const bool seal = status.ok() && next.header.type == LogRecordType::kSeal;
  if (status.ok() && next.header.group <= (seal ? log_end_.last_group : needed_group())) {
    reader.Resume(next.offset);
    *resumed = true;
    return Status::Ok();
  }
  if (segment.known_end) {
    return Status::Corruption(reader.path() + ": bad record at offset " + std::to_string(hole) +
                              ", though it was good up to " + std::to_string(*segment.known_end));
  }
  if (status.ok()) return EndBefore(index, reader, hole, next.offset);
  return Status::Ok();  // The next segment will tell whether something is missing.
}

// The needed group is missing. Ends the log, unless a record from `search_from` on knew it to be
// durable. `hole` is where bytes of this segment are bad; if none are, it is `search_from`.
Status Replay::EndBefore(size_t index, const LogReader& reader, uint64_t hole,
                         uint64_t search_from) {
  missing_ = true;
  std::string where = reader.path() + " at offset " + std::to_string(hole);
  if (segment_group_ != 0) {
    log_end_.segment = what_.segments[index];
    log_end_.offset = segment_end_;
    log_end_.end = SegmentEnd::kTorn;
  } else if (hole == search_from && log_end_.segment != 0) {
    // This segment is whole and begins too late: the end of the one before got lost.
    where = JoinPath(what_.directory, LogFileName(log_end_.segment)) + " at offset " +
            std::to_string(log_end_.offset);
  }
  for (size_t i = index; i < what_.segments.size(); ++i) {
    Segment segment;
    RETURN_IF_ERROR(Open(i, &segment));
    if (!segment.reader) continue;
    RETURN_IF_ERROR(RefuseIfDurable(*segment.reader, i == index ? search_from : 0, where));
  }
  return Status::Ok();
}

Status Replay::RefuseIfDurable(LogReader& reader, uint64_t from, const std::string& where) {
  LogRecord record;
  for (;; from = record.offset + kLogAlignBytes) {
    Status status = reader.FindHeader(from, &record);
    if (status.is_not_found()) return Status::Ok();
    RETURN_IF_ERROR(std::move(status));
    if (record.header.synced_group < needed_group()) continue;
    return Status::Corruption(where + ": group " + std::to_string(needed_group()) +
                              " is missing, though it was synced before group " +
                              std::to_string(record.header.group) + " (" + reader.path() +
                              " at offset " + std::to_string(record.offset) + ") was written");
  }
}

void Replay::NoteEnd(size_t index, const LogReader& reader) {
  if (segment_group_ == 0) return;  // A spare, or what a crash left of one.
  log_end_.segment = what_.segments[index];
  // Not reader.offset(): it may have stepped over a hole to a record that turned out to be torn. An
  // end that has a hole right before it would be taken for damage by the next replay.
  log_end_.offset = segment_end_;
  log_end_.end = reader.end();
}

void Replay::SetNewEnds() {
  for (const uint64_t segment : what_.segments) {
    if (segment < log_end_.segment || what_.known_ends.contains(segment)) continue;
    if (segment > log_end_.segment) {
      log_end_.new_ends[segment] = 0;
    } else if (log_end_.end != SegmentEnd::kSealed) {
      log_end_.new_ends[segment] = log_end_.offset;
    }
  }
}

}  // namespace

Result<LogEnd> ReplayLog(Env& env, const LogReplay& replay, const Apply& apply) {
  return Replay(env, replay, apply).Run();
}

}  // namespace varve
