// tests/crash/kill_test.cc: kill -9 at random moments, and everything acknowledged is still there.
//
//   kill_test [KILLS [SEED]]        50 kills, and a seed from the clock
//
// Each round, on one data directory throughout:
//
//   1. start    with another appendfsync and memory-limit each time, so small that flushes and
//               compactions run all the while; sometimes it is killed once while it recovers
//   2. verify   each writer reads all its keys, and finds its own past (below); SCAN finds these
//               keys and no others, DBSIZE says how many
//   3. write    several writers over pipelines, and a watcher that reads what they wrote
//   4. end      kill -9 at a random moment; every few rounds SIGTERM instead, and an exit code of 0
//
// A writer knows what it has sent, and what it was answered: nothing acknowledged may be missing,
// no transaction torn, no order changed. kill_writer.h says how it tells. The watcher holds the
// server to the rule that a reply never reveals what a crash could take back: a counter it has
// seen at 17 is at least 17 ever after.
//
// The seed determines what is written and how long each round lasts, but not which write the
// signal meets. A failure names its seed, and the directory, which is kept.
#include <signal.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tests/crash/kill_progress.h"
#include "tests/crash/kill_values.h"
#include "tests/crash/kill_writer.h"
#include "tests/support/live_server.h"
#include "tests/support/redis_client.h"

namespace varve {

namespace {

using std::chrono::milliseconds;

constexpr int kKillsDefault = 50;
constexpr int kKillsPerStop = 5;  // a SIGTERM after so many kills
constexpr uint64_t kWritingMsMax = 600;
constexpr uint64_t kStartingMsMax = 40;  // when it is killed while it recovers

// Of so many keys DBSIZE may miss one. A filter errs once in a hundred times, and a new key may
// have to pass several.
constexpr int64_t kKeysPerUnsettled = 20;

constexpr std::array kDurabilities = {"always", "everysec", "no"};
constexpr std::array kMemoryLimits = {"16mb", "64mb", "24mb", "32mb"};

// ---- A watcher ----------------------------------------------------------------------------------

// Reads the counters that only grow, and remembers how large it has seen them.
class Watcher {
 public:
  explicit Watcher(uint64_t seed) : random_(seed) {}

  void Run(int port, const std::vector<std::unique_ptr<Writer>>& writers);
  void Verify(const std::vector<std::unique_ptr<Writer>>& writers) const;

  uint64_t flushes() const { return flushes_before_ + flushes_; }
  uint64_t compactions() const { return compactions_before_ + compactions_; }

 private:
  using Counter = std::pair<int, int>;  // writer, key
  bool ReadCounters(RedisClient* client, const std::vector<std::unique_ptr<Writer>>& writers);
  bool ReadInfo(RedisClient* client);

  Random random_;
  std::map<Counter, int64_t> seen_;
  // Of this life of the server, as last heard, and of those before.
  uint64_t flushes_ = 0;
  uint64_t compactions_ = 0;
  uint64_t flushes_before_ = 0;
  uint64_t compactions_before_ = 0;
};

void Watcher::Run(int port, const std::vector<std::unique_ptr<Writer>>& writers) {
  flushes_before_ += std::exchange(flushes_, 0);
  compactions_before_ += std::exchange(compactions_, 0);
  RedisClient client("127.0.0.1", port);
  if (!client.connected()) return;
  while (ReadCounters(&client, writers) && ReadInfo(&client)) {
  }
}

bool Watcher::ReadCounters(RedisClient* client,
                           const std::vector<std::unique_ptr<Writer>>& writers) {
  std::vector<Counter> asked;
  for (int i = 0; i < 20; ++i) {
    const auto writer = static_cast<int>(random_.Uniform(kWriters - 1));
    const int key = kFirstCounter + static_cast<int>(random_.Uniform(kCounterKeys));
    asked.emplace_back(writer, key);
    client->Append({"GET", writers[static_cast<size_t>(writer)]->NameOf(key)});
  }
  for (const Counter& counter : asked) {
    const Reply reply = client->Read();
    if (!reply) return false;
    int64_t& largest = seen_[counter];
    const int64_t value =
        reply->type == REDIS_REPLY_STRING ? std::strtoll(reply->str, nullptr, 10) : 0;
    if (value < largest) {
      Fail(writers[static_cast<size_t>(counter.first)]->NameOf(counter.second) +
           " went back from " + std::to_string(largest) + " to " + std::to_string(value));
    }
    largest = value;
  }
  return true;
}

bool Watcher::ReadInfo(RedisClient* client) {
  const Reply reply = client->Call({"INFO", "engine"});
  if (!reply || reply->type != REDIS_REPLY_STRING) return false;
  const Slice text = TextOf(*reply);
  const auto field = [text](Slice name) -> uint64_t {
    const size_t at = text.find(name);
    return at == Slice::npos ? 0 : std::strtoull(text.data() + at + name.size(), nullptr, 10);
  };
  flushes_ = field("\nflushes:");
  compactions_ = field("\ncompactions:");
  return true;
}

void Watcher::Verify(const std::vector<std::unique_ptr<Writer>>& writers) const {
  for (const auto& [counter, largest] : seen_) {
    const Writer& writer = *writers[static_cast<size_t>(counter.first)];
    const int64_t now = writer.Answered(counter.second).number;
    if (now < largest) {
      Fail(writer.NameOf(counter.second) + " was shown to be " + std::to_string(largest) +
           ", and is " + std::to_string(now) + " after the restart");
    }
  }
}

// ---- The whole ----------------------------------------------------------------------------------

class KillTest {
 public:
  KillTest(int kills, uint64_t seed) : kills_(kills), random_(seed), watcher_(seed + kWriters) {
    for (int id = 0; id < kWriters; ++id) {
      writers_.push_back(std::make_unique<Writer>(id, seed + static_cast<uint64_t>(id)));
    }
    progress.seed = seed;
    progress.server = &server_;
  }

