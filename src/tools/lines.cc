// tools/lines.cc: what a tool prints line by line, for people or for programs.
#include "tools/lines.h"

#include <cstdio>

#include "tools/offline.h"

namespace varve {

LinePrinter& LinePrinter::Begin(const char* what, int depth) {
  if (as_json_) {
    json_ = JsonWriter();
    json_.BeginObject().Field("what", what);
  } else {
    text_.assign(2 * static_cast<size_t>(depth), ' ');
    text_.append(what);
  }
  return *this;
}

LinePrinter& LinePrinter::Add(const char* name, Slice text) {
  text_.append(" ").append(name).append("=").append(text);
  return *this;
}

LinePrinter& LinePrinter::Number(const char* name, uint64_t number) {
  if (!as_json_) return Add(name, std::to_string(number));
  json_.Field(name, number);
  return *this;
}

LinePrinter& LinePrinter::Signed(const char* name, int64_t number) {
  if (!as_json_) return Add(name, std::to_string(number));
  json_.Field(name, number);
  return *this;
}

LinePrinter& LinePrinter::Word(const char* name, Slice word) {
  if (!as_json_) return Add(name, word);
  json_.Field(name, word);
  return *this;
}

LinePrinter& LinePrinter::Bytes(const char* name, Slice bytes) {
  if (!as_json_) return Add(name, Quoted(bytes));
  json_.Field(name, bytes);
  return *this;
}

LinePrinter& LinePrinter::Flag(const char* name) {
  if (as_json_) {
    json_.Field(name, true);
  } else {
    text_.append(" ").append(name);
  }
  return *this;
}

void LinePrinter::End() {
  if (as_json_) json_.EndObject();
  const std::string& line = as_json_ ? json_.text() : text_;
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

}  // namespace varve
