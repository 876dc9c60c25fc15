// tests/unit/engine/log/log_reader_test.cc: the rule of log_reader.h, as cases.
//
// A log is written as text, one segment after the other:
//
//   5: 1 2 ?3/1 seal3 | 6@2: old4 4/3
//
//   5:       a segment, by number; "5@2:" has a known end behind its second record,
//            "5@-:" one within its header
//   1 3/2    a record of group 1; of group 3, written when 2 was known to be durable
//   !3       its payload is damaged      ?3   its header is
//   old4     what a former life of the file left: another segment's number
//   seal3    a seal; the group before it is 3
//   nohead   in front: the file's header is damaged
//
// All records take kRecordBytes, so the nth ends at EndOf(n). The outcome is text as well: the
// groups handed on, then the new ends: "1 2; 5@2 6@-".
#include "engine/log/log_reader.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/random.h"
#include "engine/file_names.h"
#include "env/sim_env.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr uint64_t kDatabase = 0x1234567890abcdef;
constexpr uint64_t kPayloadBytes = 16;
constexpr uint64_t kRecordBytes = LogRecordBytes(kPayloadBytes);

uint64_t EndOf(uint64_t records) { return kLogFileHeaderBytes + records * kRecordBytes; }

// What group `group` says, of any size.
std::string PayloadOf(uint64_t group, size_t size = kPayloadBytes) {
  std::string payload;
  Random random(group + 1);
  while (payload.size() < size) PutFixed64(&payload, random.Next());
  payload.resize(size);
  return payload;
}

std::string EncodeRecord(const LogRecordHeader& header, Slice payload,
                         uint64_t database_id = kDatabase) {
  std::string record(kLogRecordHeaderBytes, '\0');
  EncodeLogHeader(database_id, header, {&payload, 1}, record.data());
  record.append(payload);
  record.resize(AlignLogOffset(record.size()));
  return record;
}

std::string EncodeToken(uint64_t segment, const std::string& token) {
  LogRecordHeader header{.segment = segment};
  std::string digits = token;
  char damage = 0;
  if (digits[0] == '!' || digits[0] == '?') {
    damage = digits[0];
    digits.erase(0, 1);
  } else if (digits.starts_with("old")) {
    header.segment = segment - 1;
    digits.erase(0, 3);
  } else if (digits.starts_with("seal")) {
    header.type = LogRecordType::kSeal;
    digits.erase(0, 4);
  }
  header.group = std::stoull(digits);
  if (const size_t slash = digits.find('/'); slash != std::string::npos) {
    header.synced_group = std::stoull(digits.substr(slash + 1));
  }
  const bool seal = header.type == LogRecordType::kSeal;
  std::string record = EncodeRecord(header, seal ? "" : PayloadOf(header.group));
  if (damage == '!') record[kLogRecordHeaderBytes + 5] ^= 1;
  if (damage == '?') record[10] ^= 1;
  return record;
}

struct Log {
  SimEnv env{1};
  LogReplay replay;

  explicit Log(const std::string& text, uint64_t flushed_group = 0) {
    replay.directory = "data";
    replay.database_id = kDatabase;
    replay.flushed_group = flushed_group;
    REQUIRE(env.CreateDirectory("data").ok());
    std::istringstream segments(text);
    for (std::string segment; std::getline(segments, segment, '|');) AddSegment(segment);
  }

  void AddSegment(const std::string& text) {
    std::istringstream tokens(text);
    std::string name;
    tokens >> name;
    const uint64_t number = std::stoull(name);
    std::string bytes = EncodeLogFileHeader(kDatabase, number);
    for (std::string token; tokens >> token;) {
      if (token == "nohead") {
        bytes[3] ^= 1;
      } else {
        bytes += EncodeToken(number, token);
      }
    }
    if (const size_t at = name.find('@'); at != std::string::npos) {
      replay.known_ends[number] = name[at + 1] == '-' ? 0 : EndOf(std::stoull(name.substr(at + 1)));
    }
    AddFile(number, bytes);
  }

