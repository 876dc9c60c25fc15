// server/config.cc: from file, environment and flags to a Config; CONFIG GET, SET and REWRITE.
#include "server/config.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/check.h"
#include "base/glob.h"
#include "commands/args.h"
#include "resp/errors.h"
#include "server/config_table.h"

namespace varve {

namespace {

constexpr size_t kConfigFileBytesMax = 16u << 20;

std::vector<std::string> WordsOf(const ConfigRow& row, Slice value) {
  const bool is_list = row.type == ConfigType::kWords || row.type == ConfigType::kOutputLimits;
  if (!is_list) return {std::string(value)};
  const Result<std::vector<std::string>> words = SplitWords(value);
  return words.ok() ? *words : std::vector<std::string>{std::string(value)};
}

// "client-query-buffer-limit" -> "VARVE_CLIENT_QUERY_BUFFER_LIMIT"
std::string VariableName(Slice name) {
  std::string variable = "VARVE_";
  for (const char c : name) {
    variable.push_back(c == '-' ? '_'
                                : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
  }
  return variable;
}

Status Problem(const std::string& where, Slice what) {
  return Status::InvalidArgument(where + ": " + std::string(what));
}

// --- Lines of a configuration file ---

// Splits off the next line, without its end.
Slice TakeLine(Slice* text) {
  Slice line = text->substr(0, text->find('\n'));
  text->remove_prefix(std::min(text->size(), line.size() + 1));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

bool IsDirective(Slice line) {
  const auto* first = std::find_if_not(line.begin(), line.end(), IsBlank);
  return first != line.end() && *first != '#';
}

// What a line sets, if it is a directive that makes sense; the value goes into `config`.
Result<const ConfigRow*> ParseLine(Slice line, Config* config) {
  const Result<std::vector<std::string>> words = SplitWords(line);
  if (!words.ok()) return words.status();
  const std::string& name = words->front();
  const ConfigRow* row = FindConfigRow(name);
  if (row == nullptr) return Status::InvalidArgument("unknown option '" + name + "'");
  if (Status s = ParseConfigValue(*row, std::span(*words).subspan(1), config); !s.ok()) {
    return Problem(name, s.message());
  }
  return row;
}

Result<std::string> ReadFile(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) return Status::FromErrno(errno, path, "open");
  std::string text;
  char buffer[4096];
  for (size_t size; (size = std::fread(buffer, 1, sizeof(buffer), file.get())) > 0;) {
    text.append(buffer, size);
    if (text.size() > kConfigFileBytesMax) return Problem(path, "too large for a configuration");
  }
  if (std::ferror(file.get()) != 0) return Status::FromErrno(errno, path, "read");
  return text;
}

Status ParseFile(const std::string& path, Config* config) {
  const Result<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  Slice rest = *text;
  for (int number = 1; !rest.empty(); ++number) {
    const Slice line = TakeLine(&rest);
    if (!IsDirective(line)) continue;
    const Result<const ConfigRow*> row = ParseLine(line, config);
    if (!row.ok()) {
      return Problem(path + ":" + std::to_string(number), row.status().message());
    }
  }
  config->file = path;
  return Status::Ok();
}

Status ParseEnvironment(const GetEnv& get_env, Config* config) {
  for (const ConfigRow& row : ConfigRows()) {
    const std::string name = VariableName(row.name);
    const char* value = get_env(name.c_str());
    if (value == nullptr) continue;
    if (Status s = ParseConfigValue(row, WordsOf(row, value), config); !s.ok()) {
      return Problem(name, s.message());
    }
  }
  return Status::Ok();
}

// --name value..., --name=value
Status ParseFlags(std::span<const std::string> arguments, Config* config) {
  for (size_t i = 0; i < arguments.size();) {
    const Slice flag = arguments[i++];
    if (!flag.starts_with("--")) return Problem(std::string(flag), "not an option");
    const size_t equals = flag.find('=');
    const Slice name = flag.substr(2, equals == Slice::npos ? Slice::npos : equals - 2);
    const ConfigRow* row = FindConfigRow(name);
    if (row == nullptr) return Problem(std::string(flag), "unknown option");

    std::vector<std::string> words;
    if (equals != Slice::npos) {
      words = WordsOf(*row, flag.substr(equals + 1));
    } else {
      while (i < arguments.size() && !arguments[i].starts_with("--")) {
        words.push_back(arguments[i++]);
      }
      // Several words in one argument, as a shell's quotes give them.
      if (words.size() == 1) words = WordsOf(*row, words[0]);
    }
    if (Status s = ParseConfigValue(*row, words, config); !s.ok()) {
      return Problem("--" + std::string(name), s.message());
    }
  }
  return Status::Ok();
}

// --- Words and quotes ---

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char Unescape(char c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
  }
}

// Takes a quoted word whose first quote is `rest`'s first byte. False if it does not end as it
// should.
bool TakeQuoted(Slice* rest, std::string* word) {
  const char quote = rest->front();
  for (size_t i = 1; i < rest->size(); ++i) {
    const char c = (*rest)[i];
    const char next = i + 1 < rest->size() ? (*rest)[i + 1] : '\0';
    if (c == quote) {
      rest->remove_prefix(i + 1);
      return rest->empty() || IsBlank(rest->front());
    }
    if (c != '\\' || i + 1 == rest->size()) {
      word->push_back(c);
    } else if (quote == '\'') {
      // Only the quote itself can be escaped.
      if (next == '\'') ++i;
      word->push_back((*rest)[i]);
    } else if (next == 'x' && i + 3 < rest->size() && HexDigit((*rest)[i + 2]) >= 0 &&
               HexDigit((*rest)[i + 3]) >= 0) {
      word->push_back(static_cast<char>(HexDigit((*rest)[i + 2]) * 16 + HexDigit((*rest)[i + 3])));
      i += 3;
    } else {
      word->push_back(Unescape(next));
      ++i;
    }
  }
  return false;
}

}  // namespace

Result<std::vector<std::string>> SplitWords(Slice line) {
  std::vector<std::string> words;
  while (true) {
    while (!line.empty() && IsBlank(line.front())) line.remove_prefix(1);
    if (line.empty()) return words;
    std::string& word = words.emplace_back();
    while (!line.empty() && !IsBlank(line.front())) {
      if (line.front() == '"' || line.front() == '\'') {
        if (!TakeQuoted(&line, &word)) return Status::InvalidArgument("unbalanced quotes");
        break;
      }
      word.push_back(line.front());
      line.remove_prefix(1);
    }
  }
}

std::string QuoteWord(Slice word) {
  const bool plain =
      !word.empty() && word.front() != '#' && std::all_of(word.begin(), word.end(), [](char c) {
        return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\';
      });
  if (plain) return std::string(word);
  std::string quoted = "\"";
  for (const char c : word) {
    char hex[5];
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (c >= ' ' && c < 0x7f) {
      quoted.push_back(c);
    } else {
      std::snprintf(hex, sizeof(hex), "\\x%02x", static_cast<unsigned char>(c));
      quoted.append(hex);
    }
  }
  return quoted + "\"";
}

// --- Loading -----------------------------------------------------------------------------------

Config DefaultConfig() {
  Config config;
  for (const ConfigRow& row : ConfigRows()) {
    const Status s = ParseConfigValue(row, WordsOf(row, row.default_text), &config);
    CHECK(s.ok());
  }
  return config;
}

Result<Config> LoadConfig(std::span<const std::string> arguments, const GetEnv& get_env) {
  Config config = DefaultConfig();
  if (!arguments.empty() && !arguments[0].starts_with("--")) {
    RETURN_IF_ERROR(ParseFile(arguments[0], &config));
    arguments = arguments.subspan(1);
  }
  RETURN_IF_ERROR(ParseEnvironment(get_env, &config));
  RETURN_IF_ERROR(ParseFlags(arguments, &config));
  return config;
}

// --- CONFIG GET, SET, REWRITE ------------------------------------------------------------------

std::vector<std::pair<std::string, std::string>> GetConfig(const Config& config,
                                                           std::span<const Slice> patterns) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const ConfigRow& row : ConfigRows()) {
    const auto pattern = std::find_if(patterns.begin(), patterns.end(), [&](Slice candidate) {
      return GlobMatch(candidate, row.name, true);
    });
    if (pattern == patterns.end()) continue;
    // Who names an option finds it under the name as it was spelled.
    const bool is_name = FindConfigRow(*pattern) == &row;
    found.emplace_back(is_name ? *pattern : row.name, ConfigValueText(row, config));
  }
  return found;
}

