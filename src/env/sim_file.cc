// env/sim_file.cc: the bytes of a simulated file, and what a power cut makes of them.
#include "env/sim_file.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"

namespace varve {

size_t SimFile::Read(uint64_t offset, size_t size, char* scratch) const {
  if (offset >= bytes_.size()) return 0;
  const size_t count = std::min(size, bytes_.size() - static_cast<size_t>(offset));
  std::copy_n(bytes_.data() + offset, count, scratch);
  return count;
}

char* SimFile::BeginWrite(uint64_t offset, uint64_t count) {
  const uint64_t before = bytes_.size();
  const uint64_t end = offset + count;
  Change& change = changes_.emplace_back(Change{offset, count, before, {}});
  ++unsynced_;
  if (offset < before) change.replaced.assign(bytes_, offset, std::min(count, before - offset));
  if (end > before) bytes_.resize(end);
  return bytes_.data() + offset;
}

void SimFile::Write(uint64_t offset, std::span<const Slice> slices, uint64_t limit) {
  uint64_t total = 0;
  for (const Slice slice : slices) total += slice.size();
  uint64_t rest = std::min(total, limit);
  if (rest == 0) return;
  char* to = BeginWrite(offset, rest);
  for (const Slice slice : slices) {
    const size_t count = static_cast<size_t>(std::min<uint64_t>(slice.size(), rest));
    std::copy_n(slice.data(), count, to);
    to += count;
    rest -= count;
  }
}

void SimFile::WriteZeros(uint64_t offset, uint64_t count) {
  if (count == 0) return;
  std::fill_n(BeginWrite(offset, count), count, '\0');
}

void SimFile::Truncate(uint64_t size) {
  if (size == bytes_.size()) return;
  Change& change = changes_.emplace_back(Change{size, 0, bytes_.size(), {}});
  ++unsynced_;
  if (size < bytes_.size()) change.replaced.assign(bytes_, size);
  bytes_.resize(size);
}

void SimFile::Sync() {
  unsynced_ = 0;
  if (!has_lost_) {
    changes_.clear();
    return;
  }
  for (Change& change : changes_) {
    if (change.state == State::kUnsynced) change.state = State::kSynced;
  }
}

void SimFile::FailSync(Random& random) {
  // Half of the time all is lost, else each change by itself: the disk may have taken some.
  const bool all = random.OneIn(2);
  for (Change& change : changes_) {
    if (change.state != State::kUnsynced) continue;
    change.state = all || random.OneIn(2) ? State::kLost : State::kSynced;
    has_lost_ = has_lost_ || change.state == State::kLost;
  }
  unsynced_ = 0;
  if (!has_lost_) changes_.clear();
}

bool SimFile::grew_since_sync() const {
  return std::any_of(changes_.begin(), changes_.end(), [](const Change& change) {
    return change.state == State::kUnsynced && change.offset + change.count > change.size_before;
  });
}

std::string SimFile::TakeBack(const Change& change) {
  std::string written;
  if (change.count > 0) written = bytes_.substr(change.offset, change.count);
  bytes_.resize(change.size_before);
  if (!change.replaced.empty()) {
    bytes_.replace(change.offset, change.replaced.size(), change.replaced);
  }
  return written;
}

void SimFile::Apply(const Change& change, Slice written) {
  if (change.count == 0) {
    bytes_.resize(change.offset);
    return;
  }
  if (written.empty()) return;
  if (bytes_.size() < change.offset + written.size()) bytes_.resize(change.offset + written.size());
  bytes_.replace(change.offset, written.size(), written);
}

void SimFile::Crash(CrashMode mode, Random& random) {
  if (changes_.empty() || mode == CrashMode::kKeepAll) return;
  Written written(changes_.size());
  for (size_t i = changes_.size(); i-- > 0;) written[i] = TakeBack(changes_[i]);
  switch (mode) {
    case CrashMode::kTorn: KeepPrefix(written, random); break;
    case CrashMode::kRandomPages: KeepRandomPages(written, random); break;
    case CrashMode::kKeepAll:
    case CrashMode::kDropUnsynced:
      for (size_t i = 0; i < changes_.size(); ++i) {
        if (changes_[i].state == State::kSynced) Apply(changes_[i], written[i]);
      }
  }
  changes_.clear();
  unsynced_ = 0;
  has_lost_ = false;
}

void SimFile::KeepPrefix(const Written& written, Random& random) {
  uint64_t whole = random.Uniform(unsynced_ + 1);  // then one is torn, the rest is gone
  bool torn = false;
  for (size_t i = 0; i < changes_.size(); ++i) {
    const Change& change = changes_[i];
    if (change.state == State::kLost) continue;
    if (change.state == State::kSynced) {
      Apply(change, written[i]);
    } else if (whole > 0) {
      --whole;
      Apply(change, written[i]);
    } else if (!std::exchange(torn, true) && change.count > 0) {
      Apply(change, Slice(written[i]).substr(0, random.Uniform(change.count + 1)));
    }
  }
}

// A page reaches the disk as it is at the moment the kernel writes it. So of the pieces that were
// written to one page since the sync, the first few are kept, and how many is each page's own
// affair. The last of them may be torn, between two sectors.
void SimFile::KeepRandomPages(const Written& written, Random& random) {
  const auto for_each_piece = [&](const Change& change, auto&& visit) {
    for (uint64_t at = change.offset; at < change.offset + change.count;) {
      const uint64_t page = at / kSimPageBytes;
      const uint64_t end = std::min((page + 1) * kSimPageBytes, change.offset + change.count);
      visit(page, at, end);
      at = end;
    }
  };
  // First: how many pieces each page has. Then: how many of them it keeps.
  std::map<uint64_t, uint64_t> kept;
  for (const Change& change : changes_) {
    if (change.state != State::kUnsynced) continue;
    for_each_piece(change, [&](uint64_t page, uint64_t, uint64_t) { ++kept[page]; });
  }
  for (auto& [page, count] : kept) count = random.Uniform(count + 1);

  for (size_t i = 0; i < changes_.size(); ++i) {
    const Change& change = changes_[i];
    if (change.state == State::kLost) continue;
    const bool synced = change.state == State::kSynced;
    if (synced || change.count == 0) {
      if (synced || random.OneIn(2)) Apply(change, written[i]);
      continue;
    }
    for_each_piece(change, [&](uint64_t page, uint64_t at, uint64_t end) {
      uint64_t& left = kept[page];
      if (left > 0) {
        --left;
        if (left == 0 && random.OneIn(4)) {
          const uint64_t sectors = (end - at) / kSimSectorBytes + 1;
          const uint64_t cut = (at / kSimSectorBytes + random.Uniform(sectors)) * kSimSectorBytes;
          end = std::clamp(cut, at, end);
        }
        if (at < end) {
          if (bytes_.size() < end) bytes_.resize(end);
          bytes_.replace(at, end - at, written[i], at - change.offset, end - at);
        }
      } else if (end > bytes_.size() && random.OneIn(2)) {
        bytes_.resize(end);  // The new size was kept, the bytes were not.
      }
    });
  }
}

void SimFile::SetDurable(Slice bytes) {
  bytes_ = bytes;
  changes_.clear();
  unsynced_ = 0;
  has_lost_ = false;
}

void SimFile::FlipBit(uint64_t offset, unsigned bit) {
  CHECK(offset < bytes_.size() && bit < 8);
  bytes_[offset] = static_cast<char>(static_cast<unsigned char>(bytes_[offset]) ^ (1U << bit));
}

}  // namespace varve