  void AddFile(uint64_t number, Slice bytes) {
    env.SetContents(PathOf(number), bytes);
    if (std::find(replay.segments.begin(), replay.segments.end(), number) ==
        replay.segments.end()) {
      replay.segments.push_back(number);
    }
  }

  static std::string PathOf(uint64_t number) { return "data/" + LogFileName(number); }

  std::string Replay(LogEnd* log_end = nullptr) {
    std::string text;
    uint64_t last = replay.flushed_group;
    const Result<LogEnd> end = ReplayLog(env, replay, [&](uint64_t group, Slice payload) {
      CHECK(group == last + 1);
      CHECK(payload == PayloadOf(group, payload.size()));
      last = group;
      text += (text.empty() ? "" : " ") + std::to_string(group);
      return Status::Ok();
    });
    if (!end.ok()) return end.status().ToString();
    CHECK(end->last_group == last);
    if (log_end != nullptr) *log_end = *end;
    text += ";";
    for (const auto& [segment, offset] : end->new_ends) {
      text += " " + std::to_string(segment) + "@";
      text += offset == 0 ? "-" : std::to_string((offset - kLogFileHeaderBytes) / kRecordBytes);
    }
    return text;
  }
};

struct Case {
  std::string why;
  std::string log;
  std::string want;
  uint64_t flushed_group = 0;
};

void RunCases(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    CAPTURE(c.why);
    CHECK(Log(c.log, c.flushed_group).Replay() == c.want);
  }
}

TEST_CASE("log: what is whole is replayed") {
  RunCases({
      {"no segment", "", ";"},
      {"an empty segment", "5:", "; 5@-"},
      {"a log that was not closed", "5: 1 2/1 3/2", "1 2 3; 5@3"},
      {"a log that was closed", "5: 1 2/1 seal2/2", "1 2;"},
      {"segments, sealed or not", "5: 1 seal1 | 6: 2/1 | 8: 3/2", "1 2 3; 8@1"},
      {"spare segments behind", "5: 1 2 | 6: | 7: old1 old2", "1 2; 5@2 6@- 7@-"},
      {"a spare segment between", "5: 1 | 6: | 7: 2", "1 2; 7@1"},
      {"groups that were written again", "5: 1 2 3 | 6: 2 3 4", "1 2 3 4; 6@3"},
      {"groups that were written again, behind a torn one", "5: 1 !2 | 6: 2 3", "1 2 3; 6@2"},
      {"flushed groups are not handed on", "5: 1 2 3 4", "3 4; 5@4", 2},
      {"all is flushed", "5: 1 2", "; 5@2", 7},
      {"numbers go on behind what was only flushed", "5@1: 1 | 6: 8/7 9/8", "8 9; 6@2", 7},
      {"a seal behind what was only flushed", "5: seal7", ";", 7},
  });
}

TEST_CASE("log: a torn tail is cut off, and everything behind it") {
  RunCases({
      {"payload torn", "5: 1 2/1 !3/2", "1 2; 5@2"},
      {"header torn", "5: 1 2/1 ?3/2", "1 2; 5@2"},
      {"the first record", "5: !1", "; 5@-"},
      {"an old life shows", "5: 1 2/1 old9 old10/9", "1 2; 5@2"},
      {"whole records behind, none synced", "5: 1 ?2 3/1 4/1 | 6: 5/1", "1; 5@1 6@-"},
      {"the segment's last group is torn", "5: 1 2/1 !3/2 | 6: 4/2 5/2", "1 2; 5@2 6@-"},
      {"the segment's last group never came", "5: 1 2/1 | 6: 4/2 5/2", "1 2; 5@2 6@-"},
      {"a sealed segment, and none begins with what follows", "5: 1 seal1 | 7: 3/1", "1; 7@-"},
      {"a seal of groups that are not there", "5: 1 | 6: seal3", "1; 5@1 6@-"},
      {"the next segment's header", "5: 1 | 6: nohead", "1; 5@1 6@-"},
      {"the next segment's header and first record", "5: 1 | 6: nohead ?2 3/1", "1; 5@1 6@-"},
      {"all before it", "6: 4", "; 6@-"},
  });
}

