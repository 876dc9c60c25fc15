// engine/table/compressor.h: blocks, smaller.
//
// Zstandard, one frame a block. Contexts are kept per thread: making one costs more than
// compressing a block with it. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/slice.h"

namespace varve {

// The most a compressed block may have: one that does not shrink by an eighth is not worth
// the time of every later read.
inline constexpr size_t CompressedBytesMax(size_t size) { return size - size / 8; }

// Compresses `pieces`, `size` bytes together, as one; `to` has room for CompressedBytesMax(size).
// Returns the compressed size, or 0 if it would not fit there, or if `level` is 0: store them as
// they are.
size_t Compress(std::span<const Slice> pieces, size_t size, int level, char* to);

// What a frame says it decompresses to; nothing if it is no frame or does not say.
std::optional<uint64_t> DecompressedSize(Slice frame);

// False if the frame is broken or does not give exactly `size` bytes.
bool Decompress(Slice frame, char* to, size_t size);

}  // namespace varve
