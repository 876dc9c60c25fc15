// engine/snapshot.cc: the database as it was.
//
//   asked    everything dirty is flushed, as by Flush: then tables alone make up a state that the
//            database had
//   pinned   that state is copied - a version is shared - and its files are not removed any more
//   read     on workers, past the caches: iterators/snapshot_iterator.h; or linked: checkpoint.cc
//   gone     nobody holds it any more; what was to be removed meanwhile is removed
//
//     PinState --> waits -------> pinned - - - - - -> gone
//                    |   Flush             CollectPins, at the end of a turn
//                    `-- RefusePins: the flush failed; Close
//
// Why not pin the frozen generations instead, and leave out the flush? Their records turn clean and are overwritten
// where they lie. To keep them a copy would have to be made of every record that changes, and a snapshot that is
// read for hours would hold a generation in memory, one of the few numbers that there are for generations, and the log
// behind it. A flush of what is dirty is due anyway, and what it leaves costs nothing but disk.
//
// Exactly the commits up to a group. A flush leaves out what a later generation has declared dead, for the log would
// bury it again after a crash. A pinned state has no log, so while one is awaited, flushes write such keys: see
// MaybeFlush. (Flushes that began before know only of deaths that the state has as well.)
//
// Threads: loop.
// See also: snapshot.h (what it is to its user), version/pins.h (which files stay, and until when).
#include "engine/snapshot.h"

#include <utility>

#include "engine/engine_impl.h"
#include "engine/iterators/snapshot_iterator.h"

namespace varve {

namespace {

class PinnedSnapshot final : public Snapshot {
 public:
  PinnedSnapshot(std::shared_ptr<const PinnedState> state, TableDirectory tables)
      : state_(std::move(state)), tables_(std::move(tables)) {}

  uint64_t group() const override { return state_->manifest.flushed_group; }
  std::unique_ptr<EntryIterator> Scan(Slice lower, Slice upper) const override {
    return std::make_unique<SnapshotIterator>(state_, tables_, lower, upper);
  }

 private:
  const std::shared_ptr<const PinnedState> state_;
  const TableDirectory tables_;
};

}  // namespace

void EngineImpl::TakeSnapshot(std::function<void(Result<std::shared_ptr<const Snapshot>>)> done) {
  PinState([this, done = std::move(done)](PinnedOr pinned) {
    if (!pinned.ok()) return done(pinned.status());
    done(std::shared_ptr<const Snapshot>(
        std::make_shared<const PinnedSnapshot>(std::move(*pinned), table_directory())));
  });
}

void EngineImpl::PinState(std::function<void(PinnedOr)> done) {
  if (closing_) return done(Status(StatusCode::kAborted, "shutting down"));
  // What it keeps on the disk is what others wait for.
  if (!reserve_->status().ok()) return done(reserve_->status());
  const uint64_t request = ++last_pin_request_;
  pin_requests_.emplace(request, std::move(done));
  Flush([this, request](const Status&) {
    auto waiting = pin_requests_.extract(request);
    if (waiting.empty()) return;  // it was refused meanwhile
    waiting.mapped()(
        pins_.Add({.manifest = state_, .since_us = env_.MonotonicUs(), .lock = lock_}));
  });
}

void EngineImpl::RefusePins(const Status& status) {
  for (auto& [request, done] : std::exchange(pin_requests_, {})) done(status);
}

void EngineImpl::CollectPins() {
  for (std::string& path : pins_.Collect()) RemoveFile(std::move(path));
}

void EngineImpl::AddPinStats(EngineStats* stats) const {
  stats->snapshots = pins_.count();
  stats->snapshot_held_bytes = pins_.held_bytes();
  if (stats->snapshots == 0) return;
  stats->snapshot_oldest_ms = (env_.MonotonicUs() - pins_.oldest_us()) / 1000;
}

}  // namespace varve
