// tests/crash/kill_config.h: one who changes the server's settings while others write.
//
// What CONFIG SET says holds at once, and ends with the process; CONFIG REWRITE puts all of it into
// the file. So a restarted server has to run with the settings of the last rewrite that was
// answered, or of the one that was pending: all of them from the same one. The file began as the
// manual (conf/varve.conf), and its comments are there whatever happened, so it is whole.
//
// The settings are those that decide how writes reach the disk, and when. A kill of the process
// loses nothing acknowledged under any of them, nor while they change.
//
// Threads: one at a time.
#pragma once

#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "tests/crash/kill_progress.h"
#include "tests/support/redis_client.h"

namespace varve {

struct Setting {
  Slice name;
  std::vector<Slice> values;  // as CONFIG GET prints them
};

// Memory is so little that flushes and compactions run all the while.
inline const std::array kSettings = {
    Setting{"appendfsync", {"always", "everysec", "no"}},
    Setting{"memory-limit", {"16777216", "25165824", "33554432", "67108864"}},
    Setting{"compaction-policy", {"leveled", "tiered", "lazy-leveled"}},
    Setting{"scrub-rate", {"0", "1048576", "1073741824"}},
    Setting{"loop-rest-usec", {"0", "200", "1000"}},
    Setting{"busy-poll-usec", {"0", "20", "1000"}},
};

class ConfigWriter {
 public:
  explicit ConfigWriter(uint64_t seed) : random_(seed) {}

  // Before the first start.
  void MakeFile(const std::string& path);
  // Before any other.
  void VerifyFile() const;
  // After a start.
  void Verify(int port);
  // Until the connection ends.
  void Run(int port);

  // What the server was started with.
  std::string Describe() const;
  uint64_t changes() const { return changes_; }
  uint64_t rewrites() const { return rewrites_; }

 private:
  static constexpr uint64_t kPauseMsMax = 10;
  using Values = std::map<std::string, std::string>;

  Slice AnyValue(const Setting& setting) {
    return setting.values[random_.Uniform(setting.values.size())];
  }
  bool Change(RedisClient* client);
  bool Rewrite(RedisClient* client);
  static Values Ask(RedisClient* client);
  static std::string TextOfFile(const std::string& path);
  static std::string CommentsOf(Slice text);

  Random random_;
  std::string path_;
  std::string comments_;
  Values running_;
  Values written_;  // by the last rewrite that was answered
  Values pending_;  // by the one that was not; else the same
  uint64_t changes_ = 0;
  uint64_t rewrites_ = 0;
};

// The last line about a setting is the one that holds.
inline void ConfigWriter::MakeFile(const std::string& path) {
  path_ = path;
  std::string text = TextOfFile("conf/varve.conf");
  comments_ = CommentsOf(text);
  if (comments_.empty()) Fail("cannot read conf/varve.conf");
  for (const Setting& setting : kSettings) {
    const Slice value = AnyValue(setting);
    text.append(setting.name).append(" ").append(value).append("\n");
    written_[std::string(setting.name)] = value;
  }
  pending_ = written_;
  std::ofstream(path_, std::ios::binary) << text;
}

inline void ConfigWriter::VerifyFile() const {
  if (CommentsOf(TextOfFile(path_)) != comments_) Fail(path_ + " is torn");
}

inline void ConfigWriter::Verify(int port) {
  RedisClient client("127.0.0.1", port);
  running_ = Ask(&client);
  if (running_ != written_ && running_ != pending_) {
    std::string text;
    for (const auto& [name, value] : running_) {
      text += "\n    " + name + " " + value + ": rewritten as " + written_[name];
      if (pending_ != written_) text += ", then perhaps as " + pending_[name];
    }
    Fail("settings are not those of a rewrite:" + text);
  }
  pending_ = written_ = running_;
}

inline void ConfigWriter::Run(int port) {
  RedisClient client("127.0.0.1", port);
  if (!client.connected()) return;
  while (Change(&client) && (!random_.OneIn(3) || Rewrite(&client))) {
    std::this_thread::sleep_for(std::chrono::milliseconds(random_.Uniform(kPauseMsMax)));
  }
}

// One setting or several, in one command.
inline bool ConfigWriter::Change(RedisClient* client) {
  std::vector<std::string> words = {"CONFIG", "SET"};
  Values next = running_;
  for (const Setting& setting : kSettings) {
    if (!random_.OneIn(kSettings.size() / 2)) continue;
    words.emplace_back(setting.name);
    words.emplace_back(AnyValue(setting));
    next[words[words.size() - 2]] = words.back();
  }
  if (words.size() == 2) return true;
  const Reply reply = client->Call(words);
  if (!reply && client->is_ended()) return false;
  if (!IsStatus(reply, "OK")) {
    Fail("CONFIG SET: " + (reply ? std::string(TextOf(*reply)) : client->error()));
  }
  running_ = next;
  ++changes_;
  return true;
}

inline bool ConfigWriter::Rewrite(RedisClient* client) {
  pending_ = running_;
  const Reply reply = client->Call({"CONFIG", "REWRITE"});
  if (!reply && client->is_ended()) return false;
  if (!IsStatus(reply, "OK")) {
    Fail("CONFIG REWRITE: " + (reply ? std::string(TextOf(*reply)) : client->error()));
  }
  written_ = pending_;
  ++rewrites_;
  return true;
}

inline ConfigWriter::Values ConfigWriter::Ask(RedisClient* client) {
  std::vector<std::string> words = {"CONFIG", "GET"};
  for (const Setting& setting : kSettings) words.emplace_back(setting.name);
  const Reply reply = client->Call(words);
  if (!reply || reply->type != REDIS_REPLY_ARRAY) Fail("CONFIG GET: " + client->error());
  Values values;
  for (size_t i = 0; i + 1 < reply->elements; i += 2) {
    values[std::string(TextOf(*reply->element[i]))] = TextOf(*reply->element[i + 1]);
  }
  return values;
}

inline std::string ConfigWriter::Describe() const {
  std::string text;
  for (const auto& [name, value] : written_) text += " " + name + " " + value;
  return text;
}

inline std::string ConfigWriter::TextOfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Every line that sets nothing, in order.
inline std::string ConfigWriter::CommentsOf(Slice text) {
  std::string comments;
  while (!text.empty()) {
    const Slice line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty() || line.starts_with('#')) comments.append(line).append("\n");
  }
  return comments;
}

}  // namespace varve
