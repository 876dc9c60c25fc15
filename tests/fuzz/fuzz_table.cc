// tests/fuzz/fuzz_table.cc: foreign bytes into the parts of a table.
//
// The first byte says what the rest is taken for: a whole file, or the contents of one part as they are behind their
// checksum. What is accepted is then used as the engine does: searched, and walked from end to end.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "base/check.h"
#include "engine/table/block_reader.h"
#include "engine/table/expiry_index.h"
#include "engine/table/index.h"
#include "engine/table/partition.h"
#include "engine/table/table_properties.h"
#include "engine/table/table_reader.h"
#include "env/sim_env.h"

namespace {

using namespace varve;

constexpr char kPath[] = "/000005.table";
constexpr uint64_t kDatabase = 7;
constexpr uint64_t kNumber = 5;

void UseBlock(Slice bytes) {
  auto copy = std::make_unique_for_overwrite<char[]>(bytes.size());
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  const std::shared_ptr<const Block> block = Block::Make(std::move(copy), bytes.size());
  if (block == nullptr) return;
  BlockIterator forward;
  forward.Reset(block);
  size_t count = 0;
  std::string last;
  for (forward.SeekToFirst(); forward.Valid(); forward.Next()) {
    CHECK(++count <= block->entries());
    last = forward.entry().key;
    Expiring expiring;
    (void)DecodeExpiring(forward.entry(), &expiring);
  }
  CHECK(count == block->entries());
  BackwardBlockIterator backward;
  backward.Reset(block);
  for (backward.SeekToFirst(); backward.Valid(); backward.Next()) --count;
  CHECK(count == 0);
  for (const Slice target :
       {Slice(), Slice(last), bytes.substr(0, std::min<size_t>(bytes.size(), 9))}) {
    forward.Seek(target);
    backward.Seek(target);
    Entry entry;
    (void)block->Find(target, &entry);
  }
}

void UseIndex(const Index& index, Slice bytes) {
  for (size_t i = 0; i < index.blocks(); ++i) (void)index.BlockAt(i);
  CHECK(index.Find(bytes.substr(0, std::min<size_t>(bytes.size(), 9))) < index.blocks());
}

void UseFile(Slice bytes) {
  SimEnv env(1);
  env.set_pending_percent(0);
  env.SetContents(kPath, bytes);
  Result<std::unique_ptr<File>> file = env.Open(kPath, OpenMode::kRead);
  CHECK(file.ok());
  const auto table = TableReader::Open(std::move(*file), kPath, kNumber, kDatabase);
  if (table.ok()) (void)(*table)->Verify();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Slice bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr uint64_t kDataBytes = 100'000;
  switch (data[0] % 5) {
    case 0: UseFile(bytes); break;
    case 1: UseBlock(bytes); break;
    case 2:
      if (const std::optional<Index> index = Index::Make(bytes, 0)) UseIndex(*index, bytes);
      break;
    case 3:
      if (const auto partition = Partition::Make(bytes, kDataBytes)) {
        for (size_t i = 0; i < partition->blocks(); ++i) {
          CHECK(partition->BlockAt(i).end() <= kDataBytes);
        }
        (void)partition->MayContain(size);
        CHECK(partition->FindIndex(bytes.substr(0, std::min<size_t>(bytes.size(), 9))) <
              partition->blocks());
      }
      break;
    case 4: {
      TableProperties properties;
      if (DecodeProperties(bytes, &properties)) {
        TableProperties again;
        CHECK(DecodeProperties(EncodeProperties(properties), &again));
        CHECK(again == properties);
      }
      break;
    }
  }
  return 0;
}
