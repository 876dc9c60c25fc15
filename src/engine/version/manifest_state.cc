// engine/version/manifest_state.cc: applying edits to the whole state.
#include "engine/version/manifest_state.h"

namespace varve {

namespace {

Status Nonsense(const std::string& what) { return Status::Corruption("an edit " + what); }

// What may only rise.
Status CheckRises(const std::optional<uint64_t>& to, uint64_t from, const char* what) {
  if (!to || *to >= from) return Status::Ok();
  return Nonsense("lowers the " + std::string(what) + " from " + std::to_string(from) + " to " +
                  std::to_string(*to));
}

// Says who we are, once, at the beginning.
Status CheckIdentity(const ManifestState& state, const VersionEdit& edit) {
  if (edit.format_version && *edit.format_version > kDatabaseFormatVersion) {
    return Status::Corruption("database format " + std::to_string(*edit.format_version) +
                              ", this program knows " + std::to_string(kDatabaseFormatVersion));
  }
  const bool first = state.database_id == 0;
  if (first && edit.database_id.value_or(0) == 0) return Nonsense("comes before the snapshot");
  if (first && !edit.format_version) return Nonsense("names no format version");
  if (!first && edit.database_id) return Nonsense("renames the database");
  return Status::Ok();
}

Status CheckCounters(const ManifestState& state, const VersionEdit& edit) {
  RETURN_IF_ERROR(CheckIdentity(state, edit));
  RETURN_IF_ERROR(CheckRises(edit.next_file_number, state.next_file_number, "next file number"));
  RETURN_IF_ERROR(CheckRises(edit.first_log_segment, state.first_log_segment, "first log segment"));
  RETURN_IF_ERROR(CheckRises(edit.flushed_group, state.flushed_group, "flushed group"));
  const uint64_t next_file_number = edit.next_file_number.value_or(state.next_file_number);
  for (const FileRef& file : edit.added) {
    if (file->number < next_file_number) continue;
    return Nonsense("adds table " + std::to_string(file->number) + ", though the next file is " +
                    std::to_string(next_file_number));
  }
  for (const ValueFileMeta& file : edit.value_files_added) {
    if (file.number < next_file_number) continue;
    return Nonsense("adds value file " + std::to_string(file.number) +
                    ", though the next file is " + std::to_string(next_file_number));
  }
  for (const uint64_t segment : edit.log_ends_removed) {
    if (state.log_ends.contains(segment)) continue;
    return Nonsense("removes the unknown end of segment " + std::to_string(segment));
  }
  for (const std::string& prefix : edit.dead_prefixes_removed) {
    if (state.dead_prefixes.prefixes().contains(prefix)) continue;
    return Nonsense("forgets a prefix that is not dead");
  }
  return Status::Ok();
}

}  // namespace

Status ManifestState::Apply(const VersionEdit& edit) {
  Result<std::shared_ptr<const Version>> applied = version->Apply(edit);
  if (!applied.ok()) return applied.status();
  RETURN_IF_ERROR(ApplyCounters(edit));
  version = std::move(*applied);
  return Status::Ok();
}

Status ManifestState::ApplyCounters(const VersionEdit& edit) {
  RETURN_IF_ERROR(CheckCounters(*this, edit));
  database_id = edit.database_id.value_or(database_id);
  next_file_number = edit.next_file_number.value_or(next_file_number);
  first_log_segment = edit.first_log_segment.value_or(first_log_segment);
  flushed_group = edit.flushed_group.value_or(flushed_group);
  for (const uint64_t segment : edit.log_ends_removed) log_ends.erase(segment);
  for (const VersionEdit::LogEndMark& end : edit.log_ends_added) log_ends[end.segment] = end.offset;
  for (const auto& [prefix, keys] : edit.counts) {
    if (keys == 0) {
      counts.erase(prefix);
    } else {
      counts[prefix] = keys;
    }
  }
  for (const std::string& prefix : edit.dead_prefixes_removed) (void)dead_prefixes.Remove(prefix);
  for (const VersionEdit::DeadPrefix& dead : edit.dead_prefixes_added) {
    dead_prefixes.Add(dead.prefix, dead.tables_below);
  }
  return Status::Ok();
}

VersionEdit ManifestState::Snapshot() const {
  VersionEdit edit;
  edit.format_version = kDatabaseFormatVersion;
  edit.database_id = database_id;
  edit.next_file_number = next_file_number;
  edit.first_log_segment = first_log_segment;
  edit.flushed_group = flushed_group;
  for (int level = 0; level < kLevels; ++level) {
    const FileList& files = version->level(level);
    edit.added.insert(edit.added.end(), files.begin(), files.end());
  }
  for (const LiveValueFile& file : version->value_files()) {
    edit.value_files_added.push_back(file.meta);
  }
  for (const auto& [segment, offset] : log_ends) edit.log_ends_added.push_back({segment, offset});
  edit.counts.assign(counts.begin(), counts.end());
  for (const auto& [prefix, tables_below] : dead_prefixes.prefixes()) {
    edit.dead_prefixes_added.push_back({prefix, tables_below});
  }
  return edit;
}

}  // namespace varve
