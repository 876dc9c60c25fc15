// server/config_table.cc: the options, and how their values are read and printed.
//
// Change together: conf/varve.conf, which is the manual.
#include "server/config_table.h"

#include <charconv>
#include <cstdio>
#include <optional>

#include "base/check.h"
#include "base/numbers.h"
#include "commands/args.h"
#include "data/databases.h"
#include "engine/entry.h"

namespace varve {

namespace {

using enum ConfigType;
constexpr ConfigWhen kStart = ConfigWhen::kStart;
constexpr ConfigWhen kAnyTime = ConfigWhen::kAnyTime;
constexpr int64_t kIntMax = std::numeric_limits<int>::max();
constexpr int64_t kNoMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMegabyte = 1 << 20;
constexpr int64_t kClientsMax = std::numeric_limits<uint32_t>::max();
constexpr int64_t kBulkMax = kValueBytesMax;

const ConfigRow kRows[] = {
    // Name, type, member, default, when it may change, least, most, words.
    {"bind", kWords, &Config::bind, "127.0.0.1 -::1", kStart},
    {"port", kInteger, &Config::port, "6379", kStart, 0, 65535},
    {"unixsocket", kText, &Config::unixsocket, "", kStart},
    {"unixsocketperm", kOctal, &Config::unixsocketperm, "0", kStart, 0, 0777},
    {"tcp-backlog", kInteger, &Config::tcp_backlog, "511", kStart, 0, kIntMax},
    {"tcp-keepalive", kInteger, &Config::tcp_keepalive_seconds, "300", kAnyTime, 0, kIntMax},
    {"timeout", kInteger, &Config::timeout_seconds, "0", kAnyTime, 0, kIntMax},
    {"protected-mode", kYesNo, &Config::protected_mode, "yes", kAnyTime},
    {"requirepass", kText, &Config::requirepass, "", kAnyTime},

    {"dir", kText, &Config::dir, "./data", kStart},
    {"appendfsync", kWord, &Config::appendfsync, "everysec", kAnyTime, 0, 0, "everysec always no"},
    {"databases", kInteger, &Config::databases, "16", kStart, 1, kDatabasesMax},
    {"memory-limit", kMemory, &Config::memory_limit_bytes, "0", kAnyTime, 0, kNoMax},
    {"compression-level", kInteger, &Config::compression_level, "1", kStart, 0, 19},
    {"compression-dictionary", kYesNo, &Config::compression_dictionary, "yes", kStart},
    {"compaction-policy", kWord, &Config::compaction_policy, "leveled", kAnyTime, 0, 0,
     "leveled tiered lazy-leveled"},
    {"value-file-threshold", kMemory, &Config::value_file_threshold_bytes, "4kb", kStart, 0,
     kNoMax},
    {"io-uring", kYesNo, &Config::io_uring, "yes", kStart},
    {"loop-rest-usec", kInteger, &Config::loop_rest_us, "200", kAnyTime, 0, 10'000},
    {"busy-poll-usec", kInteger, &Config::busy_poll_us, "20", kAnyTime, 0, 1000},
    {"scrub-rate", kMemory, &Config::scrub_bytes_per_second, "1mb", kAnyTime, 0, kNoMax},
    {"checkpoints-max", kInteger, &Config::checkpoints_max, "2", kAnyTime, 0, kIntMax},

    {"maxclients", kInteger, &Config::maxclients, "10000", kAnyTime, 1, kClientsMax},
    {"proto-max-bulk-len", kMemory, &Config::proto_max_bulk_bytes, "512mb", kAnyTime, kMegabyte,
     kBulkMax},
    {"client-query-buffer-limit", kMemory, &Config::client_query_buffer_bytes, "1gb", kAnyTime,
     kMegabyte, kNoMax},
    {"client-output-buffer-limit", kOutputLimits, &Config::client_output_limits,
     "normal 1gb 1mb 60 slave 256mb 64mb 60 pubsub 32mb 8mb 60", kAnyTime},

    {"daemonize", kYesNo, &Config::daemonize, "no", kStart},
    {"supervised", kWord, &Config::supervised, "no", kStart, 0, 0, "systemd auto no"},
    {"pidfile", kText, &Config::pidfile, "", kStart},
    {"logfile", kText, &Config::logfile, "", kStart},
    {"loglevel", kWord, &Config::loglevel, "notice", kAnyTime, 0, 0,
     "debug verbose notice warning"},
    {"latency-monitor-threshold", kInteger, &Config::latency_monitor_threshold_ms, "0", kAnyTime, 0,
     kNoMax},

    // For programs that know Redis. Every write is logged; nothing is evicted from the data.
    {"save", kFixed, {}, ""},
    {"appendonly", kFixed, {}, "yes"},
    {"maxmemory", kFixed, {}, "0"},
    {"maxmemory-policy", kFixed, {}, "noeviction"},
    {"cluster-enabled", kFixed, {}, "no"},
    {"latency-tracking", kFixed, {}, "yes"},
    {"latency-tracking-info-percentiles", kFixed, {}, "50 99 99.9"},
};

Status Bad(std::string reason) { return Status::InvalidArgument(std::move(reason)); }

Status CheckRange(const ConfigRow& row, int64_t value) {
  if (value >= row.min && value <= row.max) return Status::Ok();
  return Bad("argument must be between " + Int64ToString(row.min) + " and " +
             Int64ToString(row.max) + " inclusive");
}

Status ParseYesNo(Slice word, bool* to) {
  const bool yes = EqualsIgnoreCase(word, "yes");
  if (!yes && !EqualsIgnoreCase(word, "no")) return Bad("argument must be 'yes' or 'no'");
  *to = yes;
  return Status::Ok();
}

Status ParseNumber(const ConfigRow& row, Slice word, int64_t* to) {
  std::optional<int64_t> value;
  if (row.type == kMemory) {
    const std::optional<uint64_t> bytes = ParseMemorySize(word);
    if (!bytes || *bytes > static_cast<uint64_t>(kNoMax)) {
      return Bad("argument must be a memory value");
    }
    value = static_cast<int64_t>(*bytes);
  } else if (row.type == kOctal) {
    int64_t octal = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), octal, 8);
    if (error == std::errc() && end == word.data() + word.size()) value = octal;
    if (!value) return Bad("argument couldn't be parsed as an octal number");
  } else {
    value = ParseInt64(word);
    if (!value) return Bad("argument couldn't be parsed into an integer");
  }
  RETURN_IF_ERROR(CheckRange(row, *value));
  *to = *value;
  return Status::Ok();
}

Status ParseWord(const ConfigRow& row, Slice word, std::string* to) {
  std::string listed;
  for (Slice rest = row.words; !rest.empty();) {
    const Slice next = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), next.size() + 1));
    if (EqualsIgnoreCase(word, next)) {
      *to = next;
      return Status::Ok();
    }
    listed.append(listed.empty() ? "" : ", ").append(next);
  }
  return Bad("argument(s) must be one of the following: " + listed);
}

