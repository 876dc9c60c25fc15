// utils/load/ledger.cc: floors, and what is live.
#include "utils/load/ledger.h"

#include <algorithm>
#include <cstdio>

namespace varve::load {

namespace {

// The server takes the time once a turn of its loop, and a turn may be long on a busy machine: what was due since is
// still there for all that it serves in it.
constexpr int64_t kExpiryGraceMs = 1000;

// A day of them; what expires later counts as live until then.
constexpr uint32_t kTicks = 24 * 3600 * 10;

template <typename... Parts>
std::string Text(const char* format, Parts... parts) {
  char text[256];
  std::snprintf(text, sizeof(text), format, parts...);
  return text;
}

}  // namespace

Ledger::Ledger(uint64_t keys, uint32_t run, bool all_exist, uint64_t key_bytes,
               uint64_t value_bytes)
    : run_(run), key_bytes_(key_bytes), keys_(keys), expiring_(kTicks) {
  for (Key& key : keys_) {
    key.may_be_absent = !all_exist;
    if (all_exist) SetLive(key, value_bytes, 0);
  }
}

uint32_t Ledger::BeginWrite(uint64_t number, WriteKind kind) {
  Key& key = keys_[number];
  ++key.issued;
  if (key.on_their_way++ == 0) {
    key.stretch_begin = key.issued;
    key.stretch_may_remove = key.stretch_refused = false;
  }
  key.stretch_may_remove |= kind != WriteKind::kSet;
  return key.issued;
}

void Ledger::EndWrite(uint64_t number, WriteKind kind, bool refused, size_t value_bytes,
                      int64_t expire_at_ms) {
  Key& key = keys_[number];
  key.stretch_refused |= refused;
  if (!refused) {
    const bool removed = kind == WriteKind::kDelete;
    SetLive(key, removed ? 0 : value_bytes, expire_at_ms == 0 ? 0 : TickOf(expire_at_ms));
  }
  if (--key.on_their_way != 0) return;
  if (key.stretch_refused) {
    // What was there before may still be.
    key.may_be_absent |= key.stretch_may_remove;
  } else {
    key.floor = key.stretch_begin;
    key.may_be_absent = key.stretch_may_remove;
  }
}

Ledger::Expectation Ledger::BeginRead(uint64_t number) const {
  const Key& key = keys_[number];
  return {key.floor, key.may_be_absent};
}

std::string Ledger::EndRead(uint64_t number, const Expectation& expected, const ValueHead* head,
                            int64_t sent_ms) const {
  const Key& key = keys_[number];
  const auto name = static_cast<unsigned long long>(number);
  if (head == nullptr) {
    // Whatever was issued since the read was sent may have removed it.
    const bool removed_since =
        (key.on_their_way > 0 && key.stretch_may_remove) || key.may_be_absent;
    if (expected.may_be_absent || removed_since) return {};
    // A stretch may have begun and ended while the read was on its way, and left no trace but its floor.
    if (key.floor != expected.floor) return {};
    return Text("key %llu is absent, and nobody removed it", name);
  }
  if (head->key != number) {
    return Text("key %llu has the value of key %llu", name,
                static_cast<unsigned long long>(head->key));
  }
  if (head->run > run_ || (head->run == run_ && head->version > key.issued)) {
    return Text("key %llu has a value that nobody has written: run %u, version %u", name, head->run,
                head->version);
  }
  if ((head->run < run_ && expected.floor > 0) ||
      (head->run == run_ && head->version < expected.floor)) {
    return Text("key %llu has an old value: version %u of run %u, not %u or later of run %u", name,
                head->version, head->run, expected.floor, run_);
  }
  if (head->expire_at_ms != 0 && sent_ms > head->expire_at_ms + kExpiryGraceMs) {
    return Text("key %llu is there %lld ms after it expired", name,
                static_cast<long long>(sent_ms - head->expire_at_ms));
  }
  return {};
}

// --- What is live ---

uint32_t Ledger::TickOf(int64_t at_ms) const {
  const int64_t tick = (at_ms - first_ms_) / kTickMs + 1;
  return static_cast<uint32_t>(std::clamp<int64_t>(tick, 1, kTicks - 1));
}

void Ledger::SetLive(Key& key, size_t value_bytes, uint32_t tick) {
  if (key.value_bytes != 0 && (key.tick == 0 || key.tick > expired_tick_)) {
    --live_keys_;
    live_bytes_ -= key_bytes_ + key.value_bytes;
    if (key.tick != 0) {
      --expiring_[key.tick].keys;
      expiring_[key.tick].bytes -= key_bytes_ + key.value_bytes;
    }
  }
  key.value_bytes = static_cast<uint32_t>(value_bytes);
  key.tick = tick;
  if (value_bytes == 0 || (tick != 0 && tick <= expired_tick_)) return;
  ++live_keys_;
  live_bytes_ += key_bytes_ + value_bytes;
  if (tick != 0) {
    ++expiring_[tick].keys;
    expiring_[tick].bytes += key_bytes_ + value_bytes;
  }
}

void Ledger::Expire(int64_t now_ms) {
  if (first_ms_ == 0) first_ms_ = now_ms;
  const auto ticks = static_cast<uint32_t>((now_ms - first_ms_) / kTickMs);
  while (expired_tick_ < std::min(ticks, kTicks - 1)) {
    Expiring& gone = expiring_[++expired_tick_];
    live_keys_ -= gone.keys;
    live_bytes_ -= gone.bytes;
  }
}

}  // namespace varve::load
