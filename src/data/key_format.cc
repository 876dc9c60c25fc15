// data/key_format.cc: prefixes, written and measured.
#include "data/key_format.h"

#include <bit>

namespace varve {

namespace {

constexpr unsigned kKindShift = 4;
constexpr unsigned kIdBytesMask = 0x0f;

}  // namespace

void AppendPrefix(std::string* to, KeyKind kind, uint64_t id) {
  const unsigned id_bytes = (static_cast<unsigned>(std::bit_width(id)) + 7) / 8;
  to->push_back(static_cast<char>(static_cast<unsigned>(kind) << kKindShift | id_bytes));
  for (unsigned i = id_bytes; i-- > 0;) to->push_back(static_cast<char>(id >> (8 * i)));
}

size_t CountedPrefixSize(Slice key) {
  if (key.empty()) return 0;
  const unsigned first = static_cast<unsigned char>(key.front());
  if (first >> kKindShift != static_cast<unsigned>(KeyKind::kKey)) return 0;
  const size_t size = 1 + (first & kIdBytesMask);
  return size <= key.size() ? size : 0;
}

std::optional<SpaceId> SpaceOfKey(Slice key) {
  const size_t size = CountedPrefixSize(key);
  if (size == 0) return std::nullopt;
  SpaceId space = 0;
  for (const char c : key.substr(1, size - 1)) {
    space = space << 8 | static_cast<unsigned char>(c);
  }
  return space;
}

}  // namespace varve
