// base/shared_bytes.h: bytes with several owners, for values too large to copy.
//
// A large value is received once and then held, not copied, by whoever needs it: the
// record, the log's tail until it is written, the reply until the socket took it. The bytes never change
// after they have been shared. Threads: the count is atomic, any thread may drop its share.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "base/slice.h"

namespace varve {

class SharedBytes {
 public:
  SharedBytes() = default;

  // `size` bytes of zeros, writable through mutable_data() by the one who made them.
  // Large sizes cost no memory until touched.
  static SharedBytes Allocate(size_t size);
  static SharedBytes CopyOf(Slice bytes);
  // Bytes inside something else that `owner` keeps alive, such as a block.
  static SharedBytes Alias(Slice bytes, std::shared_ptr<const void> owner) {
    SharedBytes shared;
    shared.bytes_ = bytes;
    shared.owner_ = std::move(owner);
    return shared;
  }

  char* mutable_data() { return const_cast<char*>(bytes_.data()); }
  Slice slice() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  explicit operator bool() const { return owner_ != nullptr; }

  // The first `size` bytes, sharing the same memory.
  SharedBytes Prefix(size_t size) const { return Alias(bytes_.substr(0, size), owner_); }

 private:
  Slice bytes_;
  std::shared_ptr<const void> owner_;
};

}  // namespace varve
