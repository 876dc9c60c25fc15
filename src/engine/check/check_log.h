// engine/check/check_log.h: is the log sound?
//
// Segment by segment, in the order of their numbers:
//
//   header     of this segment and this database
//   records    checksums, groups ascending, entries that parse, padding of zeros
//   holes      an invalid record with an intact one behind it. If that one knows the group in the
//              hole to be durable, the disk has lost what it promised: a problem, also where tables
//              have the group too. Else a power cut tore the log: a note
//   gaps       groups that no valid record holds, by the rule of log/log_reader.h
//   ends       what the manifest says to be good up to an offset is
//
// What is not said by anything cannot be missed: the end of a log that was not closed, and the
// newest segment as a whole.
//
// Threads: any, one at a time. Memory: one record, that is the commits of one turn of the loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/check/report.h"
#include "engine/version/manifest_state.h"
#include "env/env.h"

namespace varve {

struct LogToCheck {
  std::string directory;
  std::vector<uint64_t> segments;        // those that are there and live, in rising order
  const ManifestState* state = nullptr;  // null if it cannot be read: each segment by itself
};

struct LogVerdict {
  // The last segment with records if it ends with a seal, as only Close writes one: everything had been
  // written. Else 0. Known also if records are missing before it.
  uint64_t sealed_segment = 0;
};

LogVerdict CheckLog(Env& env, const LogToCheck& what, CheckReport* report);

}  // namespace varve
