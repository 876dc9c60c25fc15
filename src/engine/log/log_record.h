// engine/log/log_record.h: headers of the log, made and checked.
//
// Threads: any. The writer calls WriteLogRecord on the log thread, which therefore pays for
// the checksum.
// See also: log_format.h (the bytes), log_reader.h (the way back).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/slice.h"
#include "base/status.h"
#include "engine/batch.h"
#include "engine/log/log_format.h"
#include "env/env.h"

namespace varve {

struct LogRecordHeader {
  uint64_t segment = 0;
  uint64_t group = 0;
  uint64_t synced_group = 0;
  LogRecordType type = LogRecordType::kData;
  uint64_t length = 0;  // payload bytes; reckoned when encoding
};

// Writes kLogRecordHeaderBytes to `to`. The payload is the slices one after the other.
void EncodeLogHeader(uint64_t database_id, const LogRecordHeader& header,
                     std::span<const Slice> payload, char* to);

// Writes one record with its padding, LogRecordBytes() in all, in one go. The payload is `bytes`
// with the splices in their places. REQUIRES: offset is a multiple of kLogAlignBytes.
Status WriteLogRecord(File& file, uint64_t database_id, uint64_t offset,
                      const LogRecordHeader& header, Slice bytes,
                      const std::vector<Splice>& splices);

// False unless the header check matches, the segment is `segment` and the type is known.
// REQUIRES: kLogRecordHeaderBytes readable at `from`.
bool DecodeLogHeader(uint64_t database_id, uint64_t segment, const char* from,
                     LogRecordHeader* header);

// Whether the checksum of a whole record, header and payload without padding, matches.
// REQUIRES: record.size() >= kLogRecordHeaderBytes.
bool LogChecksumMatches(uint64_t database_id, Slice record);

// The first kLogFileHeaderBytes of a segment.
std::string EncodeLogFileHeader(uint64_t database_id, uint64_t segment);

// kNotFound if the bytes are no header of this segment (torn, empty, or of a former life);
// kCorruption if they are whole but of another database or a newer format.
Status CheckLogFileHeader(Slice bytes, uint64_t database_id, uint64_t segment, Slice path);

}  // namespace varve
