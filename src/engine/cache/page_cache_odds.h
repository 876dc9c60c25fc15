// engine/cache/page_cache_odds.h: whether to ask the page cache on the loop, before a reader thread is.
//
// A read that may not wait is cheap if the page cache has the bytes: no thread, no second run of the command. If it has
// not, it is worse than in vain: Linux then begins to read them from the disk within the call, and that is the dearest
// part of a cold read. So the loop asks as long as the answer has lately been yes often enough, and
// else only now and then.
//
// Threads: loop.
#pragma once

#include <cstdint>

namespace varve {

class PageCacheOdds {
 public:
  // To be called before each read; followed by Note() if it said yes.
  bool WorthAsking() {
    if (hits_ >= kHitsMin) return true;
    return ++since_asked_ >= kAskEvery;
  }
  void Note(bool hit) {
    since_asked_ = 0;
    hits_ -= hits_ / kMemory;
    if (hit) hits_ += kAll / kMemory;
  }

 private:
  static constexpr uint32_t kAll = 1u << 16;
  // A moving average over about so many answers. Asking in vain took some 10 microseconds of the loop for each cold
  // GET; a yes spares a trip through a thread. That one in eight is enough is a guess.
  static constexpr uint32_t kMemory = 32;
  static constexpr uint32_t kHitsMin = kAll / 8;
  static constexpr uint32_t kAskEvery = 32;

  uint32_t hits_ = kAll;  // part of the answers that were yes, of kAll
  uint32_t since_asked_ = 0;
};

}  // namespace varve
