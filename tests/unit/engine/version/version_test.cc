// tests/unit/engine/version/version_test.cc: versions, and the edits they refuse.
#include "engine/version/version.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

FileRef Table(uint64_t number, int level, const std::string& smallest, const std::string& largest,
              uint64_t size_bytes = 10) {
  auto file = std::make_shared<FileMeta>();
  file->number = number;
  file->level = level;
  file->size_bytes = size_bytes;
  file->smallest = smallest;
  file->largest = largest;
  file->entries = 10;
  return file;
}

VersionEdit Adding(std::vector<FileRef> files) {
  VersionEdit edit;
  edit.added = std::move(files);
  return edit;
}

std::shared_ptr<const Version> VersionOf(std::vector<FileRef> files) {
  Result<std::shared_ptr<const Version>> version = Version().Apply(Adding(std::move(files)));
  REQUIRE_MESSAGE(version.ok(), version.status().ToString());
  REQUIRE((*version)->Check().ok());
  return *version;
}

std::string Numbers(const FileList& files) {
  std::string text;
  for (const FileRef& file : files)
    text += (text.empty() ? "" : " ") + std::to_string(file->number);
  return text;
}

std::string Walk(const Version& version, Slice key) {
  std::string text;
  for (TableWalk walk(version, key); const FileMeta* file = walk.Next();) {
    text += (text.empty() ? "" : " ") + std::to_string(file->number);
  }
  return text;
}

TEST_CASE("version: level 0 is ordered by age, the others by key") {
  const auto version =
      VersionOf({Table(3, 0, "a", "z"), Table(7, 0, "b", "c"), Table(5, 0, "m", "n"),
                 Table(9, 1, "a", "c"), Table(2, 1, "d", "f"), Table(8, 6, "a", "z", 100)});
  CHECK(Numbers(version->level(0)) == "7 5 3");
  CHECK(Numbers(version->level(1)) == "9 2");
  CHECK(version->table_count() == 6);
  CHECK(version->level_bytes(0) == 30);
  CHECK(version->level_bytes(6) == 100);
  CHECK(version->table_bytes() == 150);

  CHECK(Walk(*version, "b") == "7 3 9 8");
  CHECK(Walk(*version, "c") == "7 3 9 8");
  CHECK(Walk(*version, "d") == "3 2 8");
  CHECK(Walk(*version, "g") == "3 8");
  CHECK(Walk(*version, "mm") == "5 3 8");
  CHECK(Walk(*version, "zz") == "");
  CHECK(Walk(*version, "") == "");
}

TEST_CASE("version: overlaps include both ends") {
  const auto version =
      VersionOf({Table(1, 1, "b", "d"), Table(2, 1, "f", "h"), Table(3, 1, "j", "l"),
                 Table(4, 3, "x", "y"), Table(5, 0, "a", "c"), Table(6, 0, "k", "k")});
  struct Case {
    int level;
    Slice smallest, largest, want;
  };
  static constexpr Case kCases[] = {
      {1, "a", "z", "1 2 3"}, {1, "d", "f", "1 2"}, {1, "e", "e", ""},    {1, "h", "i", "2"},
      {1, "a", "b", "1"},     {1, "l", "z", "3"},   {1, "m", "z", ""},    {1, "a", "a", ""},
      {2, "a", "z", ""},      {3, "a", "x", "4"},   {0, "c", "k", "6 5"}, {0, "d", "j", ""},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.smallest);
    CAPTURE(c.largest);
    const FileList files = version->Overlapping(c.level, c.smallest, c.largest);
    CHECK(Numbers(files) == c.want);
    CHECK(version->OverlappingBytes(c.level, c.smallest, c.largest) == 10 * files.size());
  }
  CHECK(version->Find(1, "e") == nullptr);
  CHECK(version->Find(1, "f")->number == 2);
  CHECK(version->MayHoldBelow(0, "b"));
  CHECK_FALSE(version->MayHoldBelow(1, "b"));
  CHECK(version->MayHoldBelow(1, "x"));
  CHECK_FALSE(version->MayHoldBelow(3, "x"));
  CHECK(version->OverlapsBelow(2, "a", "x"));
  CHECK_FALSE(version->OverlapsBelow(2, "a", "w"));
}

