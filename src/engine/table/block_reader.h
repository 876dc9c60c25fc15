// engine/table/block_reader.h: a data block in memory, searched and walked.
//
//   1. make    bytes that passed their checksum are walked once: every entry must parse and end
//              inside the block, every restart must be where an entry begins
//   2. search  among the heads of the restart keys, kept together in a few cache lines, then
//              entry by entry to the next restart
//   3. walk    from where a search has ended, or from either end
//
// Making is where mistrust ends: a block that exists is well formed, so searching has no
// errors to return. (That its keys are in order is its writer's word, sealed by the checksum; were
// it broken, a key would not be found, and nothing worse.)
//
// Searching rebuilds no key and allocates nothing. It carries how many bytes of the target the
// entry before has matched:
//
//   shared > matched   this key differs from the target where the last one did: still before it
//   shared < matched   it left the target's path, upwards: it lies behind
//   shared = matched   only now are bytes compared
//
// Hence the key a search ends on is the target's first `shared` bytes and the entry's own.
// Threads: any; a Block never changes.
// See also: table_format.h (bytes), block_builder.h (their writer).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/slice.h"
#include "engine/cache/cached_part.h"
#include "engine/entry.h"

namespace varve {

// An entry as it lies in the block: the key lacks its first `shared` bytes.
struct BlockEntry {
  size_t shared = 0;
  Slice suffix;
  uint8_t flags = 0;
  int64_t expire_at_ms = 0;
  Slice value;
  const char* next = nullptr;  // where the following entry begins
};

class Block final : public CachedPart {
 public:
  // Takes `size` decompressed bytes that passed their checksum. Null if they are not a block.
  static std::shared_ptr<const Block> Make(std::unique_ptr<char[]> bytes, size_t size);

  // Whether `key` is here. `entry->key` is then `key` itself, the value borrows from the block.
  bool Find(Slice key, Entry* entry) const;

  // Begin to load what a search of the block, and one for `target`, will look at.
  void PrefetchRestarts() const;
  void PrefetchSeek(Slice target) const;

  size_t entries() const { return entries_; }
  // Of its contents, as they were before compression.
  size_t size_bytes() const { return size_; }
  size_t charge_bytes() const override;

 private:
  friend class BlockIterator;
  friend class BackwardBlockIterator;

  Block(std::unique_ptr<char[]> bytes, size_t size) : bytes_(std::move(bytes)), size_(size) {}

  // Eight of them in a cache line.
  struct Restart {
    uint32_t head;  // of the key, behind the common prefix
    uint32_t offset;
  };

  bool Verify();
  bool ReadRestarts();
  void ReadHeads();

  Slice RestartKey(size_t restart) const;
  // Before, at or behind what begins with the common prefix: negative, 0, positive.
  int CompareWithPrefix(Slice target) const;
  // The last restart whose key is <= target; how many there are if none is. Only for keys that
  // begin with the block's common prefix: for others the answer is arbitrary.
  size_t FindRestart(Slice target) const;
  void PrefetchFrom(size_t restart) const;
  // From `restart` to the first entry >= target; true if one was found before the end.
  bool Scan(size_t restart, Slice target, BlockEntry* found, bool* exact) const;

  const char* begin() const { return bytes_.get(); }
  const char* entries_end() const { return bytes_.get() + entry_bytes_; }

  std::unique_ptr<char[]> bytes_;
  size_t size_;
  size_t entry_bytes_ = 0;  // before the restart offsets
  size_t entries_ = 0;
  size_t prefix_bytes_ = SIZE_MAX;  // that all keys of the block have in common
  std::vector<Restart> restarts_;
};

// Walks one block. Like an EntryIterator, but it cannot fail and is not virtual.
// Threads: one at a time. Holds its block.
class BlockIterator {
 public:
  // Leaves the iterator before the first entry, not Valid. Null lets go of the last block.
  void Reset(std::shared_ptr<const Block> block);

  // REQUIRES: a block.
  void SeekToFirst();
  void Seek(Slice target);
  // REQUIRES: Valid().
  void Next();

  bool Valid() const { return valid_; }
  // REQUIRES: Valid(). The key is valid until the next move, the value as long as the block.
  const Entry& entry() const { return entry_; }
  const std::shared_ptr<const Block>& block() const { return block_; }

 private:
  void MoveTo(const char* position);
  void Show(const BlockEntry& raw);

  std::shared_ptr<const Block> block_;
  bool valid_ = false;
  const char* next_ = nullptr;
  std::string key_;
  Entry entry_;
};

// Walks one block from its last entry to its first, with the words of BlockIterator: first is where the walk
// begins. A key is known only when those before it are, up to a restart; so what lies between two restarts
// is read at once and then told from its end.
// Threads: one at a time. Holds its block.
class BackwardBlockIterator {
 public:
  // Leaves the iterator before the first entry, not Valid. Null lets go of the last block.
  void Reset(std::shared_ptr<const Block> block);

  // REQUIRES: a block.
  void SeekToFirst();
  // To the last entry with key < target.
  void Seek(Slice target);
  // REQUIRES: Valid().
  void Next();

  bool Valid() const { return !stretch_.empty(); }
  // REQUIRES: Valid(). The key is valid until the next move, the value as long as the block.
  const Entry& entry() const { return entry_; }
  const std::shared_ptr<const Block>& block() const { return block_; }

 private:
  struct Item {
    BlockEntry raw;
    size_t key_at = 0;  // in keys_
  };

  Slice KeyOf(const Item& item) const {
    return Slice(keys_).substr(item.key_at, item.raw.shared + item.raw.suffix.size());
  }
  void ReadStretch(size_t restart);
  // Shows the last entry of the stretch, or of the one before if nothing is left of it.
  void Settle();

  std::shared_ptr<const Block> block_;
  size_t restart_ = 0;         // where the stretch begins
  std::vector<Item> stretch_;  // what is left of it; the last one is shown
  std::string keys_;           // of the stretch, one after the other
  Entry entry_;
};

}  // namespace varve
