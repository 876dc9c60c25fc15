// tests/unit/engine/file_names_test.cc: what counts as ours in a database directory.
#include "engine/file_names.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

TEST_CASE("file names: what is made is read back") {
  for (const uint64_t number : {uint64_t{1}, uint64_t{999999}, uint64_t{1000000}, UINT64_MAX}) {
    CAPTURE(number);
    CHECK(ParseFileName(TableFileName(number)) == FileName{FileKind::kTable, number});
    CHECK(ParseFileName(LogFileName(number)) == FileName{FileKind::kLog, number});
    CHECK(ParseFileName(ValueFileName(number)) == FileName{FileKind::kValues, number});
    CHECK(ParseFileName(ManifestFileName(number)) == FileName{FileKind::kManifest, number});
    CHECK(ParseFileName(ManifestCopyFileName(number)) == FileName{FileKind::kManifestCopy, number});
  }
  CHECK(TableFileName(12) == "000012.table");
  CHECK(ValueFileName(12) == "000012.values");
  CHECK(LogFileName(1234567) == "1234567.log");
  CHECK(ManifestFileName(3) == "MANIFEST-000003");
  CHECK(ManifestCopyFileName(3) == "MANIFEST-000003.copy");
  CHECK(ParseFileName("CURRENT") == FileName{FileKind::kCurrent, 0});
  CHECK(ParseFileName("LOCK") == FileName{FileKind::kLock, 0});
  CHECK(ParseFileName("RESERVE") == FileName{FileKind::kReserve, 0});
  CHECK(ParseFileName("CURRENT.tmp") == FileName{FileKind::kTemporary, 0});
  CHECK(JoinPath("data", "LOCK") == "data/LOCK");
}

TEST_CASE("file names: a path is taken apart") {
  struct Case {
    Slice path;
    Slice parent;
    Slice name;
  };
  static constexpr Case kCases[] = {
      {"a/b", "a", "b"}, {"a/b//", "a", "b"}, {"/a/b/", "/a", "b"}, {"a", ".", "a"},
      {"a/", ".", "a"},  {"/a", "/", "a"},    {"./a", ".", "a"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.path);
    CHECK(ParentDirectory(std::string(c.path)) == c.parent);
    CHECK(BaseName(c.path) == c.name);
  }
}

TEST_CASE("file names: what only looks like ours is not touched") {
  struct Case {
    Slice why;
    Slice name;
  };
  static constexpr Case kCases[] = {
      {"empty", ""},
      {"no number", ".log"},
      {"too few digits", "12.log"},
      {"too many zeros", "0000012.log"},
      {"number zero", "000000.table"},
      {"a sign", "-00012.log"},
      {"a blank", " 00012.log"},
      {"hexadecimal", "00001a.log"},
      {"one past the largest", "18446744073709551616.log"},
      {"something behind", "000012.logs"},
      {"another suffix", "000012.sst"},
      {"upper case", "000012.LOG"},
      {"manifest without number", "MANIFEST-"},
      {"manifest with suffix", "MANIFEST-000001.log"},
      {"lower case", "current"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    CHECK_FALSE(ParseFileName(c.name).has_value());
  }
}

}  // namespace
}  // namespace varve
