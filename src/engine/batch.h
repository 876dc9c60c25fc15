// engine/batch.h: writes that happen together or not at all.
//
// A batch is its own encoding: entries one after the other, as the log keeps them.
//
//   entry:  flags (1, see entry.h) | varint key size | varint value size (puts) |
//           expiry (8, little-endian, if flagged) | key | value (puts)
//
// Values of kSharedValueBytesMin or more are not copied: the batch remembers where in
// the byte stream they belong (a splice), and whoever writes the stream gathers it.
//
// Threads    loop; a finished batch may be read by any thread.
// Ownership  Small keys and values are copied in, large values shared.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/shared_bytes.h"
#include "engine/entry.h"

namespace varve {

// A large value in the middle of encoded bytes: it belongs before bytes()[position].
struct Splice {
  size_t position;
  SharedBytes value;
};

class Batch {
 public:
  // REQUIRES: tag <= kTagMax. `value` is copied.
  void Put(Slice key, uint8_t tag, int64_t expire_at_ms, Slice value);
  // As above, sharing `value` if it is large.
  void Put(Slice key, uint8_t tag, int64_t expire_at_ms, const SharedBytes& value);
  // A small record that tells where things are, such as which space a database lives in. The same
  // few keys are overwritten again and again, so it needs no room to speak of: see needs_room().
  void PutBookkeeping(Slice key, Slice value);
  void Delete(Slice key);
  // Everything under `prefix` is dead from now on and for ever: the caller never writes under it again.
  void DeletePrefix(Slice prefix);
  void Clear();

  // Where the batch stands, to come back to when a command of a transaction fails half-way.
  struct Mark {
    size_t bytes, splices, spliced_bytes, entries, data_puts;
  };
  Mark mark() const {
    return {bytes_.size(), splices_.size(), spliced_bytes_, entries_, data_puts_};
  }
  void TruncateTo(const Mark& mark);

  // The latest entry for `key` in this batch, if any: a unit reads its own writes. `value->shared`
  // is set for large ones. The slices are valid until the next change of the batch.
  bool Find(Slice key, Entry* entry, SharedBytes* shared) const;

  bool empty() const { return entries_ == 0; }
  size_t entries() const { return entries_; }
  // False if all it does is to delete, and to keep books about that. Such a batch is what frees a
  // full disk, so a full disk takes it: see Engine::Accepts().
  bool needs_room() const { return data_puts_ > 0; }
  // Encoded size, splices included.
  size_t size_bytes() const { return bytes_.size() + spliced_bytes_; }
  const std::string& bytes() const { return bytes_; }
  std::string& mutable_bytes() { return bytes_; }  // for the commit, which sets creates bits
  const std::vector<Splice>& splices() const { return splices_; }

 private:
  char* Append(const Entry& entry, size_t value_size, size_t copied_size);

  std::string bytes_;
  std::vector<Splice> splices_;
  size_t spliced_bytes_ = 0;
  size_t entries_ = 0;
  size_t data_puts_ = 0;  // entries by Put, not by PutBookkeeping
  // Built by the first Find on a batch too long to search; maps a key to its latest entry's offset and
  // the splices before it.
  struct Place {
    size_t offset;
    size_t splices_before;
  };
  mutable std::unordered_map<std::string, Place> index_;
  mutable Place indexed_to_{0, 0};
};

// Walks the entries of a batch, or of a group of them in a log record.
//   for (BatchReader r(bytes, splices); r.Next();) use(r.entry());
class BatchReader {
 public:
  BatchReader(Slice bytes, const std::vector<Splice>& splices)
      : bytes_(bytes), splices_(&splices) {}
  // Contiguous bytes, as read back from a log.
  explicit BatchReader(Slice bytes) : bytes_(bytes) {}

  // False at the end, or where the bytes make no sense: see ok().
  bool Next();
  const Entry& entry() const { return entry_; }
  // Set if the entry's value is a splice.
  const SharedBytes& shared() const { return shared_; }
  // Offset in the bytes of the current entry's flags.
  size_t flags_offset() const { return flags_offset_; }
  size_t next_offset() const { return offset_; }
  size_t splices_used() const { return splice_; }
  bool ok() const { return ok_; }
  // Starts over at an entry's offset.
  void Seek(size_t offset, size_t splices_before) {
    offset_ = offset;
    splice_ = splices_before;
  }

 private:
  Slice bytes_;
  const std::vector<Splice>* splices_ = nullptr;
  size_t offset_ = 0;
  size_t splice_ = 0;
  size_t flags_offset_ = 0;
  bool ok_ = true;
  Entry entry_;
  SharedBytes shared_;
};

}  // namespace varve