TEST_CASE("log: what was durable and is gone is corruption") {
  RunCases({
      {"a record synced, and gone", "5: 1 2/1 ?3/2 4/3",
       "corruption: data/000005.log at offset 168: group 3 is missing, though it was synced before "
       "group 4 (data/000005.log at offset 232) was written"},
      {"the one that knows it is torn itself", "5: 1 2/1 ?3/2 !4/3",
       "corruption: data/000005.log at offset 168: group 3 is missing, though it was synced before "
       "group 4 (data/000005.log at offset 232) was written"},
      {"the second behind knows it", "5: 1 2/1 !3/2 4/2 5/4",
       "corruption: data/000005.log at offset 168: group 3 is missing, though it was synced before "
       "group 5 (data/000005.log at offset 296) was written"},
      {"a later segment knows it", "5: 1 2/1 !3 | 6: 4/1 5/3",
       "corruption: data/000005.log at offset 168: group 3 is missing, though it was synced before "
       "group 5 (data/000006.log at offset 104) was written"},
      {"a seal knows it", "5: 1 ?2 seal2/2",
       "corruption: data/000005.log at offset 104: group 2 is missing, though it was synced before "
       "group 2 (data/000005.log at offset 168) was written"},
      {"a whole segment is gone", "5: 1 2/1 seal2/1 | 7: 5/4",
       "corruption: data/000005.log at offset 216: group 3 is missing, though it was synced before "
       "group 5 (data/000007.log at offset 40) was written"},
      {"the first segment is gone", "7: 5/4",
       "corruption: data/000007.log at offset 40: group 1 is missing, though it was synced before "
       "group 5 (data/000007.log at offset 40) was written"},
      {"the first segment is gone, its groups partly flushed", "7: 5/4",
       "corruption: data/000007.log at offset 40: group 4 is missing, though it was synced before "
       "group 5 (data/000007.log at offset 40) was written",
       3},
      {"a segment's header and first record", "5: 1 | 6: nohead ?2 3/2",
       "corruption: data/000006.log at offset 0: group 2 is missing, though it was synced before "
       "group 3 (data/000006.log at offset 104) was written"},
      {"order within a segment", "5: 1 2 2",
       "corruption: data/000005.log: group 2 at offset 168 follows group 2"},
      {"order within a segment, flushed or not", "5: 3 2",
       "corruption: data/000005.log: group 2 at offset 104 follows group 3", 7},
  });
}

TEST_CASE("log: damage to what is in tables anyway does no harm") {
  RunCases({
      {"the first record", "5: ?1 2/1 3/2", "3; 5@3", 2},
      {"some in the middle", "5: 1 !2 ?3 4/3 5/4", "5; 5@5", 4},
      {"up to the next segment", "5: 1 ?2 ?3 | 6: 4/3", "4; 6@1", 3},
      {"the header", "5: nohead 1 2/1", "2; 5@2", 1},
      {"a torn record behind it is not stepped over", "5: 1 ?2 !3", "; 5@1", 2},
      {"and the end is good for the next replay", "5@1: 1 ?2 !3", ";", 2},
      {"but not one more", "5: 1 !2 ?3 4/3 5/4",
       "corruption: data/000005.log at offset 104: group 3 is missing, though it was synced before "
       "group 4 (data/000005.log at offset 232) was written",
       2},
  });
  // A header is only a header: what follows speaks for itself.
  CHECK(Log("5: nohead 1 2/1").Replay() == "1 2; 5@2");
}

