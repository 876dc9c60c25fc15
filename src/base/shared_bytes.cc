// base/shared_bytes.cc: where shared bytes come from.
#include "base/shared_bytes.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace varve {

SharedBytes SharedBytes::Allocate(size_t size) {
  // calloc maps large sizes lazily; new char[n]() would touch every page here and now.
  void* memory = std::calloc(size > 0 ? size : 1, 1);
  if (memory == nullptr) throw std::bad_alloc();
  return Alias(
      Slice(static_cast<const char*>(memory), size),
      std::shared_ptr<const void>(memory, [](const void* p) { std::free(const_cast<void*>(p)); }));
}

SharedBytes SharedBytes::CopyOf(Slice bytes) {
  SharedBytes copy = Allocate(bytes.size());
  std::memcpy(copy.mutable_data(), bytes.data(), bytes.size());
  return copy;
}

}  // namespace varve
