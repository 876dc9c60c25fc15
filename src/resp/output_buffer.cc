// resp/output_buffer.cc: chunks, and the seams between them and shared values.
//
// A client's first chunk is small, for most have few replies outstanding; each further one is
// larger, up to kChunkBytesMax. When all has left, the newest chunk stays and is written from its
// start again, so a busy client ends up with one chunk of the size it needs and allocates no
// more.
#include "resp/output_buffer.h"

#include <algorithm>
#include <utility>

namespace varve {

namespace {

constexpr size_t kChunkBytesMin = 4 * 1024;
constexpr size_t kChunkBytesMax = 64 * 1024;
// Below this a copy is cheaper than a piece of its own in the write vector.
constexpr size_t kSharedPieceBytesMin = 8 * 1024;
// Gone pieces are dropped from the vector's front in bulk, so that each moves O(1) times.
constexpr size_t kGonePiecesMax = 64;

}  // namespace

void OutputBuffer::AppendSlow(Slice bytes) {
  const size_t fits = static_cast<size_t>(limit_ - write_);
  if (fits > 0) Append(bytes.substr(0, fits));
  bytes.remove_prefix(fits);
  StartChunk(bytes.size());
  Append(bytes);
}

void OutputBuffer::AppendShared(SharedBytes bytes) {
  if (bytes.size() < kSharedPieceBytesMin) return Append(bytes.slice());
  CloseOpenPiece();
  closed_bytes_ += bytes.size();
  end_ += bytes.size();
  pieces_.push_back(std::move(bytes));
}

void OutputBuffer::StartChunk(size_t size_min) {
  CloseOpenPiece();
  const size_t next = std::clamp(chunk_bytes_ * 4, kChunkBytesMin, kChunkBytesMax);
  chunk_bytes_ = std::max(size_min, next);
  chunk_ = std::shared_ptr<char[]>(new char[chunk_bytes_]);
  open_ = write_ = chunk_.get();
  limit_ = open_ + chunk_bytes_;
}

// The rest of the chunk stays usable: the next open piece begins where this one ended.
void OutputBuffer::CloseOpenPiece() {
  if (open_size() == 0) return;
  pieces_.push_back(SharedBytes::Alias(Slice(open_, open_size()), chunk_));
  closed_bytes_ += open_size();
  open_ = write_;
}

void OutputBuffer::TruncateTo(uint64_t position) {
  CHECK(position >= begin_ && position <= end_);
  uint64_t excess = end_ - position;
  end_ = position;
  const size_t from_open = static_cast<size_t>(std::min<uint64_t>(excess, open_size()));
  write_ -= from_open;
  excess -= from_open;
  while (excess > 0) {
    SharedBytes& last = pieces_.back();
    const size_t unconsumed = last.size() - (pieces_.size() - 1 == first_ ? front_offset_ : 0);
    if (excess < unconsumed) {
      const size_t kept = last.size() - static_cast<size_t>(excess);
      closed_bytes_ -= static_cast<size_t>(excess);
      last = last.Prefix(kept);
      excess = 0;
    } else {
      excess -= unconsumed;
      closed_bytes_ -= last.size();
      pieces_.pop_back();
    }
  }
  if (pieces_.size() == first_) front_offset_ = 0;
  RewindIfEmpty();
}

size_t OutputBuffer::Gather(uint64_t limit_position, std::span<Slice> slices) const {
  uint64_t wanted = std::min(limit_position, end_);
  wanted = wanted > begin_ ? wanted - begin_ : 0;
  size_t filled = 0;
  const auto add = [&](Slice bytes) {
    bytes = bytes.substr(0, static_cast<size_t>(std::min<uint64_t>(bytes.size(), wanted)));
    wanted -= bytes.size();
    slices[filled++] = bytes;
  };
  for (size_t i = first_; i < pieces_.size() && wanted > 0 && filled < slices.size(); ++i) {
    add(pieces_[i].slice().substr(i == first_ ? front_offset_ : 0));
  }
  if (wanted > 0 && filled < slices.size()) add(Slice(open_, open_size()));
  return filled;
}

void OutputBuffer::Consume(size_t bytes) {
  CHECK(bytes <= size());
  begin_ += bytes;
  while (bytes > 0 && first_ < pieces_.size()) {
    const size_t left = pieces_[first_].size() - front_offset_;
    if (bytes < left) {
      front_offset_ += bytes;
      return;
    }
    bytes -= left;
    PopFront();
  }
  open_ += bytes;
  RewindIfEmpty();
}

void OutputBuffer::PopFront() {
  closed_bytes_ -= pieces_[first_].size();
  pieces_[first_] = SharedBytes();
  front_offset_ = 0;
  ++first_;
  if (first_ >= kGonePiecesMax && first_ * 2 >= pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void OutputBuffer::RewindIfEmpty() {
  if (!empty()) return;
  pieces_.clear();
  first_ = 0;
  front_offset_ = 0;
  closed_bytes_ = 0;
  if (chunk_bytes_ > kChunkBytesMax) return ShrinkIfEmpty();
  open_ = write_ = chunk_.get();
}

size_t OutputBuffer::memory_bytes() const {
  return closed_bytes_ + chunk_bytes_ + pieces_.capacity() * sizeof(SharedBytes);
}

void OutputBuffer::ShrinkIfEmpty() {
  if (!empty()) return;
  pieces_ = std::vector<SharedBytes>();
  first_ = 0;
  front_offset_ = 0;
  chunk_.reset();
  chunk_bytes_ = 0;
  open_ = write_ = limit_ = nullptr;
}

}  // namespace varve
