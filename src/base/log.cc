// base/log.cc: one line a message, one write() a line.
//
// The log reads the system's clock itself, not Env's: what an operator reads carries the
// operator's time, and a line changes nothing that a replayed history could see.
//
// Threads: any. Level and descriptor are atomics. Once a log file has been opened its descriptor
// is never closed, only pointed elsewhere with dup3(), so that a line being written by another
// thread ends in the old file or the new one, never in a stranger's descriptor.
#include "base/log.h"

#include <fcntl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <string>

namespace varve {

namespace {

// Longer messages are cut: a line is for reading. Holds two long paths and words between them.
constexpr size_t kLineBytesMax = 8192;
constexpr size_t kTimeBytes = sizeof("12:04:31.214 * ") - 1;

constexpr char kMarks[] = {'.', '-', '*', '#', ' '};
static_assert(sizeof(kMarks) == static_cast<size_t>(LogLevel::kNothing) + 1);

std::atomic<LogLevel> g_level{LogLevel::kNotice};
std::atomic<int> g_descriptor{STDOUT_FILENO};

// Writes "12:04:31.214 * " without a terminator.
void FormatPrefix(LogLevel level, char* to) {
  timeval now{};
  gettimeofday(&now, nullptr);
  tm local{};
  localtime_r(&now.tv_sec, &local);
  char text[64];
  std::snprintf(text, sizeof(text), "%02d:%02d:%02d.%03d %c ", local.tm_hour, local.tm_min,
                local.tm_sec, static_cast<int>(now.tv_usec / 1000),
                kMarks[static_cast<size_t>(level)]);
  std::char_traits<char>::copy(to, text, kTimeBytes);
}

// A log that cannot be written has nobody to tell; the message is dropped.
void WriteLine(const char* line, size_t size) {
  const int descriptor = g_descriptor.load(std::memory_order_relaxed);
  while (size > 0) {
    const ssize_t written = write(descriptor, line, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    line += written;
    size -= static_cast<size_t>(written);
  }
}

}  // namespace

void Log(LogLevel level, const char* format, ...) {
  if (level < g_level.load(std::memory_order_relaxed) || level >= LogLevel::kNothing) return;
  const int error = errno;  // logging must not disturb whoever is about to read it
  char line[kLineBytesMax];
  FormatPrefix(level, line);

  va_list arguments;
  va_start(arguments, format);
  const int wanted =
      std::vsnprintf(line + kTimeBytes, sizeof(line) - kTimeBytes - 1, format, arguments);
  va_end(arguments);
  const size_t room = sizeof(line) - kTimeBytes - 2;  // without the newline and the terminator
  const size_t size = kTimeBytes + std::min(static_cast<size_t>(std::max(wanted, 0)), room);

  // A message may quote a client or a file name: neither may forge a line of its own.
  for (size_t i = kTimeBytes; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(line[i]);
    if (byte < 0x20 || byte == 0x7f) line[i] = ' ';
  }
  line[size] = '\n';
  WriteLine(line, size + 1);
  errno = error;
}

void SetLogLevel(LogLevel level) { g_level.store(level, std::memory_order_relaxed); }
LogLevel GetLogLevel() { return g_level.load(std::memory_order_relaxed); }

Status SetLogFile(const std::string& path) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> guard(mutex);
  const int current = g_descriptor.load(std::memory_order_relaxed);
  if (path.empty()) {
    if (current == STDOUT_FILENO) return Status::Ok();
    if (dup3(STDOUT_FILENO, current, O_CLOEXEC) < 0) {
      return Status::FromErrno(errno, "standard output", "log");
    }
    return Status::Ok();
  }

  const int opened = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (opened < 0) return Status::FromErrno(errno, path, "open");
  if (current == STDOUT_FILENO) {
    g_descriptor.store(opened, std::memory_order_relaxed);
    return Status::Ok();
  }
  const bool moved = dup3(opened, current, O_CLOEXEC) >= 0;
  const int error = errno;
  close(opened);
  return moved ? Status::Ok() : Status::FromErrno(error, path, "log");
}

std::string FormatBytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  // 1023.95 would print as "1024.0": it reads better as 1.0 of the next unit.
  while (value >= 1023.95 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace varve
