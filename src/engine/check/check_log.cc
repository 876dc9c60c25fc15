// engine/check/check_log.cc: is the log sound?
#include "engine/check/check_log.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/batch.h"
#include "engine/check/segment_walk.h"
#include "engine/file_names.h"
#include "engine/log/log_format.h"
#include "engine/log/log_reader.h"

namespace varve {

namespace {

// A place in the log.
struct Place {
  std::string file;
  uint64_t offset = 0;
  std::string ToString() const { return file + " at " + std::to_string(offset); }
};

// Bytes that are no record, with an intact header behind them.
struct Hole {
  uint64_t offset = 0;
  uint64_t group = 0;       // the one that it held, or one of those
  bool is_flushed = false;  // tables have it
};

// What is known of a segment while it is walked.
struct Walked {
  uint64_t number = 0;
  std::string name;
  std::optional<uint64_t> known_end;
  uint64_t group = 0;             // of the last record; 0 before the first
  std::optional<uint64_t> hole;   // right before the next record, if there is one
  LogRecord after_hole;           // the intact header behind the last hole
  std::vector<Hole> torn;         // holes of which nothing so far says that they are damage
  size_t torn_from = 0;           // those before it turned out to be
  std::optional<uint64_t> dirty;  // padding of the last record that is not zeros
  const File* file = nullptr;
  bool has_header = true;
};

// Where the padding behind a record is not zeros. Of the last record that proves nothing: a write may
// have ended there.
std::optional<uint64_t> DirtyPadding(const File& file, const LogRecord& record) {
  const uint64_t begin = record.offset + kLogRecordHeaderBytes + record.payload.size();
  char padding[kLogAlignBytes];
  const Result<size_t> read = file.ReadAt(begin, AlignLogOffset(begin) - begin, padding);
  if (!read.ok() || Slice(padding, *read).find_first_not_of('\0') == Slice::npos) {
    return std::nullopt;
  }
  return begin;
}

class LogChecker {
 public:
  LogChecker(Env& env, const LogToCheck& what, CheckReport* report)
      : env_(env), what_(what), report_(report) {
    if (what.state != nullptr) last_group_ = what.state->flushed_group;
  }

  LogVerdict Run() {
    CheckFirstSegmentIsThere();
    for (const uint64_t number : what_.segments) CheckSegment(number);
    CheckKnownEndsAreThere();
    if (what_.state != nullptr) {
      NoteEnd();
      AskTheServer();
    }
    return {sealed_ ? last_segment_ : 0};
  }

 private:
  bool IsThere(uint64_t segment) const {
    return std::binary_search(what_.segments.begin(), what_.segments.end(), segment);
  }
  std::optional<uint64_t> KnownEnd(uint64_t segment) const;
  void CheckFirstSegmentIsThere();
  void CheckKnownEndsAreThere();

  void CheckSegment(uint64_t number);
  bool CheckHeader(const Walked& walked, Slice header, uint64_t database_id);
  void CheckHeaderOfAnother(const Walked& walked, const SegmentHeader& header);
  void Visit(const LogRecord& record, Walked* walked);
  void CheckEntries(const LogRecord& record, const std::string& name);
  void VisitHole(uint64_t hole, const LogRecord& next, Walked* walked);
  static uint64_t GroupIn(uint64_t hole, const LogRecord& next, const Walked& walked);
  void CheckTorn(const LogRecord& witness, Walked* walked);
  void NoteTorn(const Walked& walked);
  void CheckEnd(const LogReader& reader, const Walked& walked);
  void Suspect(const Walked& walked, uint64_t offset);

  void Follow(const LogRecord& record, const Walked& walked);
  void Miss(const LogRecord& record, const Walked& walked);
  void CheckEvidence(const LogRecordHeader& header, const Place& place);
  void NoteEnd();
  void AskTheServer();

  Env& env_;
  const LogToCheck& what_;
  CheckReport* const report_;