TEST_CASE("log: behind a known end all is void, before it all must be good") {
  RunCases({
      {"whole records behind", "5@2: 1 2 3/2 4/3", "1 2;"},
      {"the log goes on elsewhere", "5@2: 1 2 3/2 4/3 | 6: 3 4/3", "1 2 3 4; 6@2"},
      {"rubbish behind", "5@1: 1 !2 ?3 | 6: 2/1", "1 2; 6@1"},
      {"void from the start", "5: 1 | 6@-: 2 3/2 | 7: 2", "1 2; 7@1"},
      {"the end is where the seal is", "5@2: 1 seal1 | 6: 2", "1 2; 6@1"},
      {"void records are no evidence", "5: 1 ?2 | 6@-: 4/3", "1; 5@1"},
      {"bad before it", "5@3: 1 ?2 3 | 6: 4",
       "corruption: data/000005.log: bad record at offset 104, though it was good up to 232"},
      {"shorter than that", "5@3: 1 2",
       "corruption: data/000005.log: bad record at offset 168, though it was good up to 232"},
      {"bad before it, but flushed", "5@3: 1 ?2 3 | 6: 4", "3 4; 6@1", 2},
  });
}

TEST_CASE("log: a segment of another database or a newer format is refused") {
  Log log("5: 1");
  std::string bytes = EncodeLogFileHeader(kDatabase + 1, 6);
  log.AddFile(6, bytes);
  CHECK(log.Replay() == "corruption: data/000006.log: belongs to another database");

  // Two files swapped: neither has a header of its own, nor records.
  Log swapped("5: 1 2/1 | 6: 3/2 4/3");
  const std::string fifth = swapped.env.Contents(Log::PathOf(5));
  const std::string sixth = swapped.env.Contents(Log::PathOf(6));
  swapped.env.SetContents(Log::PathOf(5), sixth);
  swapped.env.SetContents(Log::PathOf(6), fifth);
  CHECK(swapped.Replay() == "; 5@- 6@-");
}

TEST_CASE("log: an image of a record inside a value is never taken for one") {
  // The client knows everything but the database id.
  std::string image = EncodeRecord({.segment = 5, .group = 3, .synced_group = 2}, PayloadOf(3), 0);
  std::string payload;
  while (payload.size() < 1000) payload += image;
  Log log("5: 1 2");
  std::string bytes = log.env.Contents(Log::PathOf(5));
  // Its own record is torn in front, so that the search meets the images.
  bytes += EncodeRecord({.segment = 5, .group = 3, .synced_group = 2}, payload);
  bytes[EndOf(2) + 1] ^= 1;
  log.AddFile(5, bytes);
  CHECK(log.Replay() == "1 2; 5@2");
  log.AddFile(5, log.env.Contents(Log::PathOf(5)).substr(0, EndOf(2)) + payload);
  CHECK(log.Replay() == "1 2; 5@2");
}

// Replays, and says how many groups there were; -1 for corruption.
int64_t CountGroups(Log& log) {
  int64_t last = 0;
  const Result<LogEnd> end = ReplayLog(log.env, log.replay, [&](uint64_t group, Slice payload) {
    CHECK(group == static_cast<uint64_t>(last) + 1);
    CHECK(payload == PayloadOf(group, payload.size()));
    last = static_cast<int64_t>(group);
    return Status::Ok();
  });
  if (end.ok()) return last;
  CHECK(end.status().code() == StatusCode::kCorruption);
  return -1;
}

