// tests/unit/engine/iterators/iterators_test.cc: walking tables, levels and merges of them.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/iterators/block_source.h"
#include "engine/iterators/level_iterator.h"
#include "engine/iterators/merging_iterator.h"
#include "engine/iterators/table_iterator.h"
#include "tests/support/map_scan.h"
#include "tests/unit/engine/table/table_fixture.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

using KeyedRows = std::vector<std::pair<std::string, Row>>;

// Which way a test walks.
struct Forward {
  static constexpr Direction kDirection = Direction::kForward;
};
struct Backward {
  static constexpr Direction kDirection = Direction::kBackward;
};

// Entries from a map, for merges whose sources need no disk; stops with `status` at the end.
template <Direction direction>
class MapIterator final : public EntryIterator {
 public:
  explicit MapIterator(Rows rows, Status status = Status::Ok())
      : rows_(std::move(rows)), end_status_(std::move(status)) {}

  void SeekToFirst() override {
    walk_.SeekToFirst();
    Settle();
  }
  void Seek(Slice target) override {
    walk_.Seek(target);
    Settle();
  }
  void Next() override {
    walk_.Next();
    Settle();
  }
  bool Valid() const override { return walk_.Valid(); }
  Status status() const override { return Valid() ? Status::Ok() : end_status_; }
  const Entry& entry() const override { return entry_; }

 private:
  void Settle() {
    if (!Valid()) return;
    const auto& [key, row] = walk_.item();
    key_ = key;  // Elsewhere than before: who kept the old bytes is found out.
    entry_ = ToEntry(key_, row);
  }

  const Rows rows_;
  MapScan<Rows> walk_{rows_, direction, {}, {}};
  Status end_status_;
  std::string key_;
  Entry entry_;
};

// The loop's way, in small: what is fetched is pending at first, and then it is there.
class PendingSource final : public BlockSource {
 public:
  explicit PendingSource(TableDirectory tables) : tables_(std::move(tables)) {}

  Result<std::shared_ptr<const TableReader>> Open(const FileMeta& table) override {
    if (!Arrived(table.number, UINT64_MAX)) return StatusCode::kPending;
    return tables_.Open(table.number);
  }
  Result<std::shared_ptr<const Partition>> FetchPartition(
      const std::shared_ptr<const TableReader>& table, size_t i) override {
    if (!Arrived(table->file_number(), table->PartitionAt(i).offset)) return StatusCode::kPending;
    return table->ReadPartition(i);
  }
  Result<std::shared_ptr<const Block>> Fetch(const std::shared_ptr<const TableReader>& table,
                                             const std::shared_ptr<const Partition>& partition,
                                             size_t i) override {
    const BlockHandle handle = partition->BlockAt(i);
    if (!Arrived(table->file_number(), handle.offset)) return StatusCode::kPending;
    return table->ReadBlock(handle);
  }

  size_t fetched() const { return arrived_.size(); }

 private:
  bool Arrived(uint64_t file_number, uint64_t offset) {
    const std::pair<uint64_t, uint64_t> place(file_number, offset);
    if (std::find(arrived_.begin(), arrived_.end(), place) != arrived_.end()) return true;
    arrived_.push_back(place);
    return false;
  }

  const TableDirectory tables_;
  std::vector<std::pair<uint64_t, uint64_t>> arrived_;
};

KeyedRows Drain(EntryIterator& it) {
  KeyedRows all;
  for (; it.Valid(); it.Next()) all.emplace_back(it.entry().key, ToRow(it.entry()));
  return all;
}

KeyedRows ToVector(const Rows& rows) { return {rows.begin(), rows.end()}; }
template <Direction direction>
KeyedRows InOrder(const Rows& rows) {
  if (direction == Direction::kForward) return ToVector(rows);
  return {rows.rbegin(), rows.rend()};
}

// The iterator against what it should yield: a whole walk, then seeks with a few steps each.
template <Direction direction>
void CheckAgainst(EntryIterator& it, const KeyedRows& want, Random& random) {
  it.SeekToFirst();
  CHECK(Drain(it) == want);
  CHECK(it.status().ok());
  for (int i = 0; i < 100; ++i) {
    const bool there = !want.empty() && random.OneIn(2);
    const std::string target = there ? want[random.Uniform(want.size())].first : RandomKey(random);
    auto at = std::find_if(want.begin(), want.end(), [&target](const auto& row) {
      return direction == Direction::kForward ? row.first >= target : row.first < target;
    });
    it.Seek(target);
    for (int step = 0; step < 5; ++step, ++at) {
      REQUIRE(it.Valid() == (at != want.end()));
      if (!it.Valid()) break;
      REQUIRE(it.entry().key == at->first);
      REQUIRE(ToRow(it.entry()) == at->second);
      it.Next();
    }
    CHECK(it.status().ok());
  }
}

