// server/reply_gate.h: which replies of a client may leave already.
//
// A reply that shows what a group of the engine wrote, to its writer or to a reader, leaves when
// that group is durable. Replies keep their order, so a client's output is cut by marks:
//
//   output   |------------------|--------------|---------->
//            consumed           mark: group 7  mark: group 9
//
// Bytes from a mark on wait for its group, and so for every mark before it. Positions and groups
// both rise from mark to mark: a later reply that needs an older group is held by the one before it
// anyway.
//
// Threads: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace varve {

class ReplyGate {
 public:
  // Bytes from `position` on may leave only when `group` is reported.
  // REQUIRES: position does not fall from call to call.
  void Hold(uint64_t position, uint64_t group) {
    if (holding() && marks_.back().group >= group) return;
    marks_.push_back({position, group});
  }

  // How far bytes may leave, `end` being all of them. Forgets the marks that `reported_group` has
  // lifted.
  uint64_t Limit(uint64_t reported_group, uint64_t end) {
    while (holding() && marks_[first_].group <= reported_group) ++first_;
    const uint64_t limit = holding() ? marks_[first_].position : end;
    // A busy writer always has something held, so the lifted marks must go before the last one
    // does.
    if (first_ * 2 >= marks_.size()) {
      marks_.erase(marks_.begin(), marks_.begin() + static_cast<ptrdiff_t>(first_));
      first_ = 0;
    }
    return limit;
  }

  bool holding() const { return first_ < marks_.size(); }
  // REQUIRES: holding().
  uint64_t first_group() const { return marks_[first_].group; }

 private:
  struct Mark {
    uint64_t position;
    uint64_t group;
  };
  std::vector<Mark> marks_;
  size_t first_ = 0;  // those before it are lifted
};

}  // namespace varve