  // The row of groups, as a replay would find it.
  uint64_t last_group_ = 0;
  std::optional<uint64_t> missing_group_;
  Place missing_at_;
  std::optional<Place> suspect_;  // behind the row: where a record may have been
  bool missing_reported_ = false;
  uint64_t last_segment_ = 0;  // with a record
  bool sealed_ = false;        // by that record
  uint64_t end_segment_ = 0;   // where the last record of the row lies
  Place end_;
  bool dirty_end_ = false;  // something that is no record lies behind it
};

std::optional<uint64_t> LogChecker::KnownEnd(uint64_t segment) const {
  if (what_.state == nullptr) return std::nullopt;
  const auto end = what_.state->log_ends.find(segment);
  return end == what_.state->log_ends.end() ? std::nullopt : std::optional(end->second);
}

// The manifest names a first segment only when its file is sure to be there.
void LogChecker::CheckFirstSegmentIsThere() {
  if (what_.state == nullptr) return;
  const uint64_t first = what_.state->first_log_segment;
  if (first == 0 || IsThere(first)) return;
  report_->AddProblem(LogFileName(first), std::nullopt,
                      "missing, though the manifest names it as the first log segment");
}

void LogChecker::CheckKnownEndsAreThere() {
  if (what_.state == nullptr) return;
  for (const auto& [segment, end] : what_.state->log_ends) {
    const std::string name = LogFileName(segment);
    if (end <= kLogFileHeaderBytes || IsThere(segment) || report_->HasProblem(name)) continue;
    report_->AddProblem(
        name, std::nullopt,
        "missing, though the manifest says that it is good up to " + std::to_string(end));
  }
}

void LogChecker::CheckSegment(uint64_t number) {
  Walked walked;
  walked.number = number;
  walked.name = LogFileName(number);
  walked.known_end = KnownEnd(number);
  // Void: whatever it holds was given up.
  if (walked.known_end && *walked.known_end <= kLogFileHeaderBytes) return;

  const std::string path = JoinPath(what_.directory, walked.name);
  const Result<std::unique_ptr<File>> opened = env_.Open(path, OpenMode::kRead);
  if (!opened.ok()) {
    report_->AddProblem(walked.name, std::nullopt, std::string(opened.status().message()));
    return;
  }
  const File& file = **opened;
  walked.file = &file;
  const Result<uint64_t> size = file.Size();
  ++report_->totals().files;
  ++report_->totals().log_segments;
  report_->totals().bytes += size.ok() ? *size : 0;

  char bytes[kLogFileHeaderBytes];
  const Result<size_t> read = file.ReadAt(0, sizeof(bytes), bytes);
  if (!read.ok()) {
    report_->AddProblem(walked.name, 0, std::string(read.status().message()));
    return;
  }
  const Slice header(bytes, *read);
  const std::optional<SegmentHeader> decoded = DecodeSegmentHeader(header);
  const uint64_t database_id =
      what_.state != nullptr ? what_.state->database_id : (decoded ? decoded->database_id : 0);
  walked.has_header = CheckHeader(walked, header, database_id);

  LogReader reader(file, path, number, database_id, walked.known_end);
  const Status status = WalkSegment(
      reader, {[&](const LogRecord& record) { Visit(record, &walked); },
               [&](uint64_t hole, const LogRecord& next) { VisitHole(hole, next, &walked); }});
  report_->Progress(walked.name, size.ok() ? *size : 0);
  if (!status.ok()) {
    report_->AddProblem(walked.name, reader.offset(), std::string(status.message()));
    return;
  }
  NoteTorn(walked);
  CheckEnd(reader, walked);
}

// --- Headers ---

// False if there is none of this segment. That alone is no fault: see CheckEnd.
bool LogChecker::CheckHeader(const Walked& walked, Slice header, uint64_t database_id) {
  const Status status = CheckLogFileHeader(header, database_id, walked.number, walked.name);
  if (status.ok()) return true;
  if (!status.is_not_found()) return true;  // The reader will say the same.
  const std::optional<SegmentHeader> decoded = DecodeSegmentHeader(header);
  if (decoded && decoded->segment != walked.number) CheckHeaderOfAnother(walked, *decoded);
  return false;
}

// Files are recycled: renamed first, given a new header next. A power cut in between leaves a dead
// segment under the name of a younger one, or, if the new header stayed and the new name did not, an empty
// one under the name of an older one. But none with live records.
void LogChecker::CheckHeaderOfAnother(const Walked& walked, const SegmentHeader& header) {
  const uint64_t live_from =
      what_.state != nullptr ? what_.state->first_log_segment : walked.number;
  if (header.segment < live_from) return;
  LogReader reader(*walked.file, walked.name, header.segment, header.database_id);
  LogRecord record;
  if (!reader.Next(&record)) return;
  report_->AddProblem(walked.name, 0,
                      "is log segment " + std::to_string(header.segment) + " under another name");
}

// --- One segment ---

void LogChecker::Visit(const LogRecord& record, Walked* walked) {
  if (walked->dirty) {
    report_->AddProblem(walked->name, *walked->dirty, "padding that is not zeros");
    walked->dirty.reset();
  }
  if (!walked->has_header) {
    report_->AddProblem(walked->name, 0, "bad header, though records follow it");
  }
  const bool seal = record.header.type == LogRecordType::kSeal;
  const uint64_t group = record.header.group;
  if (walked->group != 0 && group < walked->group + (seal ? 0 : 1)) {
    report_->AddProblem(
        walked->name, record.offset,
        "group " + std::to_string(group) + " follows group " + std::to_string(walked->group));
  }
  CheckTorn(record, walked);
  ++report_->totals().log_groups;
  last_segment_ = walked->number;
  sealed_ = seal;
  CheckEntries(record, walked->name);
  Follow(record, *walked);

  walked->group = group;
  walked->hole.reset();
  walked->dirty = DirtyPadding(*walked->file, record);
}

void LogChecker::CheckEntries(const LogRecord& record, const std::string& name) {
  BatchReader entries(record.payload);
  while (entries.Next()) ++report_->totals().log_entries;
  if (entries.ok()) return;
  report_->AddProblem(name, record.offset,
                      "group " + std::to_string(record.header.group) +
                          " has a valid checksum but makes no sense at byte " +
                          std::to_string(entries.flags_offset()) + " of it");
}

void LogChecker::VisitHole(uint64_t hole, const LogRecord& next, Walked* walked) {
  const bool seal = next.header.type == LogRecordType::kSeal;
  const bool follows = next.header.group <= last_group_ + (seal ? 0 : 1);
  if (hole == 0) {
    report_->AddProblem(walked->name, 0,
                        "bad header, though a record follows at " + std::to_string(next.offset));
  } else if (walked->known_end && !follows) {
    report_->AddProblem(walked->name, hole,
                        "bad record, though the manifest says that the segment is good up to " +
                            std::to_string(*walked->known_end));
  } else {
    walked->torn.push_back({hole, GroupIn(hole, next, *walked), what_.state != nullptr && follows});
  }
  CheckTorn(next, walked);
  walked->hole = hole;
  walked->after_hole = next;
  if (what_.state != nullptr && !missing_group_ && !follows) Miss(next, *walked);
  CheckEvidence(next.header, {walked->name, next.offset});
}

// The group that the hole held; if it may be several, the first or the last of them.
uint64_t LogChecker::GroupIn(uint64_t hole, const LogRecord& next, const Walked& walked) {
  if (hole == walked.after_hole.offset) return walked.after_hole.header.group;
  if (walked.group != 0) return walked.group + 1;
  return next.header.group - (next.header.type == LogRecordType::kSeal ? 0 : 1);
}

// What a later record of the segment knew to be durable, no power cut has torn. (Of other segments that
// cannot be said: after a failure of the log what they lack was made durable by tables.)
void LogChecker::CheckTorn(const LogRecord& witness, Walked* walked) {
  for (; walked->torn_from < walked->torn.size(); ++walked->torn_from) {
    const Hole& hole = walked->torn[walked->torn_from];
    if (hole.group > witness.header.synced_group) return;
    report_->AddProblem(walked->name, hole.offset,
                        "bad record: group " + std::to_string(hole.group) +
                            ", which was synced before the record at " +
                            std::to_string(witness.offset) + " was written");
  }
}

void LogChecker::NoteTorn(const Walked& walked) {
  for (size_t i = walked.torn_from; i < walked.torn.size(); ++i) {
    if (!walked.torn[i].is_flushed) continue;  // There the log ends, or has a gap.
    report_->AddNote(walked.name, walked.torn[i].offset, "torn record; tables have what it held");
  }
}

void LogChecker::CheckEnd(const LogReader& reader, const Walked& walked) {
  const uint64_t end = reader.offset();
  switch (reader.end()) {
    case SegmentEnd::kSealed:
    case SegmentEnd::kKnownEnd: return;
    default: break;
  }
  if (walked.known_end) {
    report_->AddProblem(walked.name, end,
                        "bad record, though the manifest says that the segment is good up to " +
                            std::to_string(*walked.known_end));
  } else if (!walked.has_header && walked.group == 0) {
    Suspect(walked, 0);
    if (report_->HasProblem(walked.name)) return;
    if (what_.state != nullptr && walked.number == what_.state->first_log_segment) {
      report_->AddProblem(walked.name, 0,
                          "no header, though the manifest names it as the first log segment");
    } else {
      report_->AddNote(walked.name, 0,
                       "no header and no records: it was being made, or is damaged");
    }
  } else if (reader.end() == SegmentEnd::kTorn) {
    Suspect(walked, end);
    report_->AddNote(walked.name, end, "torn record: the segment ends here");
  } else {
    char bytes[kLogRecordHeaderBytes];
    const Result<size_t> read = walked.file->ReadAt(end, sizeof(bytes), bytes);
    const bool dirty = read.ok() && Slice(bytes, *read).find_first_not_of('\0') != Slice::npos;
    if (dirty) Suspect(walked, end);
    if (walked.number == end_segment_) dirty_end_ = dirty;
  }
}

// Should the row turn out to have a gap here, this is the place to look at.
void LogChecker::Suspect(const Walked& walked, uint64_t offset) {
  if (!missing_group_ && !suspect_) suspect_ = {walked.name, offset};
}

// --- All segments: the row of groups ---

void LogChecker::Follow(const LogRecord& record, const Walked& walked) {
  if (what_.state == nullptr) return;
  const uint64_t group = record.header.group;
  const bool seal = record.header.type == LogRecordType::kSeal;
  if (!missing_group_ && group > last_group_ + (seal ? 0 : 1)) Miss(record, walked);
  if (missing_group_) return CheckEvidence(record.header, {walked.name, record.offset});
  last_group_ = std::max(last_group_, group);
  end_segment_ = walked.number;
  end_ = {walked.name, record.offset + LogRecordBytes(record.payload.size())};
  dirty_end_ = false;
  suspect_.reset();
}

void LogChecker::Miss(const LogRecord& record, const Walked& walked) {
  missing_group_ = last_group_ + 1;
  if (walked.hole) {
    missing_at_ = {walked.name, *walked.hole};
  } else if (suspect_) {
    missing_at_ = *suspect_;
  } else if (walked.group == 0 && end_segment_ != 0) {
    missing_at_ = end_;  // The end of the segment before got lost, or a segment in between.
  } else {
    missing_at_ = {walked.name, record.offset};
  }
}

void LogChecker::CheckEvidence(const LogRecordHeader& header, const Place& place) {
  if (!missing_group_ || missing_reported_ || header.synced_group < *missing_group_) return;
  missing_reported_ = true;
  report_->AddProblem(missing_at_.file, missing_at_.offset,
                      "group " + std::to_string(*missing_group_) +
                          " is missing, though it was synced before group " +
                          std::to_string(header.group) + " (" + place.ToString() + ") was written");
}

void LogChecker::NoteEnd() {
  if (missing_group_ && !missing_reported_) {
    report_->AddNote(missing_at_.file, missing_at_.offset,
                     "the log ends here: group " + std::to_string(*missing_group_) +
                         " never became durable, and what lies behind it does not count");
  } else if (!sealed_ && dirty_end_) {
    report_->AddNote(
        end_.file, end_.offset,
        "the log ends here, without a seal; what follows is a torn record, or left from "
        "a former life of the file");
  }
}

// The same question, put to who opens the database.
void LogChecker::AskTheServer() {
  for (const uint64_t segment : what_.segments) {
    if (report_->HasProblem(LogFileName(segment))) return;
  }
  LogReplay replay;
  replay.directory = what_.directory;
  replay.database_id = what_.state->database_id;
  replay.segments = what_.segments;
  replay.known_ends = what_.state->log_ends;
  replay.flushed_group = what_.state->flushed_group;
  const Result<LogEnd> end = ReplayLog(env_, replay, [](uint64_t, Slice) { return Status::Ok(); });
  if (end.ok()) return;
  // It begins with the path of the file.
  const Slice message = end.status().message();
  for (const uint64_t segment : what_.segments) {
    const std::string name = LogFileName(segment);
    if (!message.starts_with(JoinPath(what_.directory, name))) continue;
    report_->AddProblem(name, std::nullopt, std::string(message));
    return;
  }
  report_->AddProblem("log", std::nullopt, std::string(message));
}

}  // namespace

LogVerdict CheckLog(Env& env, const LogToCheck& what, CheckReport* report) {
  return LogChecker(env, what, report).Run();
}

}  // namespace varve
