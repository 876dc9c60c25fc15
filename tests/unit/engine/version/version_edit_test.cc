// tests/unit/engine/version/version_edit_test.cc: edits to bytes and back, and any bytes to an
// error.
#include "engine/version/version_edit.h"

#include <cstring>
#include <memory>
#include <string>

#include "base/coding.h"
#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

FileRef Table(uint64_t number, int level, const std::string& smallest, const std::string& largest) {
  auto file = std::make_shared<FileMeta>();
  *file = {.number = number,
           .level = level,
           .size_bytes = 1 << 20,
           .smallest = smallest,
           .largest = largest,
           .entries = 100,
           .tombstones = 3,
           .expiring = 7,
           .first_expiry_ms = 1,
           .last_expiry_ms = INT64_MAX,
           .value_uses = {{7, 100}, {1000, 1}}};
  return file;
}

VersionEdit FullEdit() {
  VersionEdit edit;
  edit.format_version = kDatabaseFormatVersion;
  edit.database_id = 0xfedcba9876543210;
  edit.next_file_number = 300;
  edit.first_log_segment = 9;
  edit.flushed_group = UINT64_MAX;
  edit.removed = {{0, 1}, {6, 1000000}};
  edit.added = {Table(12, 0, "", std::string("\0\xff", 2)), Table(13, 6, "a", "b")};
  edit.value_files_added = {{7, 4096, 3}, {1000, uint64_t{1} << 40, 1}};
  edit.log_ends_added = {{9, 4096}, {10, 0}};
  edit.log_ends_removed = {7};
  edit.counts = {{"db0", 5}, {"db1", -3}, {"db2", 0}};
  edit.dead_prefixes_added = {{"x", 299}, {"", 0}};
  edit.dead_prefixes_removed = {"y"};
  return edit;
}

std::string Encode(const VersionEdit& edit) {
  std::string bytes;
  edit.EncodeTo(&bytes);
  return bytes;
}

TEST_CASE("version edit: the example in version_edit.h is what is written") {
  VersionEdit edit;
  edit.first_log_segment = 9;
  edit.flushed_group = 300;
  CHECK(Encode(edit) == "\x04\x01\x09\x05\x02\xac\x02");
  CHECK(Encode(VersionEdit()).empty());
}

TEST_CASE("version edit: all fields come back") {
  const VersionEdit edit = FullEdit();
  const Result<VersionEdit> back = VersionEdit::Decode(Encode(edit));
  REQUIRE(back.ok());
  CHECK(back->format_version == edit.format_version);
  CHECK(back->database_id == edit.database_id);
  CHECK(back->next_file_number == edit.next_file_number);
  CHECK(back->first_log_segment == edit.first_log_segment);
  CHECK(back->flushed_group == edit.flushed_group);
  CHECK(back->removed == edit.removed);
  REQUIRE(back->added.size() == edit.added.size());
  for (size_t i = 0; i < edit.added.size(); ++i) CHECK(*back->added[i] == *edit.added[i]);
  CHECK(back->value_files_added == edit.value_files_added);
  CHECK(back->log_ends_added == edit.log_ends_added);
  CHECK(back->log_ends_removed == edit.log_ends_removed);
  CHECK(back->counts == edit.counts);
  CHECK(back->dead_prefixes_added == edit.dead_prefixes_added);
  CHECK(back->dead_prefixes_removed == edit.dead_prefixes_removed);
}

TEST_CASE("version edit: what is no edit is refused, with the reason") {
  struct Case {
    std::string why;
    std::string bytes;
    std::string want;
  };
  const Case cases[] = {
      {"an unknown field", std::string("\x0e\x01\x00", 3), "newer format: unknown field 14"},
      {"a far unknown field", std::string("\x80\x02\x00", 3), "newer format: unknown field 256"},
      {"field 0", std::string("\x00\x00", 2), "newer format: unknown field 0"},
      {"a tag and nothing else", "\x03", "edit cut off"},
      {"a body that is cut off", "\x03\x02\x01", "edit cut off"},
      {"a body with something behind", std::string("\x03\x02\x01\x00", 4), "bad field 3"},
      {"an empty body", std::string("\x03\x00", 2), "bad field 3"},
      {"a level beyond the last", "\x06\x02\x20\x01", "bad field 6"},
      {"references out of order",
       std::string("\x07\x1e\x06\x01\x01\x01\x00\x00", 8) + std::string(16, '\0') +
           std::string("\x01"
                       "a\x01"
                       "b\x05\x01\x05\x02",
                       8),
       "bad field 7"},
      {"a short database id", "\x02\x01\x01", "bad field 2"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.why);
    const Result<VersionEdit> edit = VersionEdit::Decode(c.bytes);
    REQUIRE_FALSE(edit.ok());
    CHECK(edit.status().code() == StatusCode::kCorruption);
    CHECK(edit.status().message() == c.want);
  }
}

TEST_CASE("version edit: survives every truncation, every changed byte, and noise") {
  const auto decode_exactly = [](Slice bytes) {
    const auto copy = std::make_unique<char[]>(bytes.size());
    bytes.copy(copy.get(), bytes.size());
    (void)VersionEdit::Decode(Slice(copy.get(), bytes.size())).ok();
  };
  const std::string bytes = Encode(FullEdit());
  for (size_t size = 0; size < bytes.size(); ++size) decode_exactly(Slice(bytes).substr(0, size));
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(value);
      decode_exactly(changed);
    }
  }
  Random random(3);
  for (int i = 0; i < 20000; ++i) {
    std::string noise(random.Uniform(60), '\0');
    for (char& c : noise) c = static_cast<char>(random.Uniform(random.OneIn(2) ? 14 : 256));
    decode_exactly(noise);
  }
}

TEST_CASE("version edit: a move takes a table from one level to the other") {
  VersionEdit edit;
  edit.Move(*Table(12, 3, "a", "b"), 4);
  CHECK(edit.removed == std::vector<VersionEdit::RemovedFile>{{3, 12}});
  REQUIRE(edit.added.size() == 1);
  CHECK(*edit.added[0] == *Table(12, 4, "a", "b"));
}

}  // namespace
}  // namespace varve
