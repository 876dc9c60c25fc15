// engine/table/block_builder.cc: entries to bytes. The picture is in table_format.h.
#include "engine/table/block_builder.h"

#include "base/check.h"
#include "base/coding.h"
#include "engine/table/table_format.h"

namespace varve {

namespace {

// Flags and expiry, and the three varints at their longest: what lengths cannot exceed fits five
// bytes.
constexpr size_t kEntryHeadBytesMax = 1 + 8 + 3 * 5;
static_assert(kTableEntryBytesMax < uint64_t{1} << 35);

}  // namespace

void BlockBuilder::Add(const Entry& entry, size_t shared) {
  const size_t restart_at = restarts_.empty() ? 0 : restarts_.back();
  if (restarts_.empty() || entries_since_restart_ >= kRestartEntries ||
      bytes_.size() - restart_at >= kRestartBytes) {
    restarts_.push_back(static_cast<uint32_t>(bytes_.size()));
    entries_since_restart_ = 0;
    shared = 0;
  }
  ++entries_since_restart_;
  AppendHead(entry, shared);
  if (entry.kind == EntryKind::kPut) bytes_.append(entry.value);
}

void BlockBuilder::AppendHead(const Entry& entry, size_t shared) {
  DCHECK(entry.kind == EntryKind::kPut || entry.kind == EntryKind::kTombstone);
  const Slice suffix = entry.key.substr(shared);
  char head[kEntryHeadBytesMax];
  char* to = EncodeVarint(head, shared);
  to = EncodeVarint(to, suffix.size());
  *to++ = static_cast<char>(EntryFlags(entry));
  if (entry.kind == EntryKind::kPut) to = EncodeVarint(to, entry.value.size());
  if (entry.expire_at_ms != 0) {
    StoreFixed64(to, static_cast<uint64_t>(entry.expire_at_ms));
    to += sizeof(uint64_t);
  }
  bytes_.append(head, static_cast<size_t>(to - head));
  bytes_.append(suffix);
}

void BlockBuilder::AppendRestarts(std::string* to) const {
  for (const uint32_t restart : restarts_) PutFixed32(to, restart);
  PutFixed32(to, static_cast<uint32_t>(restarts_.size()));
}

Slice BlockBuilder::Finish() {
  AppendRestarts(&bytes_);
  return bytes_;
}

void BlockBuilder::Reset() {
  bytes_.clear();
  restarts_.clear();
  entries_since_restart_ = 0;
}

std::array<Slice, 3> BlockBuilder::EncodeAlone(const Entry& entry) {
  CHECK(empty());
  restarts_.push_back(0);
  AppendHead(entry, 0);
  tail_.clear();
  AppendRestarts(&tail_);
  return {bytes_, entry.value, tail_};
}

size_t BlockBuilder::SizeWith(const Entry& entry, size_t shared) const {
  const size_t suffix = restarts_.empty() ? entry.key.size() : entry.key.size() - shared;
  return size_bytes() + kEntryHeadBytesMax + sizeof(uint32_t) + suffix + entry.value.size();
}

}  // namespace varve