TEST_CASE("log: one changed byte anywhere is harmless, or costs the last group, or is corruption") {
  // Each record knows the one before it to be durable; so only the last may go unnoticed.
  const std::string text = "5: 1 2/1 3/2 seal3/3 | 6: 4/3 5/4";
  Log log(text);
  int64_t outcomes[7] = {};
  for (const uint64_t segment : log.replay.segments) {
    const std::string good = log.env.Contents(Log::PathOf(segment));
    for (size_t at = 0; at < good.size(); ++at) {
      for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
        CAPTURE(segment);
        CAPTURE(at);
        std::string bad = good;
        bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ flip);
        log.env.SetContents(Log::PathOf(segment), bad);
        const int64_t groups = CountGroups(log);
        const bool in_last = segment == 6 && at >= EndOf(1);
        CHECK((groups == 5 || groups == -1 || (in_last && groups == 4)));
        ++outcomes[groups + 1];
      }
    }
    log.env.SetContents(Log::PathOf(segment), good);
  }
  CHECK(outcomes[0] > 0);
  CHECK(outcomes[5] == 3 * kRecordBytes);
  // The seal and the file headers are not needed to read the rest.
  CHECK(outcomes[6] == 3 * (2 * kLogFileHeaderBytes + kLogRecordHeaderBytes));
}

TEST_CASE("log: cut at any byte it is a prefix, or corruption if more was durable") {
  const std::string text = "5: 1 2/1 3/2 seal3/3 | 6: 4/3 5/4";
  Log log(text);
  const std::string fifth = log.env.Contents(Log::PathOf(5));
  for (size_t size = 0; size < fifth.size(); ++size) {
    CAPTURE(size);
    log.env.SetContents(Log::PathOf(5), Slice(fifth).substr(0, size));
    CHECK(CountGroups(log) == (size < EndOf(3) ? -1 : 5));
  }
  log.env.SetContents(Log::PathOf(5), fifth);
  const std::string sixth = log.env.Contents(Log::PathOf(6));
  for (size_t size = 0; size < sixth.size(); ++size) {
    CAPTURE(size);
    log.env.SetContents(Log::PathOf(6), Slice(sixth).substr(0, size));
    CHECK(CountGroups(log) == (size < EndOf(1) ? 3 : size < EndOf(2) ? 4 : 5));
  }
}

TEST_CASE("log: a recycled segment shows nothing of its former life, wherever it ends") {
  // Group g of the old life has the number that group g of the new one would have.
  const auto life = [](uint64_t segment, size_t payload_bytes, uint64_t groups) {
    std::string bytes = EncodeLogFileHeader(kDatabase, segment);
    for (uint64_t g = 1; g <= groups; ++g) {
      bytes += EncodeRecord({.segment = segment, .group = g, .synced_group = g - 1},
                            PayloadOf(segment == 5 ? g + 100 : g, payload_bytes));
    }
    return bytes;
  };
  const std::string old_life = life(5, 16, 20);
  for (const size_t payload_bytes : {size_t{0}, size_t{1}, size_t{8}, size_t{16}, size_t{23}}) {
    const std::string new_life = life(6, payload_bytes, 3);
    for (size_t cut = 0; cut <= new_life.size(); ++cut) {
      CAPTURE(payload_bytes);
      CAPTURE(cut);
      Log log("");
      log.AddFile(6, new_life.substr(0, cut) + old_life.substr(cut));
      const int64_t groups = CountGroups(log);
      // The checksum of the first torn record may match early: padding is zeros in both lives.
      const uint64_t record = LogRecordBytes(payload_bytes);
      const uint64_t whole = cut < kLogFileHeaderBytes ? 0 : (cut - kLogFileHeaderBytes) / record;
      CHECK(groups >= static_cast<int64_t>(whole));
      CHECK(groups <= static_cast<int64_t>((cut + kLogAlignBytes) / record));
    }
  }
}

TEST_CASE("log: records longer than a chunk, and across its edges, are read whole") {
  Log log("");
  std::string bytes = EncodeLogFileHeader(kDatabase, 5);
  const std::vector<size_t> sizes = {0, (1u << 20) - 100, 70, 3u << 20, 1, 1u << 20, 12345};
  for (size_t i = 0; i < sizes.size(); ++i) {
    bytes += EncodeRecord({.segment = 5, .group = i + 1}, PayloadOf(i + 1, sizes[i]));
  }
  bytes.resize(bytes.size() + (5u << 20));
  log.AddFile(5, bytes);
  LogEnd end;
  (void)log.Replay(&end);
  CHECK(end.groups == sizes.size());
  CHECK(end.end == SegmentEnd::kClean);
  // Damage in front: the search passes the large ones and finds what knows better.
  bytes[EndOf(0) + 9] ^= 1;
  log.AddFile(5, bytes + EncodeRecord({.segment = 5, .group = 9, .synced_group = 1}, "x"));
  CHECK(log.Replay().starts_with("corruption: data/000005.log at offset 40: group 1 is missing"));
}

