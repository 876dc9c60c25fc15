// tests/fuzz/fuzz_config.cc: foreign bytes into the configuration.
//
// The first byte says what the rest is taken for: a line of words, a file that is rewritten, or an option's name and its
// value. A rewritten file says what was configured, whatever was in it before; a value that was taken can be read back.
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "server/config.h"
#include "server/config_table.h"

namespace {

using namespace varve;

void UseLine(Slice line) {
  const Result<std::vector<std::string>> words = SplitWords(line);
  if (!words.ok()) return;
  std::string again;
  for (const std::string& word : *words)
    again.append(again.empty() ? "" : " ").append(QuoteWord(word));
  const Result<std::vector<std::string>> second = SplitWords(again);
  CHECK(second.ok());
  CHECK(*second == *words);
}

void UseValue(Slice value, size_t choice) {
  const auto rows = ConfigRows();
  const Slice name = rows[choice % rows.size()].name;
  Config config = DefaultConfig();
  const std::array<std::pair<Slice, Slice>, 1> values = {{{name, value}}};
  if (!SetConfig(values, &config).ok()) return;
  // What it is now can be set as it is told.
  const std::array<Slice, 1> patterns = {name};
  const auto told = GetConfig(config, patterns);
  CHECK(told.size() == 1);
  Config again = DefaultConfig();
  const std::array<std::pair<Slice, Slice>, 1> same = {{{name, told[0].second}}};
  CHECK(SetConfig(same, &again).ok());
  CHECK(GetConfig(again, patterns) == told);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const Slice bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 3) {
    case 0: UseLine(bytes.substr(0, bytes.find('\n'))); break;
    case 1: {
      const Result<std::string> once = RewriteConfig(bytes, DefaultConfig());
      if (!once.ok()) break;
      const Result<std::string> twice = RewriteConfig(*once, DefaultConfig());
      CHECK(twice.ok());
      CHECK(*twice == *once);
      break;
    }
    case 2: UseValue(bytes, data[1]); break;
  }
  return 0;
}
