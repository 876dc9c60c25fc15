// env/uninterrupted.h: system calls that a signal may interrupt. Threads: any.
//
// On a local disk few of them can be. On NFS or FUSE all that look at the disk can.
#pragma once

#include <cerrno>
#include <type_traits>

namespace varve {

// Repeats `call` for as long as signals interrupt it. It returns null or less than 0 when it fails. Not for close(),
// which has done its work all the same: see posix_file.cc.
template <typename Call>
auto Uninterrupted(Call call) {
  const auto failed = [](auto result) {
    if constexpr (std::is_pointer_v<decltype(result)>) {
      return result == nullptr;
    } else {
      return result < 0;
    }
  };
  auto result = call();
  while (failed(result) && errno == EINTR) result = call();
  return result;
}

}  // namespace varve
