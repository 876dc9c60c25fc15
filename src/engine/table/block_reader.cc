// engine/table/block_reader.cc: making a block, searching it, walking it.
#include "engine/table/block_reader.h"

#include <malloc.h>

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "engine/table/key_bytes.h"
#include "engine/table/table_format.h"

namespace varve {

namespace {

constexpr size_t kCacheLineBytes = 64;
// Entries between two restarts rarely take more; a value may.
constexpr size_t kPrefetchBytesMax = 2 * kRestartBytes;

// As GetVarint, with a second byte on the fast path: values of 128 to 16383 bytes are common.
bool ReadVarint(Slice* from, uint64_t* value) {
  if (from->size() >= 2) {
    const auto first = static_cast<unsigned char>((*from)[0]);
    const auto second = static_cast<unsigned char>((*from)[1]);
    if (first >= 0x80 && second < 0x80) {
      *value = (first & 0x7fu) | static_cast<unsigned>(second) << 7;
      from->remove_prefix(2);
      return true;
    }
  }
  return GetVarint(from, value);
}

// False if the bytes from `position` to `end` do not begin with an entry.
bool ParseEntry(const char* position, const char* end, BlockEntry* entry) {
  Slice rest(position, static_cast<size_t>(end - position));
  uint64_t shared = 0;
  uint64_t suffix_size = 0;
  uint64_t value_size = 0;
  if (!ReadVarint(&rest, &shared) || !ReadVarint(&rest, &suffix_size) || rest.empty()) return false;
  entry->shared = static_cast<size_t>(shared);
  entry->flags = static_cast<uint8_t>(rest.front());
  rest.remove_prefix(1);

  const uint8_t kind_bits = entry->flags & kEntryKindMask;
  const auto kind = static_cast<EntryKind>(kind_bits);
  if (kind == EntryKind::kPut || kind_bits == kKindInValueFile) {
    if (!ReadVarint(&rest, &value_size)) return false;
  } else if (kind != EntryKind::kTombstone) {
    return false;
  }
  uint64_t expire_at_ms = 0;
  if ((entry->flags & kEntryHasExpiry) != 0 && !GetFixed64(&rest, &expire_at_ms)) return false;
  entry->expire_at_ms = static_cast<int64_t>(expire_at_ms);

  if (suffix_size > rest.size() || value_size > rest.size() - suffix_size) return false;
  entry->suffix = rest.substr(0, suffix_size);
  entry->value = rest.substr(suffix_size, value_size);
  entry->next = entry->value.data() + value_size;
  return true;
}

// Within a block that was made, every entry parses.
void ParseVerified(const char* position, const char* end, BlockEntry* entry) {
  CHECK(ParseEntry(position, end, entry));
}

// A restart has room for half a head.
uint32_t RestartHead(Slice key, size_t skip) {
  return static_cast<uint32_t>(KeyHead(key, skip) >> 32);
}

// All but the key.
void FillEntry(const BlockEntry& raw, Entry* entry) {
  const uint8_t kind_bits = raw.flags & kEntryKindMask;
  entry->in_value_file = kind_bits == kKindInValueFile;
  entry->kind = entry->in_value_file ? EntryKind::kPut : static_cast<EntryKind>(kind_bits);
  entry->creates = (raw.flags & kEntryCreates) != 0;
  entry->tag = raw.flags >> kEntryTagShift;
  entry->expire_at_ms = raw.expire_at_ms;
  entry->value = raw.value;
}

}  // namespace

std::shared_ptr<const Block> Block::Make(std::unique_ptr<char[]> bytes, size_t size) {
  std::shared_ptr<Block> block(new Block(std::move(bytes), size));
  if (!block->ReadRestarts() || !block->Verify()) return nullptr;
  block->ReadHeads();
  return block;
}

bool Block::ReadRestarts() {
  if (size_ < sizeof(uint32_t) || size_ > kBlockBytesMax) return false;
  const uint64_t restarts = LoadFixed32(begin() + size_ - sizeof(uint32_t));
  const uint64_t tail_bytes = (restarts + 1) * sizeof(uint32_t);
  if (restarts == 0 || tail_bytes >= size_) return false;
  entry_bytes_ = size_ - static_cast<size_t>(tail_bytes);
  restarts_.resize(static_cast<size_t>(restarts));
  for (size_t i = 0; i < restarts_.size(); ++i) {
    restarts_[i].offset = LoadFixed32(entries_end() + i * sizeof(uint32_t));
  }
  return restarts_.front().offset == 0;
}

// Walks all entries. On the way the common prefix comes out: what is shared at every step between
// two restarts, here, and by the first and the last restart, in ReadHeads.
bool Block::Verify() {
  size_t restart = 0;
  size_t key_bytes = 0;  // of the entry before
  BlockEntry entry;
  for (const char* at = begin(); at != entries_end(); at = entry.next) {
    if (!ParseEntry(at, entries_end(), &entry)) return false;
    const auto offset = static_cast<size_t>(at - begin());
    const bool is_restart = restart < restarts_.size() && restarts_[restart].offset == offset;
    if (entry.shared > (is_restart ? 0 : key_bytes)) return false;
    key_bytes = entry.shared + entry.suffix.size();
    if (is_restart) {
      ++restart;
    } else {
      prefix_bytes_ = std::min(prefix_bytes_, entry.shared);
    }
    ++entries_;
  }
  return restart == restarts_.size();
}

void Block::ReadHeads() {
  prefix_bytes_ =
      std::min(prefix_bytes_, CommonPrefixSize(RestartKey(0), RestartKey(restarts_.size() - 1)));
  for (size_t i = 0; i < restarts_.size(); ++i) {
    restarts_[i].head = RestartHead(RestartKey(i), prefix_bytes_);
  }
}

size_t Block::charge_bytes() const {
  constexpr size_t kAllocatorBytes = 48;  // control block, and rounding up of small things
  // The bytes themselves may be rounded up by a fifth.
  return sizeof(Block) + kAllocatorBytes + malloc_usable_size(bytes_.get()) +
         restarts_.capacity() * sizeof(Restart);
}

Slice Block::RestartKey(size_t restart) const {
  BlockEntry entry;
  ParseVerified(begin() + restarts_[restart].offset, entries_end(), &entry);
  return entry.suffix;
}

int Block::CompareWithPrefix(Slice target) const {
  const Slice prefix = RestartKey(0).substr(0, prefix_bytes_);
  return target.substr(0, prefix.size()).compare(prefix);
}

size_t Block::FindRestart(Slice target) const {
  const size_t up_to = CountUpTo(
      target, RestartHead(target, prefix_bytes_), restarts_.size(),
      [this](size_t i) { return restarts_[i].head; }, [this](size_t i) { return RestartKey(i); });
  return up_to > 0 ? up_to - 1 : restarts_.size();
}

// The walk knows where an entry is only when it has read the one before. Asking for all lines that
// it may touch turns a chain of cache misses into one.
void Block::PrefetchFrom(size_t restart) const {
  const size_t from = restarts_[restart].offset;
  const size_t end = restart + 1 < restarts_.size() ? restarts_[restart + 1].offset : entry_bytes_;
  for (size_t at = from; at < std::min(end, from + kPrefetchBytesMax); at += kCacheLineBytes) {
    __builtin_prefetch(begin() + at);
  }
}

void Block::PrefetchRestarts() const {
  const char* restarts = reinterpret_cast<const char*>(restarts_.data());
  const size_t bytes = std::min(restarts_.size() * sizeof(Restart), kPrefetchBytesMax);
  for (size_t at = 0; at < bytes; at += kCacheLineBytes) __builtin_prefetch(restarts + at);
  __builtin_prefetch(begin());
}

void Block::PrefetchSeek(Slice target) const {
  const size_t restart = FindRestart(target);
  if (restart < restarts_.size()) PrefetchFrom(restart);
}

bool Block::Scan(size_t restart, Slice target, BlockEntry* found, bool* exact) const {
  PrefetchFrom(restart);
  *exact = false;
  size_t matched = 0;
  for (const char* at = begin() + restarts_[restart].offset; at != entries_end();
       at = found->next) {
    ParseVerified(at, entries_end(), found);
    if (found->shared > matched) continue;
    if (found->shared < matched) return true;
    const Slice rest = target.substr(matched);
    const size_t more = CommonPrefixSize(found->suffix, rest);
    if (more == rest.size()) {
      *exact = more == found->suffix.size();
      return true;
    }
    if (more < found->suffix.size() && Slice(found->suffix).substr(more) > rest.substr(more)) {
      return true;
    }
    matched += more;
  }
  return false;
}

bool Block::Find(Slice key, Entry* entry) const {
  // A key without the common prefix is not here, wherever it is looked for.
  const size_t restart = FindRestart(key);
  if (restart == restarts_.size()) return false;
  BlockEntry found;
  bool exact = false;
  if (!Scan(restart, key, &found, &exact) || !exact) return false;
  entry->key = key;
  FillEntry(found, entry);
  return true;
}

void BlockIterator::Reset(std::shared_ptr<const Block> block) {
  valid_ = false;
  block_ = std::move(block);
}

void BlockIterator::SeekToFirst() {
  key_.clear();
  MoveTo(block_->begin());
}

void BlockIterator::Seek(Slice target) {
  valid_ = false;
  const int order = block_->CompareWithPrefix(target);
  if (order > 0) return;
  const size_t restart = order < 0 ? block_->restarts_.size() : block_->FindRestart(target);
  if (restart == block_->restarts_.size()) return SeekToFirst();

  BlockEntry found;
  bool exact = false;
  if (!block_->Scan(restart, target, &found, &exact)) return;
  key_.assign(target.substr(0, found.shared));
  Show(found);
}

void BlockIterator::Next() {
  DCHECK(valid_);
  MoveTo(next_);
}

void BlockIterator::MoveTo(const char* position) {
  valid_ = false;
  if (position == block_->entries_end()) return;
  BlockEntry raw;
  ParseVerified(position, block_->entries_end(), &raw);
  key_.resize(raw.shared);
  Show(raw);
}

// key_ holds the entry's first `shared` bytes.
void BlockIterator::Show(const BlockEntry& raw) {
  key_.append(raw.suffix);
  FillEntry(raw, &entry_);
  entry_.key = key_;
  next_ = raw.next;
  valid_ = true;
}

void BackwardBlockIterator::Reset(std::shared_ptr<const Block> block) {
  stretch_.clear();
  block_ = std::move(block);
}

void BackwardBlockIterator::SeekToFirst() {
  ReadStretch(block_->restarts_.size() - 1);
  Settle();
}

void BackwardBlockIterator::Seek(Slice target) {
  stretch_.clear();
  const int order = block_->CompareWithPrefix(target);
  if (order > 0) return SeekToFirst();
  const size_t restart = order < 0 ? block_->restarts_.size() : block_->FindRestart(target);
  if (restart == block_->restarts_.size()) return;  // No key is less.
  ReadStretch(restart);
  while (!stretch_.empty() && KeyOf(stretch_.back()) >= target) stretch_.pop_back();
  Settle();
}

void BackwardBlockIterator::Next() {
  DCHECK(Valid());
  stretch_.pop_back();
  Settle();
}

void BackwardBlockIterator::ReadStretch(size_t restart) {
  const auto& restarts = block_->restarts_;
  block_->PrefetchFrom(restart);
  restart_ = restart;
  stretch_.clear();
  keys_.clear();
  const char* const end = restart + 1 < restarts.size()
                              ? block_->begin() + restarts[restart + 1].offset
                              : block_->entries_end();
  size_t before = 0;  // where the key of the entry before begins
  Item item;
  for (const char* at = block_->begin() + restarts[restart].offset; at != end; at = item.raw.next) {
    ParseVerified(at, block_->entries_end(), &item.raw);
    item.key_at = keys_.size();
    keys_.append(keys_, before, item.raw.shared);
    keys_.append(item.raw.suffix);
    before = item.key_at;
    stretch_.push_back(item);
  }
}

void BackwardBlockIterator::Settle() {
  if (stretch_.empty() && restart_ > 0) ReadStretch(restart_ - 1);
  if (stretch_.empty()) return;
  FillEntry(stretch_.back().raw, &entry_);
  entry_.key = KeyOf(stretch_.back());
}

}  // namespace varve
