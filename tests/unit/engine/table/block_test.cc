// tests/unit/engine/table/block_test.cc: entries into a block and out again.
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/table/block_builder.h"
#include "engine/table/block_reader.h"
#include "engine/table/key_bytes.h"
#include "tests/unit/engine/table/table_fixture.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

std::string BuildBlock(const Rows& rows) {
  BlockBuilder builder;
  Slice last;
  for (const auto& [key, row] : rows) {
    builder.Add(ToEntry(key, row), CommonPrefixSize(last, key));
    last = key;
  }
  return std::string(builder.Finish());
}

std::shared_ptr<const Block> MakeBlock(Slice bytes) {
  auto copy = std::make_unique<char[]>(bytes.size());
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  return Block::Make(std::move(copy), bytes.size());
}

using KeyedRows = std::vector<std::pair<std::string, Row>>;

// All that `it` yields from where it stands.
template <typename Iterator>
KeyedRows Drain(Iterator& it) {
  KeyedRows rows;
  for (; it.Valid(); it.Next()) rows.emplace_back(it.entry().key, ToRow(it.entry()));
  return rows;
}

}  // namespace

TEST_CASE("block: the bytes are those drawn in table_format.h") {
  const Rows rows = {{"ab", {EntryKind::kPut, true, 1, 0, "x"}},
                     {"ac", {EntryKind::kTombstone, false, 0, 0, ""}}};
  const Slice want(
      "\x00\x02\x15\x01"
      "abx"
      "\x01\x01\x02"
      "c"
      "\0\0\0\0\1\0\0\0",
      19);
  CHECK(BuildBlock(rows) == want);
}

TEST_CASE("block: every entry is found, in order, and nothing else") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const size_t value_bytes_max = random.OneIn(2) ? 20 : 400;
    const Rows rows = RandomRows(random, 1 + random.Uniform(150), value_bytes_max);
    const std::shared_ptr<const Block> block = MakeBlock(BuildBlock(rows));
    REQUIRE(block);
    CHECK(block->entries() == rows.size());

    BlockIterator it;
    it.Reset(block);
    CHECK_FALSE(it.Valid());
    it.SeekToFirst();
    CHECK(Drain(it) == KeyedRows(rows.begin(), rows.end()));

    for (const auto& [key, row] : rows) {
      Entry entry;
      REQUIRE(block->Find(key, &entry));
      CHECK(entry.key == key);
      CHECK(ToRow(entry) == row);
    }
    for (int i = 0; i < 300; ++i) {
      const std::string key = RandomKey(random);
      Entry entry;
      CHECK(block->Find(key, &entry) == rows.contains(key));
      it.Seek(key);
      const auto want = rows.lower_bound(key);
      REQUIRE(it.Valid() == (want != rows.end()));
      if (!it.Valid()) continue;
      CHECK(it.entry().key == want->first);
      CHECK(ToRow(it.entry()) == want->second);
      it.Next();
      CHECK(it.Valid() == (std::next(want) != rows.end()));
    }
  }
}

TEST_CASE("block: backward, the same entries come from the last to the first") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const size_t value_bytes_max = random.OneIn(2) ? 20 : 400;
    const Rows rows = RandomRows(random, 1 + random.Uniform(150), value_bytes_max);
    BackwardBlockIterator it;
    it.Reset(MakeBlock(BuildBlock(rows)));
    CHECK_FALSE(it.Valid());
    it.SeekToFirst();
    CHECK(Drain(it) == KeyedRows(rows.rbegin(), rows.rend()));

    // From before each key that is there, among them those at which a search begins, and from anywhere.
    std::vector<std::string> targets;
    for (const auto& [key, row] : rows) targets.push_back(key);
    for (int i = 0; i < 300; ++i) targets.push_back(RandomKey(random));
    for (const std::string& target : targets) {
      CAPTURE(target);
      auto want = std::make_reverse_iterator(rows.lower_bound(target));
      it.Seek(target);
      // Across a restart or two.
      for (uint64_t steps = random.Uniform(40); steps > 0; --steps, ++want) {
        REQUIRE(it.Valid() == (want != rows.rend()));
        if (!it.Valid()) break;
        REQUIRE(it.entry().key == want->first);
        REQUIRE(ToRow(it.entry()) == want->second);
        it.Next();
      }
    }
  }
}

