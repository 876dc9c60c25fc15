// tests/unit/commands/harness.h: a server without sockets, for tests of commands.
//
// It does what the dispatcher does - resolves, queues after MULTI, runs, runs again, commits - in
// the simplest way, over a FakeEngine. Requests are words as in redis-cli, replies are one line:
//
//   OK   "bulk"   5   (nil)   [1 "a" [2]]   {"key" "value"}   ~("set")   -ERR text   (closed)
//
// CheckAll sends a table of requests three times over, each time to an empty server: with
// everything in memory, with the first read of every key pending, and with reads pending at random;
// the replies must be the same.
#pragma once

#include <cctype>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/glob.h"
#include "base/numbers.h"
#include "commands/command.h"
#include "commands/services.h"
#include "commands/table.h"
#include "resp/errors.h"
#include "tests/unit/commands/fake_engine.h"

#include <doctest/doctest.h>

namespace varve {

// --- Requests and replies as text ---------------------------------------------------------------

// Words between blanks; "quoted" ones with \n, \\ and \x00.
inline std::vector<std::string> WordsOf(Slice line) {
  std::vector<std::string> words;
  size_t i = 0;
  while (i < line.size()) {
    if (line[i] == ' ') {
      ++i;
      continue;
    }
    std::string word;
    if (line[i] == '"') {
      for (++i; i < line.size() && line[i] != '"'; ++i) {
        if (line[i] != '\\') {
          word.push_back(line[i]);
        } else if (line[++i] == 'x') {
          word.push_back(
              static_cast<char>(std::stoi(std::string(line.substr(i + 1, 2)), nullptr, 16)));
          i += 2;
        } else {
          word.push_back(line[i] == 'n' ? '\n' : line[i] == 'r' ? '\r' : line[i]);
        }
      }
      ++i;
    } else {
      while (i < line.size() && line[i] != ' ') word.push_back(line[i++]);
    }
    words.push_back(std::move(word));
  }
  return words;
}

// Consumes one RESP reply.
inline std::string ReplyText(Slice* bytes) {
  const size_t end = bytes->find("\r\n");
  REQUIRE(end != Slice::npos);
  const char type = bytes->front();
  const std::string head(bytes->substr(1, end - 1));
  bytes->remove_prefix(end + 2);
  const auto many = [&](const char* open, const char* close, int per_item) {
    std::string text = open;
    const int64_t items = std::stoll(head) * per_item;
    for (int64_t i = 0; i < items; ++i) text += (i > 0 ? " " : "") + ReplyText(bytes);
    return text + close;
  };
  switch (type) {
    case '+': return head;
    case ':': return head;
    case '-': return "-" + head;
    case '_': return "(nil)";
    case '#': return head == "t" ? "true" : "false";
    case ',': return head;
    case '$':
    case '=': {
      if (head == "-1") return "(nil)";
      const size_t size = std::stoull(head);
      std::string text(1, '"');
      for (const char c : bytes->substr(0, size)) {
        if (c == '\n') {
          text += "\\n";
        } else if (std::isprint(static_cast<unsigned char>(c))) {
          text.push_back(c);
        } else {
          char hex[5];
          std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
          text += hex;
        }
      }
      bytes->remove_prefix(size + 2);
      return text + "\"";
    }
    case '*': return head == "-1" ? "(nil)" : many("[", "]", 1);
    case '~': return many("~(", ")", 1);
    case '%': return many("{", "}", 2);
    default: FAIL("what is a reply of type ", type); return {};
  }
}

// --- The server ---------------------------------------------------------------------------------

class Harness final : public Services {
 public:
  // What a client has.
  struct Peer {
    Session session;
    std::unique_ptr<View> view;
    OutputBuffer out;
  };

  explicit Harness(int database_count = 16) {
    databases.spaces.resize(static_cast<size_t>(database_count));
  }

