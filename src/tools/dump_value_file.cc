// tools/dump_value_file.cc: a value file: its header, and its records in the order in which they lie.
#include "engine/values/value_file_format.h"
#include "engine/values/value_file_reader.h"
#include "tools/dumper.h"
#include "tools/offline.h"

namespace varve {

void Dumper::Values(const ValueFileToDump& what, std::unique_ptr<File> file) {
  char header[kValueFileHeaderBytes];
  const Result<size_t> read = file->ReadAt(0, sizeof(header), header);
  const Result<uint64_t> size = file->Size();
  if (!read.ok()) return Problem(what.name, 0, read.status().message());
  if (!size.ok()) return Problem(what.name, 0, size.status().message());
  if (*read < sizeof(header) || !Slice(header, sizeof(header)).starts_with(kValueFileMagic)) {
    return Problem(what.name, 0, "no header of a value file");
  }
  const uint64_t number = what.number.value_or(LoadFixed64(header + kValueFileNumberAt));
  const uint64_t database_id =
      what.database_id.value_or(LoadFixed64(header + kValueFileDatabaseAt));
  out_.Begin("values", 0).Word("file", what.name).Number("number", number);
  out_.Word("database", Hex(database_id));
  out_.Number("format", LoadFixed32(header + kValueFileVersionAt)).Number("bytes", *size).End();

  const ValueFileReader reader(std::move(file), what.name, number, database_id);
  if (const Status s = reader.CheckHeader(); !s.ok()) Problem(what.name, 0, s.message());
  if (!options_.entries) return;
  for (uint64_t offset = kValueFileHeaderBytes; offset < *size;) {
    Result<ValueFileReader::Record> record = reader.ReadRecordAt(offset, *size);
    if (!record.ok()) return Problem(what.name, offset, record.status().message());
    const uint64_t end = offset + record->size;
    if (options_.Wants(record->key)) ValueLine(reader, offset, std::move(*record));
    offset = end;
  }
}

void Dumper::ValueLine(const ValueFileReader& reader, uint64_t offset,
                       ValueFileReader::Record record) {
  const std::string key(record.key);
  out_.Begin("value", 1).Bytes("key", key).Number("offset", offset);
  out_.Number("record_bytes", record.size).Number("stored", record.stored.size());
  const auto value = reader.Decode(offset, 0, std::move(record));
  if (value.ok()) ValueOf((*value)->slice());
  out_.End();
  if (!value.ok()) Problem(reader.path(), offset, value.status().message());
}

}  // namespace varve
