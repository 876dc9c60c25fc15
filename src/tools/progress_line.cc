// tools/progress_line.cc: one line on the terminal that is written over and over.
#include "tools/progress_line.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace varve {

namespace {
constexpr uint64_t kIntervalUs = 100'000;
constexpr int kBarChars = 30;
}  // namespace

ProgressLine::ProgressLine(Env& env) : env_(env), wanted_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (shown_us_ != 0) std::fputs("\r\033[K", stderr);
}

void ProgressLine::Show(uint64_t done, uint64_t total, const std::string& what) {
  if (!wanted_ || total == 0) return;
  const uint64_t now_us = env_.MonotonicUs();
  if (now_us - shown_us_ < kIntervalUs) return;
  shown_us_ = now_us;
  const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const int filled = static_cast<int>(part * kBarChars);
  std::fprintf(stderr, "\r\033[K[%-*s] %3.0f%% %s", kBarChars,
               std::string(static_cast<size_t>(filled), '#').c_str(), 100 * part, what.c_str());
}

}  // namespace varve
