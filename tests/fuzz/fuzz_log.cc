// tests/fuzz/fuzz_log.cc: foreign bytes into the log reader.
//
// The first byte of an input says how the rest becomes a segment: as the bytes of a file behind a good header, or cut into
// payloads of records whose checksums are right, so that what is behind the checksums is reached, too. Whatever it is,
// the replay comes to an end, and hands on groups in rising order, each once.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "engine/batch.h"
#include "engine/file_names.h"
#include "engine/log/log_format.h"
#include "engine/log/log_reader.h"
#include "engine/log/log_record.h"
#include "env/sim_env.h"

namespace {

using namespace varve;

constexpr char kDirectory[] = "/db";
constexpr uint64_t kDatabase = 7;
constexpr uint64_t kSegment = 3;

std::string Records(Slice bytes) {
  std::string file = EncodeLogFileHeader(kDatabase, kSegment);
  for (uint64_t group = 1; !bytes.empty(); ++group) {
    const size_t size = std::min<size_t>(bytes.size() - 1, static_cast<unsigned char>(bytes[0]));
    const Slice payload = bytes.substr(1, size);
    bytes.remove_prefix(1 + size);
    std::string record(kLogRecordHeaderBytes, '\0');
    EncodeLogHeader(kDatabase, {.segment = kSegment, .group = group}, {&payload, 1}, record.data());
    record.append(payload);
    record.resize(LogRecordBytes(payload.size()));
    file += record;
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Slice bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string file;
  switch (data[0] % 3) {
    case 0: file = bytes; break;
    case 1: file = EncodeLogFileHeader(kDatabase, kSegment).append(bytes); break;
    case 2: file = Records(bytes); break;
  }
  SimEnv env(1);
  CHECK(env.CreateDirectory(kDirectory).ok());
  env.SetContents(JoinPath(kDirectory, LogFileName(kSegment)), file);
  LogReplay replay;
  replay.directory = kDirectory;
  replay.database_id = kDatabase;
  replay.segments = {kSegment};
  uint64_t last_group = 0;
  uint64_t entries = 0;
  const Result<LogEnd> end = ReplayLog(env, replay, [&](uint64_t group, Slice payload) {
    CHECK(group == last_group + 1);
    last_group = group;
    BatchReader reader(payload);
    while (reader.Next()) {
      CHECK(reader.entry().key.size() <= payload.size());
      CHECK(++entries <= size);
    }
    return reader.ok() ? Status::Ok() : Status::Corruption("makes no sense");
  });
  CHECK(!end.ok() || end->last_group == last_group);
  return 0;
}
