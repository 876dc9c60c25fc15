// engine/cache/table_cache.cc: what the loop has in memory of each live table.
#include "engine/cache/table_cache.h"

#include <utility>

namespace varve {

namespace {
// In one call of MakeRoom.
constexpr int kStepsMax = 256;
}  // namespace

TableCache::TableRef TableCache::Add(uint64_t number) {
  TableRef& table = tables_[number];
  if (!table) table = std::make_shared<Table>(number);
  return table;
}

void TableCache::Erase(uint64_t number) {
  const auto it = tables_.find(number);
  if (it == tables_.end()) return;
  Close(*it->second);
  it->second->live_ = false;
  tables_.erase(it);
}

TableCache::Table* TableCache::Find(uint64_t number) {
  const auto it = tables_.find(number);
  return it == tables_.end() ? nullptr : it->second.get();
}

void TableCache::KeepReader(Table& table, std::shared_ptr<const TableReader> reader) {
  if (!table.live_ || table.reader_) return;
  table.slots_.resize(reader->partition_count());
  Charge(table,
         static_cast<int64_t>(reader->memory_bytes() + table.slots_.size() * sizeof(Table::Slot)));
  table.reader_ = std::move(reader);
  table.referenced_ = true;
  ++open_;
}

void TableCache::KeepValueReader(Table& file, std::shared_ptr<const ValueFileReader> reader) {
  if (!file.live_ || file.value_reader_) return;
  Charge(file, static_cast<int64_t>(reader->memory_bytes()));
  file.value_reader_ = std::move(reader);
  file.referenced_ = true;
  ++open_;
}

void TableCache::KeepPartition(Table& table, size_t i, std::shared_ptr<const Partition> partition) {
  // Without its reader, which was closed meanwhile, it would be of no use.
  if (!table.reader_ || table.slots_[i].partition) return;
  Charge(table, static_cast<int64_t>(partition->memory_bytes()));
  table.slots_[i] = {std::move(partition), true};
  ++table.partitions_;
}

bool TableCache::MakeRoom() {
  for (int i = 0; i < kStepsMax; ++i) {
    if (Fits() || !Step()) return true;
  }
  return Fits();
}

bool TableCache::Step() {
  auto it = tables_.lower_bound(hand_table_);
  if (it == tables_.end()) it = tables_.begin();
  if (it == tables_.end()) return false;
  Table& table = *it->second;
  if (it->first != hand_table_) hand_slot_ = 0;
  hand_table_ = it->first;
  if (hand_slot_ < table.slots_.size()) {
    Table::Slot& slot = table.slots_[hand_slot_++];
    if (!std::exchange(slot.referenced, false) && slot.partition) Drop(table, slot);
    return true;
  }
  if (!std::exchange(table.referenced_, false) && table.partitions_ == 0) Close(table);
  ++hand_table_;
  hand_slot_ = 0;
  return true;
}

void TableCache::Drop(Table& table, Table::Slot& slot) {
  Charge(table, -static_cast<int64_t>(slot.partition->memory_bytes()));
  slot.partition.reset();
  --table.partitions_;
}

void TableCache::Close(Table& table) {
  if (!table.reader_ && !table.value_reader_) return;
  Charge(table, -static_cast<int64_t>(table.bytes_));
  table.slots_.clear();
  table.partitions_ = 0;
  table.reader_.reset();
  table.value_reader_.reset();
  --open_;
}

void TableCache::Charge(Table& table, int64_t bytes) {
  table.bytes_ += static_cast<uint64_t>(bytes);
  memory_bytes_ += static_cast<uint64_t>(bytes);
}

}  // namespace varve
