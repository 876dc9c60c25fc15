// engine/fetch.cc: parts of tables, and values out of value files, from wherever they are.
//
//   1. in memory      the table cache has tables and partitions, the block cache has blocks
//   2. brought        for this very command, while it waited: its scope pins them
//   3. page cache     read without waiting, where that has lately been worth it (cache/page_cache_odds.h); what had
//                     to be read that way is then in memory. Opening a file may always wait, so tables are
//                     never opened here
//   4. disk           Env::ScheduleRead; until it has come the command waits, and then it is run again. What takes
//                     several reads, or long to decode, goes to a reader thread as a whole
//
// Several commands that want the same part wait for one load. A table may die while it is being loaded: its file
// is gone then, and nobody asks for it any more.
//
// Threads: loop; loads on Lane::kRead and the like.
#include <utility>

#include "engine/engine_impl.h"

namespace varve {

namespace {

template <typename T>
Result<EngineImpl::Part> AsPart(Result<std::shared_ptr<const T>> read) {
  if (!read.ok()) return read.status();
  return EngineImpl::Part(std::move(*read));
}

}  // namespace

template <typename TryRead>
auto EngineImpl::AskPageCache(TryRead try_read) -> decltype(try_read()) {
  if (!page_cache_odds_.WorthAsking()) return Status::Pending();
  auto read = try_read();
  page_cache_odds_.Note(!read.status().is_pending());
  return read;
}

const std::shared_ptr<const TableReader>* EngineImpl::OpenTable(TableCache::Table& table,
                                                                ReadScope* scope, Status* status) {
  if (const auto& reader = table.reader()) return &reader;
  const PartId id{table.number(), PartId::kTableEnd};
  if (const PinnedPart* pinned = scope == nullptr ? nullptr : scope->FindPart(id)) {
    *status = pinned->status;
    if (!status->ok()) return nullptr;
    table_cache_.KeepReader(table, std::static_pointer_cast<const TableReader>(pinned->part));
    return &table.reader();
  }
  *status = Load(
      id, scope,
      [tables = table_directory(), number = table.number()] { return AsPart(tables.Open(number)); },
      [this, number = table.number()](const Part& part) {
        if (TableCache::Table* live = table_cache_.Find(number)) {
          table_cache_.KeepReader(*live, std::static_pointer_cast<const TableReader>(part));
        }
      });
  return nullptr;
}

const std::shared_ptr<const Partition>* EngineImpl::FetchPartition(TableCache::Table& table,
                                                                   size_t i, ReadScope* scope,
                                                                   Status* status) {
  if (const auto& partition = table.partition(i)) return &partition;
  const std::shared_ptr<const TableReader> reader = table.reader();
  const PartId id{table.number(), reader->PartitionAt(i).offset};
  std::shared_ptr<const Partition> partition;
  if (const PinnedPart* pinned = scope == nullptr ? nullptr : scope->FindPart(id)) {
    *status = pinned->status;
    partition = std::static_pointer_cast<const Partition>(pinned->part);
  } else {
    Result<std::shared_ptr<const Partition>> read =
        AskPageCache([&] { return reader->TryReadPartition(i); });
    *status = read.status();
    if (read.ok()) partition = std::move(*read);
    if (!status->ok() && !status->is_pending()) NoteReadError(*status);
  }
  if (partition) {
    table_cache_.KeepPartition(table, i, std::move(partition));
    ScheduleUpkeep();
    return &table.partition(i);
  }
  if (!status->is_pending()) return nullptr;
  const auto keep = [this, number = table.number(), i](const Part& part) {
    TableCache::Table* live = table_cache_.Find(number);
    if (live == nullptr || !live->reader()) return;
    table_cache_.KeepPartition(*live, i, std::static_pointer_cast<const Partition>(part));
  };
  const uint64_t size = reader->PartitionAt(i).size;
  if (size > kTryReadBytesMax) {
    *status = Load(
        id, scope, [reader, i] { return AsPart(reader->ReadPartition(i)); }, keep);
  } else {
    *status = LoadBytes(
        id, scope, reader->file(), size + kTrailerBytes,
        [reader, i](Slice bytes) { return AsPart(reader->DecodePartition(i, bytes)); }, keep);
  }
  return nullptr;
}

Result<std::shared_ptr<const TableReader>> EngineImpl::OpenTable(TableCache::Table& table,
                                                                 ReadScope& scope) {
  Status status;
  const auto* reader = OpenTable(table, &scope, &status);
  if (reader == nullptr) return status;
  return *reader;
}

Result<std::shared_ptr<const Partition>> EngineImpl::FetchPartition(TableCache::Table& table,
                                                                    size_t i, ReadScope& scope) {
  Status status;
  const auto* partition = FetchPartition(table, i, &scope, &status);
  if (partition == nullptr) return status;
  return *partition;
}

Result<std::shared_ptr<const Block>> EngineImpl::FetchBlock(
    const std::shared_ptr<const TableReader>& table, BlockHandle handle, ReadScope& scope,
    const ReadAhead& ahead) {
  if (const auto& cached = block_cache_.Lookup(table->file_number(), handle.offset)) {
    ++stats_.block_hits;
    return std::static_pointer_cast<const Block>(cached);
  }
  const PartId id{table->file_number(), handle.offset};
  if (const PinnedPart* pinned = scope.FindPart(id)) {
    if (!pinned->status.ok()) return pinned->status;
    return std::static_pointer_cast<const Block>(pinned->part);
  }
  Result<std::shared_ptr<const Block>> block =
      AskPageCache([&] { return table->TryReadBlock(handle); });
  if (block.ok()) {
    ++stats_.block_reads_nowait;
    KeepBlock(id, *block);
    return block;
  }
  if (!block.status().is_pending()) {
    NoteReadError(block.status());
    return block;
  }
  if (!loads_.contains(id)) ++stats_.block_reads_waited;
  if (ahead.end - ahead.begin == 1 && handle.size <= kTryReadBytesMax) {
    return LoadBytes(
        id, &scope, table->file(), handle.size + kTrailerBytes,
        [table, handle](Slice bytes) { return AsPart(table->DecodeBlock(handle, bytes)); },
        [this, id](const Part& part) {
          // A table that was dropped meanwhile leaves nothing in the cache.
          if (table_cache_.Find(id.file_number) == nullptr) return;
          KeepBlock(id, std::static_pointer_cast<const Block>(part));
        });
  }
  auto others = std::make_shared<std::vector<TableReader::PlacedBlock>>();
  return Load(
      id, &scope,
      [table, handle, ahead, others]() -> Result<Part> {
        if (ahead.end - ahead.begin == 1) return AsPart(table->ReadBlock(handle));
        return AsPart(
            table->ReadBlocks(*ahead.partition, ahead.asked, ahead.begin, ahead.end, others.get()));
      },
      [this, id, others](const Part& part) {
        if (table_cache_.Find(id.file_number) == nullptr) return;
        KeepBlock(id, std::static_pointer_cast<const Block>(part));
        for (const TableReader::PlacedBlock& placed : *others) {
          ++stats_.block_reads_ahead;
          KeepBlock({id.file_number, placed.offset}, placed.block);
        }
      });
}

Result<std::shared_ptr<const LoadedValue>> EngineImpl::FetchValue(const Entry& entry,
                                                                  ReadScope& scope) {
  ValueRef ref;
  TableCache::Table* file =
      DecodeValueRef(entry.value, &ref) ? table_cache_.Find(ref.file) : nullptr;
  if (file == nullptr) {
    // The block it lies in has passed its checksum, so this is no damage of the disk's.
    const Status status = Status::Corruption("a table refers to a value that is nowhere");
    NoteReadError(status);
    return status;
  }
  if (const auto& cached = block_cache_.Lookup(ref.file, ref.offset)) {
    ++stats_.block_hits;
    return std::static_pointer_cast<const LoadedValue>(cached);
  }
  const PartId id{ref.file, ref.offset};
  if (const PinnedPart* pinned = scope.FindPart(id)) {
    if (!pinned->status.ok()) return pinned->status;
    return std::static_pointer_cast<const LoadedValue>(pinned->part);
  }
  Status status;
  const auto* reader = OpenValueFile(*file, scope, &status);
  if (reader == nullptr) return status;
  Result<std::shared_ptr<const LoadedValue>> value =
      AskPageCache([&] { return (*reader)->TryRead(ref, entry.key); });
  if (value.ok()) {
    ++stats_.block_reads_nowait;
    KeepValue(id, *value);
    return value;
  }
  if (!value.status().is_pending()) {
    NoteReadError(value.status());
    return value;
  }
  if (!loads_.contains(id)) ++stats_.block_reads_waited;
  const auto keep = [this, id](const Part& part) {
    if (table_cache_.Find(id.file_number) == nullptr) return;
    KeepValue(id, std::static_pointer_cast<const LoadedValue>(part));
  };
  std::string key(entry.key);
  if (ref.record_bytes > kTryReadValueBytesMax || ref.value_bytes > kTryReadValueBytesMax) {
    return Load(
        id, &scope,
        [reader = *reader, ref, key = std::move(key)] { return AsPart(reader->Read(ref, key)); },
        keep);
  }
  return LoadBytes(
      id, &scope, (*reader)->file(), ref.record_bytes,
      [reader = *reader, ref, key = std::move(key)](Slice bytes) {
        return AsPart(reader->DecodeFor(ref, key, bytes));
      },
      keep);
}

const std::shared_ptr<const ValueFileReader>* EngineImpl::OpenValueFile(TableCache::Table& file,
                                                                        ReadScope& scope,
                                                                        Status* status) {
  if (const auto& reader = file.value_reader()) return &reader;
  const PartId id{file.number(), PartId::kTableEnd};
  if (const PinnedPart* pinned = scope.FindPart(id)) {
    *status = pinned->status;
    if (!status->ok()) return nullptr;
    table_cache_.KeepValueReader(file,
                                 std::static_pointer_cast<const ValueFileReader>(pinned->part));
    ScheduleUpkeep();
    return &file.value_reader();
  }
  *status = Load(
      id, &scope,
      [tables = table_directory(), number = file.number()] {
        return AsPart(tables.OpenValues(number));
      },
      [this, number = file.number()](const Part& part) {
        if (TableCache::Table* live = table_cache_.Find(number)) {
          table_cache_.KeepValueReader(*live,
                                       std::static_pointer_cast<const ValueFileReader>(part));
        }
      });
  return nullptr;
}

// A smaller one leaves a record behind, which serves the next command better.
void EngineImpl::KeepValue(PartId id, const std::shared_ptr<const LoadedValue>& value) {
  if (value->slice().size() < kSharedValueBytesMin) return;
  KeepBlock(id, value);
}

Status EngineImpl::Load(PartId id, ReadScope* scope, std::function<Result<Part>()> read,
                        std::function<void(const Part&)> keep) {
  if (!AskFor(id, scope)) return Status::Pending();
  auto loaded = std::make_shared<Result<Part>>(Status::Pending());
  env_.Schedule(
      Lane::kRead, [read = std::move(read), loaded] { *loaded = read(); },
      WhenLoaded(id, loaded, std::move(keep)));
  return Status::Pending();
}

Status EngineImpl::LoadBytes(PartId id, ReadScope* scope, const File& file, uint64_t size,
                             std::function<Result<Part>(Slice)> decode,
                             std::function<void(const Part&)> keep) {
  if (!AskFor(id, scope)) return Status::Pending();
  auto loaded = std::make_shared<Result<Part>>(Status::Pending());
  env_.ScheduleRead(
      file, id.offset, static_cast<size_t>(size),
      [decode = std::move(decode), loaded](const Result<Slice>& bytes) {
        *loaded = bytes.ok() ? decode(*bytes) : bytes.status();
      },
      WhenLoaded(id, loaded, std::move(keep)));
  return Status::Pending();
}

bool EngineImpl::AskFor(PartId id, ReadScope* scope) {
  const auto [load, first] = loads_.try_emplace(id);
  if (scope != nullptr) load->second.push_back(scope->Expect());
  return first;
}

Env::Job EngineImpl::WhenLoaded(PartId id, std::shared_ptr<const Result<Part>> loaded,
                                std::function<void(const Part&)> keep) {
  return [this, alive = alive(), id, loaded = std::move(loaded), keep = std::move(keep)] {
    if (alive.expired()) return;
    if (loaded->ok()) {
      keep(**loaded);
      ScheduleUpkeep();
    } else if (table_cache_.Find(id.file_number) != nullptr) {
      NoteReadError(loaded->status());
    }
    Loaded(id, *loaded);
  };
}

void EngineImpl::Loaded(PartId id, const Result<Part>& loaded) {
  const PinnedPart pinned{id, loaded.ok() ? *loaded : nullptr, loaded.status()};
  const std::vector<std::weak_ptr<ReadScope::Wait>> waits = std::move(loads_.extract(id).mapped());
  for (const std::weak_ptr<ReadScope::Wait>& wait : waits) ReadScope::Arrived(wait, &pinned);
}

void EngineImpl::NoteReadError(const Status& status) {
  ++stats_.block_errors;
  NoteError("read", status);
}

}  // namespace varve
