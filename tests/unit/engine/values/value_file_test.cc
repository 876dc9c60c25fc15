// tests/unit/engine/values/value_file_test.cc: values written are read back, and nothing else passes for them.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "engine/values/value_file_builder.h"
#include "engine/values/value_file_format.h"
#include "engine/values/value_file_reader.h"
#include "engine/values/value_use.h"
#include "tests/unit/engine/table/table_fixture.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

constexpr char kPath[] = "/000007.values";
constexpr uint64_t kNumber = 7;

struct ValueFile {
  ValueFile() {
    env.set_pending_percent(0);
    file = *env.Open(kPath, OpenMode::kCreate);
    builder.emplace(*file, kNumber, kDatabase);
  }
  void Add(const std::string& key, const std::string& value, int compression_level) {
    const Result<ValueRef> ref = builder->Add(key, value, compression_level);
    REQUIRE(ref.ok());
    refs.emplace_back(key, *ref);
    values[key] = value;
  }
  void Finish() {
    REQUIRE(builder->Finish().ok());
    bytes = builder->file_bytes();
    records = builder->records();
  }
  ValueFileReader Open(uint64_t number = kNumber, uint64_t database = kDatabase) {
    return ValueFileReader(*env.Open(kPath, OpenMode::kRead), kPath, number, database);
  }

  SimEnv env{1};
  std::unique_ptr<File> file;
  std::optional<ValueFileBuilder> builder;
  std::vector<std::pair<std::string, ValueRef>> refs;
  std::map<std::string, std::string> values;
  uint64_t bytes = 0;
  uint64_t records = 0;
};

