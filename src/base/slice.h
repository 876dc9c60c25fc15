// base/slice.h: borrowed bytes.
//
// A Slice never owns: how long its bytes live is said where one is handed out. It is
// std::string_view itself, so that literals, hashing and comparison come for free;
// bytes are compared as unsigned, which std::char_traits<char> guarantees.
#pragma once

#include <string_view>

namespace varve {

using Slice = std::string_view;

}  // namespace varve
