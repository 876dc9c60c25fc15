// engine/values/value_use.h: how much of which value file a table refers to.
//
// A value file's live bytes are the sum over all tables of a version: exact, for each reference names its record's
// size.
// Threads: any; a value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/slice.h"

namespace varve {

struct ValueUse {
  uint64_t file = 0;   // number
  uint64_t bytes = 0;  // of the records that are referred to; more than 0

  bool operator==(const ValueUse&) const = default;
};
// By rising number of the file, each once.
using ValueUses = std::vector<ValueUse>;

// On disk: varint file | varint bytes, one after the other.
void AppendValueUses(const ValueUses& uses, std::string* to);
// False if the bytes are none.
bool DecodeValueUses(Slice bytes, ValueUses* uses);

uint64_t BytesOf(const ValueUses& uses);

}  // namespace varve
