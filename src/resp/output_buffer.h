// resp/output_buffer.h: replies on their way to a socket.
//
// Small replies are gathered in chunks, so that a pipeline leaves in one write; large values are
// held by reference in between. Bytes go in at the end, and leave at the front as the socket
// takes them. A position is the count of bytes ever appended, so it stays meaningful while the
// front moves.
//
//   closed pieces (bytes of a chunk, or a shared value)   open piece, in the last chunk
//   [......][=====shared=====][...........][====shared====] [.......write_     limit_)
//    ^ consumed()                                                        ^ position()
//
// Bytes never move once written: what Gather gave stays where it is until it has been consumed,
// so a write may be under way while more replies are appended.
//
// Threads: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/shared_bytes.h"
#include "base/slice.h"

namespace varve {

class OutputBuffer {
 public:
  OutputBuffer() = default;
  OutputBuffer(const OutputBuffer&) = delete;
  OutputBuffer& operator=(const OutputBuffer&) = delete;

  void Append(Slice bytes) {
    if (bytes.size() > static_cast<size_t>(limit_ - write_)) return AppendSlow(bytes);
    if (bytes.empty()) return;
    std::memcpy(write_, bytes.data(), bytes.size());
    write_ += bytes.size();
    end_ += bytes.size();
  }
  // Held, not copied, unless it is so small that a copy is cheaper.
  void AppendShared(SharedBytes bytes);

  // Room for at least `size` bytes at the end, to be written in place, then counted by Wrote.
  // For small sizes: the room is contiguous, what is left of a chunk goes unused.
  char* Reserve(size_t size) {
    if (size > static_cast<size_t>(limit_ - write_)) StartChunk(size);
    return write_;
  }
  // `end` is behind the last byte written; no other call came in between.
  void Wrote(const char* end) {
    DCHECK(end >= write_ && end <= limit_);
    const size_t size = static_cast<size_t>(end - write_);
    write_ += size;
    end_ += size;
  }

  uint64_t position() const { return end_; }    // of the next byte to come
  uint64_t consumed() const { return begin_; }  // of the next byte to leave
  bool empty() const { return begin_ == end_; }
  size_t size() const { return static_cast<size_t>(end_ - begin_); }

  // Takes back everything from `position` on: a command that must be run again, or failed.
  // REQUIRES: consumed() <= position <= this->position(), and no write under way reaches beyond it.
  void TruncateTo(uint64_t position);

  // Fills `slices` with what lies in [consumed, limit_position) and returns how many were filled.
  size_t Gather(uint64_t limit_position, std::span<Slice> slices) const;
  // REQUIRES: bytes <= size().
  void Consume(size_t bytes);

  // Memory held, shared values included.
  size_t memory_bytes() const;
  // Gives memory back when the buffer is empty; the next reply starts small again.
  void ShrinkIfEmpty();

 private:
  void AppendSlow(Slice bytes);
  void StartChunk(size_t size_min);
  void CloseOpenPiece();
  void PopFront();
  void RewindIfEmpty();
  size_t open_size() const { return static_cast<size_t>(write_ - open_); }

  // pieces_[first_..) are closed, oldest first; none is empty. The front one has lost
  // front_offset_ bytes already. Those before first_ are gone and wait for the vector to be
  // cleared.
  std::vector<SharedBytes> pieces_;
  size_t first_ = 0;
  size_t front_offset_ = 0;
  size_t closed_bytes_ = 0;  // of pieces_[first_..), whole

  std::shared_ptr<char[]> chunk_;
  size_t chunk_bytes_ = 0;
  char* open_ = nullptr;   // where the open piece begins, in chunk_
  char* write_ = nullptr;  // where it ends
  char* limit_ = nullptr;  // where chunk_ ends

  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

}  // namespace varve
