// engine/check/segment_walk.cc: a log segment from one end to the other, holes included.
#include "engine/check/segment_walk.h"

#include <algorithm>

#include "base/coding.h"
#include "base/hash.h"
#include "engine/log/log_format.h"

namespace varve {

namespace {

// Where the fields lie: see log_format.h.
constexpr size_t kVersionAt = 8;
constexpr size_t kDatabaseAt = 16;
constexpr size_t kSegmentAt = 24;
constexpr size_t kChecksumAt = 32;
static_assert(kChecksumAt + sizeof(uint64_t) == kLogFileHeaderBytes);

}  // namespace

std::optional<SegmentHeader> DecodeSegmentHeader(Slice bytes) {
  if (bytes.size() < kLogFileHeaderBytes || !bytes.starts_with(kLogMagic) ||
      LoadFixed64(bytes.data() + kChecksumAt) != Checksum(bytes.substr(0, kChecksumAt))) {
    return std::nullopt;
  }
  return SegmentHeader{LoadFixed32(bytes.data() + kVersionAt),
                       LoadFixed64(bytes.data() + kDatabaseAt),
                       LoadFixed64(bytes.data() + kSegmentAt)};
}

Status WalkSegment(LogReader& reader, const SegmentVisitor& visitor) {
  for (;;) {
    LogRecord record;
    while (reader.Next(&record)) visitor.on_record(record);
    RETURN_IF_ERROR(reader.status());
    if (reader.end() == SegmentEnd::kSealed || reader.end() == SegmentEnd::kKnownEnd) {
      return Status::Ok();
    }
    const uint64_t hole = reader.offset();
    LogRecord next;
    Status found =
        reader.FindHeader(std::max<uint64_t>(hole + kLogAlignBytes, kLogFileHeaderBytes), &next);
    if (found.is_not_found()) return Status::Ok();
    RETURN_IF_ERROR(std::move(found));
    visitor.on_hole(hole, next);
    reader.Resume(next.offset);
  }
}

}  // namespace varve
