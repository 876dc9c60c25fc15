// base/log.h: what an operator reads.
//
//   12:04:31.214 * engine: opened data, manifest 12, 148 tables, 3.2 GiB
//
// One line a message: local time, a mark for the level (. debug, - verbose, * notice, # warning),
// text. Nothing is logged per command. Threads: any; a line is one write().
#pragma once

#include <cstdarg>
#include <string>

#include "base/status.h"

namespace varve {

enum class LogLevel : unsigned char { kDebug, kVerbose, kNotice, kWarning, kNothing };

// printf-style; a line without its newline. Lines above the set level cost one comparison.
void Log(LogLevel level, const char* format, ...) __attribute__((format(printf, 2, 3)));

void SetLogLevel(LogLevel level);
LogLevel GetLogLevel();

// Appends to `path` from now on; "" means standard output.
Status SetLogFile(const std::string& path);

// "3.2 GiB", "512 B": for log lines and INFO's *_human fields use FormatBytes.
std::string FormatBytes(uint64_t bytes);

}  // namespace varve
