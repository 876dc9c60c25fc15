// engine/read_scope.h: what a running command holds, and what it waits for.
//
// A read that needs a block from the disk returns kPending after asking for it through
// its scope. The scope counts what is on its way; when all of it has come, `ready` runs
// on the loop, and the command is run again from the start. Until then, and through
// that next run, the scope keeps what was loaded pinned, so each run gets further: progress is certain.
//
// The scope also notes the newest group (see engine.h) that anything read belongs to. A reply made from it
// leaves when that group is durable.
//
// Threads    Loop only.
// Ownership  A command's client owns its scope. Destroying it forgets the wait: `ready` will not run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/status.h"

namespace varve {

// Which part of which table or value file: a block, a partition or a value by where it begins, the end of the file,
// with which a table is opened, by kTableEnd.
struct PartId {
  static constexpr uint64_t kTableEnd = UINT64_MAX;

  uint64_t file_number = 0;
  uint64_t offset = 0;
  auto operator<=>(const PartId&) const = default;  // NOLINT: nothing here is a pointer
};

// A part that a wait has brought, or why it could not be brought.
struct PinnedPart {
  PartId id;
  std::shared_ptr<const void> part;  // a Block, Partition, LoadedValue or reader
  Status status;
};

class ReadScope {
 public:
  // One wait, shared between the scope and the loads it waits for.
  struct Wait {
    int outstanding = 0;
    std::vector<PinnedPart> parts;
    std::function<void()> ready;
  };

  // Called by the engine when it starts a load, and by Arrived() when one has come.
  std::shared_ptr<Wait> Expect() {
    if (!wait_) wait_ = std::make_shared<Wait>();
    ++wait_->outstanding;
    return wait_;
  }
  // Runs `ready` when it was the last. `part` is null for what is none, such as a turn of the loop.
  static void Arrived(const std::weak_ptr<Wait>& weak, const PinnedPart* part);

  // What earlier waits of this command brought.
  const PinnedPart* FindPart(PartId id) const;

  bool has_parts() const { return wait_ && !wait_->parts.empty(); }

  // Something was used that must live until the command is done.
  void Pin(std::shared_ptr<const void> pin) { pins_.push_back(std::move(pin)); }

  // To be called once after a command returned kPending: `ready` runs when all has come, never
  // before WhenReady has returned.
  void WhenReady(std::function<void()> ready);
  bool waiting() const { return wait_ && wait_->outstanding > 0; }

  // The generations that a scan of this command still wants sorted, a bit each by id; unset before its first
  // run. What is written later need not be sorted: a command that is run again is not chased by the writers.
  std::optional<uint32_t> generations_to_sort;

  // For choices by chance that a second run must make again. 0 until set.
  uint64_t random_seed = 0;

  void DependsOn(uint64_t group) {
    if (group > depends_on_group_) depends_on_group_ = group;
  }
  uint64_t depends_on_group() const { return depends_on_group_; }

  // Before the first run of another command: drops pins and dependencies.
  void Reset() {
    pins_.clear();
    wait_.reset();
    depends_on_group_ = 0;
    generations_to_sort.reset();
    random_seed = 0;
  }

 private:
  std::shared_ptr<Wait> wait_;
  std::vector<std::shared_ptr<const void>> pins_;
  uint64_t depends_on_group_ = 0;
};

}  // namespace varve
