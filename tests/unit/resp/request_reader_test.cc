// tests/unit/resp/request_reader_test.cc: whatever the socket does, the same bytes are the same
// requests.
//
// A naive parser that sees the whole stream at once says what the requests are; the reader gets
// the same bytes in pieces.
#include "resp/request_reader.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "base/random.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

using Arguments = std::vector<std::string>;

struct Parsed {
  std::vector<Arguments> requests;
  std::string error;
  bool operator==(const Parsed&) const = default;
};

// ---- The reader, fed in pieces ----

constexpr size_t kAll = SIZE_MAX;

bool SharedIsRight(const Request& request) {
  std::vector<size_t> large;
  for (size_t i = 0; i < request.argv.size(); ++i) {
    if (request.argv[i].size() >= kSharedValueBytes) large.push_back(i);
  }
  if (large.size() != request.shared.size()) return false;
  for (size_t i = 0; i < large.size(); ++i) {
    const auto& [index, bytes] = request.shared[i];
    if (index != large[i] || bytes.slice().data() != request.argv[index].data()) return false;
  }
  return true;
}

// Feeds `stream`, `piece()` bytes at most at a time. Requests are looked at only when the reader
// wants more, so those of one round must all be valid together.
Parsed Feed(RequestReader& reader, Slice stream, const std::function<size_t()>& piece) {
  Parsed parsed;
  std::vector<Request> round(1);
  while (!stream.empty() && parsed.error.empty()) {
    const std::span<char> space = reader.PrepareRead();
    if (space.empty()) FAIL("no room to read into");
    const size_t size = std::min({space.size(), stream.size(), piece()});
    std::memcpy(space.data(), stream.data(), size);
    reader.DidRead(size);
    stream.remove_prefix(size);

    size_t count = 0;
    RequestReader::Outcome outcome;
    while ((outcome = reader.Next(&round[count])) == RequestReader::Outcome::kRequest) {
      if (++count == round.size()) round.emplace_back();
    }
    for (size_t i = 0; i < count; ++i) {
      if (round[i].argv.empty() || !SharedIsRight(round[i])) FAIL("a request is not as promised");
      parsed.requests.emplace_back(round[i].argv.begin(), round[i].argv.end());
    }
    if (outcome == RequestReader::Outcome::kProtocolError) parsed.error = reader.error();
  }
  return parsed;
}

Parsed Feed(Slice stream, size_t piece = kAll, const RequestLimits& limits = {}) {
  RequestReader reader(limits);
  return Feed(reader, stream, [&] { return piece; });
}

// ---- The naive parser ----

struct Naive {
  std::string stream;
  RequestLimits limits;
  size_t at = 0;
  Parsed parsed = {};

  // False when there is no more to be had from the stream.
  bool Fail(const std::string& text) {
    parsed.error = "ERR Protocol error: " + text;
    return false;
  }

  bool Line(const char* end, const std::string& too_long, std::string* line) {
    const size_t found = stream.find(end[0], at);
    const size_t length = (found == std::string::npos ? stream.size() : found) - at;
    if (length > limits.inline_bytes_max) return Fail(too_long);
    if (found == std::string::npos || found + std::strlen(end) > stream.size()) return false;
    *line = stream.substr(at, length);
    at = found + std::strlen(end);
    return true;
  }

  static bool Number(const std::string& text, int64_t* number) {
    errno = 0;
    *number = std::strtoll(text.c_str(), nullptr, 10);
    return errno == 0 && std::to_string(*number) == text;
  }

  bool Multibulk() {
    std::string line;
    ++at;
    int64_t count = 0;
    if (!Line("\r\n", "too big mbulk count string", &line)) return false;
    if (!Number(line, &count) || count > limits.arguments_max) {
      return Fail("invalid multibulk length");
    }
    if (count > 10 && !limits.authenticated) return Fail("unauthenticated multibulk length");
    Arguments arguments;
    for (; count > 0; --count) {
      int64_t size = 0;
      if (!Line("\r\n", "too big bulk count string", &line)) return false;
      if (line.empty() || line[0] != '$') {
        return Fail("expected '$', got '" + (line.empty() ? "\r" : line.substr(0, 1)) + "'");
      }
      if (!Number(line.substr(1), &size) || size < 0 || size > limits.bulk_bytes_max) {
        return Fail("invalid bulk length");
      }
      if (size > 16384 && !limits.authenticated) return Fail("unauthenticated bulk length");
      if (stream.size() - at < static_cast<size_t>(size) + 2) return false;
      arguments.push_back(stream.substr(at, static_cast<size_t>(size)));
      at += static_cast<size_t>(size) + 2;
    }
    if (!arguments.empty()) parsed.requests.push_back(arguments);
    return true;
  }

