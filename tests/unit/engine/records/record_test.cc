// tests/unit/engine/records/record_test.cc: what a record holds and takes, whatever is assigned to it and wherever it is moved.
#include "engine/records/record.h"

#include <malloc.h>

#include <memory>
#include <string>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

TEST_CASE("record: a packed copy is the same, of any key and value, and outlives the original") {
  const std::string long_key(Record::kInlineKeyBytesMax + 1, 'k');
  const std::string large(kSharedValueBytesMin, 'v');
  for (const Slice key : {Slice(), Slice("key"), Slice(long_key)}) {
    for (const int64_t expire_at_ms : {int64_t{0}, INT64_MAX}) {
      for (const Slice value : {Slice(), Slice("value"), Slice(large)}) {
        const bool is_shared = value.size() >= kSharedValueBytesMin;
        const auto owner = std::make_shared<int>(0);  // of the bytes, with whoever shares them
        const long held = is_shared ? 2 : 1;
        CAPTURE(key.size());
        CAPTURE(expire_at_ms);
        CAPTURE(value.size());
        Entry entry{
            .key = key, .creates = true, .tag = 5, .expire_at_ms = expire_at_ms, .value = {}};
        if (!is_shared) entry.value = value;
        Record* record =
            Record::New(entry, is_shared ? SharedBytes::Alias(value, owner) : SharedBytes(),
                        static_cast<uint8_t>(EntryKind::kPut));
        record->set_referenced(true);
        Record* copy = Record::CopyPacked(record);
        REQUIRE(copy != nullptr);
        Record::Delete(record);
        CHECK(owner.use_count() == held);
        CHECK(copy->key() == key);
        CHECK(copy->is_put());
        CHECK(copy->creates());
        CHECK(copy->tag() == 5);
        CHECK(copy->expire_at_ms() == expire_at_ms);
        CHECK(copy->is_shared() == is_shared);
        CHECK((copy->value() == value));
        CHECK(copy->referenced());
        CHECK_FALSE(copy->dirty());
        Record::Delete(copy);
        CHECK(owner.use_count() == 1);
      }
    }
  }
}

TEST_CASE("record: it knows what was allocated for it, whatever is assigned, and holds that") {
  Random random(1);
  int in_place = 0;
  for (int records = 0; records < 200; ++records) {
    const std::string key(random.Uniform(random.OneIn(10) ? 20'000 : 40), 'k');
    Record* record = nullptr;
    std::string value;
    int64_t expire_at_ms = 0;
    for (int changes = 0; changes < 50; ++changes) {
      const bool deleted = random.OneIn(10);
      value.assign(deleted ? 0 : random.Uniform(random.OneIn(4) ? 3000 : 200),
                   static_cast<char>('a' + changes % 26));
      expire_at_ms = !deleted && random.OneIn(3) ? changes + 1 : 0;
      const EntryKind kind = deleted ? EntryKind::kTombstone : EntryKind::kPut;
      const Entry entry{.key = key, .kind = kind, .expire_at_ms = expire_at_ms, .value = value};
      if (record != nullptr && record->Assign(entry, SharedBytes(), static_cast<uint8_t>(kind))) {
        ++in_place;
      } else {
        if (record != nullptr) Record::Delete(record);
        record = Record::New(entry, SharedBytes(), static_cast<uint8_t>(kind));
      }
      if (random.OneIn(10)) {
        Record* copy = Record::CopyPacked(record);
        Record::Delete(record);
        record = copy;
      }
      REQUIRE(record->key() == key);
      REQUIRE(record->is_put() == !deleted);
      REQUIRE(record->value() == value);
      REQUIRE(record->expire_at_ms() == expire_at_ms);
#ifdef VARVE_JEMALLOC
      REQUIRE(record->charge_bytes() == malloc_usable_size(record));
#else
      REQUIRE(record->charge_bytes() <= malloc_usable_size(record));
#endif
    }
    Record::Delete(record);
  }
  CHECK(in_place > 1000);
}

}  // namespace
}  // namespace varve
