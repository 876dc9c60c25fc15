// tests/unit/engine/records/record_copy_test.cc: a record that is moved is the same in its new place.
#include <memory>
#include <string>

#include "engine/records/record.h"

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

}  // namespace
}  // namespace varve
