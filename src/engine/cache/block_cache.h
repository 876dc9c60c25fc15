// engine/cache/block_cache.h: blocks worth keeping in memory, and values too large for a record.
//
// A hash table of nodes, chained, with a number of buckets that its owner sets: it never grows in the
// middle of a read. Eviction is SIEVE's (eviction.h), so that a hit writes one
// bit. The nodes of one file are linked, so that a deleted table's blocks go at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/cache/cached_part.h"
#include "engine/cache/eviction.h"

namespace varve {

// A bounded cache of verified, decompressed table blocks, and of large values from value files. What is said of
// blocks here holds for both: one counter numbers all files.
//
// Units      Capacity and charges are bytes; a charge includes the node.
// Threads    Loop only. A reader thread loads a block and posts it; the loop inserts it. Hence no
//            lock, and no atomic counter.
// Errors     None. A block too large to keep is still handed to its caller, merely uncached: a
//            small cache is slow, never wrong.
// Ownership  Shared. Who copies the pointer keeps the block after its eviction, as a waiting
//            command needs until it has run; its bytes then count no longer as the cache's.
class BlockCache {
 public:
  struct Stats {
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t inserts = 0;
    uint64_t evictions = 0;
  };

  // A block is kept if its charge is at most this part of the capacity: one huge value should
  // not push out thousands of blocks.
  static constexpr size_t kLargestPart = 8;

  // With buckets for it.
  explicit BlockCache(size_t capacity_bytes);
  ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // The block at `offset` of that file, or null. The reference holds until the cache is changed;
  // copy it to pin the block.
  const std::shared_ptr<const CachedPart>& Lookup(uint64_t file_number, uint64_t offset);

  // The same without counting as a use, and without a pin.
  const CachedPart* Peek(uint64_t file_number, uint64_t offset) const;
  // The two steps by which several lookups at once hide their cache misses.
  void PrefetchBucket(uint64_t file_number, uint64_t offset) const;
  void PrefetchNode(uint64_t file_number, uint64_t offset) const;

  // Keeps `block` and returns it. If two clients asked for it, the second arrival is dropped and
  // the first returned: both hold the same bytes, for tables never change.
  std::shared_ptr<const CachedPart> Insert(uint64_t file_number, uint64_t offset,
                                           std::shared_ptr<const CachedPart> block);

  // The file is gone: so are its blocks, save pinned ones.
  void EraseFile(uint64_t file_number);

  // Evicts what no longer fits.
  void SetCapacity(size_t capacity_bytes);
  // As many buckets as a cache of that capacity needs. Moves all nodes: for when a limit changes, not for each
  // change of the capacity within it.
  void SetBuckets(size_t capacity_bytes);

  size_t capacity_bytes() const { return capacity_bytes_; }
  // What the kept blocks are charged.
  size_t charge_bytes() const { return charge_bytes_; }
  // That, and the table of buckets.
  size_t memory_bytes() const;
  size_t blocks() const { return blocks_; }
  const Stats& stats() const { return stats_; }

 private:
  struct Node;

  size_t BucketOf(uint64_t file_number, uint64_t offset) const;
  std::unique_ptr<Node>* Place(uint64_t file_number, uint64_t offset);
  void Erase(Node* node);
  void EvictDownTo(size_t charge_bytes);

  size_t capacity_bytes_ = 0;
  size_t charge_bytes_ = 0;
  size_t blocks_ = 0;
  Stats stats_;
  std::vector<std::unique_ptr<Node>> buckets_;  // a power of two; each owns a chain
  unsigned bucket_shift_ = 63;
  SieveQueue<Node> queue_;
  std::unordered_map<uint64_t, Node*> files_;  // the first of each file's nodes
};

}  // namespace varve
