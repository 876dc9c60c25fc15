// engine/checkpoint/copy_database.h: a copy of a database that is not open: a backup, or what a
// backup is restored to.
//
// Nothing is replayed: tables are linked or copied, the live log segments copied, and a manifest
// with the same state is begun. The copy opens as the original would have. It belongs to nobody
// yet: a lock is taken on the source only, and for as long as it takes.
//
// Checked before anything is made: the manifest, and that each table it names is there and as long as it says.
// Blocks are not read; that is what varve-tool check does.
//
// Threads    any that may use the Env's files. Waits for the disk.
#pragma once

#include <string>

#include "base/status.h"
#include "engine/checkpoint/checkpoint_job.h"
#include "env/env.h"

namespace varve {

// kLocked: a process has it open. kNotFound: no database there. Others as MakeCheckpoint.
Status CopyDatabase(Env& env, const std::string& source, const std::string& target,
                    const CheckpointControl& control, CheckpointInfo* info);

}  // namespace varve
