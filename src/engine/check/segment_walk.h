// engine/check/segment_walk.h: a log segment from one end to the other, holes included.
//
// LogReader stops at the first invalid record. This goes on behind it, for as long as any intact
// header of the segment follows. What a hole means, its caller decides: see log/log_reader.h.
//
// Threads: one at a time. Errors: those of the file.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/slice.h"
#include "base/status.h"
#include "engine/log/log_reader.h"

namespace varve {

// What a file header says that is whole, whichever segment and database it is of.
struct SegmentHeader {
  uint32_t format_version = 0;
  uint64_t database_id = 0;
  uint64_t segment = 0;
};
std::optional<SegmentHeader> DecodeSegmentHeader(Slice bytes);

struct SegmentVisitor {
  std::function<void(const LogRecord& record)> on_record;
  // No valid record begins at `hole`. An intact header does at `next`, though its payload may be bad:
  // then another hole follows at once.
  std::function<void(uint64_t hole, const LogRecord& next)> on_hole;
};

// Afterwards reader.end() and reader.offset() tell how and where it ended. REQUIRES: a fresh reader.
Status WalkSegment(LogReader& reader, const SegmentVisitor& visitor);

}  // namespace varve
