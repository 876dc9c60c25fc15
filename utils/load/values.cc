// utils/load/values.cc: making and recognizing values.
#include "utils/load/values.h"

#include <algorithm>
#include <cstring>

#include "base/coding.h"
#include "base/random.h"

namespace varve::load {

namespace {

constexpr size_t kNoiseBytes = 1u << 20;
constexpr char kFiller = '.';

uint64_t Mix(const ValueHead& head) {
  uint64_t z = head.key * 0x9e3779b97f4a7c15 + (uint64_t{head.run} << 32 | head.version);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

Values::Values(std::vector<Share> shares) : shares_(std::move(shares)) {
  for (const Share& share : shares_) weights_ += share.weight;
  Random random(1);
  noise_.resize(kNoiseBytes + kSizeMax);
  for (char& c : noise_) c = static_cast<char>(random.Next() >> 56);
}

size_t Values::SizeOf(const ValueHead& head) const {
  uint64_t at = Mix(head) % weights_;
  for (const Share& share : shares_) {
    if (at < share.weight) return share.value_bytes;
    at -= share.weight;
  }
  return 0;  // not reached: the weights add up
}

Slice Values::NoiseOf(const ValueHead& head, size_t size) const {
  return Slice(noise_).substr((Mix(head) >> 32) % kNoiseBytes, (size - kHeadBytes) / 2);
}

void Values::AppendTo(std::string* to, const ValueHead& head) const {
  const size_t size = SizeOf(head);
  const size_t begin = to->size();
  to->resize(begin + kHeadBytes);
  char* at = to->data() + begin;
  StoreFixed64(at, head.key);
  StoreFixed32(at + 8, head.run);
  StoreFixed32(at + 12, head.version);
  StoreFixed64(at + 16, static_cast<uint64_t>(head.expire_at_ms));
  to->append(NoiseOf(head, size));
  to->append(size - (to->size() - begin), kFiller);
}

bool Values::Parse(Slice value, ValueHead* head) const {
  if (value.size() < kHeadBytes) return false;
  head->key = LoadFixed64(value.data());
  head->run = LoadFixed32(value.data() + 8);
  head->version = LoadFixed32(value.data() + 12);
  head->expire_at_ms = static_cast<int64_t>(LoadFixed64(value.data() + 16));
  if (value.size() != SizeOf(*head)) return false;
  const Slice noise = NoiseOf(*head, value.size());
  const Slice filler = value.substr(kHeadBytes + noise.size());
  return value.substr(kHeadBytes, noise.size()) == noise &&
         std::all_of(filler.begin(), filler.end(), [](char c) { return c == kFiller; });
}

}  // namespace varve::load
