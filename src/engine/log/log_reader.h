// engine/log/log_reader.h: reads the log back, and tells a torn tail from damage.
//
// LogReader walks one segment up to its first invalid record. ReplayLog walks all of
// them and holds the whole rule:
//
//   - Groups are numbered without gaps, and are replayed without gaps: what is handed on is a
//     prefix of what was written. Groups up to flushed_group are in tables; they may be absent or
//     damaged.
//   - A group is missing if no valid record of it comes before one with a greater number. There the
//     log ends. What lies behind, also in later segments, is ignored.
//   - Unless something behind the end was written when the missing group was known to be
//     durable: its synced_group says so. Then the disk has lost what it promised, which is
//     kCorruption, with file and offset; otherwise a power cut took what nobody had been told to
//     rely on.
//   - A later segment may repeat groups. The first copy counts; both have the same bytes.
//   - A known end (from the manifest) cuts a segment: up to there it must be valid, behind it is
//     void, be it readable or not. An end within the file's header voids the whole segment.
//
// What the caller does with the outcome, in this order and before it writes to the log again, for
// otherwise the next replay could meet what this one ignored:
//
//   1. sync each segment that was replayed    what was read may be in the page cache only
//   2. put LogEnd::new_ends into the manifest
//   3. number the next group last_group + 1, in a new segment
//
// Threads    Any, one at a time. Waits for the disk.
// Errors     kIoError, kCorruption; both name the file.
// See also: log_format.h (bytes), tests/unit/engine/log/log_reader_test.cc (the rule as cases).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/slice.h"
#include "base/status.h"
#include "engine/log/log_record.h"
#include "env/env.h"

namespace varve {

enum class SegmentEnd : uint8_t {
  kNone,      // not there yet
  kSealed,    // by its writer
  kKnownEnd,  // where the manifest said
  kClean,     // zeros, bytes of a former life, or the end of the file
  kTorn,      // what was to be a record of this segment
  kNoHeader,  // the file has no header of this segment
};
const char* ToString(SegmentEnd end);

struct LogRecord {
  uint64_t offset = 0;
  LogRecordHeader header;
  Slice payload;  // borrowed until the reader's next call
};

class LogReader {
 public:
  // `file` must outlive the reader.
  LogReader(const File& file, std::string path, uint64_t segment, uint64_t database_id,
            std::optional<uint64_t> known_end = std::nullopt);

  // The next valid record; a seal is one too. False at the end, see end(), or after an error, see
  // status().
  bool Next(LogRecord* record);

  // An intact header of this segment at or behind `from`, whether its payload is or not: what it
  // says was true when it was written. kNotFound if there is none.
  Status FindHeader(uint64_t from, LogRecord* record);
  // Goes on at `offset`, beyond what ended the segment.
  void Resume(uint64_t offset);

  const Status& status() const { return status_; }
  SegmentEnd end() const { return end_; }
  // Where the next record begins; at the end, how far the segment is good.
  uint64_t offset() const { return offset_; }
  const std::string& path() const { return path_; }

 private:
  Status Start();
  bool AtEnd(SegmentEnd end);
  bool Fail(Status status);
  // Up to `size` bytes of the file from `offset` on, fewer only at its end or its known end.
  Result<Slice> View(uint64_t offset, uint64_t size);

  const File& file_;
  const std::string path_;
  const uint64_t segment_;
  const uint64_t database_id_;
  const std::optional<uint64_t> known_end_;

  bool started_ = false;
  uint64_t limit_ = 0;  // nothing is read from here on
  uint64_t offset_ = 0;
  SegmentEnd end_ = SegmentEnd::kNone;
  Status status_;

  // File bytes [buffer_offset_, buffer_offset_ + buffer_bytes_).
  std::unique_ptr<char[]> buffer_;
  uint64_t buffer_capacity_ = 0;
  uint64_t buffer_offset_ = 0;
  uint64_t buffer_bytes_ = 0;
};

// What to replay.
struct LogReplay {
  std::string directory;
  uint64_t database_id = 0;
  std::vector<uint64_t> segments;           // those that are there and live, in rising order
  std::map<uint64_t, uint64_t> known_ends;  // segment -> offset
  uint64_t flushed_group = 0;
};

struct LogEnd {
  uint64_t last_group = 0;  // the newest group there is, be it replayed or flushed
  uint64_t segment = 0;     // the last segment that holds records; 0 if none does
  uint64_t offset = 0;      // how far it is good
  SegmentEnd end = SegmentEnd::kNone;
  uint64_t groups = 0;         // handed on
  uint64_t payload_bytes = 0;  // of these
  // What the manifest must learn: how far the last segment is good, and 0 for each one behind it.
  std::map<uint64_t, uint64_t> new_ends;
};

// Hands on each group after flushed_group once, in order. `payload` is borrowed for the call. An
// error of `apply` ends the replay and is returned.
Result<LogEnd> ReplayLog(Env& env, const LogReplay& replay,
                         const std::function<Status(uint64_t group, Slice payload)>& apply);

}  // namespace varve
