// tests/unit/utils/load/load_test.cc: that the load is what it says, and that wrong replies are found.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "utils/load/keys.h"
#include "utils/load/ledger.h"
#include "utils/load/options.h"
#include "utils/load/values.h"

#include <doctest/doctest.h>

namespace varve::load {
namespace {

// --- Keys ---

TEST_CASE("load: the jumping order has every key once") {
  for (const uint64_t count : {1u, 2u, 3u, 10u, 1000u, 1597u}) {
    const JumpingOrder order(count);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < count; ++i) seen.insert(order.At(i));
    CHECK(seen.size() == count);
    CHECK(*seen.rbegin() == count - 1);
  }
}

TEST_CASE("load: ranks come as often as Zipf's law says") {
  constexpr uint64_t kKeys = 1000;
  constexpr int kDraws = 400'000;
  for (const double exponent : {0.5, 0.99, 1.0, 1.5}) {
    CAPTURE(exponent);
    double sum = 0;
    for (uint64_t rank = 1; rank <= kKeys; ++rank) {
      sum += std::pow(static_cast<double>(rank), -exponent);
    }
    KeyChooser chooser(kKeys, exponent, 7);
    std::vector<int> counts(kKeys + 1);
    for (int i = 0; i < kDraws; ++i) ++counts.at(chooser.NextRank());
    CHECK(counts[0] == 0);
    for (const uint64_t rank : {1u, 2u, 3u, 10u, 100u}) {
      const double want = kDraws * std::pow(static_cast<double>(rank), -exponent) / sum;
      CAPTURE(rank);
      // Five times what chance makes of it.
      CHECK(std::abs(counts[rank] - want) < 5 * std::sqrt(want));
    }
  }
}

TEST_CASE("load: uniform keys are all drawn, Zipfian ones are keys") {
  KeyChooser uniform(10, 0, 1);
  std::map<uint64_t, int> counts;
  for (int i = 0; i < 10'000; ++i) ++counts[uniform.Next()];
  CHECK(counts.size() == 10);
  CHECK(counts.rbegin()->first == 9);
  for (const auto& [key, count] : counts) CHECK(std::abs(count - 1000) < 200);
  for (const uint64_t keys : {1u, 2u, 5u}) {
    KeyChooser zipfian(keys, 0.99, 1);
    for (int i = 0; i < 1000; ++i) CHECK(zipfian.Next() < keys);
  }
}

// --- Values ---

TEST_CASE("load: a value says which write it was, and no changed byte goes unnoticed") {
  const Values values({{24, 1}, {100, 5}, {3000, 1}});
  std::map<size_t, int> sizes;
  for (uint64_t key = 0; key < 7000; ++key) {
    const ValueHead head{key, 3, static_cast<uint32_t>(key % 5 + 1), static_cast<int64_t>(key % 2)};
    std::string value;
    values.AppendTo(&value, head);
    CHECK(value.size() == values.SizeOf(head));
    ++sizes[value.size()];
    ValueHead parsed;
    REQUIRE(values.Parse(value, &parsed));
    CHECK(parsed.key == key);
    CHECK(parsed.run == 3);
    CHECK(parsed.version == key % 5 + 1);
    CHECK(parsed.expire_at_ms == static_cast<int64_t>(key % 2));
    CHECK_FALSE(values.Parse(value + ".", &parsed));
    CHECK_FALSE(values.Parse(Slice(value).substr(0, value.size() - 1), &parsed));
  }
  CHECK(sizes.size() == 3);
  CHECK(std::abs(sizes[100] - 5000) < 300);

  std::string value;
  values.AppendTo(&value, {1, 1, 1, 0});
  for (size_t i = Values::kHeadBytes; i < value.size(); ++i) {
    std::string changed = value;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    ValueHead head;
    CHECK_FALSE(values.Parse(changed, &head));
  }
}

// --- Ledger ---

constexpr int64_t kNowMs = 1'000'000;

struct Book : Ledger {
  explicit Book(bool all_exist = false) : Ledger(10, 2, all_exist, 16, 100) { Expire(kNowMs); }
  void Write(WriteKind kind = WriteKind::kSet, bool refused = false) {
    BeginWrite(0, kind);
    EndWrite(0, kind, refused, 100, 0);
  }
  bool Accepts(const Expectation& expected, uint32_t version, uint32_t run = 2) const {
    const ValueHead head{0, run, version, 0};
    return EndRead(0, expected, &head, kNowMs).empty();
  }
  bool AcceptsAbsence(const Expectation& expected) const {
    return EndRead(0, expected, nullptr, kNowMs).empty();
  }
};

TEST_CASE("load: of a key that was written once, that and nothing else is right") {
  Book book;
  CHECK(book.AcceptsAbsence(book.BeginRead(0)));
  CHECK(book.Accepts(book.BeginRead(0), 7, 1));  // an earlier run's
  CHECK_FALSE(book.Accepts(book.BeginRead(0), 1));
  CHECK_FALSE(book.Accepts(book.BeginRead(0), 1, 3));
  book.Write();
  const Ledger::Expectation expected = book.BeginRead(0);
  CHECK(book.Accepts(expected, 1));
  CHECK_FALSE(book.Accepts(expected, 2));
  CHECK_FALSE(book.Accepts(expected, 7, 1));
  CHECK_FALSE(book.AcceptsAbsence(expected));
  const ValueHead of_another{1, 2, 1, 0};
  CHECK_FALSE(book.EndRead(0, expected, &of_another, kNowMs).empty());
}

TEST_CASE("load: an overwritten value is wrong, unless the writes overlapped") {
  Book book;
  book.Write();
  book.Write();
  CHECK_FALSE(book.Accepts(book.BeginRead(0), 1));
  // 3 and 4 overlap: either may be there. 2 is not.
  book.BeginWrite(0, WriteKind::kSet);
  book.BeginWrite(0, WriteKind::kSet);
  CHECK(book.Accepts(book.BeginRead(0), 2));
  book.EndWrite(0, WriteKind::kSet, false, 100, 0);
  CHECK(book.Accepts(book.BeginRead(0), 2));
  book.EndWrite(0, WriteKind::kSet, false, 100, 0);
  CHECK(book.Accepts(book.BeginRead(0), 3));
  CHECK(book.Accepts(book.BeginRead(0), 4));
  CHECK_FALSE(book.Accepts(book.BeginRead(0), 2));
}

TEST_CASE("load: a read may show what was written while it was on its way") {
  Book book;
  book.Write();
  const Ledger::Expectation expected = book.BeginRead(0);
  book.Write();
  book.Write(WriteKind::kDelete);
  CHECK(book.Accepts(expected, 1));
  CHECK(book.Accepts(expected, 2));
  CHECK(book.AcceptsAbsence(expected));
}

TEST_CASE("load: a deleted key is absent, and stays so until it is written") {
  Book book(true);
  CHECK_FALSE(book.AcceptsAbsence(book.BeginRead(0)));
  book.Write(WriteKind::kDelete);
  CHECK(book.AcceptsAbsence(book.BeginRead(0)));
  CHECK_FALSE(book.Accepts(book.BeginRead(0), 1, 1));
  book.Write();
  CHECK_FALSE(book.AcceptsAbsence(book.BeginRead(0)));
}

TEST_CASE("load: a refused write has changed nothing") {
  Book book;
  book.Write();
  book.Write(WriteKind::kDelete, true);
  CHECK(book.Accepts(book.BeginRead(0), 1));
  CHECK(book.live_keys() == 1);
}

TEST_CASE("load: a key must not be there after its time") {
  Book book;
  book.BeginWrite(0, WriteKind::kSetExpiring);
  book.EndWrite(0, WriteKind::kSetExpiring, false, 100, kNowMs + 1000);
  const ValueHead head{0, 2, 1, kNowMs + 1000};
  CHECK(book.EndRead(0, book.BeginRead(0), &head, kNowMs + 1000).empty());
  CHECK_FALSE(book.EndRead(0, book.BeginRead(0), &head, kNowMs + 2001).empty());
  CHECK(book.AcceptsAbsence(book.BeginRead(0)));
}

TEST_CASE("load: what is live is counted") {
  Book book;
  const auto set = [&book](uint64_t key, size_t value_bytes, int64_t expire_at_ms) {
    const WriteKind kind = expire_at_ms == 0 ? WriteKind::kSet : WriteKind::kSetExpiring;
    book.BeginWrite(key, kind);
    book.EndWrite(key, kind, false, value_bytes, expire_at_ms);
  };
  set(1, 100, 0);
  set(2, 200, 0);
  set(2, 300, 0);
  CHECK(book.live_keys() == 2);
  CHECK(book.live_bytes() == 2 * 16 + 400);
  set(3, 50, kNowMs + 500);
  set(4, 50, kNowMs + 500);
  set(4, 50, kNowMs + 5000);
  set(1, 10, kNowMs + 500);
  CHECK(book.live_keys() == 4);
  book.Expire(kNowMs + 1000);  // 1 and 3
  CHECK(book.live_keys() == 2);
  CHECK(book.live_bytes() == 2 * 16 + 350);
  book.BeginWrite(2, WriteKind::kDelete);
  book.EndWrite(2, WriteKind::kDelete, false, 0, 0);
  set(3, 20, 0);
  CHECK(book.live_keys() == 2);
  CHECK(book.live_bytes() == 2 * 16 + 70);
  CHECK(Book(true).live_keys() == 10);
}

// --- Options ---

TEST_CASE("load: options say what they want") {
  struct Case {
    const char* why;
    std::vector<std::string> arguments;
    bool good;
  };
  const Case cases[] = {
      {"no phase", {"--keys=5"}, false},
      {"one", {"--phases=load"}, true},
      {"all", {"--phases=load-expiring,full:0.5,pace:60:70%,pace:1:5000,idle:3,check"}, true},
      {"of an unmeasured rate", {"--phases=pace:60:70%"}, false},
      {"no seconds", {"--phases=full"}, false},
      {"seconds of a phase that has none", {"--phases=load:5"}, false},
      {"an unknown phase", {"--phases=fast:5"}, false},
      {"a mix", {"--phases=load", "--mix=get:95,set:4,setex:1,del:0"}, true},
      {"an empty mix", {"--phases=load", "--mix=get:0"}, false},
      {"sizes", {"--phases=load", "--size=24:1,1kb:2,1mb:1"}, true},
      {"too small for its head", {"--phases=load", "--size=23"}, false},
      {"expiries", {"--phases=load", "--expire=5-5"}, true},
      {"backwards", {"--phases=load", "--expire=5-4"}, false},
      {"an unknown option", {"--phases=load", "--key=5"}, false},
      {"no option", {"load"}, false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.why);
    CHECK(ParseOptions(c.arguments).ok() == c.good);
  }
  const std::vector<std::string> arguments = {"--phases=full:2,pace:60:70%", "--mix=get:3,del:1"};
  const Result<Options> options = ParseOptions(arguments);
  REQUIRE(options.ok());
  CHECK(options->phases[1].rate_part == doctest::Approx(0.7));
  CHECK(options->phases[1].rate == 0);
  CHECK(options->mix == std::array<uint64_t, kOperations>{3, 0, 0, 1});
}

}  // namespace
}  // namespace varve::load
