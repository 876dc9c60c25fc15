// tests/unit/engine/table/index_test.cc: which block a key belongs to.
#include "engine/table/index.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/engine/table/table_fixture.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

constexpr uint64_t kBlockEnd = 100;  // all blocks of one size

std::string BuildIndex(const std::vector<std::string>& separators) {
  IndexBuilder builder;
  builder.BeginBlock("ignored");
  builder.EndBlock(kBlockEnd);
  for (size_t i = 0; i < separators.size(); ++i) {
    builder.BeginBlock(separators[i]);
    builder.EndBlock((i + 2) * kBlockEnd);
  }
  return builder.Finish();
}

}  // namespace

TEST_CASE("index: a key belongs behind all separators that are not greater") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::set<std::string> set;
    const std::string prefix = random.OneIn(2) ? "" : "a common beginning";
    for (uint64_t i = random.Uniform(100); i > 0; --i) set.insert(prefix + RandomKey(random));
    const std::vector<std::string> separators(set.begin(), set.end());
    const uint64_t data_bytes = (separators.size() + 1) * kBlockEnd;
    const uint64_t begin = random.Uniform(1000);
    const std::optional<Index> index = Index::Make(BuildIndex(separators), begin);
    REQUIRE(index);
    REQUIRE(index->blocks() == separators.size() + 1);
    CHECK(index->BlockAt(0).offset == begin);
    CHECK(index->BlockAt(index->blocks() - 1).end() == begin + data_bytes);
    CHECK(index->end() == begin + data_bytes);

    const auto check = [&](const std::string& key) {
      const auto want = std::upper_bound(separators.begin(), separators.end(), key);
      CHECK(index->Find(key) == static_cast<size_t>(want - separators.begin()));
    };
    for (const std::string& separator : separators) check(separator);
    for (int i = 0; i < 200; ++i) {
      check(RandomKey(random));
      check(prefix + RandomKey(random));
      check(prefix.substr(0, random.Uniform(prefix.size() + 1)));
    }
  }
}

TEST_CASE("index: thousands of separators that agree in their first bytes are told apart") {
  std::vector<std::string> separators;
  for (const Slice cluster : {"a cluster", "b cluster", "b clusters"}) {
    for (int i = 1000; i < 3000; ++i)
      separators.push_back(std::string(cluster) + std::to_string(i));
  }
  const std::optional<Index> index = Index::Make(BuildIndex(separators), 0);
  REQUIRE(index);
  for (size_t i = 0; i < separators.size(); ++i) {
    REQUIRE(index->Find(separators[i]) == i + 1);
    REQUIRE(index->Find(separators[i] + "x") == i + 1);
    REQUIRE(index->Find(separators[i].substr(0, separators[i].size() - 1)) <= i);
  }
}

TEST_CASE("index: separators are as short as they can be") {
  TableWorld world;
  Rows rows;
  const std::string long_tail(2000, 't');
  for (char c = 'a'; c <= 'z'; ++c) {
    rows["user:" + std::string(1, c) + long_tail].value.assign(20'000, 'v');
  }
  const std::shared_ptr<TableReader> table = world.Build(1, rows);
  const auto partition = table->ReadPartition(0);
  REQUIRE(partition.ok());
  CHECK((*partition)->blocks() == rows.size());
  CHECK((*partition)->memory_bytes() < 3000);
  size_t i = 0;
  for (const auto& [key, row] : rows) {
    const Partition& p = **partition;
    CHECK(p.FindIndex(key) == i);
    if (i > 0) CHECK(p.FindIndex(key.substr(0, 6)) == i);
    if (i > 0) CHECK(p.FindIndex("user:" + std::string(1, key[5] - 1) + "z") == i - 1);
    ++i;
  }
}

TEST_CASE("index: damaged bytes that no checksum caught are refused or stay within bounds") {
  const std::string sound = BuildIndex({"a", "b", "bb", "c"});
  REQUIRE(Index::Make(sound, 0));
  CHECK_FALSE(Index::Make(sound, UINT64_MAX));
  CHECK_FALSE(Index::Make(BuildIndex({"b", "a"}), 0));
  CHECK_FALSE(Index::Make(BuildIndex({"a", "a"}), 0));
  for (size_t at = 0; at < sound.size(); ++at) {
    CHECK_FALSE(Index::Make(Slice(sound).substr(0, at), 0));
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string damaged = sound;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const std::optional<Index> index = Index::Make(damaged, 0);
      if (index) CHECK(index->Find("bb") < index->blocks());
    }
  }
}

}  // namespace varve
