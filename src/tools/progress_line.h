// tools/progress_line.h: one line on the terminal that is written over and over, and gone at the end.
//
// Nothing is shown where standard error is no terminal. Threads: one.
#pragma once

#include <cstdint>
#include <string>

#include "env/env.h"

namespace varve {

class ProgressLine {
 public:
  explicit ProgressLine(Env& env);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `done` of `total`, in whatever unit. Looks at the terminal ten times a second at most.
  void Show(uint64_t done, uint64_t total, const std::string& what);

 private:
  Env& env_;
  const bool wanted_;
  uint64_t shown_us_ = 0;
};

}  // namespace varve
