// tests/unit/engine/batch_test.cc: batches, and the walk over any bytes that claim to be one.
#include "engine/batch.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

std::string Hex(Slice bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

// The bytes with their splices in place, as a log has them.
std::string Gathered(const Batch& batch) {
  std::string result;
  size_t from = 0;
  for (const Splice& splice : batch.splices()) {
    result += batch.bytes().substr(from, splice.position - from);
    result += splice.value.slice();
    from = splice.position;
  }
  return result + batch.bytes().substr(from);
}

// One line per entry.
std::string Dump(BatchReader reader) {
  std::string text;
  while (reader.Next()) {
    const Entry& e = reader.entry();
    text += std::to_string(static_cast<int>(e.kind)) + " " + std::string(e.key) + " " +
            std::to_string(e.tag) + " " + std::to_string(e.expire_at_ms) + " " +
            std::to_string(e.value.size()) + ":" + std::string(e.value.substr(0, 10)) + "\n";
  }
  return reader.ok() ? text : text + "bad\n";
}

TEST_CASE("batch: entries are encoded as batch.h draws them") {
  Batch batch;
  batch.Put("k", 0, 0, Slice("v"));
  CHECK(Hex(batch.bytes()) == "0101016b76");
  batch.Clear();
  batch.Put("key", 5, 0x0102, Slice(""));
  CHECK(Hex(batch.bytes()) ==
        "5903000201000000000000"
        "6b6579");
  batch.Clear();
  batch.Delete("k");
  batch.DeletePrefix("p");
  CHECK(Hex(batch.bytes()) ==
        "02016b"
        "030170");
  CHECK(batch.entries() == 2);
  CHECK(batch.size_bytes() == 6);
}

TEST_CASE("batch: large values are spliced, and read back either way") {
  const std::string large(kSharedValueBytesMin, 'x');
  const std::string small(kSharedValueBytesMin - 1, 'y');
  Batch batch;
  batch.Put("a", 1, 0, Slice(large));
  batch.Put("b", 2, 7, Slice(small));
  batch.Put("c", 3, 0, SharedBytes::CopyOf(large));
  batch.Put("d", 4, 0, SharedBytes::CopyOf("tiny"));
  batch.Delete("a");
  CHECK(batch.splices().size() == 2);
  CHECK(batch.size_bytes() == Gathered(batch).size());

  const std::string want = Dump(BatchReader(batch.bytes(), batch.splices()));
  CHECK(want ==
        "1 a 1 0 65536:xxxxxxxxxx\n1 b 2 7 65535:yyyyyyyyyy\n1 c 3 0 65536:xxxxxxxxxx\n"
        "1 d 4 0 4:tiny\n2 a 0 0 0:\n");
  CHECK(Dump(BatchReader(Gathered(batch))) == want);

  Entry entry;
  SharedBytes shared;
  REQUIRE(batch.Find("c", &entry, &shared));
  CHECK(shared.size() == large.size());
  REQUIRE(batch.Find("b", &entry, &shared));
  CHECK_FALSE(shared);
  REQUIRE(batch.Find("a", &entry, &shared));
  CHECK(entry.kind == EntryKind::kTombstone);
}

TEST_CASE("batch: a prefix tombstone is no entry of the key it is spelled like") {
  Batch batch;
  batch.DeletePrefix("k");
  for (int i = 0; i < 40; ++i) {
    Entry entry;
    SharedBytes shared;
    CHECK_FALSE(batch.Find("k", &entry, &shared));
    batch.Delete("other" + std::to_string(i));
  }
}

TEST_CASE("batch: behaves as a map does, through any puts, deletes and steps back") {
  struct Want {
    EntryKind kind;
    uint8_t tag;
    int64_t expire_at_ms;
    std::string value;
  };
  using Model = std::map<std::string, Want>;
  const std::string large(kSharedValueBytesMin + 5, 'L');

  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Batch batch;
    Model model;
    std::vector<std::pair<Batch::Mark, Model>> marks;
    const uint64_t keys = 1 + random.Uniform(40);
    for (int step = 0; step < 300; ++step) {
      const std::string key = "key" + std::to_string(random.Uniform(keys));
      const auto tag = static_cast<uint8_t>(random.Uniform(kTagMax + 1));
      const int64_t expire_at_ms = random.OneIn(3) ? static_cast<int64_t>(random.Uniform(1000)) : 0;
      switch (random.Uniform(20)) {
        case 0: marks.emplace_back(batch.mark(), model); break;
        case 1:
          if (!marks.empty()) {
            batch.TruncateTo(marks.back().first);
            model = marks.back().second;
            marks.pop_back();
          }
          break;
        case 2:
          batch.Put(key, tag, expire_at_ms, Slice(large));
          model[key] = {EntryKind::kPut, tag, expire_at_ms, large};
          break;
        case 3:
        case 4:
        case 5:
          batch.Delete(key);
          model[key] = {EntryKind::kTombstone, 0, 0, ""};
          break;
        case 6:
        case 7:
        case 8:
        case 9: {
          Entry entry;
          SharedBytes shared;
          const auto want = model.find(key);
          const bool found = batch.Find(key, &entry, &shared);
          REQUIRE(found == (want != model.end()));
          if (!found) break;
          CHECK(entry.key == key);
          CHECK(entry.kind == want->second.kind);
          CHECK(entry.tag == want->second.tag);
          CHECK(entry.expire_at_ms == want->second.expire_at_ms);
          CHECK(entry.value == want->second.value);
          CHECK(static_cast<bool>(shared) == (entry.value.size() >= kSharedValueBytesMin));
          break;
        }
        default: {
          const std::string value(random.Uniform(300), 'v');
          batch.Put(key, tag, expire_at_ms, Slice(value));
          model[key] = {EntryKind::kPut, tag, expire_at_ms, value};
        }
      }
      CHECK(batch.size_bytes() == Gathered(batch).size());
    }
    size_t entries = 0;
    BatchReader reader(batch.bytes(), batch.splices());
    while (reader.Next()) ++entries;
    CHECK(reader.ok());
    CHECK(entries == batch.entries());
    CHECK(Dump(BatchReader(batch.bytes(), batch.splices())) == Dump(BatchReader(Gathered(batch))));
  }
}

