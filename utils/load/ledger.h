// utils/load/ledger.h: what may be read of each key, and what of it should be there.
//
// Several writes of one key may be on their way at a time, on connections of their own, and the server runs them in
// any order. So a key has a floor rather than a value: writes that were answered before another was sent
// are under that other one for good.
//
//   issued 4 5 6        answered 4 6 5         no write is on its way: one of 4, 5, 6 is what is there, so
//   |--4--|                                    the floor is 4, the first of those that overlapped
//     |---5----|
//        |--6-|
//
// A read must show nothing older than the floor as it was when the read was sent, and nothing that was
// not issued when its reply came. That the key is absent is right only if a write of the same stretch may have removed it.
//
// What is live is counted as the replies come: the last write to be answered decides. Where writes overlap
// that may be wrong for a key until it is written again.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "utils/load/values.h"

namespace varve::load {

enum class WriteKind : uint8_t { kSet, kSetExpiring, kDelete };

class Ledger {
 public:
  // `all_exist`: earlier runs have left every key there, `value_bytes` large, without a time to expire. Otherwise
  // nothing is known about a key that has not been written.
  Ledger(uint64_t keys, uint32_t run, bool all_exist, uint64_t key_bytes, uint64_t value_bytes);

  // Returns the version to write.
  uint32_t BeginWrite(uint64_t key, WriteKind kind);
  // A write that was refused has changed nothing.
  void EndWrite(uint64_t key, WriteKind kind, bool refused, size_t value_bytes,
                int64_t expire_at_ms);

  // As of when a read is sent.
  struct Expectation {
    uint32_t floor = 0;
    bool may_be_absent = false;
  };
  Expectation BeginRead(uint64_t key) const;
  // Empty, or what is wrong. `head` is null if the key was absent; `sent_ms` is when the read was sent.
  std::string EndRead(uint64_t key, const Expectation& expected, const ValueHead* head,
                      int64_t sent_ms) const;

  // Without what has expired by now, to a tenth of a second. `now_ms` never goes back.
  void Expire(int64_t now_ms);
  uint64_t live_keys() const { return live_keys_; }
  uint64_t live_bytes() const { return live_bytes_; }  // of keys and values

 private:
  struct Key {
    uint32_t issued = 0;
    uint32_t floor = 0;
    uint32_t stretch_begin = 0;  // the first of the writes on their way, or the floor to be
    uint32_t value_bytes = 0;    // 0: not live
    uint32_t tick = 0;           // when it expires; 0: never
    uint16_t on_their_way = 0;
    bool may_be_absent = false;       // by what was written before the stretch
    bool stretch_may_remove = false;  // by what is on its way
    bool stretch_refused = false;     // some of it was
  };
  struct Expiring {
    uint64_t keys = 0;
    uint64_t bytes = 0;
  };

  void SetLive(Key& key, size_t value_bytes, uint32_t tick);

  static constexpr int64_t kTickMs = 100;
  uint32_t TickOf(int64_t at_ms) const;

  const uint32_t run_;
  const uint64_t key_bytes_;
  std::vector<Key> keys_;
  uint64_t live_keys_ = 0;
  uint64_t live_bytes_ = 0;
  int64_t first_ms_ = 0;            // where ticks begin
  std::vector<Expiring> expiring_;  // by tick
  uint32_t expired_tick_ = 0;       // all up to this one are gone
};

}  // namespace varve::load