TEST_CASE("log: an error of the disk or of the callback is reported, not taken for an end") {
  const std::string text = "5: 1 ?2 | 6: 3/1 4/1";
  for (uint64_t n = 1;; ++n) {
    Log log(text);
    log.env.FailNth(n);
    const std::string outcome = log.Replay();
    if (log.env.faults() == 0) {
      CHECK(outcome == "1; 5@1 6@-");
      CHECK(n > 4);
      break;
    }
    CAPTURE(n);
    CHECK(outcome.starts_with("I/O error"));
  }
  Log log("5: 1 2");
  const Result<LogEnd> end = ReplayLog(log.env, log.replay, [](uint64_t group, Slice) {
    return group == 2 ? Status::Corruption("no batch") : Status::Ok();
  });
  REQUIRE_FALSE(end.ok());
  CHECK(end.status().ToString() == "corruption: data/000005.log: group 2 at offset 104: no batch");
}

TEST_CASE("log: after a power cut all that was synced is there, as a prefix") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    SimEnv env(seed);
    LogReplay replay{
        .directory = "data", .database_id = kDatabase, .segments = {}, .known_ends = {}};
    REQUIRE(env.CreateDirectory("data").ok());
    REQUIRE(env.SyncDirectory("").ok());
    std::unique_ptr<File> file;
    uint64_t offset = 0;
    uint64_t synced = 0;
    const uint64_t groups = 1 + random.Uniform(60);
    for (uint64_t group = 1; group <= groups; ++group) {
      if (!file || random.OneIn(12)) {
        // As the writer does: a segment that it leaves is synced before the next one's groups are.
        if (file) REQUIRE(file->Sync().ok());
        const uint64_t number = group + 1;
        Result<std::unique_ptr<File>> opened = env.Open(Log::PathOf(number), OpenMode::kCreate);
        REQUIRE(opened.ok());
        file = std::move(*opened);
        if (random.OneIn(2)) REQUIRE(file->Preallocate(64 << 10).ok());
        REQUIRE(file->WriteAt(0, EncodeLogFileHeader(kDatabase, number)).ok());
        REQUIRE(file->Sync().ok());
        REQUIRE(env.SyncDirectory("data").ok());
        synced = group - 1;
        offset = kLogFileHeaderBytes;
        replay.segments.push_back(number);
      }
      const std::string payload = PayloadOf(group, random.Uniform(random.OneIn(4) ? 9000 : 200));
      const LogRecordHeader header{
          .segment = replay.segments.back(), .group = group, .synced_group = synced};
      REQUIRE(WriteLogRecord(*file, kDatabase, offset, header, payload, {}).ok());
      offset += LogRecordBytes(payload.size());
      if (random.OneIn(5)) {
        REQUIRE(file->Sync().ok());
        synced = group;
      }
    }
    const auto mode = static_cast<CrashMode>(random.Uniform(4));
    env.Restart(mode);
    uint64_t last = 0;
    const Result<LogEnd> end = ReplayLog(env, replay, [&](uint64_t group, Slice payload) {
      CHECK(group == last + 1);
      CHECK(payload == PayloadOf(group, payload.size()));
      last = group;
      return Status::Ok();
    });
    REQUIRE_MESSAGE(end.ok(), end.status().ToString());
    CHECK(last >= synced);
    if (mode == CrashMode::kKeepAll) CHECK(last == groups);
  }
}

}  // namespace
}  // namespace varve
