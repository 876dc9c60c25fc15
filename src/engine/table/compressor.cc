// engine/table/compressor.cc: Zstandard, with its contexts kept per thread.
//
// A context that could not be made is no error when compressing: the block is stored as it is.
#include "engine/table/compressor.h"

// For ZSTD_c_forceAttachDict, which shared libraries of zstd know as well.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <memory>

#include "base/check.h"
#include "engine/table/dictionary.h"

namespace varve {

namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_CCtx* CompressionContext() {
  thread_local std::unique_ptr<ZSTD_CCtx, FreeContext> context;
  if (!context) context.reset(ZSTD_createCCtx());
  return context.get();
}

ZSTD_DCtx* DecompressionContext() {
  thread_local std::unique_ptr<ZSTD_DCtx, FreeContext> context;
  if (!context) context.reset(ZSTD_createDCtx());
  return context.get();
}

// Feeds `pieces` one by one; the size announced before makes the frame tell it. False if `out` is
// too small.
bool CompressPieces(ZSTD_CCtx* context, std::span<const Slice> pieces, ZSTD_outBuffer* out) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    const bool last = i + 1 == pieces.size();
    ZSTD_inBuffer in = {pieces[i].data(), pieces[i].size(), 0};
    for (bool done = false; !done;) {
      const size_t left =
          ZSTD_compressStream2(context, out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left)) return false;
      done = last ? left == 0 : in.pos == in.size;
      if (!done && out->pos == out->size) return false;
    }
  }
  return true;
}

}  // namespace

size_t Compress(std::span<const Slice> pieces, size_t size, int level, char* to,
                const CompressionDictionary* dictionary) {
  if (level == 0 || pieces.empty()) return 0;
  ZSTD_CCtx* context = CompressionContext();
  if (context == nullptr) return 0;
  ZSTD_CCtx_reset(context, ZSTD_reset_session_only);  // The last one may have given up midway.
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0);  // the table knows which one it is
  // The dictionary's tables stay where they are. For more than 8 KiB, at level 1, zstd would copy them into the context, for
  // every block anew: files are less than a hundredth smaller for it, and where values are much alike it takes four times as
  // long as compressing them.
  ZSTD_CCtx_setParameter(context, ZSTD_c_forceAttachDict, ZSTD_dictForceAttach);
  // Stays until another call: no dictionary has to be said as well.
  ZSTD_CCtx_refCDict(context, dictionary == nullptr ? nullptr : dictionary->get());

  ZSTD_outBuffer out = {to, CompressedBytesMax(size), 0};
  if (pieces.size() == 1) {
    out.pos = ZSTD_compress2(context, to, out.size, pieces[0].data(), pieces[0].size());
    return ZSTD_isError(out.pos) ? 0 : out.pos;
  }
  ZSTD_CCtx_setPledgedSrcSize(context, size);
  return CompressPieces(context, pieces, &out) ? out.pos : 0;
}

std::optional<uint64_t> DecompressedSize(Slice frame) {
  const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) return std::nullopt;
  return size;
}

bool Decompress(Slice frame, char* to, size_t size, const Dictionary* dictionary) {
  ZSTD_DCtx* context = DecompressionContext();
  if (context == nullptr) return false;
  if (dictionary != nullptr) {
    return ZSTD_decompress_usingDDict(context, to, size, frame.data(), frame.size(),
                                      dictionary->get()) == size;
  }
  return ZSTD_decompressDCtx(context, to, size, frame.data(), frame.size()) == size;
}

}  // namespace varve
