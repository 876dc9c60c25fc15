// engine/table/index.cc: the index block, written, checked and searched.
//
// Make() checks all that Find() and BlockAt() rely on, order included, so that these have no
// errors.
#include "engine/table/index.h"

#include "base/check.h"
#include "base/coding.h"
#include "engine/table/key_bytes.h"

namespace varve {

void IndexBuilder::BeginBlock(Slice separator) {
  if (first_begun_) {
    separators_.append(separator);
    separator_ends_.push_back(separators_.size());
  }
  first_begun_ = true;
}

std::string IndexBuilder::Finish() const {
  CHECK(!ends_.empty() && separator_ends_.size() + 1 == ends_.size());
  std::string contents;
  contents.reserve(size_bytes());
  PutFixed64(&contents, ends_.size());
  for (const uint64_t end : ends_) PutFixed64(&contents, end);
  for (const uint64_t end : separator_ends_) PutFixed64(&contents, end);
  contents.append(separators_);
  return contents;
}

std::optional<Index> Index::Make(Slice contents, uint64_t begin) {
  Index index;
  index.bytes_ = contents;
  index.begin_ = begin;
  if (!index.Parse()) return std::nullopt;
  return index;
}

bool Index::Parse() {
  if (bytes_.size() < 16) return false;
  const uint64_t blocks = LoadFixed64(bytes_.data());
  if (blocks == 0 || blocks > bytes_.size() / 16) return false;  // 8 + 8n + 8(n-1) = 16n bytes
  blocks_ = static_cast<size_t>(blocks);
  separators_at_ = 16 * blocks_;

  uint64_t begin = 0;
  for (size_t i = 0; i < blocks_; ++i) {
    if (End(i) <= begin || End(i) - begin <= kTrailerBytes) return false;
    begin = End(i);
  }
  if (begin > UINT64_MAX - begin_) return false;

  uint64_t separator_begin = 0;
  for (size_t i = 0; i < separators(); ++i) {
    if (SeparatorEnd(i) < separator_begin) return false;
    separator_begin = SeparatorEnd(i);
  }
  if (separator_begin != bytes_.size() - separators_at_) return false;

  for (size_t i = 1; i < separators(); ++i) {
    if (SeparatorBehind(i - 1) >= SeparatorBehind(i)) return false;
  }
  if (separators() == 0) return true;
  prefix_bytes_ = CommonPrefixSize(SeparatorBehind(0), SeparatorBehind(separators() - 1));
  heads_.reserve(separators());
  for (size_t i = 0; i < separators(); ++i)
    heads_.push_back(KeyHead(SeparatorBehind(i), prefix_bytes_));
  return true;
}

Slice Index::SeparatorBehind(size_t i) const {
  const uint64_t begin = i == 0 ? 0 : SeparatorEnd(i - 1);
  return Slice(bytes_).substr(separators_at_ + begin, SeparatorEnd(i) - begin);
}

size_t Index::Find(Slice key) const {
  DCHECK(blocks_ > 0);
  if (heads_.empty()) return 0;
  const int order =
      key.substr(0, prefix_bytes_).compare(SeparatorBehind(0).substr(0, prefix_bytes_));
  if (order != 0) return order < 0 ? 0 : blocks_ - 1;

  // As many separators as are <= key stand before its block.
  const uint64_t head = KeyHead(key, prefix_bytes_);
  return CountUpTo(
      key, head, heads_.size(), [this](size_t i) { return heads_[i]; },
      [this](size_t i) { return SeparatorBehind(i); });
}

}  // namespace varve
