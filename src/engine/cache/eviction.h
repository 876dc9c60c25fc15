// engine/cache/eviction.h: who has to go when a cache is full.
//
// SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024): a queue in order of arrival, one
// bit per node, and a hand. A hit sets the bit and moves nothing. To evict, the hand walks from the
// oldest towards the newest, clears set bits, and takes the first node whose bit is clear; next
// time it goes on from there. What is never used again is thus gone after one round, however much
// of it a scan brings in.
//
//   newest  [ ] [x] [ ] [x] [x] [ ]  oldest
//                        ^ hand: clears x, moves left; a clear one is evicted
//
// Threads: one at a time.
#pragma once

#include "base/check.h"

namespace varve {

// Nodes are the caller's and have the fields `Node* newer`, `Node* older` and `bool used`.
template <typename Node>
class SieveQueue {
 public:
  void Add(Node* node) {
    node->used = false;
    node->newer = nullptr;
    node->older = newest_;
    (newest_ != nullptr ? newest_->newer : oldest_) = node;
    newest_ = node;
  }

  void Remove(Node* node) {
    if (hand_ == node) hand_ = node->newer;
    (node->newer != nullptr ? node->newer->older : newest_) = node->older;
    (node->older != nullptr ? node->older->newer : oldest_) = node->newer;
  }

  // Picks the node to evict, without removing it. REQUIRES: not empty.
  Node* Pick() {
    CHECK(oldest_ != nullptr);
    Node* node = hand_ != nullptr ? hand_ : oldest_;
    while (node->used) {
      node->used = false;
      node = node->newer != nullptr ? node->newer : oldest_;
    }
    hand_ = node;
    return node;
  }

 private:
  Node* newest_ = nullptr;
  Node* oldest_ = nullptr;
  Node* hand_ = nullptr;  // null: begin at the oldest
};

}  // namespace varve
