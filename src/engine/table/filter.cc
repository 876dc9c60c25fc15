// engine/table/filter.cc: building a filter, and reading one back.
#include "engine/table/filter.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace varve {

namespace {

// An undivided filter errs least with bits * ln 2 probes; lines that are unevenly full want fewer.
unsigned ProbesFor(int bits_per_key) {
  return std::clamp(static_cast<unsigned>(bits_per_key) * 6 / 10, 1u, kFilterProbesMax);
}

}  // namespace

size_t FilterBuilder::Lines() const {
  const size_t bits = hashes_.size() * static_cast<size_t>(bits_per_key_);
  return std::max<size_t>(1, (bits + kFilterLineBytes * 8 - 1) / (kFilterLineBytes * 8));
}

size_t FilterBuilder::size_bytes() const {
  return hashes_.empty() ? 0 : kFilterHeaderBytes + Lines() * kFilterLineBytes;
}

std::string FilterBuilder::Finish() const {
  if (hashes_.empty()) return {};
  const unsigned probes = ProbesFor(bits_per_key_);
  std::vector<FilterLine> lines(Lines());
  for (const uint64_t hash : hashes_) {
    FilterLine& line = lines[FilterLineOf(hash, lines.size())];
    ForEachFilterBit(hash, probes, [&line](uint64_t word, uint64_t mask) {
      line.words[word] |= mask;
      return true;
    });
  }
  std::string contents(kFilterHeaderBytes, '\0');
  contents[0] = static_cast<char>(probes);
  contents[1] = static_cast<char>(std::min(bits_per_key_, 255));
  contents.append(reinterpret_cast<const char*>(lines.data()), lines.size() * kFilterLineBytes);
  return contents;
}

std::optional<Filter> Filter::Make(Slice contents) {
  Filter filter;
  if (contents.empty()) return filter;
  if (contents.size() <= kFilterHeaderBytes) return std::nullopt;
  const size_t bytes = contents.size() - kFilterHeaderBytes;
  filter.probes_ = static_cast<unsigned char>(contents[0]);
  filter.bits_per_key_ = static_cast<unsigned char>(contents[1]);
  if (bytes % kFilterLineBytes != 0) return std::nullopt;
  if (filter.probes_ == 0 || filter.probes_ > kFilterProbesMax) return std::nullopt;
  filter.lines_.resize(bytes / kFilterLineBytes);
  std::memcpy(filter.lines_.data(), contents.data() + kFilterHeaderBytes, bytes);
  return filter;
}

}  // namespace varve