// Disjoint tables that together hold `rows`.
std::vector<FileRef> BuildLevel(TableWorld& world, const Rows& rows, size_t rows_per_table,
                                const TableOptions& options) {
  std::vector<FileRef> tables;
  for (auto at = rows.begin(); at != rows.end();) {
    Rows some;
    for (; at != rows.end() && some.size() < rows_per_table; ++at) some.insert(*at);
    tables.push_back(MetaOf(*world.Build(100 + tables.size(), some, options)));
  }
  return tables;
}

constexpr TableOptions kSmallBlocks = {.block_bytes = 256};

}  // namespace

TEST_CASE_TEMPLATE("table iterator: it walks and seeks as a map does", Way, Forward, Backward) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    TableWorld world;
    // Up to 64 blocks are one partition.
    const TableOptions options = {.block_bytes = random.OneIn(2) ? 256u : 16u};
    const Rows rows = RandomRows(random, 1 + random.Uniform(300), 50);
    DirectBlockSource source(world.tables());
    TableIterator<Way::kDirection> it(MetaOf(*world.Build(1, rows, options)), source);
    CHECK_FALSE(it.Valid());
    CheckAgainst<Way::kDirection>(it, InOrder<Way::kDirection>(rows), random);
  }
}

TEST_CASE_TEMPLATE("level iterator: it walks and seeks across tables", Way, Forward, Backward) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    TableWorld world;
    const Rows rows = RandomRows(random, 1 + random.Uniform(300), 50);
    const auto tables = BuildLevel(world, rows, 1 + random.Uniform(60), kSmallBlocks);
    DirectBlockSource source(world.tables());
    LevelIterator<Way::kDirection> it(tables, source);
    CHECK_FALSE(it.Valid());
    CheckAgainst<Way::kDirection>(it, InOrder<Way::kDirection>(rows), random);
  }
}

TEST_CASE_TEMPLATE("level iterator: without tables there is nothing, and no error", Way, Forward,
                   Backward) {
  TableWorld world;
  DirectBlockSource source(world.tables());
  LevelIterator<Way::kDirection> it({}, source);
  it.SeekToFirst();
  CHECK_FALSE(it.Valid());
  it.Seek("k");
  CHECK_FALSE(it.Valid());
  CHECK(it.status().ok());
}

TEST_CASE_TEMPLATE("merging iterator: all entries come in order, newest child first", Way, Forward,
                   Backward) {
  constexpr Direction kDirection = Way::kDirection;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const size_t count = random.Uniform(9);
    std::vector<std::unique_ptr<EntryIterator>> all_children;
    std::vector<std::unique_ptr<EntryIterator>> newest_children;
    KeyedRows all;
    Rows newest;
    for (size_t i = 0; i < count; ++i) {
      const Rows rows = RandomRows(random, random.Uniform(80), 10);
      all.insert(all.end(), rows.begin(), rows.end());
      newest.insert(rows.begin(), rows.end());  // Keeps what a newer child has put there.
      all_children.push_back(std::make_unique<MapIterator<kDirection>>(rows));
      newest_children.push_back(std::make_unique<MapIterator<kDirection>>(rows));
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return kDirection == Direction::kForward ? a.first < b.first : a.first > b.first;
    });

    MergingIterator<kDirection> merge(std::move(all_children));
    CHECK_FALSE(merge.Valid());
    CheckAgainst<kDirection>(merge, all, random);

    NewestIterator top(std::make_unique<MergingIterator<kDirection>>(std::move(newest_children)));
    CheckAgainst<kDirection>(top, InOrder<kDirection>(newest), random);
  }
}

TEST_CASE_TEMPLATE("merging iterator: a child that stops with a status stops the merge with it",
                   Way, Forward, Backward) {
  const Status corruption = Status::Corruption("1.table: bad checksum at 0");
  struct Case {
    const char* why;
    Status first;
    Status second;
    StatusCode want;
  };
  const Case cases[] = {
      {"none", {}, {}, StatusCode::kOk},
      {"one waits", {}, Status::Pending(), StatusCode::kPending},
      {"one is damaged", corruption, {}, StatusCode::kCorruption},
      {"damage says more than a wait", Status::Pending(), corruption, StatusCode::kCorruption},
      {"whichever comes first", corruption, Status::Pending(), StatusCode::kCorruption},
  };
  for (const Case& c : cases) {
    CAPTURE(c.why);
    std::vector<std::unique_ptr<EntryIterator>> children;
    children.push_back(std::make_unique<MapIterator<Way::kDirection>>(Rows{}, c.first));
    children.push_back(std::make_unique<MapIterator<Way::kDirection>>(Rows{{"b", {}}}));
    children.push_back(std::make_unique<MapIterator<Way::kDirection>>(Rows{}, c.second));
    NewestIterator it(std::make_unique<MergingIterator<Way::kDirection>>(std::move(children)));
    it.SeekToFirst();
    CHECK(it.status().code() == c.want);
    CHECK(it.Valid() == (c.want == StatusCode::kOk));
    it.Seek("a");
    CHECK(it.status().code() == c.want);
  }
}