  void Run();

 private:
  void StartServer();
  void Verify();
  void VerifyKeys(int database);
  std::set<std::string> ScanKeys(RedisClient* client);
  void Write(const std::function<void()>& end);
  void EndByKill();
  void EndByStop();
  void PrintSummary() const;

  const int kills_;
  Random random_;
  LiveServer server_;
  std::vector<std::unique_ptr<Writer>> writers_;
  Watcher watcher_;
  int kills_done_ = 0;
  int stops_done_ = 0;
};

void KillTest::Run() {
  while (kills_done_ < kills_ || stops_done_ * kKillsPerStop < kills_) {
    ++progress.round;
    StartServer();
    Verify();
    const bool stop = progress.round % (kKillsPerStop + 1) == 0 || kills_done_ == kills_;
    Write([&] { stop ? EndByStop() : EndByKill(); });
  }
  StartServer();
  Verify();
  if (const int code = server_.Stop(); code != 0) {
    Fail("an idle server ended with " + std::to_string(code) + " after SIGTERM");
  }
  PrintSummary();
}

void KillTest::StartServer() {
  const auto round = static_cast<size_t>(progress.round);
  const std::vector<std::string> flags = {
      "--appendfsync", kDurabilities[round % kDurabilities.size()],  //
      "--memory-limit", kMemoryLimits[round / 2 % kMemoryLimits.size()]};
  progress.flags.clear();
  for (const std::string& flag : flags) progress.flags += " " + flag;

  if (kills_done_ > 0 && kills_done_ < kills_ && random_.OneIn(4)) {
    server_.Launch(flags);
    std::this_thread::sleep_for(milliseconds(random_.Uniform(kStartingMsMax)));
    server_.Kill();
    ++kills_done_;
    progress.ending = "kill -9 while starting";
  }
  if (!server_.Start(flags)) {
    Fail("the server does not start: it ended with " + std::to_string(server_.exit_code()));
  }
}

// One thread a writer: half of the time goes into comparing.
void KillTest::Verify() {
  std::vector<std::thread> threads;
  for (const auto& writer : writers_) {
    threads.emplace_back([&, port = server_.port()] { writer->Verify(port); });
  }
  for (std::thread& thread : threads) thread.join();
  watcher_.Verify(writers_);
  VerifyKeys(0);
  VerifyKeys(kFlushedDatabase);
}

// SCAN finds the writers' keys and no others. DBSIZE says how many, but for those that expire while
// we ask, and a few whose making a filter hides until a compaction settles it (engine/commit.cc).
void KillTest::VerifyKeys(int database) {
  RedisClient client("127.0.0.1", server_.port());
  if (!IsStatus(client.Call({"SELECT", std::to_string(database)}), "OK")) Fail("SELECT");
  const int64_t before_ms = NowMs();
  const std::set<std::string> scanned = ScanKeys(&client);
  const Reply size = client.Call({"DBSIZE"});
  if (!size || size->type != REDIS_REPLY_INTEGER) Fail("DBSIZE: " + client.error());
  const int64_t after_ms = NowMs();

  int64_t expiring_meanwhile = 0;
  size_t known = 0;
  for (const auto& writer : writers_) {
    if (writer->database() != database) continue;
    for (int key = 0; key < kAllKeys; ++key) {
      const Value& value = writer->Answered(key);
      const bool is_scanned = scanned.contains(writer->NameOf(key));
      known += is_scanned;
      expiring_meanwhile += value.MayBeGone(after_ms) && !value.MustBeGone(before_ms);
      if (is_scanned && value.MustBeGone(before_ms)) {
        Fail("SCAN finds " + writer->NameOf(key) + ", which GET does not");
      }
      if (!is_scanned && !value.MayBeGone(after_ms)) {
        Fail("SCAN does not find " + writer->NameOf(key) + ", which GET does");
      }
    }
  }
  if (known != scanned.size()) Fail("SCAN finds keys that nobody wrote");
  const auto count = static_cast<int64_t>(scanned.size());
  if (std::abs(size->integer - count) > expiring_meanwhile + count / kKeysPerUnsettled + 2) {
    Fail("database " + std::to_string(database) + ": DBSIZE is " + std::to_string(size->integer) +
         ", SCAN finds " + std::to_string(count) + " keys, " + std::to_string(expiring_meanwhile) +
         " of them expiring meanwhile");
  }
}

std::set<std::string> KillTest::ScanKeys(RedisClient* client) {
  std::set<std::string> keys;
  std::string cursor = "0";
  do {
    const Reply reply = client->Call({"SCAN", cursor, "COUNT", "1000"});
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
      Fail("SCAN: " + (reply ? std::string(TextOf(*reply)) : client->error()));
    }
    cursor = TextOf(*reply->element[0]);
    const redisReply& found = *reply->element[1];
    for (size_t i = 0; i < found.elements; ++i) keys.emplace(TextOf(*found.element[i]));
  } while (cursor != "0");
  return keys;
}

void KillTest::Write(const std::function<void()>& end) {
  std::vector<std::thread> threads;
  for (const auto& writer : writers_) {
    threads.emplace_back([&, port = server_.port()] { writer->Run(port); });
  }
  threads.emplace_back([this, port = server_.port()] { watcher_.Run(port, writers_); });
  std::this_thread::sleep_for(milliseconds(random_.Uniform(kWritingMsMax)));
  end();
  for (std::thread& thread : threads) thread.join();
}

void KillTest::EndByKill() {
  server_.Kill();
  ++kills_done_;
  progress.ending = "kill -9";
}

void KillTest::EndByStop() {
  const int code = server_.Stop();
  progress.ending = "SIGTERM";
  if (code != 0) Fail("the server ended with " + std::to_string(code) + " after SIGTERM");
  ++stops_done_;
}

void KillTest::PrintSummary() const {
  uint64_t answered = 0;
  uint64_t pending = 0;
  uint64_t kept = 0;
  for (const auto& writer : writers_) {
    answered += writer->units_answered();
    pending += writer->units_pending();
    kept += writer->units_kept();
  }
  const auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf(
      "kill_test: seed %llu: %d kills, %d stops; %llu units answered, none lost; %llu pending, "
      "%llu "
      "of them kept; %llu flushes, %llu compactions\n",
      number(progress.seed), kills_done_, stops_done_, number(answered), number(pending),
      number(kept), number(watcher_.flushes()), number(watcher_.compactions()));
}

}  // namespace

}  // namespace varve

int main(int argc, char** argv) {
  const int kills = argc > 1 ? std::atoi(argv[1]) : varve::kKillsDefault;
  const uint64_t seed =
      argc > 2 ? std::strtoull(argv[2], nullptr, 10) : static_cast<uint64_t>(varve::NowMs());
  if (kills <= 0) {
    std::fprintf(stderr, "usage: kill_test [KILLS [SEED]]\n");
    return 1;
  }
  signal(SIGPIPE, SIG_IGN);  // hiredis writes to servers that are no more.
  std::printf("kill_test: seed %llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  varve::KillTest(kills, seed).Run();
  return 0;
}