  bool Inline() {
    std::string line;
    if (!Line("\n", "too big inline request", &line)) return false;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    Arguments arguments;
    enum { kBetween, kPlain, kDouble, kSingle, kClosed } mode = kBetween;
    for (size_t i = 0; i < line.size(); ++i) {
      const char c = line[i];
      const char next = i + 1 < line.size() ? line[i + 1] : '\0';
      const bool has_next = i + 1 < line.size();
      const auto hex = [&](size_t j) {
        return j < line.size() && std::isxdigit(static_cast<unsigned char>(line[j]));
      };
      const bool space = std::strchr(" \t\n\v\f\r", c) != nullptr && c != '\0';
      if (mode == kClosed && !space) return Fail("unbalanced quotes in request");
      if (mode == kBetween || mode == kClosed) {
        mode = kBetween;
        if (space) continue;
        arguments.emplace_back();
        mode = kPlain;
      }
      std::string& argument = arguments.back();
      if (mode == kPlain) {
        if (c == ' ' || c == '\t' || c == '\r')
          mode = kBetween;
        else if (c == '"')
          mode = kDouble;
        else if (c == '\'')
          mode = kSingle;
        else
          argument += c;
      } else if (c == (mode == kDouble ? '"' : '\'')) {
        mode = kClosed;
      } else if (mode == kSingle && c == '\\' && next == '\'') {
        argument += '\'';
        ++i;
      } else if (mode == kDouble && c == '\\' && next == 'x' && hex(i + 2) && hex(i + 3)) {
        argument += static_cast<char>(std::stoi(line.substr(i + 2, 2), nullptr, 16));
        i += 3;
      } else if (mode == kDouble && c == '\\' && has_next) {
        const std::string from = "nrtba", to = "\n\r\t\b\a";
        const size_t known = from.find(next);
        argument += known == std::string::npos ? next : to[known];
        ++i;
      } else {
        argument += c;
      }
    }
    if (mode == kDouble || mode == kSingle) return Fail("unbalanced quotes in request");
    if (!arguments.empty()) parsed.requests.push_back(arguments);
    return true;
  }

  Parsed Parse() {
    while (at < stream.size() && (stream[at] == '*' ? Multibulk() : Inline())) {
    }
    return parsed;
  }
};

Parsed ParseNaively(const std::string& stream, const RequestLimits& limits = {}) {
  return Naive{stream, limits}.Parse();
}

// ---- Streams ----

std::string Encode(const Arguments& arguments) {
  std::string bytes = "*" + std::to_string(arguments.size()) + "\r\n";
  for (const std::string& a : arguments)
    bytes += "$" + std::to_string(a.size()) + "\r\n" + a + "\r\n";
  return bytes;
}

std::string RandomBytes(Random& random, size_t size) {
  static constexpr Slice kBytes =
      "abc01$*\r\n \"'\\x\0\xff"
      "9-";
  std::string bytes;
  while (bytes.size() < size) bytes += kBytes[random.Uniform(kBytes.size())];
  return bytes;
}

