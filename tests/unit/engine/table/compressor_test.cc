// tests/unit/engine/table/compressor_test.cc: smaller and back.
#include "engine/table/compressor.h"

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/engine/table/table_fixture.h"

#include <doctest/doctest.h>

namespace varve {

namespace {

// What comes back after compressing `pieces`; "stored" if that did not pay.
std::string ThereAndBack(const std::vector<std::string>& pieces, int level) {
  const std::vector<Slice> slices(pieces.begin(), pieces.end());
  size_t size = 0;
  for (const Slice slice : slices) size += slice.size();
  // An exact allocation, so that a sanitizer sees any byte too many.
  const auto compressed = std::make_unique<char[]>(CompressedBytesMax(size));
  const size_t compressed_size = Compress(slices, size, level, compressed.get());
  if (compressed_size == 0) return "stored";
  CHECK(compressed_size <= CompressedBytesMax(size));
  const Slice frame(compressed.get(), compressed_size);
  CHECK(DecompressedSize(frame) == size);
  std::string back(size, '\0');
  REQUIRE(Decompress(frame, back.data(), back.size()));
  CHECK_FALSE(Decompress(frame, back.data(), back.size() - 1));
  return back;
}

}  // namespace

TEST_CASE("compressor: what pays comes back the same, in one piece or several") {
  Random random(1);
  const std::string text(50'000, 't');
  const std::string mixed = RandomBytes(random, 5'000) + text;
  CHECK(ThereAndBack({text}, 1) == text);
  CHECK(ThereAndBack({mixed}, 3) == mixed);
  CHECK(ThereAndBack({"head", mixed, "tail"}, 1) == "head" + mixed + "tail");
  CHECK(ThereAndBack({"", text, ""}, 1) == text);
  const std::string large(3'000'000, 'l');
  CHECK(ThereAndBack({"head", large, "tail"}, 1) == "head" + large + "tail");
}

TEST_CASE("compressor: what does not shrink by an eighth is stored") {
  Random random(2);
  const std::string noise = RandomBytes(random, 300'000);
  CHECK(ThereAndBack({noise}, 1) == "stored");
  CHECK(ThereAndBack({"head", noise, "tail"}, 1) == "stored");
  CHECK(ThereAndBack({""}, 1) == "stored");
  CHECK(ThereAndBack({"x"}, 1) == "stored");
  CHECK(ThereAndBack({std::string(1000, 'x')}, 0) == "stored");
  const std::string text(1000, 't');
  CHECK(ThereAndBack({text}, 1) == text);  // Giving up midway leaves no trace.
}

TEST_CASE("compressor: a broken frame is refused") {
  CHECK_FALSE(DecompressedSize("").has_value());
  CHECK_FALSE(DecompressedSize("not a frame").has_value());
  char to[16];
  CHECK_FALSE(Decompress("not a frame", to, sizeof(to)));
}

}  // namespace varve
