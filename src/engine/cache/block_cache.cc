// engine/cache/block_cache.cc: nodes in chains, in SIEVE's queue, and in one list per file.
#include "engine/cache/block_cache.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace varve {

namespace {

// Buckets are counted for blocks of half the usual size, so that chains stay short when compression
// or small tables make many of them.
constexpr size_t kBytesPerBucket = 8 * 1024;
constexpr size_t kBucketsMin = 64;

}  // namespace

struct BlockCache::Node {
  uint64_t file_number;
  uint64_t offset;
  std::shared_ptr<const CachedPart> block;
  size_t charge_bytes;
  bool used;
  std::unique_ptr<Node> next_in_bucket;
  // In the queue.
  Node* newer;
  Node* older;
  // Of the same file.
  Node* next_in_file;
  Node* previous_in_file;
};

BlockCache::BlockCache(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {
  SetBuckets(capacity_bytes);
}

BlockCache::~BlockCache() = default;

size_t BlockCache::BucketOf(uint64_t file_number, uint64_t offset) const {
  // Both factors are odd and arbitrary; the product's leading bits depend on all bits.
  uint64_t hash = offset + file_number * 0x9e3779b97f4a7c15;
  hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93;
  return static_cast<size_t>(hash >> bucket_shift_);
}

// The owner of the node, or the end of the chain where it would go.
std::unique_ptr<BlockCache::Node>* BlockCache::Place(uint64_t file_number, uint64_t offset) {
  std::unique_ptr<Node>* place = &buckets_[BucketOf(file_number, offset)];
  while (*place && ((*place)->offset != offset || (*place)->file_number != file_number)) {
    place = &(*place)->next_in_bucket;
  }
  return place;
}

const std::shared_ptr<const CachedPart>& BlockCache::Lookup(uint64_t file_number, uint64_t offset) {
  static const std::shared_ptr<const CachedPart> kNone;
  Node* node = Place(file_number, offset)->get();
  if (node == nullptr) {
    ++stats_.misses;
    return kNone;
  }
  ++stats_.hits;
  node->used = true;
  return node->block;
}

const CachedPart* BlockCache::Peek(uint64_t file_number, uint64_t offset) const {
  const Node* node = buckets_[BucketOf(file_number, offset)].get();
  while (node != nullptr && (node->offset != offset || node->file_number != file_number)) {
    node = node->next_in_bucket.get();
  }
  return node == nullptr ? nullptr : node->block.get();
}

void BlockCache::PrefetchBucket(uint64_t file_number, uint64_t offset) const {
  __builtin_prefetch(&buckets_[BucketOf(file_number, offset)]);
}

void BlockCache::PrefetchNode(uint64_t file_number, uint64_t offset) const {
  __builtin_prefetch(buckets_[BucketOf(file_number, offset)].get());
}

std::shared_ptr<const CachedPart> BlockCache::Insert(uint64_t file_number, uint64_t offset,
                                                     std::shared_ptr<const CachedPart> block) {
  if (const Node* node = Place(file_number, offset)->get()) return node->block;
  const size_t charge_bytes = sizeof(Node) + block->charge_bytes();
  if (charge_bytes > capacity_bytes_ / kLargestPart) return block;
  EvictDownTo(capacity_bytes_ - charge_bytes);

  auto node = std::make_unique<Node>();
  node->file_number = file_number;
  node->offset = offset;
  node->block = block;
  node->charge_bytes = charge_bytes;
  queue_.Add(node.get());
  Node*& first = files_[file_number];
  node->next_in_file = first;
  if (first != nullptr) first->previous_in_file = node.get();
  first = node.get();
  *Place(file_number, offset) = std::move(node);
  charge_bytes_ += charge_bytes;
  ++blocks_;
  ++stats_.inserts;
  return block;
}

void BlockCache::EraseFile(uint64_t file_number) {
  for (auto it = files_.find(file_number); it != files_.end(); it = files_.find(file_number)) {
    Erase(it->second);
  }
}

void BlockCache::SetCapacity(size_t capacity_bytes) {
  capacity_bytes_ = capacity_bytes;
  EvictDownTo(capacity_bytes);
}

size_t BlockCache::memory_bytes() const {
  return charge_bytes_ + buckets_.capacity() * sizeof(buckets_[0]);
}

void BlockCache::Erase(Node* node) {
  queue_.Remove(node);
  if (node->next_in_file != nullptr) node->next_in_file->previous_in_file = node->previous_in_file;
  if (node->previous_in_file != nullptr) {
    node->previous_in_file->next_in_file = node->next_in_file;
  } else if (node->next_in_file != nullptr) {
    files_[node->file_number] = node->next_in_file;
  } else {
    files_.erase(node->file_number);
  }
  charge_bytes_ -= node->charge_bytes;
  --blocks_;
  std::unique_ptr<Node>* place = Place(node->file_number, node->offset);
  *place = std::move((*place)->next_in_bucket);
}

void BlockCache::EvictDownTo(size_t charge_bytes) {
  while (charge_bytes_ > charge_bytes) {
    Erase(queue_.Pick());
    ++stats_.evictions;
  }
}

void BlockCache::SetBuckets(size_t capacity_bytes) {
  const size_t buckets = std::bit_ceil(std::max(capacity_bytes / kBytesPerBucket, kBucketsMin));
  if (buckets == buckets_.size()) return;
  std::vector<std::unique_ptr<Node>> old(buckets);
  old.swap(buckets_);
  bucket_shift_ = static_cast<unsigned>(64 - std::countr_zero(buckets));
  for (std::unique_ptr<Node>& chain : old) {
    while (chain) {
      std::unique_ptr<Node> node = std::move(chain);
      chain = std::move(node->next_in_bucket);
      *Place(node->file_number, node->offset) = std::move(node);
    }
  }
}

}  // namespace varve