TEST_CASE_TEMPLATE(
    "merging iterator: an older child does not show what a stopped newer one may hide", Way,
    Forward, Backward) {
  std::vector<std::unique_ptr<EntryIterator>> children;
  const bool forward = Way::kDirection == Direction::kForward;
  const std::string first = forward ? "a" : "b";
  const std::string second = forward ? "b" : "a";
  children.push_back(
      std::make_unique<MapIterator<Way::kDirection>>(Rows{{first, {}}}, Status::Pending()));
  children.push_back(std::make_unique<MapIterator<Way::kDirection>>(Rows{{second, {}}}));
  MergingIterator<Way::kDirection> it(std::move(children));
  it.SeekToFirst();
  REQUIRE(it.Valid());
  it.Next();
  CHECK_FALSE(it.Valid());
  CHECK(it.status().is_pending());
}

TEST_CASE_TEMPLATE("iterators: run again until nothing is pending, a scan sees everything", Way,
                   Forward, Backward) {
  Random random(4);
  TableWorld world;
  const Rows newer = RandomRows(random, 100, 50);
  const Rows older = RandomRows(random, 300, 50);
  const FileRef table = MetaOf(*world.Build(1, newer, kSmallBlocks));
  const std::vector<FileRef> level = BuildLevel(world, older, 50, kSmallBlocks);
  size_t parts = 0;
  for (const auto& file : {std::vector<FileRef>{table}, level}) {
    for (const FileRef& f : file) {
      const auto reader = world.tables().Open(f->number);
      parts += 1 + (*reader)->partition_count() + BlocksOf(**reader).size();
    }
  }

  PendingSource source(world.tables());
  KeyedRows got;
  size_t runs = 0;
  for (bool done = false; !done;) {
    ++runs;
    std::vector<std::unique_ptr<EntryIterator>> children;
    children.push_back(std::make_unique<TableIterator<Way::kDirection>>(table, source));
    children.push_back(std::make_unique<LevelIterator<Way::kDirection>>(level, source));
    NewestIterator it(std::make_unique<MergingIterator<Way::kDirection>>(std::move(children)));
    it.SeekToFirst();
    if (runs == 1) CHECK(source.fetched() == 2);  // Both are asked for at once.
    got = Drain(it);
    done = it.status().ok();
    if (!done) REQUIRE(it.status().is_pending());
  }
  CHECK(source.fetched() == parts);
  // While both wait, a run asks for two parts: table, partition and block. Later for one, the last for none.
  CHECK(runs == parts - 2);
  Rows want = newer;
  want.insert(older.begin(), older.end());
  CHECK(got == InOrder<Way::kDirection>(want));
}

TEST_CASE_TEMPLATE("iterators: a damaged block stops the walk with its path and offset", Way,
                   Forward, Backward) {
  Random random(5);
  TableWorld world;
  const Rows rows = RandomRows(random, 300, 50);
  const std::shared_ptr<const TableReader> table = world.Build(1, rows, kSmallBlocks);
  REQUIRE(BlocksOf(*table).size() > 4);
  const uint64_t offset = BlocksOf(*table)[3].offset;
  world.env.FlipBit(TableWorld::Path(1), offset + 5, 2);
  DirectBlockSource source(world.tables());
  TableIterator<Way::kDirection> it(MetaOf(*table), source);
  it.SeekToFirst();
  const KeyedRows before = Drain(it);
  CHECK(before.size() > 0);
  CHECK(before.size() < rows.size());
  CHECK(std::equal(before.begin(), before.end(), InOrder<Way::kDirection>(rows).begin()));
  CHECK(it.status().message() ==
        TableWorld::Path(1) + ": bad checksum at " + std::to_string(offset));
}

TEST_CASE("direct block source: reads ahead when reading on, and gives the same blocks") {
  Random random(6);
  Rows rows;
  for (int i = 0; i < 4000; ++i) {
    rows["user:" + std::to_string(i)].value =
        i % 1000 == 5 ? std::string(700'000, 'h') : RandomBytes(random, 300);
  }
  TableWorld world;
  const TableOptions stored = {.compression_level = 0};
  const std::shared_ptr<const TableReader> table = world.Build(1, rows, stored);

  const std::vector<BlockHandle> blocks = BlocksOf(*table);
  DirectBlockSource source(world.tables());
  const uint64_t operations = world.env.operations();
  TableIterator<Direction::kForward> it(MetaOf(*table), source);
  it.SeekToFirst();
  CHECK(Drain(it) == ToVector(rows));
  const uint64_t reads = world.env.operations() - operations;
  CHECK(blocks.size() > 70);
  CHECK(reads < 25);

  for (int i = 0; i < 50; ++i) {
    const auto partition = table->ReadPartition(random.Uniform(table->partition_count()));
    REQUIRE(partition.ok());
    const size_t block = random.Uniform((*partition)->blocks());
    const Result<std::shared_ptr<const Block>> ahead = source.Fetch(table, *partition, block);
    const Result<std::shared_ptr<const Block>> plain =
        table->ReadBlock((*partition)->BlockAt(block));
    REQUIRE(ahead.ok());
    REQUIRE(plain.ok());
    CHECK((*ahead)->entries() == (*plain)->entries());
  }
}

}  // namespace varve