  Peer& peer(const std::string& name = "") {
    std::unique_ptr<Peer>& peer = peers_[name];
    if (!peer) {
      peer = std::make_unique<Peer>();
      peer->session.id = ++last_id_;
      peer->session.authenticated = password.empty();
      peer->view = std::make_unique<View>(engine, databases);
      if (yields) {
        peer->view->set_post(
            [this](std::function<void()> job) { posted_.push_back(std::move(job)); });
      }
    }
    return *peer;
  }

  // The reply to `line`, all waiting done. "c2: GET k" is sent by the peer c2. The reply of a peer
  // that wants none is "".
  std::string Do(Slice line) {
    std::string name;
    if (const size_t colon = line.find(": "); colon < line.find(' ')) {
      name = line.substr(0, colon);
      line.remove_prefix(colon + 2);
    }
    Peer& sender = peer(name);
    if (sender.session.close_after_reply) return "(closed)";
    words_ = WordsOf(line);
    Request request;
    for (const std::string& word : words_) {
      request.argv.push_back(word);
      if (word.size() < kSharedValueBytes) continue;
      request.shared.emplace_back(request.argv.size() - 1, SharedBytes::CopyOf(word));
    }
    const std::string bytes = Send(sender, request);
    if (bytes.empty()) return "";
    Slice rest = bytes;
    std::string text = ReplyText(&rest);
    REQUIRE(rest.empty());
    return text;
  }

  // The reply as it goes to the socket.
  std::string Send(Peer& sender, const Request& request) {
    const ReplyMode before = sender.session.reply_mode;
    Serve(sender, request);
    std::string bytes = Taken(sender);
    ReplyMode& mode = sender.session.reply_mode;
    const bool silent =
        before == ReplyMode::kSkipThis || mode == ReplyMode::kOff || mode == ReplyMode::kSkipNext;
    if (before == ReplyMode::kSkipThis && mode == before) mode = ReplyMode::kOn;
    if (mode == ReplyMode::kSkipNext) mode = ReplyMode::kSkipThis;
    return silent ? std::string() : bytes;
  }

  FakeEngine engine;
  Databases databases;
  int64_t now_ms = 1'700'000'000'000;
  std::string password;
  bool yields = true;  // to be set before the first peer is there
  View::Counters counters;
  int runs = 0;  // of commands, again and again
  bool was_shut_down = false;
  int saves = 0;
  uint64_t slept_us = 0;
  bool latency_monitor_is_on = false;
  std::vector<LatencyEvent> latency_events;
  std::map<Slice, Histogram> command_times;

