// engine/check/report.cc: findings, collected.
#include "engine/check/report.h"

#include <algorithm>

namespace varve {

std::string CheckFinding::ToString() const {
  std::string line = file;
  if (offset) line.append(" at ").append(std::to_string(*offset));
  return line.append(": ").append(text);
}

void CheckReport::AddProblem(const std::string& file, std::optional<uint64_t> offset,
                             std::string text) {
  const uint64_t before = problems_in_[file];
  if (before < kCheckProblemsPerFileMax) {
    // What concerns the file as a whole may be told more than once.
    if (offset && !places_.emplace(file, offset).second) return;
    problems_.push_back({file, offset, std::move(text)});
  } else if (before == kCheckProblemsPerFileMax) {
    problems_.push_back({file, offset, "and more, which are not listed"});
  }
  ++problems_in_[file];
  ++totals_.problems;
}

void CheckReport::AddNote(const std::string& file, std::optional<uint64_t> offset,
                          std::string text) {
  notes_.push_back({file, offset, std::move(text)});
}

void CheckReport::Progress(const std::string& file, uint64_t bytes) {
  bytes_done_ += bytes;
  if (on_progress_) on_progress_(std::min(bytes_done_, bytes_total_), bytes_total_, file);
}

}  // namespace varve
