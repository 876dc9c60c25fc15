// engine/compaction/value_garbage.h: which value files to empty.
//
// Garbage in a value file is what no table refers to any more. The file is freed when what is still alive has been
// moved: each table that refers to it is merged, or rewritten where it is, and the job writes such values to a new
// file. So garbage is collected by compactions, and the plan says which files they are to empty.
//
//                begins at     goes on until     of all value bytes being garbage
//   under load   a half        two fifths
//   quiet        a tenth       a twentieth
//
// Under load files wait until little of them is alive. If keys are overwritten at random, the worst case, a file that
// is collected then has a fifth of its bytes alive: a quarter of a byte is moved for each byte that is
// written. (Rosenblum and Ousterhout, "The Design and Implementation of a Log-Structured File System", 1991, has the
// reckoning.) When little is being written the disk has time, and the space comes back.
//
// Files are emptied together, not one by one as they come to be worth it: a table that is rewritten for many of them
// is rewritten seldom.
//
// Threads: any; pure functions of a version.
// See also: picker.h (when), compaction_job.h (does it).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/compaction/policy.h"

namespace varve {

// Numbers of the value files to be emptied, those with the most garbage first; none if there is too little of it.
std::vector<uint64_t> ValueFilesToEmpty(const Version& version, const PolicyState& state);

// So much is garbage that it cannot wait until the tree is in shape.
bool ValueGarbageIsUrgent(const Version& version);

// Entries above the last run may shadow values below them, which are garbage that nobody knows of before they are
// merged. True if that may be much, more than the tables that a merge would write.
bool ValueGarbageMayHide(const Version& version);

// Has the plan's job move what its tables refer to in `files`: one file at least, if they refer to any, and no
// more than `bytes_max` beyond that.
void AddRelocations(const std::vector<uint64_t>& files, uint64_t bytes_max, CompactionPlan* plan);

}  // namespace varve
