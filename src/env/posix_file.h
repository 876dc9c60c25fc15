// env/posix_file.h: files and locks of a POSIX system, for posix_env.cc.
#pragma once

#include <memory>
#include <string>

#include "env/env.h"

namespace varve {

// As Env::Open: kNotFound where a file that must exist does not.
Result<std::unique_ptr<File>> OpenPosixFile(const std::string& path, OpenMode mode);

// What an open file is to the system, and an errno of the system's in its name. REQUIRES: it came from OpenPosixFile.
int DescriptorOf(const File& file);
Status PosixFileError(const File& file, int error, Slice what);

// As Env::LockFile. The file holds the owner's process id, for whoever finds it locked.
Result<std::unique_ptr<DirectoryLock>> LockPosixFile(const std::string& path);

}  // namespace varve
