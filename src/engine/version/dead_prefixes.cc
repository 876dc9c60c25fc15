// engine/version/dead_prefixes.cc: what lies under a dead prefix.
#include "engine/version/dead_prefixes.h"

#include <algorithm>

#include "base/prefix.h"

namespace varve {

namespace {

size_t CommonPrefixSize(Slice a, Slice b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                             a.begin());
}

// Calls visit(entry) for each dead prefix of `key`, longest first, until one call returns true.
template <typename Visit>
bool AnyPrefixOf(const DeadPrefixes::Map& prefixes, Slice key, Visit visit) {
  // A prefix of the key sorts before it, but what sorts directly before it need not be one:
  // the key is cut back to what both have in common, until nothing is left.
  for (;;) {
    auto entry = prefixes.upper_bound(key);
    if (entry == prefixes.begin()) return false;
    --entry;
    const Slice prefix = entry->first;
    if (!key.starts_with(prefix)) {
      key = key.substr(0, CommonPrefixSize(key, prefix));
      continue;
    }
    if (visit(*entry)) return true;
    if (prefix.empty()) return false;
    key = prefix.substr(0, prefix.size() - 1);
  }
}

}  // namespace

void DeadPrefixes::Add(Slice prefix, uint64_t tables_below) {
  prefixes_.insert_or_assign(std::string(prefix), tables_below);
}

bool DeadPrefixes::Remove(Slice prefix) {
  const auto found = prefixes_.find(prefix);
  if (found == prefixes_.end()) return false;
  prefixes_.erase(found);
  return true;
}

bool DeadPrefixes::Covers(Slice key) const {
  return AnyPrefixOf(prefixes_, key, [](const auto&) { return true; });
}

bool DeadPrefixes::CoversRange(Slice smallest, Slice largest) const {
  return AnyPrefixOf(prefixes_, smallest,
                     [&](const auto& entry) { return largest.starts_with(entry.first); });
}

DeadPrefixes::Map::const_iterator DeadPrefixes::FirstFrom(Slice key) const {
  const std::string* shortest = nullptr;
  AnyPrefixOf(prefixes_, key, [&](const auto& entry) {
    shortest = &entry.first;
    return false;
  });
  return shortest == nullptr ? prefixes_.upper_bound(key) : prefixes_.find(*shortest);
}

bool DeadPrefixes::MayMeet(const FileMeta& file) const {
  const auto unsettled = [&](const auto& entry) { return file.number < entry.second; };
  if (AnyPrefixOf(prefixes_, file.smallest, unsettled)) return true;
  // All others that meet the table begin within it.
  for (auto entry = prefixes_.upper_bound(file.smallest);
       entry != prefixes_.end() && entry->first <= file.largest; ++entry) {
    if (unsettled(*entry)) return true;
  }
  return false;
}

bool PrefixIsSpent(const Version& version, Slice prefix, uint64_t tables_below) {
  const std::string end = PrefixEnd(prefix);
  const auto meets = [&](const FileMeta& file) {
    return file.number < tables_below && file.largest >= prefix &&
           (end.empty() || file.smallest < end);
  };
  for (const FileRef& file : version.level(0)) {
    if (meets(*file)) return false;
  }
  for (int level = 1; level < kLevels; ++level) {
    const FileList& files = version.level(level);
    for (size_t i = version.LowerBound(level, prefix);
         i < files.size() && (end.empty() || files[i]->smallest < end); ++i) {
      if (meets(*files[i])) return false;
    }
  }
  return true;
}

}  // namespace varve
