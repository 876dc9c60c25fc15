// engine/records/record_table.h: the hash table in front of everything.
//
// Slots of eight bytes lead to records. The table is a directory of segments (extendible hashing; Fagin,
// Nievergelt, Pippenger, Strong, "Extendible Hashing", 1979): the top bits of a key's hash choose the
// segment, the low bits the home slot in it. A full segment splits in two, and nothing else moves, so
// that growth costs some 50 microseconds now and then and never more.
//
// Within a segment: linear probing with Robin Hood displacement (Celis, Larson, Munro, "Robin Hood Hashing",
// 1985). A slot knows how far from home it is, so that inserting, deleting and splitting need not look at
// records, which would each be a cache miss:
//
//   63            20 19      15 14            0
//   | record >> 4   | distance | top 15 hash bits |        0 is an empty slot
//
// The table borrows its records. Threads: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/slice.h"
#include "engine/records/record.h"

namespace varve {

class RecordTable {
 public:
  explicit RecordTable(uint64_t hash_seed);
  ~RecordTable();
  RecordTable(const RecordTable&) = delete;
  RecordTable& operator=(const RecordTable&) = delete;

  uint64_t HashOf(Slice key) const;

  // Null if there is none.
  Record* Find(Slice key, uint64_t hash) const;
  // REQUIRES: no record with this key is in the table.
  void Insert(Record* record, uint64_t hash);
  // Puts `to` where `from` was. REQUIRES: same key; `from` is in the table.
  void Replace(Record* from, Record* to, uint64_t hash);
  // REQUIRES: `record` is in the table.
  void Erase(Record* record, uint64_t hash);

  // The two steps by which a batch of lookups hides its cache misses: first all slots, then all records.
  void PrefetchSlot(uint64_t hash) const;
  void PrefetchRecord(uint64_t hash) const;

  // Moves a hand over all slots, `slots` of them per call, round and round, and passes each record to
  // `visit`, which returns true to have it taken out (and then owns it).
  struct Hand {
    size_t segment = 0;
    size_t slot = 0;
  };
  template <typename Visit>
  void Sweep(Hand* hand, size_t slots, Visit visit);

  // A record at a random place, or null if the place is empty.
  Record* Sample(uint64_t random) const;

  // Every record; for the destructor's owner and for tests.
  template <typename Visit>
  void ForEach(Visit visit) const;

  size_t size() const { return size_; }
  size_t slot_count() const { return segments_.size() * kSegmentSlots; }
  size_t slot_bytes() const;

 private:
  using Slot = uint64_t;

  static constexpr unsigned kTagBits = 15;
  static constexpr unsigned kDistanceBits = 5;
  static constexpr unsigned kLowBits = kTagBits + kDistanceBits;
  static constexpr Slot kDistanceOne = Slot{1} << kTagBits;
  static constexpr Slot kDistanceMask = Slot{31} << kTagBits;
  static constexpr Slot kTagMask = kDistanceOne - 1;
  static constexpr Slot kLowMask = (Slot{1} << kLowBits) - 1;
  static constexpr size_t kSegmentSlots = 1u << 14;
  static constexpr size_t kSegmentMask = kSegmentSlots - 1;
  // 13/16: beyond, probes grow long; with Robin Hood the longest is still about a dozen here.
  static constexpr size_t kSegmentRecordsMax = kSegmentSlots / 16 * 13;
  // Splitting uses up tag bits. 2^15 segments hold 400 million records.
  static constexpr unsigned kDepthMax = kTagBits;

  struct Segment {
    unsigned depth = 0;  // how many top bits its records share
    size_t used = 0;
    std::unique_ptr<Slot[]> slots = std::make_unique<Slot[]>(kSegmentSlots);
  };

  static Record* RecordOf(Slot slot) { return reinterpret_cast<Record*>((slot >> kLowBits) << 4); }
  static Slot SlotOf(Record* record, uint64_t hash) {
    return (reinterpret_cast<uintptr_t>(record) >> 4) << kLowBits | hash >> (64 - kTagBits);
  }
  size_t DirectoryIndex(uint64_t hash) const {
    return depth_ == 0 ? 0 : static_cast<size_t>(hash >> (64 - depth_));
  }
  Segment& SegmentOf(uint64_t hash) const { return *directory_[DirectoryIndex(hash)]; }

  // False if some slot would be further from home than a slot can say.
  static bool InsertSlot(Segment& segment, size_t home, Slot slot);
  static size_t PositionOf(const Segment& segment, const Record* record, uint64_t hash);
  static void EraseAt(Segment& segment, size_t position);
  void Split(uint64_t hash);

  uint64_t hash_seed_;
  unsigned depth_ = 0;
  std::vector<Segment*> directory_;  // 2^depth_ entries; several may be one segment
  std::vector<std::unique_ptr<Segment>> segments_;
  size_t size_ = 0;
};

template <typename Visit>
void RecordTable::Sweep(Hand* hand, size_t slots, Visit visit) {
  constexpr size_t kPrefetchAhead = 16;
  while (slots > 0) {
    if (hand->segment >= segments_.size()) hand->segment = 0;
    Segment& segment = *segments_[hand->segment];
    for (; slots > 0 && hand->slot < kSegmentSlots; --slots) {
      __builtin_prefetch(RecordOf(segment.slots[(hand->slot + kPrefetchAhead) & kSegmentMask]));
      const Slot slot = segment.slots[hand->slot];
      if (slot != 0 && visit(RecordOf(slot))) {
        // What follows has moved here: look at this position again.
        EraseAt(segment, hand->slot);
        --size_;
      } else {
        ++hand->slot;
      }
    }
    if (hand->slot == kSegmentSlots) {
      hand->slot = 0;
      ++hand->segment;
    }
  }
}

template <typename Visit>
void RecordTable::ForEach(Visit visit) const {
  for (const auto& segment : segments_) {
    for (size_t i = 0; i < kSegmentSlots; ++i) {
      if (segment->slots[i] != 0) visit(RecordOf(segment->slots[i]));
    }
  }
}

}  // namespace varve
