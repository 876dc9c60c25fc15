// engine/check/report.h: what a check of a database found.
//
// A problem is damage. A note is what an operator may want to know and what is no damage: a tail
// that a power cut has torn, say. Both name a file of the directory and, where there is one, the
// offset in it. One place is reported once, by whoever finds it first.
//
// Threads: as a value.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/slice.h"

namespace varve {

// A file with more problems than this lists so many, and how many there are.
inline constexpr uint64_t kCheckProblemsPerFileMax = 1000;

struct CheckFinding {
  std::string file;  // its name in the directory
  std::optional<uint64_t> offset;
  std::string text;

  // "000012.table at 81920: bad checksum".
  std::string ToString() const;
};

struct CheckTotals {
  uint64_t files = 0;  // looked into
  uint64_t bytes = 0;  // of these
  uint64_t problems = 0;
  uint64_t manifest_edits = 0;
  uint64_t tables = 0;
  uint64_t blocks = 0;
  uint64_t entries = 0;  // in tables
  uint64_t value_files = 0;
  uint64_t values = 0;  // in these
  uint64_t log_segments = 0;
  uint64_t log_groups = 0;
  uint64_t log_entries = 0;
};

class CheckReport {
 public:
  // Runs now and then while bytes are checked: how many of how many, and in which file.
  using OnProgress = std::function<void(uint64_t done, uint64_t total, const std::string& file)>;

  explicit CheckReport(OnProgress on_progress = {}) : on_progress_(std::move(on_progress)) {}

  bool sound() const { return totals_.problems == 0; }
  const std::vector<CheckFinding>& problems() const { return problems_; }
  const std::vector<CheckFinding>& notes() const { return notes_; }
  // Files that nothing names. Ours among them the next start of the server removes.
  const std::vector<std::string>& strangers() const { return strangers_; }
  const CheckTotals& totals() const { return totals_; }

  // --- For who checks ---
  void AddProblem(const std::string& file, std::optional<uint64_t> offset, std::string text);
  void AddNote(const std::string& file, std::optional<uint64_t> offset, std::string text);
  void AddStranger(std::string file) { strangers_.push_back(std::move(file)); }
  bool HasProblem(const std::string& file) const { return problems_in_.contains(file); }
  CheckTotals& totals() { return totals_; }

  void SetBytesTotal(uint64_t bytes) { bytes_total_ = bytes; }
  // `bytes` more have been checked.
  void Progress(const std::string& file, uint64_t bytes);

 private:
  const OnProgress on_progress_;
  std::vector<CheckFinding> problems_;
  std::vector<CheckFinding> notes_;
  std::vector<std::string> strangers_;
  CheckTotals totals_;
  std::map<std::string, uint64_t> problems_in_;
  std::set<std::pair<std::string, std::optional<uint64_t>>> places_;
  uint64_t bytes_done_ = 0;
  uint64_t bytes_total_ = 0;
};

}  // namespace varve
