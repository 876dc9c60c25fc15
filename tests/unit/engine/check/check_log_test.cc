// tests/unit/engine/check/check_log_test.cc: logs made by hand, and what the check says of them.
//
// Whether a bad record is damage depends on what stands behind it; here are the cases one by one. Whole databases
// are damaged in tests/sim/engine_check_test.cc.
#include "engine/check/check_log.h"

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "engine/batch.h"
#include "engine/file_names.h"
#include "engine/log/log_record.h"
#include "env/sim_env.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr uint64_t kDatabase = 0x1234;
constexpr char kDirectory[] = "db";

// Segments of groups, each with one entry: a record takes 56 bytes, the first one begins at 40.
struct Log {
  Log() {
    REQUIRE(env.CreateDirectory(kDirectory).ok());
    state.database_id = kDatabase;
  }

  void Segment(uint64_t number) { SegmentUnderName(number, number); }
  void SegmentUnderName(uint64_t number, uint64_t name) {
    Result<std::unique_ptr<File>> opened =
        env.Open(JoinPath(kDirectory, LogFileName(name)), OpenMode::kCreate);
    REQUIRE(opened.ok());
    file = std::move(*opened);
    segment = number;
    end = kLogFileHeaderBytes;
    REQUIRE(file->WriteAt(0, EncodeLogFileHeader(kDatabase, number)).ok());
    segments.push_back(name);
  }
  void Group(uint64_t group, uint64_t synced_group) {
    Batch batch;
    batch.Put("k", 0, 0, Slice("v"));
    Write(group, synced_group, LogRecordType::kData, batch.bytes());
  }
  void Seal(uint64_t group) { Write(group, group, LogRecordType::kSeal, ""); }
  void Write(uint64_t group, uint64_t synced_group, LogRecordType type, Slice payload) {
    const LogRecordHeader header{segment, group, synced_group, type, 0};
    REQUIRE(WriteLogRecord(*file, kDatabase, end, header, payload, {}).ok());
    end += LogRecordBytes(payload.size());
  }
  // The n-th record of a segment, in its payload.
  void Spoil(uint64_t name, int n) {
    const uint64_t offset = kLogFileHeaderBytes + static_cast<uint64_t>(n) * 56 + 50;
    env.FlipBit(JoinPath(kDirectory, LogFileName(name)), offset, 3);
  }

  CheckReport Check() {
    CheckReport report;
    verdict = CheckLog(env, {kDirectory, segments, &state}, &report);
    return report;
  }

  SimEnv env{1};
  ManifestState state;
  std::vector<uint64_t> segments;
  std::unique_ptr<File> file;
  uint64_t segment = 0;
  uint64_t end = 0;
  LogVerdict verdict;
};

