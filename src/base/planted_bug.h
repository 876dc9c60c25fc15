// base/planted_bug.h: mistakes that can be made on purpose, to see that the simulation finds them.
//
// Only a program that is built with VARVE_PLANTED_BUGS (build/varve-sim-planted) can make one: a line such as
//
//   if (!Planted(PlantedBug::kTableNotSynced)) RETURN_IF_ERROR(file_->Sync());
//
// is what it says without the condition everywhere else. docs/RELIABILITY.md tells how soon each was found.
//
// Threads: any, once chosen.
#pragma once

#include <cstdint>

namespace varve {

// X(name, what it does)
#define VARVE_PLANTED_BUGS_LIST(X)                                                          \
  X(kReplyBeforeSync, "under `always`, replies leave before the log is synced")             \
  X(kShowBeforeLogged, "a read shows what is not in the log yet")                           \
  X(kSyncAgain, "a sync of the log that failed is tried once more, and believed")           \
  X(kSegmentNameNotSynced, "a new log segment is used before its name is on the disk")      \
  X(kGroupLostAtRotation, "the first group of a new log segment is not written")            \
  X(kSegmentRetiredEarly, "log segments are let go before what they hold is in tables")     \
  X(kLogChecksumIgnored, "recovery believes a torn log record")                             \
  X(kTableNotSynced, "a version names a table that is not on the disk")                     \
  X(kTableNameNotSynced, "a version names a table whose name is not on the disk")           \
  X(kManifestNotSynced, "a version counts before the manifest is on the disk")              \
  X(kCheckpointNameNotSynced, "a checkpoint is told of before its name is on the disk")     \
  X(kTombstoneForgotten, "a compaction drops a tombstone that something below still needs") \
  X(kSpaceReused, "FLUSHDB gives a database its old space again")                           \
  X(kExpiredUnseen, "expiry deletes a key without looking whether it was written since")    \
  X(kWatchBlind, "EXEC runs although a watched key was written")

enum class PlantedBug : uint8_t {
  kNone,
#define VARVE_PLANTED_BUG_NAME(name, what) name,
  VARVE_PLANTED_BUGS_LIST(VARVE_PLANTED_BUG_NAME)
#undef VARVE_PLANTED_BUG_NAME
};

#ifdef VARVE_PLANTED_BUGS
inline PlantedBug planted_bug = PlantedBug::kNone;
inline bool Planted(PlantedBug bug) { return planted_bug == bug; }
#else
constexpr bool Planted(PlantedBug) { return false; }
#endif

}  // namespace varve
