// server/config_table.h: one row an option; parsing, printing and checking are read from it.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <variant>

#include "base/slice.h"
#include "base/status.h"
#include "server/config.h"

namespace varve {

enum class ConfigType : uint8_t {
  kYesNo,
  kInteger,
  kMemory,  // "100", "1k", "1kb", "1mb", "1gb"
  kOctal,   // of a file's permissions
  kText,
  kWord,          // one of `words`
  kWords,         // any number of them
  kOutputLimits,  // class hard soft seconds, any number of times
  kFixed,         // an answer for clients that ask; it cannot be anything but the default
};

enum class ConfigWhen : uint8_t { kStart, kAnyTime };

struct ConfigRow {
  Slice name;
  ConfigType type;
  std::variant<std::monostate, bool Config::*, int64_t Config::*, std::string Config::*,
               std::vector<std::string> Config::*, OutputLimits Config::*>
      member;
  Slice default_text;
  ConfigWhen when = ConfigWhen::kAnyTime;
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
  Slice words = {};  // separated by blanks, in Redis' order of telling them
};

std::span<const ConfigRow> ConfigRows();
// Any case. Null if there is none.
const ConfigRow* FindConfigRow(Slice name);

// Reads a value, given as its words, into `config`. An error's message is the reason, worded as
// Redis does.
Status ParseConfigValue(const ConfigRow& row, std::span<const std::string> words, Config* config);
// As CONFIG GET tells it.
std::string ConfigValueText(const ConfigRow& row, const Config& config);

}  // namespace varve
