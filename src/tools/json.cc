// tools/json.cc: JSON, written.
#include "tools/json.h"

#include <cstdio>

namespace varve {

void JsonWriter::Separate() {
  if (!first_) text_.push_back(',');
  first_ = false;
}

JsonWriter& JsonWriter::Open(char bracket) {
  Separate();
  text_.push_back(bracket);
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::Close(char bracket) {
  text_.push_back(bracket);
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::Raw(Slice token) {
  Separate();
  text_.append(token);
  return *this;
}

JsonWriter& JsonWriter::Key(Slice key) {
  Separate();
  AppendString(key);
  text_.push_back(':');
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::Value(Slice text) {
  Separate();
  AppendString(text);
  return *this;
}

JsonWriter& JsonWriter::Value(double number) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.3f", number);
  return Raw(text);
}

void JsonWriter::AppendString(Slice text) {
  text_.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text_.push_back('\\');
      text_.push_back(c);
    } else if (byte >= 0x20 && byte < 0x7f) {
      text_.push_back(c);
    } else {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(byte));
      text_.append(escape);
    }
  }
  text_.push_back('"');
}

}  // namespace varve