std::string RandomStream(Random& random, bool large) {
  static constexpr size_t kLarge[] = {
      16383,  16384, 16385, kSharedValueBytes - 1, kSharedValueBytes, kSharedValueBytes + 1,
      200'000};
  std::string stream;
  for (uint64_t n = 1 + random.Uniform(12); n > 0; --n) {
    switch (random.Uniform(large ? 12 : 10)) {
      case 0: stream += "\r\n"; break;
      case 1: stream += "*0\r\n"; break;
      case 2: stream += "*-1\r\n"; break;
      case 3: {
        std::string line = RandomBytes(random, random.Uniform(20));
        line.erase(std::remove(line.begin(), line.end(), '\n'), line.end());
        stream += "x" + line + (random.OneIn(2) ? "\r\n" : "\n");
        break;
      }
      case 4: stream += "SET \"a\\x41\\n\" 'b\\'c' \r\n"; break;
      default: {
        Arguments arguments;
        for (uint64_t count = 1 + random.Uniform(random.OneIn(20) ? 40 : 5); count > 0; --count) {
          const size_t size = large && random.OneIn(6)
                                  ? kLarge[random.Uniform(std::size(kLarge))]
                                  : random.Uniform(random.OneIn(9) ? 2000 : 12);
          arguments.push_back(size > 5000 ? std::string(size, 'v') : RandomBytes(random, size));
        }
        stream += Encode(arguments);
      }
    }
  }
  if (random.OneIn(3)) {  // one wrong byte
    stream[random.Uniform(stream.size())] = RandomBytes(random, 1)[0];
  }
  if (random.OneIn(4)) stream.resize(random.Uniform(stream.size()) + 1);
  return stream;
}

// ---- Tests ----

TEST_CASE("request reader: well-formed streams yield their requests") {
  struct Case {
    const char* why;
    std::string stream;
    std::vector<Arguments> want;
  };
  const Case kCases[] = {
      {"one command", "*1\r\n$4\r\nPING\r\n", {{"PING"}}},
      {"three arguments", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv\r\n", {{"SET", "k", "vv"}}},
      {"an empty argument", "*2\r\n$3\r\nGET\r\n$0\r\n\r\n", {{"GET", ""}}},
      {"CRLF in an argument", "*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\n", {{"ECHO", "\r\n\r\n"}}},
      {"a pipeline", "*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n", {{"a"}, {"b"}}},
      {"empty requests are skipped", "*0\r\n\r\n\n*-1\r\n*-99\r\n  \r\n*1\r\n$1\r\na\r\n", {{"a"}}},
      {"nothing but empty requests", "*0\r\n\r\n", {}},
      {"an incomplete one behind", "*1\r\n$1\r\na\r\n*1\r\n$1\r\n", {{"a"}}},
      {"what stands for CRLF is not looked at", "*1\r.$1\r.aXY*1\r\n$1\r\nb\r\n", {{"a"}, {"b"}}},
      {"inline", "SET k v\r\n", {{"SET", "k", "v"}}},
      {"inline without CR", "SET k v\n", {{"SET", "k", "v"}}},
      {"inline with blanks", "  \tSET   k\tv  \r\n", {{"SET", "k", "v"}}},
      {"inline with CRs inside", "a\rb\r\r\n", {{"a", "b"}}},
      {"inline, other blanks separate only in front", "ECHO \v\fa\v\r\n", {{"ECHO", "a\v"}}},
      {"inline between others",
       "*1\r\n$1\r\na\r\nb c\r\n*1\r\n$1\r\nd\r\n",
       {{"a"}, {"b", "c"}, {"d"}}},
      {"double quotes", "ECHO \"a b\"\r\n", {{"ECHO", "a b"}}},
      {"escapes",
       R"(ECHO "\x41\x0a\n\r\t\b\a\\\"\q")"
       "\r\n",
       {{"ECHO", "A\n\n\r\t\b\a\\\"q"}}},
      {"bad hex is no hex",
       R"(ECHO "\x4g\xZZ\x")"
       "\r\n",
       {{"ECHO", "x4gxZZx"}}},
      {"single quotes",
       R"(ECHO 'a "b" \n \'c\'')"
       "\r\n",
       {{"ECHO", "a \"b\" \\n 'c'"}}},
      {"empty quotes", "\"\" ''\r\n", {{"", ""}}},
      {"quotes behind text", "ECHO a\"b c\"\r\n", {{"ECHO", "ab c"}}},
      {"quotes are closed by the line's end", "ECHO \"a\"\r\n", {{"ECHO", "a"}}},
      {"NUL is a byte", std::string("ECHO a\0b\r\n", 10), {{"ECHO", std::string("a\0b", 3)}}},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.why);
    for (const size_t piece : {size_t{1}, size_t{2}, size_t{3}, kAll}) {
      CAPTURE(piece);
      const Parsed parsed = Feed(c.stream, piece);
      CHECK(parsed.requests == c.want);
      CHECK(parsed.error == "");
    }
    CHECK(ParseNaively(c.stream).requests == c.want);
  }
}