TEST_CASE("version: an edit that makes no sense is refused and changes nothing") {
  const auto version =
      VersionOf({Table(1, 0, "a", "b"), Table(2, 1, "c", "e"), Table(3, 1, "g", "i")});
  const auto bad = [](auto change) {
    auto file = std::make_shared<FileMeta>(*Table(9, 2, "a", "b"));
    change(*file);
    return Adding({file});
  };
  struct Case {
    std::string why;
    VersionEdit edit;
    std::string want;
  };
  VersionEdit twice;
  twice.removed = {{1, 2}, {1, 2}};
  VersionEdit elsewhere;
  elsewhere.removed = {{2, 2}};
  const Case cases[] = {
      {"removes what is in another level", elsewhere,
       "an edit removes a table that is not in level 2"},
      {"removes twice", twice, "table 2 is removed twice"},
      {"adds what is there", Adding({Table(2, 1, "c", "e")}),
       "table 2 in level 1 overlaps table 2"},
      {"adds twice", Adding({Table(9, 2, "a", "b"), Table(9, 2, "c", "d")}),
       "table 9 in level 2 is added twice"},
      {"overlaps from the left", Adding({Table(9, 1, "a", "c")}),
       "table 9 in level 1 overlaps table 2"},
      {"overlaps from the right", Adding({Table(9, 1, "e", "f")}),
       "table 2 in level 1 overlaps table 9"},
      {"lies inside", Adding({Table(9, 1, "d", "d")}), "table 2 in level 1 overlaps table 9"},
      {"the same age", Adding({Table(1, 0, "x", "y")}),
       "table 1 in level 0 is not newer than table 1"},
      {"ends before it begins", bad([](FileMeta& f) { f.smallest = "c"; }),
       "table 9 in level 2 ends before it begins"},
      {"empty", bad([](FileMeta& f) { f.entries = 0; }), "table 9 in level 2 is empty"},
      {"no number", bad([](FileMeta& f) { f.number = 0; }), "table 0 in level 2 has no number"},
      {"tombstones", bad([](FileMeta& f) { f.tombstones = 11; }),
       "table 9 in level 2 has more tombstones than entries"},
      {"expiring", bad([](FileMeta& f) { f.expiring = 11; }),
       "table 9 in level 2 has more expiring entries than entries"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.why);
    const auto applied = version->Apply(c.edit);
    REQUIRE_FALSE(applied.ok());
    CHECK(applied.status().ToString() == "corruption: " + c.want);
  }
  CHECK(version->Check().ok());
}

TEST_CASE("version: a number in two levels is found by Check") {
  const auto version = Version().Apply(Adding({Table(1, 0, "a", "b"), Table(1, 1, "a", "b")}));
  REQUIRE(version.ok());
  CHECK((*version)->Check().ToString() == "corruption: table 1 in level 1 is there twice");
}

TEST_CASE("version: untouched levels are shared, the old version stays as it was") {
  const auto before = VersionOf({Table(1, 1, "a", "b"), Table(2, 2, "a", "b")});
  VersionEdit edit;
  edit.Move(*before->level(1)[0], 3);
  const auto after = before->Apply(edit);
  REQUIRE(after.ok());
  CHECK(&(*after)->level(2) == &before->level(2));
  CHECK(before->level(1).size() == 1);
  CHECK((*after)->level(1).empty());
  CHECK((*after)->level(3)[0]->level == 3);
  CHECK(before->level(1)[0]->level == 1);
}

TEST_CASE("version: many edits at once make what they make one by one") {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    auto version = std::make_shared<const Version>();
    const Version empty;
    VersionBuilder all(empty);
    uint64_t number = 1;
    for (int step = 0; step < 60; ++step) {
      VersionEdit edit;
      const int level = static_cast<int>(random.Uniform(kLevels));
      const std::string key = std::to_string(1000 + random.Uniform(500));
      edit.added = {Table(number++, level, key, key + "~", 1 + random.Uniform(99))};
      const FileList& files = version->level(level);
      if (level > 0) {
        for (const FileRef& file : version->Overlapping(level, key, key + "~")) edit.Remove(*file);
      } else if (files.size() > 3) {
        edit.Remove(*files[random.Uniform(files.size())]);
      }
      const auto applied = version->Apply(edit);
      REQUIRE(applied.ok());
      version = *applied;
      REQUIRE(all.Add(edit).ok());
    }
    const auto built = all.Finish();
    REQUIRE(built.ok());
    REQUIRE(version->Check().ok());
    REQUIRE((*built)->Check().ok());
    for (int level = 0; level < kLevels; ++level) {
      CHECK(Numbers((*built)->level(level)) == Numbers(version->level(level)));
      CHECK((*built)->level_bytes(level) == version->level_bytes(level));
    }
  }
}

