// tests/support/map_scan.h: a stretch of a map, from its first key or from its last.
//
// What Engine::Scan and ScanBackward promise, for engines that are a map in truth.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>

#include "base/slice.h"
#include "engine/iterators/iterator.h"

namespace varve {

// The items of `map` in [lower, upper); an empty `upper` means no bound. The map must outlive it, and may change
// meanwhile beside the item it stands at.
template <typename Map>
class MapScan {
 public:
  MapScan(const Map& map, Direction direction, Slice lower, Slice upper)
      : map_(map), backward_(direction == Direction::kBackward), lower_(lower), upper_(upper) {}

  void SeekToFirst() {
    if (backward_) {
      Enter(upper_.empty() ? map_.end() : map_.lower_bound(upper_));
    } else {
      Enter(map_.lower_bound(lower_));
    }
  }
  // As EntryIterator::Seek.
  void Seek(Slice target) {
    const std::string key(target);
    if (backward_) {
      Enter(map_.lower_bound(upper_.empty() ? key : std::min(key, upper_)));
    } else {
      Enter(map_.lower_bound(std::max(key, lower_)));
    }
  }
  void Next() { Enter(backward_ ? at_ : std::next(at_)); }

  bool Valid() const { return valid_; }
  // REQUIRES: Valid().
  const typename Map::value_type& item() const { return *at_; }

 private:
  // To the item at `place`; backward, to the one before it.
  void Enter(typename Map::const_iterator place) {
    valid_ = place != (backward_ ? map_.begin() : map_.end());
    if (!valid_) return;
    at_ = backward_ ? std::prev(place) : place;
    valid_ = backward_ ? at_->first >= lower_ : upper_.empty() || at_->first < upper_;
  }

  const Map& map_;
  const bool backward_;
  const std::string lower_;
  const std::string upper_;
  typename Map::const_iterator at_;
  bool valid_ = false;
};

}  // namespace varve