TEST_CASE("request reader: protocol errors have Redis' texts and end the stream") {
  RequestLimits unauthenticated;
  unauthenticated.authenticated = false;
  RequestLimits small;
  small.arguments_max = 3;
  small.bulk_bytes_max = 10;
  small.inline_bytes_max = 20;
  const RequestLimits normal;
  const std::string long_line(normal.inline_bytes_max + 1, '1');
  struct Case {
    std::string stream;
    const RequestLimits& limits;
    std::string want;
  };
  const Case kCases[] = {
      {"*abc\r\n", normal, "invalid multibulk length"},
      {"*\r\n", normal, "invalid multibulk length"},
      {"*+1\r\n", normal, "invalid multibulk length"},
      {"*01\r\n", normal, "invalid multibulk length"},
      {"*1 \r\n", normal, "invalid multibulk length"},
      {"*2147483648\r\n", normal, "invalid multibulk length"},
      {"*99999999999999999999\r\n", normal, "invalid multibulk length"},
      {"*4\r\n", small, "invalid multibulk length"},
      {"*11\r\n", unauthenticated, "unauthenticated multibulk length"},
      {"*1\r\nPING\r\n", normal, "expected '$', got 'P'"},
      {"*1\r\n\r\n", normal, "expected '$', got '\r'"},
      {"*2\r\n$1\r\na\r\n:1\r\n", normal, "expected '$', got ':'"},
      {"*1\r\n$-1\r\n", normal, "invalid bulk length"},
      {"*1\r\n$04\r\nPING\r\n", normal, "invalid bulk length"},
      {"*1\r\n$\r\n", normal, "invalid bulk length"},
      {"*1\r\n$4x\r\n", normal, "invalid bulk length"},
      {"*1\r\n$536870913\r\n", normal, "invalid bulk length"},
      {"*1\r\n$99999999999999999999\r\n", normal, "invalid bulk length"},
      {"*1\r\n$11\r\n", small, "invalid bulk length"},
      {"*1\r\n$16385\r\n", unauthenticated, "unauthenticated bulk length"},
      {"*" + long_line, normal, "too big mbulk count string"},
      {"*1\r\n$" + long_line, normal, "too big bulk count string"},
      {"a" + long_line, normal, "too big inline request"},
      {"a" + long_line + "\r\n", normal, "too big inline request"},
      {"PING " + std::string(16, 'x') + "\n", small, "too big inline request"},
      {"ECHO \"a\r\n", normal, "unbalanced quotes in request"},
      {"ECHO 'a\r\n", normal, "unbalanced quotes in request"},
      {"ECHO \"a\"b\r\n", normal, "unbalanced quotes in request"},
      {"ECHO 'a'b\r\n", normal, "unbalanced quotes in request"},
      {"ECHO \"a\\\r\n", normal, "unbalanced quotes in request"},
      {"ECHO \"\\\"\r\n", normal, "unbalanced quotes in request"},
  };
  for (const Case& c : kCases) {
    CAPTURE(c.stream.substr(0, 40));
    for (const size_t piece : {size_t{1}, size_t{7}, kAll}) {
      CAPTURE(piece);
      RequestReader reader(c.limits);
      const Parsed first = Feed(reader, "*1\r\n$1\r\na\r\n" + c.stream, [&] { return piece; });
      CHECK(first.requests == std::vector<Arguments>{{"a"}});
      CHECK(first.error == "ERR Protocol error: " + c.want);
      const Parsed more = Feed(reader, "*1\r\n$1\r\na\r\n", [&] { return piece; });
      CHECK(more.requests.empty());
      CHECK(more.error == first.error);
    }
  }
}

TEST_CASE("request reader: limits are inclusive") {
  RequestLimits limits;
  limits.inline_bytes_max = 20;
  limits.arguments_max = 2;
  limits.bulk_bytes_max = 3;
  for (const size_t piece : {size_t{1}, kAll}) {
    CHECK(Feed("ECHO " + std::string(15, 'x') + "\n", piece, limits).requests.size() == 1);
    CHECK(Feed(Encode({"abc", "def"}), piece, limits).requests.size() == 1);
  }
  limits = {};
  limits.authenticated = false;
  CHECK(Feed(Encode(Arguments(10, std::string(16384, 'x'))), kAll, limits).requests.size() == 1);
}