// Bytes in a heap block of exactly their size, so that a sanitizer sees every read beyond.
void WalkExactly(Slice bytes) {
  const auto copy = std::make_unique<char[]>(bytes.size());
  bytes.copy(copy.get(), bytes.size());
  BatchReader reader(Slice(copy.get(), bytes.size()));
  size_t seen = 0;
  size_t before = 0;
  while (reader.Next()) {
    for (const char c : reader.entry().key) seen += static_cast<unsigned char>(c);
    for (const char c : reader.entry().value) seen += static_cast<unsigned char>(c);
    CHECK(reader.next_offset() > before);
    before = reader.next_offset();
  }
  CHECK((reader.ok() ? before == bytes.size() : before <= bytes.size()));
  CHECK(seen < SIZE_MAX);
}

TEST_CASE("batch reader: survives every truncation, every changed byte, and noise") {
  Batch batch;
  batch.Put("first", 1, 0, Slice("one"));
  batch.Put("second", 15, INT64_MAX, Slice(std::string(200, 'x')));
  batch.Delete("third");
  batch.DeletePrefix("fourth");
  const std::string& bytes = batch.bytes();
  for (size_t size = 0; size <= bytes.size(); ++size) WalkExactly(Slice(bytes).substr(0, size));
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(value);
      WalkExactly(changed);
    }
  }
  Random random(7);
  for (int i = 0; i < 20000; ++i) {
    std::string noise(random.Uniform(40), '\0');
    for (char& c : noise) c = static_cast<char>(random.OneIn(3) ? 0xff : random.Uniform(256));
    WalkExactly(noise);
  }
}

TEST_CASE("batch reader: a splice of another size than announced is refused") {
  Batch batch;
  const std::string large(kSharedValueBytesMin, 'x');
  batch.Put("a", 0, 0, Slice(large));
  std::vector<Splice> splices = batch.splices();
  splices[0].value = SharedBytes::CopyOf("short");
  BatchReader reader(batch.bytes(), splices);
  CHECK_FALSE(reader.Next());
  CHECK_FALSE(reader.ok());
  BatchReader none(batch.bytes());
  CHECK_FALSE(none.Next());
  CHECK_FALSE(none.ok());
}

TEST_CASE("batch: deletes and bookkeeping need no room, data does, until it is taken back") {
  Batch batch;
  CHECK(!batch.needs_room());
  batch.Delete("a");
  batch.DeletePrefix("b");
  batch.PutBookkeeping("where", "here");
  batch.PutBookkeeping("large", std::string(kSharedValueBytesMin, 'L'));
  CHECK(!batch.needs_room());
  const Batch::Mark mark = batch.mark();
  batch.Put("c", 0, 0, Slice("1"));
  CHECK(batch.needs_room());
  batch.TruncateTo(mark);
  CHECK(!batch.needs_room());
  batch.Put("c", 0, 0, SharedBytes::CopyOf(std::string(kSharedValueBytesMin, 'L')));
  CHECK(batch.needs_room());
  batch.Clear();
  CHECK(!batch.needs_room());
}

}  // namespace
}  // namespace varve
