// tools/dump_table.cc: a table: its footer, properties, and its blocks in the order of the index.
//
// With a range, only the blocks in which it may lie, and nothing of the expiry index, whose order is
// another one.
#include <cstdint>

#include "engine/check/table_parts.h"
#include "engine/table/expiry_index.h"
#include "tools/dumper.h"
#include "tools/offline.h"

namespace varve {

namespace {

void PrintHandle(LinePrinter& out, const char* what, BlockHandle handle) {
  out.Begin(what, 1).Number("offset", handle.offset).Number("bytes", handle.size);
}

void PrintFooter(LinePrinter& out, const TableToDump& what, const TableFooter& footer) {
  out.Begin("table", 0).Word("file", what.name).Number("number", footer.file_number);
  if (what.level) out.Number("level", static_cast<uint64_t>(*what.level));
  out.Word("database", Hex(footer.database_id)).Number("format", footer.version);
  out.Number("bytes", footer.file_bytes).End();
}

void PrintProperties(LinePrinter& out, BlockHandle handle, const TableProperties& properties) {
  PrintHandle(out, "properties", handle);
  out.Number("entries", properties.entries).Number("tombstones", properties.tombstones);
  out.Number("expiring", properties.expiring);
  if (properties.expiring > 0) {
    out.Signed("first_expiry_ms", properties.first_expiry_ms);
    out.Signed("last_expiry_ms", properties.last_expiry_ms);
  }
  out.Number("key_bytes", properties.key_bytes).Number("value_bytes", properties.value_bytes);
  out.Number("raw_bytes", properties.raw_bytes).Number("data_bytes", properties.data_bytes);
  if (!properties.value_uses.empty()) {
    out.Number("value_files", properties.value_uses.size());
    out.Number("bytes_in_value_files", BytesOf(properties.value_uses));
  }
  out.Bytes("smallest", properties.smallest_key).Bytes("largest", properties.largest_key).End();
}

}  // namespace

void Dumper::Table(const TableToDump& what, const File& file) {
  TableParts parts(
      file, what.number, what.database_id,
      [&](uint64_t offset, const std::string& text) { Problem(what.name, offset, text); });
  parts.Open();
  if (!parts.footer()) return;
  const TableFooter& footer = *parts.footer();
  PrintFooter(out_, what, footer);
  if (parts.index()) {
    PrintHandle(out_, "index", footer.index);
    out_.Number("partitions", parts.partition_count());
    out_.Number("expiry_blocks", parts.expiry_block_count()).End();
  }
  if (parts.properties()) PrintProperties(out_, footer.properties, *parts.properties());
  if (parts.dictionary().size > 0) {
    PrintHandle(out_, "dictionary", parts.dictionary());
    out_.End();
  }
  DataBlocks(parts);
  if (!options_.has_range()) ExpiryBlocks(parts);
}

void Dumper::DataBlocks(TableParts& parts) {
  if (parts.partition_count() == 0) return;
  const size_t first = options_.from ? parts.index()->Find(*options_.from) : 0;
  const size_t last = options_.to ? parts.index()->Find(*options_.to) : parts.partition_count() - 1;
  for (size_t i = first; i <= last; ++i) {
    const std::shared_ptr<const Partition> partition = parts.ReadPartition(i);
    if (!partition) continue;
    PrintHandle(out_, "partition", parts.PartitionAt(i));
    out_.Number("number", i).Number("blocks", partition->blocks());
    out_.Number("filter_bits", static_cast<uint64_t>(partition->filter_bits_per_key())).End();
    BlocksOf(parts, *partition, i * kPartitionBlocks);
  }
}

void Dumper::BlocksOf(TableParts& parts, const Partition& partition, size_t first_number) {
  const size_t first = options_.from ? partition.FindIndex(*options_.from) : 0;
  const size_t last = options_.to ? partition.FindIndex(*options_.to) : partition.blocks() - 1;
  for (size_t i = first; i <= last; ++i) {
    PrintHandle(out_, "block", partition.BlockAt(i));
    out_.Number("number", first_number + i).End();
    if (!options_.entries) continue;
    const std::shared_ptr<const Block> block = parts.ReadBlock(partition.BlockAt(i));
    if (!block) continue;
    BlockIterator it;
    it.Reset(block);
    for (it.SeekToFirst(); it.Valid(); it.Next()) {
      if (options_.Wants(it.entry().key)) EntryLine(it.entry(), 2);
    }
  }
}

void Dumper::ExpiryBlocks(TableParts& parts) {
  for (size_t i = 0; i < parts.expiry_block_count(); ++i) {
    PrintHandle(out_, "expiry_block", parts.ExpiryBlockAt(i));
    out_.Number("number", i).End();
    if (!options_.entries) continue;
    const std::shared_ptr<const Block> block = parts.ReadBlock(parts.ExpiryBlockAt(i));
    if (!block) continue;
    BlockIterator it;
    it.Reset(block);
    for (it.SeekToFirst(); it.Valid(); it.Next()) {
      Expiring expiring;
      if (!DecodeExpiring(it.entry(), &expiring)) {
        out_.Begin("no_expiry", 2).Bytes("key", it.entry().key).End();
        continue;
      }
      out_.Begin("expiry", 2).Number("stretch", ExpiryStretchOf(expiring.at_ms));
      out_.Signed("expires_ms", expiring.at_ms).Bytes("key", expiring.key).End();
    }
  }
}

}  // namespace varve
