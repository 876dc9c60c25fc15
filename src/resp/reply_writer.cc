// resp/reply_writer.cc: the bytes of each type, as Redis 7 sends them in RESP2 and RESP3.
//
// What fits on a line is written in place: one Reserve for the most it can take, then one Wrote.
#include "resp/reply_writer.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <system_error>

#include "base/check.h"
#include "base/numbers.h"

namespace varve {

namespace {

// A type byte, a number and CRLF.
constexpr size_t kLineBytesMax = 1 + kInt64CharsMax + 2;
// Up to this size header, bytes and CRLF are written in one go; above, a chunk's rest would go
// unused.
constexpr size_t kBulkInPlaceBytesMax = 1024;
constexpr size_t kDoubleCharsMax = 32;

char* PutCrLf(char* to) {
  *to++ = '\r';
  *to++ = '\n';
  return to;
}

char* PutLine(char* to, char type, int64_t number) {
  *to++ = type;
  if (number >= 0 && number <= 9) {
    *to++ = static_cast<char>('0' + number);
  } else {
    to = FormatInt64(to, number);
  }
  return PutCrLf(to);
}

// As printf's %.17g, and "nan" without a sign.
Slice FormatDouble(double value, char (&text)[kDoubleCharsMax]) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const std::to_chars_result result =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::general, 17);
  DCHECK(result.ec == std::errc());
  return Slice(text, static_cast<size_t>(result.ptr - text));
}

}  // namespace

void ReplyWriter::Header(char type, int64_t n) {
  out_.Wrote(PutLine(out_.Reserve(kLineBytesMax), type, n));
}

void ReplyWriter::Line(char type, Slice text) {
  out_.Append(Slice(&type, 1));
  out_.Append(text);
  out_.Append("\r\n");
}

void ReplyWriter::SimpleString(Slice text) {
  DCHECK(text.find_first_of("\r\n") == Slice::npos);
  Line('+', text);
}

void ReplyWriter::Error(Slice text) {
  if (text.find_first_of("\r\n") == Slice::npos) return Line('-', text);
  // An error is one line. As with Redis, its end is trimmed and breaks within it turn to spaces.
  std::string line(text.substr(0, text.find_last_not_of("\r\n") + 1));
  for (char& c : line) {
    if (c == '\r' || c == '\n') c = ' ';
  }
  Line('-', line);
}

void ReplyWriter::Integer(int64_t value) { Header(':', value); }

void ReplyWriter::Bulk(Slice bytes) {
  if (bytes.size() <= kBulkInPlaceBytesMax) {
    char* to = out_.Reserve(kLineBytesMax + bytes.size() + 2);
    to = PutLine(to, '$', static_cast<int64_t>(bytes.size()));
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    return out_.Wrote(PutCrLf(to + bytes.size()));
  }
  Header('$', static_cast<int64_t>(bytes.size()));
  out_.Append(bytes);
  out_.Append("\r\n");
}

void ReplyWriter::Bulk(const SharedBytes& bytes) {
  Header('$', static_cast<int64_t>(bytes.size()));
  out_.AppendShared(bytes);
  out_.Append("\r\n");
}

void ReplyWriter::Null() { out_.Append(resp3_ ? Slice("_\r\n") : Slice("$-1\r\n")); }

void ReplyWriter::NullArray() { out_.Append(resp3_ ? Slice("_\r\n") : Slice("*-1\r\n")); }

void ReplyWriter::Double(double value) {
  if (!resp3_) return BulkDouble(value);
  char text[kDoubleCharsMax];
  Line(',', FormatDouble(value, text));
}

void ReplyWriter::BulkDouble(double value) {
  char text[kDoubleCharsMax];
  Bulk(FormatDouble(value, text));
}

void ReplyWriter::Bool(bool value) {
  if (resp3_) {
    out_.Append(value ? Slice("#t\r\n") : Slice("#f\r\n"));
  } else {
    out_.Append(value ? Slice(":1\r\n") : Slice(":0\r\n"));
  }
}

void ReplyWriter::BigNumber(Slice digits) { resp3_ ? Line('(', digits) : Bulk(digits); }

void ReplyWriter::Verbatim(Slice format, Slice text) {
  DCHECK(format.size() == 3);
  if (!resp3_) return Bulk(text);
  Header('=', static_cast<int64_t>(format.size() + 1 + text.size()));
  out_.Append(format);
  out_.Append(":");
  out_.Append(text);
  out_.Append("\r\n");
}

void ReplyWriter::Array(size_t n) { Header('*', static_cast<int64_t>(n)); }

void ReplyWriter::Map(size_t pairs) {
  const int64_t n = static_cast<int64_t>(pairs);
  resp3_ ? Header('%', n) : Header('*', n * 2);
}

void ReplyWriter::Set(size_t n) { Header(resp3_ ? '~' : '*', static_cast<int64_t>(n)); }

void ReplyWriter::Push(size_t n) { Header(resp3_ ? '>' : '*', static_cast<int64_t>(n)); }

void ReplyWriter::Attribute(size_t pairs) {
  DCHECK(resp3_);
  Header('|', static_cast<int64_t>(pairs));
}

}  // namespace varve