TEST_CASE("request reader: a stream cut anywhere yields what it yields whole") {
  using namespace std::string_literals;
  const std::string stream =
      "*3\r\n$3\r\nSET\r\n$5\r\nk\r\n\0\x01\r\n$12\r\nhello world!\r\n"s
      "PING \"a\\x41\" 'b'\r\n*0\r\n\r\n*2\r\n$0\r\n\r\n$3\r\n*1\r\r\n*1\r\n$4\r\nQUIT\r\n*x\r\n";
  const Parsed want = ParseNaively(stream);
  REQUIRE(want.requests.size() == 4);
  REQUIRE(!want.error.empty());
  const RequestLimits limits;
  for (size_t first = 0; first <= stream.size(); ++first) {
    for (size_t second = first; second <= stream.size(); ++second) {
      size_t cuts[] = {first, second - first, stream.size()};
      size_t i = 0;
      RequestReader reader(limits);
      const Parsed got = Feed(reader, stream, [&] { return cuts[std::min<size_t>(i++, 2)]; });
      if (!(got == want)) {
        CAPTURE(first);
        CAPTURE(second);
        CHECK(got == want);
      }
    }
  }
}

TEST_CASE("request reader: random streams in random pieces agree with the naive parser") {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const bool large = seed % 20 == 0;
    const std::string stream = RandomStream(random, large);
    RequestLimits limits;
    limits.authenticated = seed % 7 != 0;
    if (seed % 5 == 0) limits.inline_bytes_max = 30;
    const Parsed want = ParseNaively(stream, limits);
    for (const size_t piece_max : {size_t{3}, size_t{100}, size_t{70'000}, kAll}) {
      if (large && piece_max == 3) continue;
      CAPTURE(piece_max);
      RequestReader reader(limits);
      const Parsed got = Feed(
          reader, stream, [&] { return piece_max == kAll ? kAll : 1 + random.Uniform(piece_max); });
      REQUIRE(got.error == want.error);
      REQUIRE(got.requests == want.requests);
    }
  }
}

TEST_CASE("request reader: large arguments are received into shared bytes, small ones are views") {
  const RequestLimits limits;
  RequestReader reader(limits);
  const std::string large(kSharedValueBytes * 3, 'x');
  const std::string stream = Encode({"MSET", "a", large, "b", "small", "c", large});
  bool received_in_place = false;
  Slice rest = stream;
  Request request;
  while (true) {
    const std::span<char> space = reader.PrepareRead();
    const size_t size = std::min(space.size(), rest.size());
    std::memcpy(space.data(), rest.data(), size);
    reader.DidRead(size);
    rest.remove_prefix(size);
    const RequestReader::Outcome outcome = reader.Next(&request);
    if (outcome == RequestReader::Outcome::kRequest) break;
    REQUIRE(outcome == RequestReader::Outcome::kNeedMore);
    REQUIRE(!rest.empty());
    received_in_place |= space.size() > kSharedValueBytes;
    CHECK(reader.memory_bytes() <= 2 * large.size() + 70'000);
  }
  CHECK(received_in_place);
  REQUIRE(request.shared.size() == 2);
  CHECK(request.shared[0].first == 2);
  CHECK(request.shared[1].first == 6);
  CHECK(request.argv[2] == large);
  CHECK(request.argv[4] == "small");
  CHECK(reader.buffered_bytes() == 0);

  // Shared bytes outlive the reader's buffer.
  const SharedBytes kept = request.shared[1].second;
  reader.ReleaseIfEmpty();
  CHECK(reader.memory_bytes() == 0);
  request = {};
  CHECK(kept.slice() == large);
}

TEST_CASE("request reader: a large argument that is all here becomes shared bytes, too") {
  const RequestLimits limits;
  RequestReader reader(limits);
  const std::string stream =
      Encode({"SET", "k", std::string(kSharedValueBytes + 10, 'v')}) + Encode({"GET", "k"});
  Slice rest = stream;
  while (!rest.empty()) {  // reads and does not parse
    const std::span<char> space = reader.PrepareRead();
    const size_t size = std::min(space.size(), rest.size());
    std::memcpy(space.data(), rest.data(), size);
    reader.DidRead(size);
    rest.remove_prefix(size);
  }
  Request request;
  REQUIRE(reader.Next(&request) == RequestReader::Outcome::kRequest);
  CHECK(SharedIsRight(request));
  CHECK(request.argv[2] == std::string(kSharedValueBytes + 10, 'v'));
  REQUIRE(reader.Next(&request) == RequestReader::Outcome::kRequest);
  CHECK(request.argv[0] == "GET");
  CHECK(request.shared.empty());
  CHECK(reader.Next(&request) == RequestReader::Outcome::kNeedMore);
}

TEST_CASE("request reader: memory follows what was received, not what was announced") {
  const RequestLimits limits;
  for (const Slice header : {Slice("*2\r\n$3\r\nSET\r\n$536870912\r\n"), Slice("*2147483647\r\n"),
                             Slice("*1\r\n$65535\r\n")}) {
    CAPTURE(header);
    RequestReader reader(limits);
    CHECK(reader.memory_bytes() == 0);
    Feed(reader, header, [] { return kAll; });
    CHECK(reader.memory_bytes() < 20'000);
    CHECK(!reader.PrepareRead().empty());
    CHECK(reader.memory_bytes() < 20'000);
  }
}

TEST_CASE("request reader: a client that did not authenticate stays small") {
  RequestLimits limits;
  limits.authenticated = false;
  RequestReader reader(limits);
  const std::string stream = Encode(Arguments(10, std::string(16384, 'x')));
  Feed(reader, Slice(stream).substr(0, stream.size() - 1), [] { return kAll; });
  CHECK(reader.memory_bytes() <= 300'000);
}

TEST_CASE("request reader: the small limits are lifted between two requests") {
  RequestLimits before;
  before.authenticated = false;
  const RequestLimits after;
  RequestReader reader(before);
  const std::string stream = Encode({"AUTH", "secret"}) + Encode(Arguments(11, "x"));
  const std::span<char> space = reader.PrepareRead();
  std::memcpy(space.data(), stream.data(), stream.size());
  reader.DidRead(stream.size());
  Request request;
  REQUIRE(reader.Next(&request) == RequestReader::Outcome::kRequest);
  reader.SetLimits(after);
  REQUIRE(reader.Next(&request) == RequestReader::Outcome::kRequest);
  CHECK(request.argv.size() == 11);
}

TEST_CASE("request reader: a request larger than the query buffer limit is refused") {
  RequestLimits limits;
  limits.query_buffer_bytes_max = 100'000;
  const std::string want = "ERR Protocol error: request exceeds client-query-buffer-limit";
  CHECK(Feed(Encode(Arguments(50, std::string(4000, 'x'))), kAll, limits).error == want);
  CHECK(Feed(Encode({std::string(200'000, 'x')}), kAll, limits).error == want);
  CHECK(Feed(Encode(Arguments(30'000, "")), 1000, limits).error == want);
  // A pipeline of small ones may be of any size.
  std::string pipeline;
  for (int i = 0; i < 50'000; ++i) pipeline += Encode({"PING"});
  const Parsed parsed = Feed(pipeline, kAll, limits);
  CHECK(parsed.error == "");
  CHECK(parsed.requests.size() == 50'000);
}

TEST_CASE("request reader: byte by byte takes linear time, also for many arguments") {
  const Arguments arguments(200'000, "x");
  const Parsed parsed = Feed(Encode(arguments), 1);
  REQUIRE(parsed.requests.size() == 1);
  CHECK(parsed.requests[0] == arguments);
}

TEST_CASE("request reader: the buffer grows for a large request and shrinks back") {
  const RequestLimits limits;
  RequestReader reader(limits);
  const auto all = [] { return kAll; };
  Feed(reader, Encode(Arguments(1000, std::string(1000, 'x'))), all);
  CHECK(reader.memory_bytes() > 1'000'000);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(Feed(reader, Encode({"SET", "k", "v"}), all).requests.size() == 1);
  }
  CHECK(reader.memory_bytes() <= 40'000);
  reader.ReleaseIfEmpty();
  CHECK(reader.memory_bytes() == 0);
  CHECK(Feed(reader, Encode({"PING"}), all).requests.size() == 1);

  Feed(reader, "*1\r\n$4\r\nPI", all);
  reader.ReleaseIfEmpty();  // not empty
  CHECK(Feed(reader, "NG\r\n", all).requests == std::vector<Arguments>{{"PING"}});
}

}  // namespace
}  // namespace varve
