// engine/read_scope.cc: the end of a wait.
#include "engine/read_scope.h"

#include "base/check.h"

namespace varve {

void ReadScope::Arrived(const std::weak_ptr<Wait>& weak, const PinnedPart* part) {
  const std::shared_ptr<Wait> wait = weak.lock();
  if (!wait) return;  // Whoever asked is gone.
  if (part != nullptr) wait->parts.push_back(*part);
  CHECK(wait->outstanding > 0);
  if (--wait->outstanding > 0 || !wait->ready) return;
  // Moved out first: the command runs again in here and may start a new wait.
  const std::function<void()> ready = std::move(wait->ready);
  wait->ready = nullptr;
  ready();
}

const PinnedPart* ReadScope::FindPart(PartId id) const {
  if (!wait_) return nullptr;
  for (const PinnedPart& pinned : wait_->parts) {
    if (pinned.id == id) return &pinned;
  }
  return nullptr;
}

void ReadScope::WhenReady(std::function<void()> ready) {
  CHECK(waiting());
  wait_->ready = std::move(ready);
}

}  // namespace varve