TEST_CASE("block: keys outside of the common prefix are sought on the right side") {
  const Rows rows = {{"user:1", {}}, {"user:2", {}}, {"user:3", {}}};
  BlockIterator it;
  it.Reset(MakeBlock(BuildBlock(rows)));
  BackwardBlockIterator back;
  back.Reset(it.block());
  struct Case {
    const char* why;
    Slice target;
    Slice want;
    Slice want_before;
  };
  static constexpr Case kCases[] = {
      {"empty", "", "user:1", ""},
      {"the prefix cut short", "use", "user:1", ""},
      {"the prefix itself", "user:", "user:1", ""},
      {"before the prefix", "aaaaaaaa", "user:1", ""},
      {"the first", "user:1", "user:1", ""},
      {"between", "user:11", "user:2", "user:1"},
      {"behind the last", "user:4", "", "user:3"},
      {"behind the prefix", "user;", "", "user:3"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    it.Seek(c.target);
    CHECK(it.Valid() == !c.want.empty());
    if (it.Valid()) CHECK(it.entry().key == c.want);
    back.Seek(c.target);
    CHECK(back.Valid() == !c.want_before.empty());
    if (back.Valid()) CHECK(back.entry().key == c.want_before);
  }
}

TEST_CASE("block: an entry alone, in pieces, is the same block as one added") {
  Row row;
  row.value.assign(100'000, 'v');
  row.expire_at_ms = 77;
  BlockBuilder builder;
  std::string pieces;
  for (const Slice piece : builder.EncodeAlone(ToEntry("key", row))) pieces.append(piece);
  CHECK(pieces == BuildBlock({{"key", row}}));
}

TEST_CASE("block: what is not a block is refused") {
  struct Case {
    const char* why;
    Slice bytes;
  };
  static constexpr Case kCases[] = {
      {"nothing", Slice("", 0)},
      {"no room for the count", Slice("\1\0\0", 3)},
      {"no restart", Slice("\0\1\1\0k\0\0\0\0", 9)},
      {"no entry", Slice("\0\0\0\0\1\0\0\0", 8)},
      {"more restarts than bytes", Slice("\0\1\1\0k\0\0\0\0\xff\xff\xff\xff", 13)},
      {"a first restart that is not at 0", Slice("\0\1\1\0k\1\0\0\0\1\0\0\0", 13)},
      {"a restart beyond the entries", Slice("\0\1\1\0k\0\0\0\0\x50\0\0\0\2\0\0\0", 17)},
      {"a reference beyond the end", Slice("\0\1\0\x7fk\0\0\0\0\1\0\0\0", 13)},
      {"a prefix tombstone", Slice("\0\1\3\0k\0\0\0\0\1\0\0\0", 13)},
      {"a key beyond the end", Slice("\0\x7f\1\0k\0\0\0\0\1\0\0\0", 13)},
      {"a value beyond the end", Slice("\0\1\1\x7fk\0\0\0\0\1\0\0\0", 13)},
      {"a varint without end", Slice("\xff\xff\xff\xff\xff\0\0\0\0\1\0\0\0", 13)},
      {"a first entry that shares", Slice("\1\1\1\0k\0\0\0\0\1\0\0\0", 13)},
      {"an entry that shares too much", Slice("\0\1\2k\2\1\2l\0\0\0\0\1\0\0\0", 16)},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    CHECK_FALSE(MakeBlock(c.bytes));
  }
}

TEST_CASE("block: damaged bytes that no checksum caught are refused or read without overrun") {
  Random random(7);
  const std::string sound = BuildBlock(RandomRows(random, 60, 30));
  const auto exercise = [&random](Slice bytes) {
    const std::shared_ptr<const Block> block = MakeBlock(bytes);
    if (!block) return;
    size_t steps = 0;
    BlockIterator it;
    it.Reset(block);
    for (it.SeekToFirst(); it.Valid(); it.Next()) ++steps;
    CHECK(steps == block->entries());
    BackwardBlockIterator back;
    back.Reset(block);
    for (back.SeekToFirst(); back.Valid(); back.Next()) --steps;
    CHECK(steps == 0);
    for (int i = 0; i < 5; ++i) {
      const std::string key = RandomKey(random);
      Entry entry;
      if (block->Find(key, &entry)) CHECK(entry.key == key);
      it.Seek(key);
      back.Seek(key);
    }
  };
  for (size_t at = 0; at < sound.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string damaged = sound;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      exercise(damaged);
    }
    exercise(Slice(sound).substr(0, at));
  }
}

}  // namespace varve
