// tools/offline.cc: what the subcommands share that look at a database which is not open.
#include "tools/offline.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "engine/file_names.h"

namespace varve {

// --- Arguments ---

OfflineArguments::OfflineArguments(const char* subcommand, const char* what,
                                   std::span<const std::string> arguments)
    : subcommand_(subcommand), what_(what) {
  for (const std::string& argument : arguments) {
    if (argument.starts_with("--")) {
      switches_.push_back(argument);
    } else {
      path_ = argument;
      ++paths_;
    }
  }
}

bool OfflineArguments::Switch(const char* name) {
  allowed_.append(" [").append(name).append("]");
  return std::erase(switches_, name) > 0;
}

std::optional<std::string> OfflineArguments::Option(const char* name, const char* what) {
  allowed_.append(" [").append(name).append("=").append(what).append("]");
  const std::string prefix = std::string(name) + "=";
  std::optional<std::string> value;
  std::erase_if(switches_, [&](const std::string& given) {
    if (!given.starts_with(prefix)) return false;
    value = given.substr(prefix.size());
    return true;
  });
  return value;
}

bool OfflineArguments::Ok() const {
  if (paths_ == 1 && switches_.empty()) return true;
  std::fprintf(stderr, "varve-tool %s %s%s\n", subcommand_, what_, allowed_.c_str());
  return false;
}

// --- The database ---

Result<OfflineDatabase> OpenOffline(Env& env, const std::string& directory) {
  const Result<std::vector<std::string>> names = env.List(directory);
  if (!names.ok()) return names.status();
  // Where there is no database no lock is left behind.
  const auto is_ours = [](const std::string& name) {
    const std::optional<FileName> file = ParseFileName(name);
    return file && file->kind != FileKind::kTemporary && file->kind != FileKind::kLock;
  };
  const Status none(StatusCode::kNotFound, directory + ": no database here");
  if (std::none_of(names->begin(), names->end(), is_ours)) return none;

  OfflineDatabase database;
  Result<std::unique_ptr<DirectoryLock>> lock = env.LockFile(JoinPath(directory, kLockFileName));
  if (!lock.ok()) return lock.status();
  database.lock = std::move(*lock);
  Result<ManifestContents> manifest = ReadManifest(env, directory);
  if (!manifest.ok()) return manifest.status().is_not_found() ? none : manifest.status();
  database.manifest = std::move(*manifest);

  const Result<std::vector<std::string>> locked_names = env.List(directory);
  if (!locked_names.ok()) return locked_names.status();
  for (const std::string& name : *locked_names) {
    const std::optional<FileName> file = ParseFileName(name);
    if (file && file->kind == FileKind::kLog &&
        file->number >= database.manifest.state.first_log_segment) {
      database.log_segments.push_back(file->number);
    }
  }
  std::sort(database.log_segments.begin(), database.log_segments.end());
  return database;
}

int NotDone(const char* subcommand, const Status& status) {
  std::fprintf(stderr, "varve-tool %s: %s\n", subcommand, std::string(status.message()).c_str());
  if (status.code() == StatusCode::kLocked) {
    std::fprintf(stderr, "Stop the server first: only what is not open can be looked at.\n");
  }
  return status.code() == StatusCode::kCorruption ? kExitDamaged : kExitNotDone;
}

// --- Output ---

void WriteFindings(JsonWriter& json, const char* key, const std::vector<CheckFinding>& findings) {
  json.Key(key).BeginArray();
  for (const CheckFinding& finding : findings) {
    json.BeginObject().Field("file", finding.file);
    if (finding.offset) json.Field("offset", *finding.offset);
    json.Field("text", finding.text).EndObject();
  }
  json.EndArray();
}

namespace {

// What Quoted writes with a letter or a sign behind the backslash, and that.
constexpr std::pair<char, char> kEscapes[] = {
    {'"', '"'}, {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}};

// Takes three octal digits. Nothing if there are none, or they make no byte.
std::optional<char> TakeOctal(Slice* text) {
  if (text->size() < 3) return std::nullopt;
  unsigned byte = 0;
  for (const char digit : text->substr(0, 3)) {
    if (digit < '0' || digit > '7') return std::nullopt;
    byte = 8 * byte + static_cast<unsigned>(digit - '0');
  }
  if (byte > 0xff) return std::nullopt;
  text->remove_prefix(3);
  return static_cast<char>(byte);
}

std::optional<char> TakeEscaped(Slice* text) {
  if (text->empty()) return std::nullopt;
  for (const auto& [byte, letter] : kEscapes) {
    if (text->front() != letter) continue;
    text->remove_prefix(1);
    return byte;
  }
  return TakeOctal(text);
}

}  // namespace

std::string Quoted(Slice bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    const auto* const escape = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                                            [c](const auto& e) { return e.first == c; });
    if (escape != std::end(kEscapes)) {
      text.append({'\\', escape->second});
    } else if (byte >= 0x20 && byte < 0x7f) {
      text.push_back(c);
    } else {
      // Three octal digits: unlike \x, they end where they end.
      char octal[8];
      std::snprintf(octal, sizeof(octal), "\\%03o", static_cast<unsigned>(byte));
      text += octal;
    }
  }
  return text += '"';
}

std::optional<std::string> Unquoted(Slice text) {
  if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"')) {
    text = text.substr(1, text.size() - 2);
  }
  std::string bytes;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    const std::optional<char> byte = c == '\\' ? TakeEscaped(&text) : std::optional(c);
    if (!byte) return std::nullopt;
    bytes.push_back(*byte);
  }
  return bytes;
}

std::string Counted(uint64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string Hex(uint64_t number) {
  char text[2 * sizeof(number) + 1];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(number));
  return text;
}

}  // namespace varve