// Sizes around the builder's buffer, compressible and not.
void Fill(ValueFile* file) {
  Random random(3);
  for (const size_t size : {size_t{1}, size_t{100}, size_t{5000}, size_t{200'000}, size_t{262'144},
                            size_t{300'000}, size_t{3}, size_t{1'000'000}}) {
    const std::string name = "key" + std::to_string(size);
    file->Add(name + "plain", RandomBytes(random, size), 0);
    file->Add(name + "random", RandomBytes(random, size), 1);
    file->Add(name + "same", std::string(size, 'v'), 1);
  }
  file->Add("", "the empty key's", 1);
  file->Finish();
}

TEST_CASE("value files: the reference in value_file_format.h is what is written") {
  ValueFile file;
  const Result<ValueRef> ref = [&] {
    ValueFileBuilder builder(*file.file, 12, kDatabase);
    return builder.Add("ab", std::string(5000, 'v'), 0);
  }();
  REQUIRE(ref.ok());
  std::string bytes;
  AppendValueRef(*ref, &bytes);
  CHECK(bytes == std::string("\x0c\x28\x9b\x27\x88\x27"));
  ValueRef back;
  REQUIRE(DecodeValueRef(bytes, &back));
  CHECK(back == *ref);
}

TEST_CASE("value files: what is no reference is refused") {
  const std::string good = "\x0c\x28\x9b\x27\x88\x27";
  ValueRef ref;
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(DecodeValueRef(Slice(good).substr(0, size), &ref));
  }
  CHECK_FALSE(DecodeValueRef(good + "x", &ref));
  CHECK_FALSE(DecodeValueRef(std::string("\x00\x28\x9b\x27\x88\x27", 6), &ref));  // no file
  CHECK_FALSE(DecodeValueRef("\x0c\x27\x9b\x27\x88\x27", &ref));                  // in the header
  CHECK_FALSE(DecodeValueRef("\x0c\x28\x10\x88\x27", &ref));  // shorter than any record
}

TEST_CASE("value files: every value is read back, and moves to another file as it is stored") {
  ValueFile file;
  Fill(&file);
  CHECK(file.records == file.refs.size());
  const ValueFileReader reader = file.Open();
  CHECK(reader.Verify(file.bytes, file.records).ok());
  CHECK_FALSE(reader.Verify(file.bytes, file.records + 1).ok());
  CHECK_FALSE(reader.Verify(file.bytes, file.records - 1).ok());

  const std::unique_ptr<File> to = *file.env.Open("/000008.values", OpenMode::kCreate);
  ValueFileBuilder mover(*to, 8, kDatabase);
  std::vector<ValueRef> moved;
  uint64_t live_bytes = 0;
  for (const auto& [key, ref] : file.refs) {
    CAPTURE(key);
    const auto value = reader.Read(ref, key);
    REQUIRE(value.ok());
    CHECK((*value)->slice() == file.values[key]);
    CHECK(ref.value_bytes == file.values[key].size());
    live_bytes += ref.record_bytes;
    const auto tried = reader.TryRead(ref, key);
    const bool small = ref.value_bytes <= kTryReadValueBytesMax;
    CHECK(tried.ok() == small);
    if (!small) CHECK(tried.status().is_pending());

    const auto record = reader.ReadRecord(ref, key);
    REQUIRE(record.ok());
    const auto there = mover.AddStored(key, record->type, record->stored, ref.value_bytes);
    REQUIRE(there.ok());
    CHECK(there->record_bytes == ref.record_bytes);
    moved.push_back(*there);
  }
  CHECK(live_bytes + kValueFileHeaderBytes == file.bytes);
  REQUIRE(mover.Finish().ok());
  const ValueFileReader other(*file.env.Open("/000008.values", OpenMode::kRead), "8", 8, kDatabase);
  for (size_t i = 0; i < moved.size(); ++i) {
    const auto& key = file.refs[i].first;
    const auto value = other.Read(moved[i], key);
    REQUIRE(value.ok());
    CHECK((*value)->slice() == file.values[key]);
  }
}

TEST_CASE("value files: a value is its key's alone, in its file and database") {
  ValueFile file;
  file.Add("one", std::string(100, '1'), 0);
  file.Add("two", std::string(100, '2'), 0);
  file.Finish();
  const auto [key, ref] = file.refs[0];
  const auto message = [](const auto& result) { return std::string(result.status().message()); };
  CHECK(message(file.Open().Read(ref, "two")) == "/000007.values: value of another key at 40");
  CHECK(message(file.Open(8).Read(ref, key)) == "/000007.values: bad checksum at 40");
  CHECK(message(file.Open(kNumber, 99).Read(ref, key)) == "/000007.values: bad checksum at 40");
  CHECK(file.Open(8).CheckHeader().message() ==
        "/000007.values: value file of another number at 0");
  CHECK(file.Open(kNumber, 99).CheckHeader().message() ==
        "/000007.values: value file of another database at 0");
  ValueRef wrong = ref;
  wrong.offset += 1;
  CHECK_FALSE(file.Open().Read(wrong, key).ok());
  wrong = ref;
  wrong.record_bytes += 1;
  CHECK_FALSE(file.Open().Read(wrong, key).ok());
  wrong = ref;
  wrong.value_bytes += 1;
  CHECK(message(file.Open().Read(wrong, key)) == "/000007.values: value of another size at 40");
  wrong = ref;
  wrong.offset = file.bytes;
  CHECK_FALSE(file.Open().Read(wrong, key).ok());
}

TEST_CASE("value files: every bit counts, and every byte of the length") {
  ValueFile file;
  file.Add("one", std::string(60, '1'), 0);
  file.Add("two", std::string(300, '2'), 1);
  file.Finish();
  for (uint64_t bit = 0; bit < 8 * file.bytes; ++bit) {
    CAPTURE(bit);
    file.env.FlipBit(kPath, bit / 8, static_cast<unsigned>(bit % 8));
    const Status verified = file.Open().Verify(file.bytes, file.records);
    CHECK(verified.code() == StatusCode::kCorruption);
    int readable = 0;
    for (const auto& [key, ref] : file.refs) {
      const auto value = file.Open().Read(ref, key);
      if (value.ok()) CHECK((*value)->slice() == file.values[key]);
      readable += value.ok() ? 1 : 0;
    }
    CHECK(readable == (bit / 8 < kValueFileHeaderBytes ? 2 : 1));
    file.env.FlipBit(kPath, bit / 8, static_cast<unsigned>(bit % 8));
  }
  const std::string whole = file.env.Contents(kPath);
  for (size_t size = 0; size < whole.size(); ++size) {
    file.env.SetContents(kPath, whole.substr(0, size));
    CHECK_FALSE(file.Open().Verify(file.bytes, file.records).ok());
  }
}

TEST_CASE("value uses: a list comes back, and what is none is refused") {
  const ValueUses uses = {{1, 1}, {7, 300}, {UINT64_MAX, uint64_t{1} << 50}};
  std::string bytes;
  AppendValueUses(uses, &bytes);
  ValueUses back;
  REQUIRE(DecodeValueUses(bytes, &back));
  CHECK(back == uses);
  CHECK(BytesOf(uses) == (uint64_t{1} << 50) + 301);
  for (const std::string& bad :
       {std::string("\x01"), std::string("\x01\x00", 2), std::string("\x00\x01", 2),
        std::string("\x02\x01\x02\x01"), std::string("\x02\x01\x01\x01")}) {
    ValueUses none;
    CHECK_FALSE(DecodeValueUses(bad, &none));
  }
}

}  // namespace
}  // namespace varve
