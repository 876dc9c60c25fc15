// base/prefix.cc: where a prefix ends.
#include "base/prefix.h"

namespace varve {

std::string PrefixEnd(Slice prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

}  // namespace varve