Status SetConfig(std::span<const std::pair<Slice, Slice>> values, Config* config) {
  const auto failed = [](const ConfigRow& row, Slice reason) {
    return Status::ClientError(errors::ConfigSetFailed(row.name, reason));
  };
  std::vector<const ConfigRow*> rows;
  for (const auto& [name, value] : values) {
    const ConfigRow* row = FindConfigRow(name);
    if (row == nullptr) return Status::ClientError(errors::UnknownConfig(name));
    if (row->when == ConfigWhen::kStart) return failed(*row, "can't set immutable config");
    if (std::find(rows.begin(), rows.end(), row) != rows.end()) {
      return failed(*row, "duplicate parameter");
    }
    rows.push_back(row);
  }
  Config next = *config;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Status s = ParseConfigValue(*rows[i], WordsOf(*rows[i], values[i].second), &next);
    if (!s.ok()) return failed(*rows[i], s.message());
  }
  *config = std::move(next);
  return Status::Ok();
}

Result<std::string> RewriteConfig(Slice text, const Config& config) {
  const Config defaults = DefaultConfig();
  const auto line_for = [&](const ConfigRow& row) {
    std::string line(row.name);
    const std::string value = ConfigValueText(row, config);
    const bool is_list = row.type == ConfigType::kWords || row.type == ConfigType::kOutputLimits;
    return line + " " + (is_list && !value.empty() ? value : QuoteWord(value)) + "\n";
  };

  // What the file says as it is, line by line. The last line about an option is the one that holds.
  Config said = defaults;
  std::vector<std::pair<Slice, const ConfigRow*>> lines;
  for (Slice rest = text; !rest.empty();) {
    const Slice line = TakeLine(&rest);
    const ConfigRow* row = nullptr;
    if (IsDirective(line)) {
      const Result<const ConfigRow*> parsed = ParseLine(line, &said);
      if (!parsed.ok()) return parsed.status();
      row = *parsed;
    }
    lines.emplace_back(line, row);
  }
  const auto differs = [&](const ConfigRow& row) {
    return ConfigValueText(row, said) != ConfigValueText(row, config);
  };

  std::string written;
  std::vector<const ConfigRow*> done;
  for (auto line = lines.begin(); line != lines.end(); ++line) {
    const ConfigRow* row = line->second;
    if (row == nullptr || !differs(*row)) {
      written.append(line->first).append("\n");
      continue;
    }
    const bool again =
        std::any_of(line + 1, lines.end(), [&](const auto& later) { return later.second == row; });
    if (again) continue;
    written.append(line_for(*row));
    done.push_back(row);
  }
  bool titled = false;
  for (const ConfigRow& row : ConfigRows()) {
    if (!differs(row) || std::find(done.begin(), done.end(), &row) != done.end()) continue;
    if (!titled) written.append("\n# Added by CONFIG REWRITE\n");
    titled = true;
    written.append(line_for(row));
  }
  return written;
}

std::vector<std::string> ChangedAtStartOnly(const Config& before, const Config& after) {
  std::vector<std::string> names;
  for (const ConfigRow& row : ConfigRows()) {
    if (row.when == ConfigWhen::kStart &&
        ConfigValueText(row, before) != ConfigValueText(row, after)) {
      names.emplace_back(row.name);
    }
  }
  return names;
}

void CopyChangeable(const Config& from, Config* to) {
  for (const ConfigRow& row : ConfigRows()) {
    if (row.when == ConfigWhen::kStart) continue;
    const Status s = ParseConfigValue(row, WordsOf(row, ConfigValueText(row, from)), to);
    CHECK(s.ok());  // It has been read before.
  }
}

}  // namespace varve
