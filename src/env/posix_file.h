// env/posix_file.h: files and locks of a POSIX system, for posix_env.cc.
#pragma once

#include <memory>
#include <string>

#include "env/env.h"

namespace varve {

// As Env::Open: kNotFound where a file that must exist does not.
Result<std::unique_ptr<File>> OpenPosixFile(const std::string& path, OpenMode mode);

// As Env::LockFile. The file holds the owner's process id, for whoever finds it locked.
Result<std::unique_ptr<DirectoryLock>> LockPosixFile(const std::string& path);

}  // namespace varve
