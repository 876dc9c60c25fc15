// engine/values/open_value_files.cc: the values that tables refer to, for a walk over them.
#include "engine/values/open_value_files.h"

#include "engine/values/value_ref.h"

namespace varve {

namespace {
// Each costs a file descriptor. Neighbours in order may lie in as many files as there were flushes.
constexpr size_t kOpenMax = 32;
}  // namespace

Result<std::shared_ptr<const LoadedValue>> OpenValueFiles::Read(const Entry& entry) {
  ValueRef ref;
  if (!DecodeValueRef(entry.value, &ref)) {
    return Status::Corruption("a table refers to a value with what is no reference");
  }
  const Result<std::shared_ptr<const ValueFileReader>> file = Open(ref.file);
  if (!file.ok()) return file.status();
  return (*file)->Read(ref, entry.key);
}

Result<std::shared_ptr<const ValueFileReader>> OpenValueFiles::Open(uint64_t number) {
  if (const auto open = open_.find(number); open != open_.end()) return open->second;
  Result<std::shared_ptr<const ValueFileReader>> file = files_.OpenValues(number);
  if (!file.ok()) return file;
  // The oldest file goes: of what it held most has been overwritten, so the fewest references lead there.
  if (open_.size() == kOpenMax) open_.erase(open_.begin());
  open_.emplace(number, *file);
  return file;
}

}  // namespace varve
