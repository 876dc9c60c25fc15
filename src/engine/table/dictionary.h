// engine/table/dictionary.h: what the blocks of a table have in common, told to zstd beforehand.
//
// A block is compressed by itself, so that it can be read by itself; what it has in common with others -
// the names of fields, the values they mostly have - is stored in each anew. A dictionary holds that once.
// How much this saves depends on the size of the blocks: see docs/BENCHMARKS.md.
//
//   1. gather   a DictionaryTrainer keeps the table's first blocks as they are, until it has its
//               sample, and how small they became
//   2. train    on most of the sample; tried on the rest, which the dictionary has not seen. It is
//               dropped unless that rest becomes smaller by kDictionaryGainPercentMin
//   3. use      blocks from then on are compressed with it; those before stay as they are, and
//               their type says so. So nothing is held back, and nothing is compressed twice
//
// The dictionary is a part of the file, never compressed itself. Its bytes are those of zstd's
// trainer (RFC 8878, section 5), the same for the same sample and version of zstd.
//
// Threads    Trainer: one at a time. The other two: any; they never change.
// Errors     A dictionary that cannot be made is none; the blocks do without.
// See also: compressor.h (uses it), table_builder.h, table_reader.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/slice.h"

// zstd's own, which its header is not needed for here.
struct ZSTD_CDict_s;
struct ZSTD_DDict_s;

namespace varve {

// A dictionary is used if it makes blocks smaller by so much. For 16 KiB blocks it costs half as
// much again of the time that compressing them takes, and 35 KiB of memory for each open table.
inline constexpr size_t kDictionaryGainPercentMin = 8;

// For writing, at one level of compression.
class CompressionDictionary {
 public:
  // Null if there is no memory for it, or the bytes are no dictionary.
  static std::unique_ptr<const CompressionDictionary> Make(Slice bytes, int level);

  const ZSTD_CDict_s* get() const { return digested_.get(); }

 private:
  struct Free {
    void operator()(ZSTD_CDict_s* dictionary) const;
  };
  explicit CompressionDictionary(ZSTD_CDict_s* digested) : digested_(digested) {}

  std::unique_ptr<ZSTD_CDict_s, Free> digested_;
};

// For reading.
class Dictionary {
 public:
  // Null as above.
  static std::unique_ptr<const Dictionary> Make(Slice bytes);

  const ZSTD_DDict_s* get() const { return digested_.get(); }
  size_t memory_bytes() const;

 private:
  struct Free {
    void operator()(ZSTD_DDict_s* dictionary) const;
  };
  explicit Dictionary(ZSTD_DDict_s* digested) : digested_(digested) {}

  std::unique_ptr<ZSTD_DDict_s, Free> digested_;
};

class DictionaryTrainer {
 public:
  // Gathers about `sample_bytes` of blocks, for a dictionary at that level of compression.
  DictionaryTrainer(size_t sample_bytes, int level) : sample_bytes_(sample_bytes), level_(level) {}

  // A block's contents, and their size as stored.
  void Add(Slice block, size_t stored_bytes);
  bool full() const { return samples_.size() >= sample_bytes_; }

  // The dictionary's bytes; empty if it does not pay.
  std::string Train() const;

 private:
  std::string TrainOn(size_t blocks) const;
  bool Pays(Slice dictionary, size_t first_tried) const;

  const size_t sample_bytes_;
  const int level_;
  std::string samples_;
  std::vector<size_t> sizes_;  // of each block, before compression and after
  std::vector<size_t> stored_sizes_;
  size_t stored_bytes_ = 0;
};

}  // namespace varve
