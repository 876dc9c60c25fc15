// engine/iterators/version_children.h: the tables of a version, as children of a merge.
//
// Threads: those of the version and of the sources.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "engine/iterators/level_iterator.h"
#include "engine/iterators/table_iterator.h"
#include "engine/version/version.h"

namespace varve {

// Adds an iterator for each table of level 0, and for each level of `runs`, that may hold keys of [lower, upper),
// newest first; an empty `upper` means no bound. `runs` are the levels from 1 on that are not empty. Each iterator gets a
// BlockSource& of its own from new_source(). The version and the sources must outlive what is added.
template <Direction direction, typename NewSource>
void AddChildrenOf(const Version& version, std::span<const size_t> runs, Slice lower, Slice upper,
                   NewSource new_source, std::vector<std::unique_ptr<EntryIterator>>* children) {
  const auto begins_in_time = [upper](const FileRef& table) {
    return upper.empty() || table->smallest.compare(upper) < 0;
  };
  for (const FileRef& table : version.level(0)) {
    if (table->largest.compare(lower) < 0 || !begins_in_time(table)) continue;
    children->push_back(std::make_unique<TableIterator<direction>>(table, new_source()));
  }
  for (const size_t run : runs) {
    const FileList& files = version.level(static_cast<int>(run));
    const auto first =
        files.begin() + static_cast<ptrdiff_t>(version.LowerBound(static_cast<int>(run), lower));
    const LevelTables tables(first, std::partition_point(first, files.end(), begins_in_time));
    if (tables.empty()) continue;
    children->push_back(std::make_unique<LevelIterator<direction>>(tables, new_source()));
  }
}

}  // namespace varve