TEST_CASE("check of a log: what a bad record is depends on what stands behind it") {
  struct Case {
    const char* why;
    std::function<void(Log&)> make;
    std::vector<std::string> problems;
    std::vector<std::string> notes;
  };
  const auto three = [](Log& log) {
    log.Segment(1);
    for (uint64_t group = 1; group <= 3; ++group) log.Group(group, group - 1);
  };
  // clang-format off
  const Case kCases[] = {
      {"nothing is wrong",
       [&](Log& log) { three(log); log.Seal(3); log.Segment(2); }, {}, {}},
      {"a record that a later one knew to be durable",
       [&](Log& log) { three(log); log.Spoil(1, 1); },
       {"000001.log at 96: bad record: group 2, which was synced before the record at 152 was written"},
       {}},
      {"the last one",
       [&](Log& log) { three(log); log.Spoil(1, 2); },
       {}, {"000001.log at 152: torn record: the segment ends here"}},
      {"the last one, with a seal behind it",
       [&](Log& log) { three(log); log.Seal(3); log.Spoil(1, 2); },
       {"000001.log at 152: bad record: group 3, which was synced before the record at 208 was written"},
       {}},
      {"one that nobody knew to be durable",
       [](Log& log) {
         log.Segment(1);
         for (uint64_t group = 1; group <= 3; ++group) log.Group(group, 0);
         log.Spoil(1, 1);
       },
       {}, {"000001.log at 96: the log ends here: group 2 never became durable, and what lies behind it does "
            "not count"}},
      {"one that tables have, and that may never have been in the log",
       [](Log& log) {
         log.state.flushed_group = 3;
         log.Segment(1);
         for (uint64_t group = 1; group <= 3; ++group) log.Group(group, 0);
         log.Spoil(1, 1);
       },
       {}, {"000001.log at 96: torn record; tables have what it held"}},
      {"one that tables have, but the log had it as well, as the last record knows",
       [](Log& log) {
         log.state.flushed_group = 4;
         log.Segment(1);
         for (uint64_t group = 1; group <= 3; ++group) log.Group(group, 0);
         log.Group(4, 2);
         log.Spoil(1, 1);
       },
       {"000001.log at 96: bad record: group 2, which was synced before the record at 208 was written"},
       {}},
      {"the only one of its segment; what was written later is in the next one",
       [](Log& log) {
         log.Segment(1); log.Group(1, 0);
         log.Segment(2); log.Group(2, 1);
         log.Segment(3); log.Group(3, 2);
         log.Spoil(2, 0);
       },
       {"000002.log at 40: group 2 is missing, though it was synced before group 3 (000003.log at 40) was written"},
       {"000002.log at 40: torn record: the segment ends here"}},
      {"a segment between two others is gone",
       [](Log& log) {
         log.Segment(1); log.Group(1, 0);
         log.Segment(3); log.Group(3, 2);
       },
       {"000001.log at 96: group 2 is missing, though it was synced before group 3 (000003.log at 40) was written"},
       {}},
      {"the last one before a known end",
       [&](Log& log) { three(log); log.state.log_ends[1] = 208; log.Spoil(1, 2); },
       {"000001.log at 152: bad record, though the manifest says that the segment is good up to 208"}, {}},
      {"one within a known end",
       [](Log& log) {
         log.Segment(1);
         for (uint64_t group = 1; group <= 3; ++group) log.Group(group, 0);
         log.state.log_ends[1] = 208;
         log.Spoil(1, 1);
       },
       {"000001.log at 96: bad record, though the manifest says that the segment is good up to 208"},
       {"000001.log at 96: the log ends here: group 2 never became durable, and what lies behind it does "
        "not count"}},
      {"one behind a known end",
       [&](Log& log) { three(log); log.state.log_ends[1] = 96; log.Spoil(1, 1); }, {}, {}},
      {"one of a void segment",
       [&](Log& log) { three(log); log.state.log_ends[1] = 0; log.Spoil(1, 1); }, {}, {}},
      {"groups that go backwards",
       [](Log& log) { log.Segment(1); log.Group(1, 0); log.Group(2, 0); log.Group(1, 0); },
       {"000001.log at 152: group 1 follows group 2"}, {}},
      {"a sound record that makes no sense",
       [](Log& log) { log.Segment(1); log.Write(1, 0, LogRecordType::kData, Slice("\x01\x7f\x01kv", 5)); },
       {"000001.log at 40: group 1 has a valid checksum but makes no sense at byte 0 of it"}, {}},
      {"the first segment is gone",
       [](Log& log) { log.state.first_log_segment = 1; log.Segment(2); },
       {"000001.log: missing, though the manifest names it as the first log segment"}, {}},
      {"a segment with a known end is gone",
       [](Log& log) { log.state.log_ends[1] = 96; log.Segment(2); },
       {"000001.log: missing, though the manifest says that it is good up to 96"}, {}},
      {"an empty segment that was about to get another name",
       [](Log& log) { log.SegmentUnderName(7, 2); },
       {}, {"000002.log at 0: no header and no records: it was being made, or is damaged"}},
      {"a live segment that has another name",
       [](Log& log) { log.SegmentUnderName(7, 2); log.Group(1, 0); },
       {"000002.log at 0: is log segment 7 under another name"}, {}},
  };
  // clang-format on
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    Log log;
    c.make(log);
    const CheckReport report = log.Check();
    std::vector<std::string> problems;
    std::vector<std::string> notes;
    for (const CheckFinding& problem : report.problems()) problems.push_back(problem.ToString());
    for (const CheckFinding& note : report.notes()) notes.push_back(note.ToString());
    CHECK(problems == c.problems);
    CHECK(notes == c.notes);
    if (problems != c.problems || notes != c.notes) {
      for (const std::string& text : problems) MESSAGE("problem: " << text);
      for (const std::string& text : notes) MESSAGE("note: " << text);
    }
  }
}

TEST_CASE("check of a log: a seal is known even where the row before it has gaps") {
  Log log;
  log.Segment(4);
  log.Group(9, 8);
  CHECK(log.Check().problems().size() == 1);
  CHECK(log.verdict.sealed_segment == 0);
  log.Seal(9);
  CHECK(log.Check().problems().size() == 1);
  CHECK(log.verdict.sealed_segment == 4);
}

}  // namespace
}  // namespace varve
