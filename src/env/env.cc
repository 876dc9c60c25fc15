// env/env.cc: what can be said in terms of Env alone.
#include "env/env.h"

#include <utility>

namespace varve {

namespace {

// Writes `contents` to a new file at `path` and syncs it; its directory entry is not synced.
Status WriteNewFile(Env& env, const std::string& path, Slice contents) {
  Result<std::unique_ptr<File>> file = env.Open(path, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  RETURN_IF_ERROR((*file)->WriteAt(0, contents));
  return (*file)->Sync();
}

}  // namespace

void Env::ScheduleRead(const File& file, uint64_t offset, size_t size, ReadWork work, Job done) {
  Schedule(
      Lane::kRead,
      [&file, offset, size, work = std::move(work)] {
        const auto bytes = std::make_unique_for_overwrite<char[]>(size);
        const Result<size_t> read = file.ReadAt(offset, size, bytes.get());
        work(read.ok() ? Result<Slice>(Slice(bytes.get(), *read)) : read.status());
      },
      std::move(done));
}

Result<std::string> ReadWholeFile(Env& env, const std::string& path) {
  Result<std::unique_ptr<File>> file = env.Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  const Result<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  std::string contents(*size, '\0');
  const Result<size_t> read = (*file)->ReadAt(0, contents.size(), contents.data());
  if (!read.ok()) return read.status();
  contents.resize(*read);
  return contents;
}

Status ReplaceFile(Env& env, const std::string& directory, const std::string& name,
                   Slice contents) {
  const std::string path = directory + "/" + name;
  const std::string temporary = path + ".tmp";
  // A crash may have left one behind.
  if (Status s = env.Remove(temporary); !s.ok() && !s.is_not_found()) return s;

  Status status = WriteNewFile(env, temporary, contents);
  if (status.ok()) status = env.Rename(temporary, path);
  if (!status.ok()) {
    (void)env.Remove(temporary);  // What counts is the first error; the next call tries again.
    return status;
  }
  return env.SyncDirectory(directory);
}

}  // namespace varve
