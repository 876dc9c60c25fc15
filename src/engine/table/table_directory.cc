// engine/table/table_directory.cc: the tables and value files of a database, by number.
#include "engine/table/table_directory.h"

#include <utility>

#include "engine/file_names.h"

namespace varve {

std::string TableDirectory::PathOf(uint64_t number) const {
  return JoinPath(path, TableFileName(number));
}

Result<std::shared_ptr<const TableReader>> TableDirectory::Open(uint64_t number) const {
  const std::string file_path = PathOf(number);
  Result<std::unique_ptr<File>> file = env->Open(file_path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  Result<std::shared_ptr<TableReader>> reader =
      TableReader::Open(std::move(*file), file_path, number, database_id);
  if (!reader.ok()) return reader.status();
  return std::shared_ptr<const TableReader>(std::move(*reader));
}

std::string TableDirectory::PathOfValues(uint64_t number) const {
  return JoinPath(path, ValueFileName(number));
}

Result<std::shared_ptr<const ValueFileReader>> TableDirectory::OpenValues(uint64_t number) const {
  const std::string file_path = PathOfValues(number);
  Result<std::unique_ptr<File>> file = env->Open(file_path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  auto reader =
      std::make_shared<const ValueFileReader>(std::move(*file), file_path, number, database_id);
  RETURN_IF_ERROR(reader->CheckVersion());
  return reader;
}

}  // namespace varve
