// engine/records/record_table.cc: probing, splitting, taking out.
#include "engine/records/record_table.h"

#include "base/check.h"
#include "base/hash.h"

namespace varve {

RecordTable::RecordTable(uint64_t hash_seed) : hash_seed_(hash_seed) {
  segments_.push_back(std::make_unique<Segment>());
  directory_.push_back(segments_.back().get());
}

RecordTable::~RecordTable() = default;

uint64_t RecordTable::HashOf(Slice key) const { return Hash(key, hash_seed_); }

Record* RecordTable::Find(Slice key, uint64_t hash) const {
  const Segment& segment = SegmentOf(hash);
  Slot wanted = hash >> (64 - kTagBits);  // at distance 0
  for (size_t position = hash & kSegmentMask;; position = (position + 1) & kSegmentMask) {
    const Slot slot = segment.slots[position];
    if ((slot & kLowMask) == wanted && slot != 0) {
      Record* record = RecordOf(slot);
      if (record->key() == key) return record;
    }
    // A slot nearer to its home than we are from ours would have made way for our key.
    if (slot == 0 || (slot & kDistanceMask) < (wanted & kDistanceMask)) return nullptr;
    if ((wanted & kDistanceMask) == kDistanceMask) return nullptr;
    wanted += kDistanceOne;
  }
}

void RecordTable::Insert(Record* record, uint64_t hash) {
  DCHECK((reinterpret_cast<uintptr_t>(record) & 15) == 0);
  DCHECK((reinterpret_cast<uintptr_t>(record) >> 48) == 0);
  while (SegmentOf(hash).used >= kSegmentRecordsMax ||
         !InsertSlot(SegmentOf(hash), hash & kSegmentMask, SlotOf(record, hash))) {
    Split(hash);
  }
  ++size_;
}

bool RecordTable::InsertSlot(Segment& segment, size_t home, Slot slot) {
  // A dry run first: a slot is only shifted if all shifts that follow have room.
  Slot moving = slot;
  for (size_t position = home;; position = (position + 1) & kSegmentMask) {
    const Slot here = segment.slots[position];
    if (here == 0) break;
    if ((here & kDistanceMask) < (moving & kDistanceMask)) moving = here;
    if ((moving & kDistanceMask) == kDistanceMask) return false;
    moving += kDistanceOne;
  }
  for (size_t position = home;; position = (position + 1) & kSegmentMask) {
    Slot& here = segment.slots[position];
    if (here == 0) {
      here = slot;
      ++segment.used;
      return true;
    }
    if ((here & kDistanceMask) < (slot & kDistanceMask)) std::swap(here, slot);
    slot += kDistanceOne;
  }
}

size_t RecordTable::PositionOf(const Segment& segment, const Record* record, uint64_t hash) {
  const Slot pointer_bits = SlotOf(const_cast<Record*>(record), hash) >> kLowBits;
  for (size_t position = hash & kSegmentMask;; position = (position + 1) & kSegmentMask) {
    CHECK(segment.slots[position] != 0);  // the caller said it is there
    if (segment.slots[position] >> kLowBits == pointer_bits) return position;
  }
}

void RecordTable::Replace(Record* from, Record* to, uint64_t hash) {
  Segment& segment = SegmentOf(hash);
  Slot& slot = segment.slots[PositionOf(segment, from, hash)];
  slot = (slot & kLowMask) | (SlotOf(to, hash) & ~kLowMask);
}

void RecordTable::Erase(Record* record, uint64_t hash) {
  Segment& segment = SegmentOf(hash);
  EraseAt(segment, PositionOf(segment, record, hash));
  --size_;
}

void RecordTable::EraseAt(Segment& segment, size_t position) {
  // Those behind move up by one, as long as they are not at home.
  for (;;) {
    const size_t next = (position + 1) & kSegmentMask;
    const Slot slot = segment.slots[next];
    if (slot == 0 || (slot & kDistanceMask) == 0) break;
    segment.slots[position] = slot - kDistanceOne;
    position = next;
  }
  segment.slots[position] = 0;
  --segment.used;
}

void RecordTable::Split(uint64_t hash) {
  Segment& low = SegmentOf(hash);
  CHECK(low.depth < kDepthMax);
  if (low.depth == depth_) {
    std::vector<Segment*> doubled(directory_.size() * 2);
    for (size_t i = 0; i < doubled.size(); ++i) doubled[i] = directory_[i / 2];
    directory_ = std::move(doubled);
    ++depth_;
  }
  segments_.push_back(std::make_unique<Segment>());
  Segment& high = *segments_.back();
  const std::unique_ptr<Slot[]> old = std::move(low.slots);
  low.slots = std::make_unique<Slot[]>(kSegmentSlots);
  low.used = 0;
  // The next bit of the hash, which the tag has, says which half a slot goes to.
  const Slot bit = Slot{1} << (kTagBits - 1 - low.depth);
  high.depth = ++low.depth;
  for (size_t i = 0; i < kSegmentSlots; ++i) {
    const Slot slot = old[i];
    if (slot == 0) continue;
    const size_t distance = (slot & kDistanceMask) >> kTagBits;
    Segment& half = (slot & bit) != 0 ? high : low;
    CHECK(InsertSlot(half, (i - distance) & kSegmentMask, slot & ~kDistanceMask));
  }
  // The directory entries that shared the old segment: a run whose upper half is now `high`.
  const size_t run = size_t{1} << (depth_ - low.depth);
  const size_t first = DirectoryIndex(hash) / (2 * run) * (2 * run);
  for (size_t i = first; i < first + run; ++i) directory_[i] = &low;
  for (size_t i = first + run; i < first + 2 * run; ++i) directory_[i] = &high;
}

void RecordTable::PrefetchSlot(uint64_t hash) const {
  __builtin_prefetch(&SegmentOf(hash).slots[hash & kSegmentMask]);
}

void RecordTable::PrefetchRecord(uint64_t hash) const {
  const Segment& segment = SegmentOf(hash);
  Slot wanted = hash >> (64 - kTagBits);
  // Only what is likely: a few probes, no key comparison.
  for (size_t i = 0; i < 8; ++i, wanted += kDistanceOne) {
    const Slot slot = segment.slots[(hash + i) & kSegmentMask];
    if (slot == 0) return;
    if ((slot & kLowMask) == wanted) {
      const char* record = reinterpret_cast<const char*>(RecordOf(slot));
      __builtin_prefetch(record);
      __builtin_prefetch(record + 64);
      return;
    }
  }
}

Record* RecordTable::Sample(uint64_t random) const {
  const Segment& segment = *segments_[(random >> 16) % segments_.size()];
  const Slot slot = segment.slots[random & kSegmentMask];
  return slot == 0 ? nullptr : RecordOf(slot);
}

size_t RecordTable::slot_bytes() const {
  return segments_.size() * kSegmentSlots * sizeof(Slot) + directory_.size() * sizeof(Segment*);
}

}  // namespace varve
