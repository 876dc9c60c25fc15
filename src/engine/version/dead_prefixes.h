// engine/version/dead_prefixes.h: the prefixes under which no key lives any more, or ever will.
//
// A large collection or a whole space is deleted by declaring its prefix dead. Reads never
// ask for such keys again; flushes and compactions drop them where they meet them.
//
// Every dead prefix has a bound, tables_below: a table with that number or a greater one was
// written by a job that knew the prefix, and holds nothing under it. Without it a table whose range
// spans the prefix would be rewritten again and again. So it must be greater than every number
// that was given to a job before the prefix was known to jobs. When no table below the bound
// meets the prefix any more (see PrefixIsSpent) the prefix can be forgotten.
//
// Threads: as a container; jobs get a copy.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/slice.h"
#include "engine/version/version.h"

namespace varve {

class DeadPrefixes {
 public:
  using Map = std::map<std::string, uint64_t, std::less<>>;  // prefix -> tables_below

  // Adds a prefix, or replaces its bound.
  void Add(Slice prefix, uint64_t tables_below);
  // False if it was not there.
  bool Remove(Slice prefix);

  bool empty() const { return prefixes_.empty(); }
  size_t size() const { return prefixes_.size(); }
  const Map& prefixes() const { return prefixes_; }

  // Whether `key` lies under a dead prefix.
  bool Covers(Slice key) const;
  // Whether all of [smallest, largest] lies under one dead prefix.
  bool CoversRange(Slice smallest, Slice largest) const;
  // Where a walk over rising keys begins: at the shortest dead prefix of `key`, or else at the first one behind it.
  // No prefix before that has anything to say of `key` and what comes after.
  Map::const_iterator FirstFrom(Slice key) const;
  // Whether a table may hold keys under a dead prefix.
  bool MayMeet(const FileMeta& file) const;

  bool operator==(const DeadPrefixes&) const = default;

 private:
  Map prefixes_;
};

// Whether no table of `version` can hold keys under the prefix.
bool PrefixIsSpent(const Version& version, Slice prefix, uint64_t tables_below);

}  // namespace varve