// --- Value files ---

FileRef Referring(uint64_t number, int level, const std::string& smallest,
                  const std::string& largest, ValueUses uses) {
  auto file = std::make_shared<FileMeta>(*Table(number, level, smallest, largest));
  file->value_uses = std::move(uses);
  return file;
}

std::string ValueFilesOf(const Version& version) {
  std::string text;
  for (const LiveValueFile& file : version.value_files()) {
    text += (text.empty() ? "" : ", ") + std::to_string(file.meta.number) + ": " +
            std::to_string(file.live_bytes) + " of " + std::to_string(file.meta.size_bytes);
  }
  return text;
}

TEST_CASE("version: a value file lives as long as a table refers to it") {
  VersionEdit edit = Adding(
      {Referring(10, 0, "a", "c", {{5, 100}, {7, 20}}), Referring(11, 6, "a", "z", {{5, 30}})});
  edit.value_files_added = {{7, 200, 2}, {5, 300, 3}};
  auto version = Version().Apply(edit);
  REQUIRE_MESSAGE(version.ok(), version.status().ToString());
  REQUIRE((*version)->Check().ok());
  CHECK(ValueFilesOf(**version) == "5: 130 of 300, 7: 20 of 200");
  CHECK((*version)->value_bytes() == 500);
  CHECK((*version)->live_value_bytes() == 150);
  CHECK((*version)->value_records() == 5);
  CHECK((*version)->FindValueFile(7)->garbage_bytes() == 200 - 40 - 20);
  CHECK((*version)->FindValueFile(6) == nullptr);

  // A table that changes its level keeps what it refers to; one that goes takes its references along.
  VersionEdit move;
  move.Move(*edit.added[0], 5);
  auto moved = (*version)->Apply(move);
  REQUIRE(moved.ok());
  CHECK(ValueFilesOf(**moved) == ValueFilesOf(**version));
  VersionEdit merge;
  merge.removed = {{5, 10}, {6, 11}};
  merge.Add(Referring(12, 6, "a", "z", {{5, 100}}));
  auto merged = (*moved)->Apply(merge);
  REQUIRE_MESSAGE(merged.ok(), merged.status().ToString());
  REQUIRE((*merged)->Check().ok());
  CHECK(ValueFilesOf(**merged) == "5: 100 of 300");
  VersionEdit last;
  last.removed = {{6, 12}};
  auto empty = (*merged)->Apply(last);
  REQUIRE(empty.ok());
  CHECK(ValueFilesOf(**empty).empty());
  CHECK((*empty)->value_bytes() == 0);
}

TEST_CASE("version: many edits at once lead to the value files that are left in the end") {
  const Version none;
  VersionBuilder edits(none);
  for (uint64_t i = 1; i <= 20; ++i) {
    VersionEdit edit = Adding({Referring(100 + i, 0, "a", "z", {{i, 50}})});
    edit.value_files_added = {{i, 100, 1}};
    if (i > 3) edit.removed = {{0, 100 + i - 3}};
    REQUIRE(edits.Add(edit).ok());
  }
  const auto version = edits.Finish();
  REQUIRE(version.ok());
  CHECK(ValueFilesOf(**version) == "18: 50 of 100, 19: 50 of 100, 20: 50 of 100");
}

TEST_CASE("version: references that make no sense are refused") {
  VersionEdit base = Adding({Referring(10, 6, "b", "c", {{5, 100}})});
  base.value_files_added = {{5, 300, 3}};
  const auto version = Version().Apply(base);
  REQUIRE(version.ok());
  const auto refusal = [&](const VersionEdit& edit) {
    return std::string((*version)->Apply(edit).status().message());
  };
  CHECK(refusal(Adding({Referring(11, 6, "x", "z", {{6, 1}})})) ==
        "table 11 in level 6 refers to value file 6, which is not there");
  CHECK(refusal(Adding({Referring(11, 6, "x", "z", {{5, 161}})})) ==
        "value file 5 is referred to for more than it holds");
  CHECK((*version)->Apply(Adding({Referring(11, 6, "x", "z", {{5, 160}})})).ok());
  VersionEdit again;
  again.value_files_added = {{5, 300, 3}};
  CHECK(refusal(again) == "value file 5 is added twice");
  VersionEdit hollow;
  hollow.value_files_added = {{6, 40, 0}};
  CHECK(refusal(hollow) == "value file 6 is empty or has no number");
}

}  // namespace
}  // namespace varve