  // --- Services ---
  bool PasswordRequired() const override { return !password.empty(); }
  bool CheckPassword(Slice user, Slice given) const override {
    return user == "default" && given == password;
  }
  std::string DescribeClient(const Session& session) const override {
    return "id=" + std::to_string(session.id) + " name=" + session.name + "\n";
  }
  std::string DescribeClients(const std::function<bool(const Session&)>& wanted) const override {
    std::string text;
    for (const auto& [name, peer] : peers_) {
      if (wanted(peer->session)) text += DescribeClient(peer->session);
    }
    return text;
  }
  int KillClients(const Session& me, const ClientFilter& filter) override {
    int killed = 0;
    for (auto& [name, peer] : peers_) {
      if (filter.id && *filter.id != peer->session.id) continue;
      if (filter.address && *filter.address != "peer:" + name) continue;
      if (filter.type && *filter.type != "normal") continue;
      if (filter.skip_me && peer->session.id == me.id) continue;
      peer->session.close_after_reply = true;
      ++killed;
    }
    return killed;
  }
  void Watch(Session& session, int database, Slice key, bool exists_now) override {
    watches_.push_back({&session, database, std::string(key), exists_now});
  }
  void Unwatch(Session& session) override {
    std::erase_if(watches_, [&](const Watched& watch) { return watch.session == &session; });
  }
  void ForEachWatched(const Session& session,
                      const std::function<void(int, Slice, bool)>& visit) const override {
    for (const Watched& watch : watches_) {
      if (watch.session == &session) visit(watch.database, watch.key, watch.existed);
    }
  }
  std::vector<std::pair<std::string, std::string>> ConfigGet(
      std::span<const Slice> patterns) const override {
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto& [name, value] : config_) {
      for (const Slice pattern : patterns) {
        if (!GlobMatch(pattern, name, true)) continue;
        found.emplace_back(name, value);
        break;
      }
    }
    return found;
  }
  Status ConfigSet(std::span<const std::pair<Slice, Slice>> values) override {
    for (const auto& [name, value] : values) {
      if (!config_.contains(std::string(name))) {
        return errors::Refuse(errors::UnknownConfig(name));
      }
    }
    for (const auto& [name, value] : values) config_[std::string(name)] = value;
    return Status::Ok();
  }
  Status ConfigRewrite() override { return errors::Refuse(errors::kNoConfigFile); }
  void ResetStats() override { counters = {}; }
  bool LatencyMonitorIsOn() const override { return latency_monitor_is_on; }
  std::vector<LatencyEvent> LatencyEvents() const override { return latency_events; }
  bool ResetLatency(LatencyKind kind) override {
    return std::erase_if(latency_events, [kind](auto& event) { return event.kind == kind; }) > 0;
  }
  const Histogram* CommandTimes(const Command& command) const override {
    const auto found = command_times.find(command.name);
    return found == command_times.end() ? nullptr : &found->second;
  }
  std::string Info(std::span<const Slice> sections) const override {
    std::string text;
    for (const Slice section : sections) text += "# " + std::string(section) + "\n";
    return text;
  }
  int64_t LastSaveUnixTime() const override { return now_ms / 1000; }
  Status BackgroundSave() override {
    ++saves;
    return saves > 1 ? errors::Refuse(errors::kSaveInProgress) : Status::Ok();
  }
  Status Save() override { return Status::ClientError(errors::SaveFailed("no room")); }
  void Shutdown(bool) override { was_shut_down = true; }
  void SleepUs(uint64_t us) override { slept_us += us; }
  int64_t WallUs() const override { return now_ms * 1000 + 42; }

 private:
  struct Watched {
    Session* session;
    int database;
    std::string key;
    bool existed;
  };

  std::string Taken(Peer& sender) {
    std::string bytes;
    Slice pieces[64];
    while (!sender.out.empty()) {
      const size_t count = sender.out.Gather(sender.out.position(), pieces);
      size_t size = 0;
      for (size_t i = 0; i < count; ++i) {
        bytes.append(pieces[i]);
        size += pieces[i].size();
      }
      sender.out.Consume(size);
    }
    return bytes;
  }

  void Serve(Peer& sender, const Request& request) {
    Session& session = sender.session;
    const uint64_t start = sender.out.position();
    const Result<const Command*> command = ResolveCommand(request);
    Status status = command.status();
    if (status.ok() && !session.authenticated && ((*command)->flags & kNoAuth) == 0) {
      status = errors::Refuse(errors::kNoAuth);
    }
    if (status.ok() && session.in_multi && ((*command)->flags & kNoMulti) != 0) {
      status = errors::Refuse(errors::kNotInMulti);
    }
    if (!status.ok() && EqualsIgnoreCase(request.argv[0], "exec")) {
      // EXEC itself refused: the transaction is over.
      session.in_multi = session.multi_failed = session.watched_key_changed = false;
      session.queued.clear();
      Unwatch(session);
      status = errors::Refuse(errors::ExecAbortWrongArity("exec"));
    } else if (!status.ok()) {
      session.multi_failed |= session.in_multi;
    } else if (session.in_multi && ((*command)->flags & kNotQueued) == 0) {
      Queue(session, **command, request);
      ReplyWriter(sender.out, session.resp_version).SimpleString("QUEUED");
      return;
    } else {
      status = RunToTheEnd(sender, **command, request);
    }
    if (!status.ok()) {
      sender.out.TruncateTo(start);
      ReplyWriter(sender.out, session.resp_version).Error(ErrorText(status));
    }
    engine.EndTurn();
  }

