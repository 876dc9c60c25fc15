// engine/table/dictionary.cc: training one, trying it, digesting it.
#include "engine/table/dictionary.h"

// For ZDICT_trainFromBuffer_fastCover, which is told how to go about it. The other call, ZDICT_trainFromBuffer,
// tries many ways, takes fifty times as long, and finds nothing better. Shared libraries of zstd
// export both.
#define ZDICT_STATIC_LINKING_ONLY
#include <zdict.h>
#include <zstd.h>

#include <algorithm>
#include <span>

#include "engine/table/compressor.h"

namespace varve {

namespace {

// Of the sample, so much is for trying what was learnt from the rest.
constexpr size_t kTriedPart = 8;

// 8 KiB of the usual sample. JSON-like values of 200 bytes became smaller with it than with 4 or 16 KiB, those
// of 85 bytes about as small; and it is memory for each open table.
constexpr size_t kDictionaryPart = 128;
// A small sample's holds two segments.
constexpr size_t kDictionaryBytesMin = 2048;

// Blocks that shrink by less than a fifth hold little that comes again.
constexpr size_t kStoredPercentMax = 80;

// The trainer looks for stretches of so many bytes, by what they have in common with the rest of the sample eight
// bytes at a time; it counts these in 2^16 places, 384 KiB while it trains, and passes over some. All
// together takes 7 ms for a sample of 1 MiB, a fiftieth of what compressing a table of 32 MiB does.
constexpr unsigned kSegmentBytes = 1000;
constexpr unsigned kComparedBytes = 8;
constexpr unsigned kCountersLog2 = 16;
constexpr unsigned kAcceleration = 4;

}  // namespace

// --- Digested ---

std::unique_ptr<const CompressionDictionary> CompressionDictionary::Make(Slice bytes, int level) {
  ZSTD_CDict* digested = ZSTD_createCDict(bytes.data(), bytes.size(), level);
  if (digested == nullptr) return nullptr;
  return std::unique_ptr<const CompressionDictionary>(new CompressionDictionary(digested));
}

void CompressionDictionary::Free::operator()(ZSTD_CDict* dictionary) const {
  ZSTD_freeCDict(dictionary);
}

std::unique_ptr<const Dictionary> Dictionary::Make(Slice bytes) {
  // Bytes that are no dictionary would otherwise pass as text to refer to.
  if (ZDICT_getDictID(bytes.data(), bytes.size()) == 0) return nullptr;
  ZSTD_DDict* digested = ZSTD_createDDict(bytes.data(), bytes.size());
  if (digested == nullptr) return nullptr;
  return std::unique_ptr<const Dictionary>(new Dictionary(digested));
}

void Dictionary::Free::operator()(ZSTD_DDict* dictionary) const { ZSTD_freeDDict(dictionary); }

size_t Dictionary::memory_bytes() const { return ZSTD_sizeof_DDict(digested_.get()); }

// --- Trained ---

void DictionaryTrainer::Add(Slice block, size_t stored_bytes) {
  samples_.append(block);
  sizes_.push_back(block.size());
  stored_sizes_.push_back(stored_bytes);
  stored_bytes_ += stored_bytes;
}

std::string DictionaryTrainer::Train() const {
  if (sizes_.size() < 2 || 100 * stored_bytes_ > kStoredPercentMax * samples_.size()) return {};
  const size_t tried = std::max<size_t>(sizes_.size() / kTriedPart, 1);
  const size_t blocks = sizes_.size() - tried;
  std::string dictionary = TrainOn(blocks);
  if (dictionary.empty() || !Pays(dictionary, blocks)) return {};
  return dictionary;
}

std::string DictionaryTrainer::TrainOn(size_t blocks) const {
  ZDICT_fastCover_params_t parameters{};
  parameters.k = kSegmentBytes;
  parameters.d = kComparedBytes;
  parameters.f = kCountersLog2;
  parameters.accel = kAcceleration;
  parameters.splitPoint = 1.0;
  parameters.zParams.compressionLevel = level_;
  std::string dictionary(std::max(sample_bytes_ / kDictionaryPart, kDictionaryBytesMin), '\0');
  const size_t size =
      ZDICT_trainFromBuffer_fastCover(dictionary.data(), dictionary.size(), samples_.data(),
                                      sizes_.data(), static_cast<unsigned>(blocks), parameters);
  if (ZDICT_isError(size)) return {};  // too little in common, or too few samples
  dictionary.resize(size);
  return dictionary;
}

bool DictionaryTrainer::Pays(Slice bytes, size_t first_tried) const {
  const std::unique_ptr<const CompressionDictionary> dictionary =
      CompressionDictionary::Make(bytes, level_);
  if (!dictionary) return false;
  size_t offset = 0;
  for (size_t i = 0; i < first_tried; ++i) offset += sizes_[i];
  size_t without = 0;
  size_t with = 0;
  std::string compressed;
  for (size_t i = first_tried; i < sizes_.size(); offset += sizes_[i++]) {
    const Slice block = Slice(samples_).substr(offset, sizes_[i]);
    compressed.resize(CompressedBytesMax(block.size()));
    const size_t size =
        Compress(std::span(&block, 1), block.size(), level_, compressed.data(), dictionary.get());
    without += stored_sizes_[i];
    with += size > 0 ? size : block.size();
  }
  return 100 * with <= (100 - kDictionaryGainPercentMin) * without;
}

}  // namespace varve
