// engine/table/partition.cc: filter and index of a stretch of a table's data blocks.
#include "engine/table/partition.h"

#include <optional>
#include <utility>

#include "base/coding.h"

namespace varve {

namespace {
constexpr size_t kHeaderBytes = 16;
}  // namespace

std::string PartitionBuilder::Finish() const {
  const std::string filter = filter_.Finish();
  std::string contents;
  contents.reserve(size_bytes());
  PutFixed64(&contents, data_begin_);
  PutFixed64(&contents, filter.size());
  contents.append(filter);
  contents.append(index_.Finish());
  return contents;
}

std::shared_ptr<const Partition> Partition::Make(Slice contents, uint64_t data_bytes) {
  if (contents.size() < kHeaderBytes) return nullptr;
  const uint64_t data_begin = LoadFixed64(contents.data());
  const uint64_t filter_bytes = LoadFixed64(contents.data() + 8);
  const Slice rest = contents.substr(kHeaderBytes);
  if (filter_bytes > rest.size()) return nullptr;
  std::optional<Filter> filter = Filter::Make(rest.substr(0, filter_bytes));
  std::optional<Index> index = Index::Make(rest.substr(filter_bytes), data_begin);
  if (!filter || !index || index->end() > data_bytes) return nullptr;
  if (index->blocks() > kPartitionBlocks) return nullptr;
  return std::shared_ptr<const Partition>(new Partition(*std::move(filter), *std::move(index)));
}

}  // namespace varve
