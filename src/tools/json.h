// tools/json.h: JSON, written.
//
// Commas are the writer's business; that objects and arrays are closed as they were opened is the
// caller's. Bytes from 128 on are written as the characters of these numbers. Threads: one.
#pragma once

#include <cstdint>
#include <string>

#include "base/slice.h"

namespace varve {

class JsonWriter {
 public:
  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  // Within an object, before each value.
  JsonWriter& Key(Slice key);
  JsonWriter& Value(Slice text);
  JsonWriter& Value(const char* text) { return Value(Slice(text)); }
  JsonWriter& Value(uint64_t number) { return Raw(std::to_string(number)); }
  JsonWriter& Value(int64_t number) { return Raw(std::to_string(number)); }
  JsonWriter& Value(double number);  // with three places
  JsonWriter& Value(bool value) { return Raw(value ? "true" : "false"); }
  template <typename T>
  JsonWriter& Field(Slice key, const T& value) {
    return Key(key).Value(value);
  }

  const std::string& text() const { return text_; }

 private:
  JsonWriter& Open(char bracket);
  JsonWriter& Close(char bracket);
  JsonWriter& Raw(Slice token);
  void AppendString(Slice text);
  void Separate();

  std::string text_;
  bool first_ = true;  // nothing to be separated from
};

}  // namespace varve
