// data/scan_cursor.cc: a list in order of use, and an index into it.
#include "data/scan_cursor.h"

#include <iterator>

#include "base/random.h"

namespace varve {

namespace {

constexpr unsigned kNumberBits = 32;
constexpr unsigned kLifeBits = 21;
// A list node and a hash node with their allocations, about.
constexpr size_t kPlaceOverheadBytes = 128;

}  // namespace

ScanCursors::ScanCursors(uint64_t seed, size_t cursors_max, size_t bytes_max)
    : life_((Random(seed).Next() >> (64 - kLifeBits)) << kNumberBits),
      cursors_max_(cursors_max),
      bytes_max_(bytes_max) {}

uint64_t ScanCursors::Save(int database, Slice position) {
  do {
    ++last_number_;  // Wraps after four billion, by when the first are long forgotten.
  } while (last_number_ == 0 || by_number_.contains(last_number_));
  places_.push_back({last_number_, database, std::string(position)});
  by_number_[last_number_] = std::prev(places_.end());
  bytes_ += position.size() + kPlaceOverheadBytes;
  while (places_.size() > 1 && (places_.size() > cursors_max_ || bytes_ > bytes_max_)) {
    ForgetOldest();
  }
  return life_ | last_number_;
}

const std::string* ScanCursors::Find(uint64_t cursor, int database) {
  const auto number = static_cast<uint32_t>(cursor);
  if ((life_ | number) != cursor) return nullptr;
  const auto found = by_number_.find(number);
  if (found == by_number_.end() || found->second->database != database) return nullptr;
  places_.splice(places_.end(), places_, found->second);
  return &found->second->position;
}

void ScanCursors::ForgetOldest() {
  bytes_ -= places_.front().position.size() + kPlaceOverheadBytes;
  by_number_.erase(places_.front().number);
  places_.pop_front();
}

}  // namespace varve
