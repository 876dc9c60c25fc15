// tools/dumper.cc: what all files have in common.
#include "tools/dumper.h"

namespace varve {

namespace {

const char* NameOf(EntryKind kind) {
  switch (kind) {
    case EntryKind::kPut: return "put";
    case EntryKind::kTombstone: return "delete";
    case EntryKind::kPrefixTombstone: return "delete_prefix";
  }
  return "?";
}

}  // namespace

void Dumper::Problem(const std::string& file, uint64_t offset, Slice text) {
  found_problems_ = true;
  out_.Begin("problem", 0).Word("file", file).Number("offset", offset).Bytes("text", text).End();
}

void Dumper::EntryLine(const Entry& entry, int depth) {
  out_.Begin(NameOf(entry.kind), depth).Bytes("key", entry.key);
  const bool put = entry.kind == EntryKind::kPut;
  if (put) out_.Number("tag", entry.tag);
  if (entry.creates) out_.Flag("creates");
  if (entry.expire_at_ms != 0) out_.Signed("expires_ms", entry.expire_at_ms);
  ValueRef ref;
  if (entry.in_value_file && DecodeValueRef(entry.value, &ref)) {
    out_.Number("bytes", ref.value_bytes).Number("value_file", ref.file);
    out_.Number("offset", ref.offset).Number("record_bytes", ref.record_bytes);
  } else if (put) {
    ValueOf(entry.value);
  }
  out_.End();
}

void Dumper::ValueOf(Slice value) {
  out_.Number("bytes", value.size());
  if (!options_.values) return;
  const bool cut = !options_.whole_values && value.size() > kDumpValueBytesMax;
  out_.Bytes("value", cut ? value.substr(0, kDumpValueBytesMax) : value);
  if (cut) out_.Flag("cut");
}

}  // namespace varve
