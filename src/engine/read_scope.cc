// engine/read_scope.cc: the end of a wait.
#include "engine/read_scope.h"

#include "base/check.h"

namespace varve {

void ReadScope::Arrived(const std::weak_ptr<Wait>& weak, const PinnedBlock* block) {
  const std::shared_ptr<Wait> wait = weak.lock();
  if (!wait) return;  // Whoever asked is gone.
  if (block != nullptr) wait->blocks.push_back(*block);
  CHECK(wait->outstanding > 0);
  if (--wait->outstanding > 0 || !wait->ready) return;
  // Moved out first: the command runs again in here and may start a new wait.
  const std::function<void()> ready = std::move(wait->ready);
  wait->ready = nullptr;
  ready();
}

const PinnedBlock* ReadScope::FindBlock(uint64_t file_number, uint64_t offset) const {
  if (!wait_) return nullptr;
  for (const PinnedBlock& pinned : wait_->blocks) {
    if (pinned.file_number == file_number && pinned.offset == offset) return &pinned;
  }
  return nullptr;
}

void ReadScope::WhenReady(std::function<void()> ready) {
  CHECK(waiting());
  wait_->ready = std::move(ready);
}

}  // namespace varve
