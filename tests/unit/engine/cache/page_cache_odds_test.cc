// tests/unit/engine/cache/page_cache_odds_test.cc: when the loop asks the page cache, and when it does not.
#include "engine/cache/page_cache_odds.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

// How many of `reads` are asked about, if the page cache has every `one_in`th of them (0: none).
int Asked(PageCacheOdds& odds, int reads, int one_in) {
  int asked = 0;
  for (int i = 0; i < reads; ++i) {
    if (!odds.WorthAsking()) continue;
    odds.Note(one_in != 0 && i % one_in == 0);
    ++asked;
  }
  return asked;
}

TEST_CASE(
    "page cache odds: it is asked while it answers, seldom while it does not, and again when it "
    "does") {
  PageCacheOdds odds;
  CHECK(Asked(odds, 1000, 1) == 1000);
  CHECK(Asked(odds, 1000, 2) == 1000);
  const int in_vain = Asked(odds, 100'000, 0);
  CHECK(in_vain > 2000);
  CHECK(in_vain < 5000);
  CHECK(Asked(odds, 1000, 0) <= 33);
  Asked(odds, 1000, 1);
  CHECK(Asked(odds, 1000, 1) == 1000);
}

}  // namespace
}  // namespace varve