Status ParseOutputLimits(std::span<const std::string> words, OutputLimits* to) {
  if (words.empty() || words.size() % 4 != 0) {
    return Bad("Wrong number of arguments in buffer limit configuration.");
  }
  OutputLimits limits = *to;
  for (size_t i = 0; i < words.size(); i += 4) {
    const Slice name = words[i];
    OutputLimit* limit = nullptr;
    if (EqualsIgnoreCase(name, "normal")) limit = &limits.normal;
    if (EqualsIgnoreCase(name, "slave") || EqualsIgnoreCase(name, "replica")) {
      limit = &limits.replica;
    }
    if (EqualsIgnoreCase(name, "pubsub")) limit = &limits.pubsub;
    if (limit == nullptr)
      return Bad("Invalid client class specified in buffer limit configuration.");
    const std::optional<uint64_t> hard_bytes = ParseMemorySize(words[i + 1]);
    const std::optional<uint64_t> soft_bytes = ParseMemorySize(words[i + 2]);
    const std::optional<int64_t> seconds = ParseInt64(words[i + 3]);
    if (!hard_bytes || !soft_bytes || !seconds || *seconds < 0) {
      return Bad("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    }
    *limit = {*hard_bytes, *soft_bytes, *seconds};
  }
  *to = limits;
  return Status::Ok();
}

std::string LimitText(Slice name, const OutputLimit& limit) {
  return std::string(name) + " " + std::to_string(limit.hard_bytes) + " " +
         std::to_string(limit.soft_bytes) + " " + std::to_string(limit.soft_seconds);
}

std::string OctalText(int64_t value) {
  char text[16];
  std::snprintf(text, sizeof(text), "%llo", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

std::span<const ConfigRow> ConfigRows() { return kRows; }

const ConfigRow* FindConfigRow(Slice name) {
  for (const ConfigRow& row : kRows) {
    if (EqualsIgnoreCase(row.name, name)) return &row;
  }
  return nullptr;
}

Status ParseConfigValue(const ConfigRow& row, std::span<const std::string> words, Config* config) {
  if (row.type == kWords) {
    std::vector<std::string>& to =
        config->*std::get<std::vector<std::string> Config::*>(row.member);
    to.assign(words.begin(), words.end());
    std::erase(to, "");
    return Status::Ok();
  }
  if (row.type == kOutputLimits) {
    return ParseOutputLimits(words, &(config->*std::get<OutputLimits Config::*>(row.member)));
  }
  if (row.type == kFixed && !words.empty()) {
    std::string text;
    for (const std::string& word : words) text.append(text.empty() ? "" : " ").append(word);
    if (EqualsIgnoreCase(text, row.default_text)) return Status::Ok();
    return Bad("in Varve this is always '" + std::string(row.default_text) + "'");
  }
  if (words.size() != 1) return Bad("wrong number of arguments");
  const Slice word = words[0];
  switch (row.type) {
    case kYesNo: return ParseYesNo(word, &(config->*std::get<bool Config::*>(row.member)));
    case kText: config->*std::get<std::string Config::*>(row.member) = word; return Status::Ok();
    case kWord:
      return ParseWord(row, word, &(config->*std::get<std::string Config::*>(row.member)));
    default: return ParseNumber(row, word, &(config->*std::get<int64_t Config::*>(row.member)));
  }
}

std::string ConfigValueText(const ConfigRow& row, const Config& config) {
  switch (row.type) {
    case kYesNo: return config.*std::get<bool Config::*>(row.member) ? "yes" : "no";
    case kInteger:
    case kMemory: return Int64ToString(config.*std::get<int64_t Config::*>(row.member));
    case kOctal: return OctalText(config.*std::get<int64_t Config::*>(row.member));
    case kText:
    case kWord: return config.*std::get<std::string Config::*>(row.member);
    case kFixed: return std::string(row.default_text);
    case kWords: {
      std::string text;
      for (const std::string& word :
           config.*std::get<std::vector<std::string> Config::*>(row.member)) {
        text.append(text.empty() ? "" : " ").append(word);
      }
      return text;
    }
    case kOutputLimits: {
      const OutputLimits& limits = config.*std::get<OutputLimits Config::*>(row.member);
      return LimitText("normal", limits.normal) + " " + LimitText("slave", limits.replica) + " " +
             LimitText("pubsub", limits.pubsub);
    }
  }
  return {};
}

}  // namespace varve
