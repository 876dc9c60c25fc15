// tests/unit/resp/reply_writer_test.cc: each type in both versions, as redis-server 7.0 sends it.
#include "resp/reply_writer.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include <doctest/doctest.h>

namespace varve {
namespace {

std::string Written(int version, const std::function<void(ReplyWriter&)>& write) {
  OutputBuffer out;
  ReplyWriter reply(out, version);
  write(reply);
  std::string all;
  while (!out.empty()) {
    Slice slice;
    REQUIRE(out.Gather(out.position(), {&slice, 1}) == 1);
    all.append(slice);
    out.Consume(slice.size());
  }
  return all;
}

TEST_CASE("reply writer: every type in RESP2 and RESP3") {
  struct Case {
    const char* why;
    std::function<void(ReplyWriter&)> write;
    std::string resp2, resp3;
  };
  const auto same = [](const char* why, std::function<void(ReplyWriter&)> write, std::string both) {
    return Case{why, std::move(write), both, both};
  };
  const Case kCases[] = {
      same(
          "ok", [](ReplyWriter& r) { r.Ok(); }, "+OK\r\n"),
      same(
          "simple string", [](ReplyWriter& r) { r.SimpleString("PONG"); }, "+PONG\r\n"),
      same(
          "error", [](ReplyWriter& r) { r.Error("ERR no"); }, "-ERR no\r\n"),
      same(
          "error of several lines", [](ReplyWriter& r) { r.Error("ERR '\r\nx\n'"); },
          "-ERR '  x '\r\n"),
      same(
          "error with breaks at its end", [](ReplyWriter& r) { r.Error("ERR x\r\n\n"); },
          "-ERR x\r\n"),
      same(
          "zero", [](ReplyWriter& r) { r.Integer(0); }, ":0\r\n"),
      same(
          "nine", [](ReplyWriter& r) { r.Integer(9); }, ":9\r\n"),
      same(
          "ten", [](ReplyWriter& r) { r.Integer(10); }, ":10\r\n"),
      same(
          "minus one", [](ReplyWriter& r) { r.Integer(-1); }, ":-1\r\n"),
      same(
          "smallest", [](ReplyWriter& r) { r.Integer(INT64_MIN); }, ":-9223372036854775808\r\n"),
      same(
          "largest", [](ReplyWriter& r) { r.Integer(INT64_MAX); }, ":9223372036854775807\r\n"),
      same(
          "bulk", [](ReplyWriter& r) { r.Bulk("hello"); }, "$5\r\nhello\r\n"),
      same(
          "empty bulk", [](ReplyWriter& r) { r.Bulk(Slice()); }, "$0\r\n\r\n"),
      same(
          "raw", [](ReplyWriter& r) { r.Raw("*0\r\n"); }, "*0\r\n"),
      same(
          "array", [](ReplyWriter& r) { r.Array(12); }, "*12\r\n"),
      {"null", [](ReplyWriter& r) { r.Null(); }, "$-1\r\n", "_\r\n"},
      {"null array", [](ReplyWriter& r) { r.NullArray(); }, "*-1\r\n", "_\r\n"},
      {"true", [](ReplyWriter& r) { r.Bool(true); }, ":1\r\n", "#t\r\n"},
      {"false", [](ReplyWriter& r) { r.Bool(false); }, ":0\r\n", "#f\r\n"},
      {"double", [](ReplyWriter& r) { r.Double(3.141); }, "$5\r\n3.141\r\n", ",3.141\r\n"},
      {"double, no integer", [](ReplyWriter& r) { r.Double(3); }, "$1\r\n3\r\n", ",3\r\n"},
      {"double, inexact", [](ReplyWriter& r) { r.Double(0.1); }, "$19\r\n0.10000000000000001\r\n",
       ",0.10000000000000001\r\n"},
      {"double, large", [](ReplyWriter& r) { r.Double(1e21); }, "$5\r\n1e+21\r\n", ",1e+21\r\n"},
      {"double, small", [](ReplyWriter& r) { r.Double(1e-7); }, "$22\r\n9.9999999999999995e-08\r\n",
       ",9.9999999999999995e-08\r\n"},
      {"double, longest",
       [](ReplyWriter& r) { r.Double(-std::numeric_limits<double>::denorm_min()); },
       "$24\r\n-4.9406564584124654e-324\r\n", ",-4.9406564584124654e-324\r\n"},
      {"infinity", [](ReplyWriter& r) { r.Double(INFINITY); }, "$3\r\ninf\r\n", ",inf\r\n"},
      {"minus infinity", [](ReplyWriter& r) { r.Double(-INFINITY); }, "$4\r\n-inf\r\n",
       ",-inf\r\n"},
      {"not a number", [](ReplyWriter& r) { r.Double(-NAN); }, "$3\r\nnan\r\n", ",nan\r\n"},
      same(
          "bulk double", [](ReplyWriter& r) { r.BulkDouble(1.5); }, "$3\r\n1.5\r\n"),
      {"big number", [](ReplyWriter& r) { r.BigNumber("1234567999999999999999999999999999999"); },
       "$37\r\n1234567999999999999999999999999999999\r\n",
       "(1234567999999999999999999999999999999\r\n"},
      {"verbatim", [](ReplyWriter& r) { r.Verbatim("txt", "This is a verbatim\nstring"); },
       "$25\r\nThis is a verbatim\nstring\r\n", "=29\r\ntxt:This is a verbatim\nstring\r\n"},
      {"map", [](ReplyWriter& r) { r.Map(3); }, "*6\r\n", "%3\r\n"},
      {"set", [](ReplyWriter& r) { r.Set(3); }, "*3\r\n", "~3\r\n"},
      {"push", [](ReplyWriter& r) { r.Push(2); }, "*2\r\n", ">2\r\n"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    CHECK(Written(2, c.write) == c.resp2);
    CHECK(Written(3, c.write) == c.resp3);
  }
  CHECK(Written(3, [](ReplyWriter& r) { r.Attribute(1); }) == "|1\r\n");
}

TEST_CASE("reply writer: bulks of any size, copied or held") {
  for (const size_t size :
       {1, 9, 10, 99, 100, 1023, 1024, 1025, 4000, 4096, 8191, 8192, 100'000, 3'000'000}) {
    CAPTURE(size);
    const std::string value(size, 'v');
    const std::string want = "$" + std::to_string(size) + "\r\n" + value + "\r\n";
    const SharedBytes shared = SharedBytes::CopyOf(value);
    const std::string got = Written(2, [&](ReplyWriter& r) {
      for (int i = 0; i < 3; ++i) {
        r.Bulk(value);
        r.Bulk(shared);
      }
    });
    CHECK(got == want + want + want + want + want + want);
  }
}

TEST_CASE("reply writer: many replies in a row are each whole") {
  std::string want;
  const std::string got = Written(2, [&](ReplyWriter& r) {
    for (int i = 0; i < 20'000; ++i) {
      r.Integer(i);
      r.Bulk(std::string(static_cast<size_t>(i % 200), 'x'));
      want += ":" + std::to_string(i) + "\r\n$" + std::to_string(i % 200) + "\r\n" +
              std::string(static_cast<size_t>(i % 200), 'x') + "\r\n";
    }
  });
  CHECK((got == want));
}

}  // namespace
}  // namespace varve
