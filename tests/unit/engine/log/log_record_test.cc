// tests/unit/engine/log/log_record_test.cc: the bytes that log_format.h draws.
#include "engine/log/log_record.h"

#include <string>
#include <vector>

#include "env/sim_env.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

std::string Hex(Slice bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

// What WriteLogRecord leaves in an empty file.
std::string Written(uint64_t database_id, const LogRecordHeader& header, const Batch& batch) {
  SimEnv env(1);
  Result<std::unique_ptr<File>> file = env.Open("f", OpenMode::kCreate);
  REQUIRE(file.ok());
  REQUIRE(WriteLogRecord(**file, database_id, 0, header, batch.bytes(), batch.splices()).ok());
  return env.Contents("f");
}

TEST_CASE("log record: the example in log_format.h is what is written") {
  Batch batch;
  batch.Put("k", 0, 0, Slice("v"));
  const LogRecordHeader header{.segment = 3, .group = 42, .synced_group = 41};
  CHECK(Hex(Written(7, header, batch)) ==
        "381481fc58f0f21d"
        "0500000000000000"
        "0300000000000000"
        "2a00000000000000"
        "2900000000000000"
        "01000000"
        "bcadd56a"
        "0101016b76"
        "000000");
}

TEST_CASE("log record: a spliced payload is the same record as a contiguous one") {
  const std::string large(kSharedValueBytesMin + 3, 'x');
  Batch batch;
  batch.Put("a", 1, 0, Slice("small"));
  batch.Put("b", 2, 99, Slice(large));
  batch.Put("c", 3, 0, Slice(large));
  batch.Delete("d");
  const LogRecordHeader header{.segment = 9, .group = 2, .synced_group = 1};
  const std::string written = Written(5, header, batch);
  CHECK(written.size() == LogRecordBytes(batch.size_bytes()));

  LogRecordHeader decoded;
  REQUIRE(DecodeLogHeader(5, 9, written.data(), &decoded));
  CHECK(decoded.length == batch.size_bytes());
  CHECK(decoded.group == 2);
  CHECK(decoded.synced_group == 1);
  CHECK(decoded.type == LogRecordType::kData);
  const Slice record = Slice(written).substr(0, kLogRecordHeaderBytes + decoded.length);
  CHECK(LogChecksumMatches(5, record));

  const Slice payload = record.substr(kLogRecordHeaderBytes);
  char encoded[kLogRecordHeaderBytes];
  EncodeLogHeader(5, header, {&payload, 1}, encoded);
  CHECK(Slice(encoded, sizeof(encoded)) == record.substr(0, kLogRecordHeaderBytes));
}

TEST_CASE("log record: a header is ours or it is nothing") {
  char encoded[kLogRecordHeaderBytes];
  EncodeLogHeader(7, {.segment = 3, .group = 1}, {}, encoded);
  LogRecordHeader header;
  CHECK(DecodeLogHeader(7, 3, encoded, &header));
  CHECK_FALSE(DecodeLogHeader(7, 4, encoded, &header));
  CHECK_FALSE(DecodeLogHeader(8, 3, encoded, &header));
  EncodeLogHeader(7, {.segment = 3, .group = 1, .type = static_cast<LogRecordType>(3)}, {},
                  encoded);
  CHECK_FALSE(DecodeLogHeader(7, 3, encoded, &header));
}

TEST_CASE("log file header: tells torn from foreign") {
  const std::string good = EncodeLogFileHeader(7, 3);
  CHECK(good.size() == kLogFileHeaderBytes);
  CHECK(CheckLogFileHeader(good, 7, 3, "f").ok());
  CHECK(CheckLogFileHeader(good, 7, 4, "f").is_not_found());
  CHECK(CheckLogFileHeader(Slice(good).substr(0, 39), 7, 3, "f").is_not_found());
  CHECK(CheckLogFileHeader("", 7, 3, "f").is_not_found());
  CHECK(CheckLogFileHeader(good, 8, 3, "f").ToString() ==
        "corruption: f: belongs to another database");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    CHECK(CheckLogFileHeader(bad, 7, 3, "f").is_not_found());
  }
}

}  // namespace
}  // namespace varve
