// tools/lines.h: what a tool prints line by line, for people or for programs.
//
//   text   put key="!\001k" tag=0 creates bytes=1 value="v"
//   JSON   {"what":"put","key":"!\u0001k","tag":0,"creates":true,"bytes":1,"value":"v"}
//
// Both say the same, for both come from the same calls. Nothing is kept from one line to the next, so
// that the output may be longer than memory.
//
// Threads: one. Errors: none are told; a reader that goes away ends the program by SIGPIPE.
#pragma once

#include <cstdint>
#include <string>

#include "base/slice.h"
#include "tools/json.h"

namespace varve {

class LinePrinter {
 public:
  explicit LinePrinter(bool as_json) : as_json_(as_json) {}

  // `depth` indents the text.
  LinePrinter& Begin(const char* what, int depth);
  LinePrinter& Number(const char* name, uint64_t number);
  LinePrinter& Signed(const char* name, int64_t number);
  // Printable and without blanks.
  LinePrinter& Word(const char* name, Slice word);
  // Any bytes: in quotes.
  LinePrinter& Bytes(const char* name, Slice bytes);
  LinePrinter& Flag(const char* name);
  // Prints it.
  void End();

 private:
  LinePrinter& Add(const char* name, Slice text);

  const bool as_json_;
  std::string text_;
  JsonWriter json_;
};

}  // namespace varve
