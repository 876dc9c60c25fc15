// tools/dump_manifest.cc: a manifest, edit by edit, also behind bytes that are none.
#include "engine/check/manifest_records.h"
#include "tools/dumper.h"
#include "tools/offline.h"

namespace varve {

void Dumper::Manifest(const std::string& name, Slice file) {
  ManifestRecords records(file);
  out_.Begin("manifest", 0).Word("file", name).Number("number", records.number());
  out_.Word("database", Hex(records.database_id())).Number("format", records.format_version());
  out_.Number("bytes", file.size()).End();
  if (records.header_fault() != nullptr) Problem(name, 0, records.header_fault());
  for (;;) {
    ManifestRecord record;
    while (records.Next(&record)) {
      const Result<VersionEdit> edit = VersionEdit::Decode(record.payload);
      if (edit.ok()) {
        Edit(*edit, record.offset, record.payload.size());
      } else {
        Problem(name, record.offset, edit.status().message());
      }
    }
    const uint64_t bad_at = records.offset();
    const ManifestRecords::Rest rest = records.rest();
    if (!records.SkipBadBytes()) {
      // The last one may be torn: check tells whether it may.
      if (rest != ManifestRecords::Rest::kNothing) {
        out_.Begin("torn", 1).Number("offset", bad_at).Number("bytes", file.size() - bad_at).End();
      }
      return;
    }
    Problem(name, bad_at, "bad record");
  }
}

void Dumper::Edit(const VersionEdit& edit, uint64_t offset, uint64_t size) {
  out_.Begin("edit", 1).Number("offset", offset).Number("bytes", size);
  if (edit.format_version) out_.Number("format_version", *edit.format_version);
  if (edit.database_id) out_.Word("database", Hex(*edit.database_id));
  if (edit.next_file_number) out_.Number("next_file_number", *edit.next_file_number);
  if (edit.first_log_segment) out_.Number("first_log_segment", *edit.first_log_segment);
  if (edit.flushed_group) out_.Number("flushed_group", *edit.flushed_group);
  out_.End();
  for (const VersionEdit::RemovedFile& file : edit.removed) {
    out_.Begin("table_removed", 2).Number("level", static_cast<uint64_t>(file.level));
    out_.Number("number", file.number).End();
  }
  for (const FileRef& file : edit.added) {
    out_.Begin("table_added", 2).Number("level", static_cast<uint64_t>(file->level));
    out_.Number("number", file->number).Number("bytes", file->size_bytes);
    out_.Number("entries", file->entries).Number("tombstones", file->tombstones);
    out_.Number("expiring", file->expiring);
    if (file->expiring > 0) {
      out_.Signed("first_expiry_ms", file->first_expiry_ms);
      out_.Signed("last_expiry_ms", file->last_expiry_ms);
    }
    out_.Bytes("smallest", file->smallest).Bytes("largest", file->largest).End();
    for (const ValueUse& use : file->value_uses) {
      out_.Begin("refers_to", 3).Number("value_file", use.file).Number("bytes", use.bytes).End();
    }
  }
  for (const ValueFileMeta& file : edit.value_files_added) {
    out_.Begin("value_file_added", 2).Number("number", file.number);
    out_.Number("bytes", file.size_bytes).Number("records", file.records).End();
  }
  for (const VersionEdit::LogEndMark& end : edit.log_ends_added) {
    out_.Begin("log_end_added", 2).Number("segment", end.segment);
    out_.Number("offset", end.offset).End();
  }
  for (const uint64_t segment : edit.log_ends_removed) {
    out_.Begin("log_end_removed", 2).Number("segment", segment).End();
  }
  for (const auto& [prefix, keys] : edit.counts) {
    out_.Begin("count", 2).Bytes("prefix", prefix).Signed("keys", keys).End();
  }
  for (const VersionEdit::DeadPrefix& dead : edit.dead_prefixes_added) {
    out_.Begin("dead_prefix_added", 2).Bytes("prefix", dead.prefix);
    out_.Number("tables_below", dead.tables_below).End();
  }
  for (const std::string& prefix : edit.dead_prefixes_removed) {
    out_.Begin("dead_prefix_removed", 2).Bytes("prefix", prefix).End();
  }
}

}  // namespace varve