  Status RunToTheEnd(Peer& sender, const Command& command, const Request& request) {
    View& view = *sender.view;
    view.scope().Reset();
    for (int tries = 0;; ++tries) {
      REQUIRE(tries < 100'000);
      ++runs;
      const uint64_t start = sender.out.position();
      view.Begin(sender.session.database, now_ms);
      ReplyWriter reply(sender.out, sender.session.resp_version);
      CommandContext context{view, reply, sender.session, *this, command, request};
      Status status = Run(context);
      if (status.is_pending()) {
        sender.out.TruncateTo(start);
        bool ready = false;
        view.scope().WhenReady([&] { ready = true; });
        engine.Deliver();
        std::vector<std::function<void()>> jobs;
        jobs.swap(posted_);
        for (const auto& job : jobs) job();
        REQUIRE(ready);
        continue;
      }
      CHECK(view.continuation() == nullptr);
      counters.keyspace_hits += view.counters().keyspace_hits;
      counters.keyspace_misses += view.counters().keyspace_misses;
      counters.expired_keys += view.counters().expired_keys;
      if (status.ok() && !view.batch().empty()) Commit(view);
      engine.Cool();
      return status;
    }
  }

  void Commit(View& view) {
    const Databases before = databases;
    engine.Commit(view.batch());
    view.Committed();
    std::set<std::string> touched;
    BatchReader reader(view.batch().bytes(), view.batch().splices());
    while (reader.Next()) touched.insert(std::string(reader.entry().key));
    for (const Watched& watch : watches_) {
      const auto at = static_cast<size_t>(watch.database);
      bool changed =
          watch.existed && before.spaces[at] != 0 && before.spaces[at] != databases.spaces[at];
      for (const SpaceId space : {before.spaces[at], databases.spaces[at]}) {
        std::string key;
        AppendPrefix(&key, KeyKind::kKey, space);
        changed |= space != 0 && touched.contains(key + watch.key);
      }
      watch.session->watched_key_changed |= changed;
    }
  }

  static void Queue(Session& session, const Command& command, const Request& request) {
    Session::QueuedCommand& queued = session.queued.emplace_back();
    queued.command = &command;
    for (const Slice argument : request.argv) queued.bytes.append(argument);
    queued.bytes.reserve(64);
    size_t begin = 0;
    for (const Slice argument : request.argv) {
      queued.request.argv.push_back(Slice(queued.bytes).substr(begin, argument.size()));
      begin += argument.size();
    }
    queued.request.shared = request.shared;
  }

  std::map<std::string, std::unique_ptr<Peer>> peers_;
  std::vector<Watched> watches_;
  std::vector<std::function<void()>> posted_;
  std::map<std::string, std::string> config_{{"maxclients", "100"}, {"port", "6379"}};
  std::vector<std::string> words_;
  uint64_t last_id_ = 0;
};

// --- Tables of requests and replies --------------------------------------------------------------

struct Exchange {
  const char* request;  // null: time passes, by `reply` in ms
  const char* reply;    // "*" at the end: anything may follow; null: anything
};

inline void CheckOnce(Harness& harness, std::span<const Exchange> exchanges) {
  for (const Exchange& exchange : exchanges) {
    if (exchange.request == nullptr) {
      harness.now_ms += std::stoll(exchange.reply);
      continue;
    }
    CAPTURE(exchange.request);
    const std::string got = harness.Do(exchange.request);
    if (exchange.reply == nullptr) continue;
    Slice want = exchange.reply;
    if (want.ends_with('*')) {
      CHECK(Slice(got).substr(0, want.size() - 1) == want.substr(0, want.size() - 1));
    } else {
      CHECK(got == want);
    }
  }
}

inline void CheckAll(std::span<const Exchange> exchanges) {
  {
    INFO("everything in memory");
    Harness harness;
    CheckOnce(harness, exchanges);
  }
  {
    INFO("first reads pending");
    Harness harness;
    harness.engine.cold = true;
    CheckOnce(harness, exchanges);
  }
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    INFO("reads pending at random, seed ", seed);
    Harness harness;
    harness.engine.PendAtRandom(3, seed);
    CheckOnce(harness, exchanges);
  }
}

}  // namespace varve
