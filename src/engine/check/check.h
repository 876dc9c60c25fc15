// engine/check/check.h: is a closed database sound?
//
//   1. lock       nobody else has it
//   2. CURRENT    names a manifest
//   3. manifest   every record, every edit, the invariants of the version they lead to
//   4. values     the value files that the manifest names: check_value_file.h
//   5. tables     all that the manifest names: check_table.h
//   6. log        all live segments: check_log.h
//   7. strangers  files that nothing names
//
// All is read and nothing written, but for the lock. Every fault is listed, and what does not stand
// on it is checked all the same: without a manifest, each table and segment by itself. LOCK and
// RESERVE hold nothing of the database, so there is nothing in them to be checked.
//
// Not checked: whether the counts in the manifest are the numbers of live keys, which would take a
// merge of all tables and the log; and what the layers above keep in their keys and values.
//
// A manifest's last record may be bad because a power cut tore it: such an edit never counted. But if
// the log says that its writer closed it in good order, nothing was being written any more, and a
// bad record is damage. So it is if the log does not go with a manifest that lacks it. Then the
// state is not known, and tables and segments are checked by themselves.
//
// Threads    any that may use the Env's files. Waits for the disk.
// Memory     Filter, index, one block and the places of the expiry index (16 bytes each) of one table; one
//            record of the log; the manifest whole.
#pragma once

#include <string>

#include "base/status.h"
#include "engine/check/report.h"
#include "env/env.h"

namespace varve {

// Ok: it was checked, and `report` says with what outcome. Else why it could not be: kLocked,
// kNotFound (no database there), kIoError.
Status CheckDatabase(Env& env, const std::string& directory, CheckReport* report);

}  // namespace varve
