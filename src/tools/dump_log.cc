// tools/dump_log.cc: a log segment, group by group, holes included.
#include "engine/batch.h"
#include "engine/check/segment_walk.h"
#include "engine/log/log_format.h"
#include "engine/log/log_reader.h"
#include "tools/dumper.h"
#include "tools/offline.h"

namespace varve {

namespace {

// A group is printed with its first entry that is wanted; without a limit, in any case.
void PrintGroup(LinePrinter& out, const LogRecord& record) {
  const bool seal = record.header.type == LogRecordType::kSeal;
  out.Begin(seal ? "seal" : "group", 1).Number("offset", record.offset);
  out.Number("group", record.header.group).Number("synced_group", record.header.synced_group);
  if (!seal) out.Number("bytes", record.header.length);
  out.End();
}

}  // namespace

void Dumper::Log(const LogToDump& what, const File& file) {
  char bytes[kLogFileHeaderBytes];
  const Result<size_t> read = file.ReadAt(0, sizeof(bytes), bytes);
  const Result<uint64_t> size = file.Size();
  if (!read.ok()) return Problem(what.name, 0, read.status().message());
  if (!size.ok()) return Problem(what.name, 0, size.status().message());
  const std::optional<SegmentHeader> header = DecodeSegmentHeader(Slice(bytes, *read));
  if (!header && !(what.number && what.database_id)) {
    return Problem(what.name, 0, "no header of a log segment");
  }
  const uint64_t number = what.number.value_or(header ? header->segment : 0);
  const uint64_t database_id = what.database_id.value_or(header ? header->database_id : 0);
  out_.Begin("segment", 0).Word("file", what.name).Number("number", number);
  out_.Word("database", Hex(database_id)).Number("bytes", *size);
  if (what.known_end) out_.Number("known_end", *what.known_end);
  out_.End();
  // Void: whatever it holds was given up.
  if (what.known_end && *what.known_end <= kLogFileHeaderBytes) return;

  LogReader reader(file, what.name, number, database_id, what.known_end);
  const auto on_record = [&](const LogRecord& record) {
    bool printed = !options_.has_range();
    if (printed) PrintGroup(out_, record);
    if (!options_.entries) return;
    BatchReader entries(record.payload);
    while (entries.Next()) {
      if (!options_.Wants(entries.entry().key)) continue;
      if (!printed) PrintGroup(out_, record);
      printed = true;
      EntryLine(entries.entry(), 2);
    }
    if (!entries.ok()) Problem(what.name, record.offset, "a group that makes no sense");
  };
  const auto on_hole = [&](uint64_t hole, const LogRecord& next) {
    out_.Begin("hole", 1).Number("offset", hole).Number("next", next.offset).End();
  };
  const Status status = WalkSegment(reader, {on_record, on_hole});
  if (!status.ok()) return Problem(what.name, reader.offset(), status.message());
  out_.Begin("end", 1).Number("offset", reader.offset());
  out_.Bytes("why", ToString(reader.end())).End();
}

}  // namespace varve
