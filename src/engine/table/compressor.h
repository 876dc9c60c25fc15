// engine/table/compressor.h: blocks, smaller.
//
// Zstandard, one frame a block. Contexts are kept per thread: making one costs more than
// compressing a block with it. Threads: any. See also: dictionary.h.
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

class CompressionDictionary;
class Dictionary;

// Compresses `pieces`, `size` bytes together, as one; `to` has room for CompressedBytesMax(size).
// Returns the compressed size, or 0 if it would not fit there, or if `level` is 0: store them as
// they are. With a dictionary it is the dictionary's level that counts.
size_t Compress(std::span<const Slice> pieces, size_t size, int level, char* to,
                const CompressionDictionary* dictionary = nullptr);

// What a frame says it decompresses to; nothing if it is no frame or does not say.
std::optional<uint64_t> DecompressedSize(Slice frame);

// False if the frame is broken or does not give exactly `size` bytes. REQUIRES: the dictionary that it was
// compressed with, or null if there was none; frames do not name theirs.
bool Decompress(Slice frame, char* to, size_t size, const Dictionary* dictionary = nullptr);

}  // namespace varve
