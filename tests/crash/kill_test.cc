// tests/crash/kill_test.cc: kill -9 at random moments, and everything acknowledged is still there.
//
//   kill_test [KILLS [SEED]]        300 kills, and a seed from the clock
//
// Each round, on one data directory throughout:
//
//   1. start    with the settings that the last round left in the file, so small that flushes and
//               compactions run all the while; now and then it is killed while it recovers, once or
//               several times
//   2. verify   each writer reads all its keys, and finds its own past (below); SCAN finds these
//               keys and no others, DBSIZE says how many
//   3. write    all at once:
//                 several writers over pipelines (kill_writer.h): values small and large, counters,
//                   transactions, keys that expire (kill_expiry.h); one of them FLUSHDB and SWAPDB
//                 one who changes settings, appendfsync among them (kill_config.h)
//                 a watcher that reads what the writers wrote
//               or, rarely, nobody but one FLUSHALL
//   4. end      kill -9 at a random moment; every few rounds SIGTERM instead, and an exit code of 0
//
// A writer knows what it has sent, and what it was answered: nothing acknowledged may be missing,
// no transaction or FLUSHDB half done, no order changed, no expiry moved. This holds under any
// appendfsync, for what the process has handed to the kernel survives the process. The watcher
// holds the server to the rule that a reply never reveals what a crash could take back: a counter
// it has seen at 17 is at least 17 ever after.
//
// The seed determines what is written and how long each round lasts, but not which write the
// signal meets. A failure names its seed, and the directory, which is kept.
#include <signal.h>

#include <algorithm>
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
#include "tests/crash/kill_config.h"
#include "tests/crash/kill_progress.h"
#include "tests/crash/kill_values.h"
#include "tests/crash/kill_writer.h"
#include "tests/support/live_server.h"
#include "tests/support/redis_client.h"

namespace varve {

namespace {

using std::chrono::milliseconds;

constexpr int kKillsDefault = 300;
constexpr int kKillsPerStop = 5;  // a SIGTERM after so many kills under load
constexpr uint64_t kWritingMsMax = 240;
constexpr uint64_t kStartingMsMax = 40;  // when it is killed while it recovers
constexpr uint64_t kFlushingUsMax = 1000;
constexpr uint64_t kRoundsPerFlushAll = 16;

// Of so many keys DBSIZE may miss one: a filter errs once in a hundred times, or is not in memory,
// and a new key has to pass those of all tables that overlap, some 20 under `tiered`. When all
// tables have been merged, it misses none but those whose tables had nothing to merge with.
constexpr int64_t kKeysPerUnsettled = 4;
constexpr int64_t kKeysPerUnsettledMerged = 100;

// What only a start can change.
constexpr std::array kRings = {"yes", "no"};
constexpr std::array kCompressionLevels = {"1", "0", "3", "1", "6"};
constexpr std::array kValueFileThresholds = {"4kb", "0", "1mb"};

// ---- A watcher ----------------------------------------------------------------------------------

// Reads the counters that only grow, and remembers how large it has seen them.
class Watcher {
 public:
  explicit Watcher(uint64_t seed) : random_(seed) {}

  void Run(int port, const std::vector<std::unique_ptr<Writer>>& writers);
  void Verify(const std::vector<std::unique_ptr<Writer>>& writers) const;
  // All counters are gone.
  void Forget() { seen_.clear(); }

  uint64_t flushes() const { return flushes_before_ + flushes_; }
  uint64_t compactions() const { return compactions_before_ + compactions_; }
  int lives_with_flushes() const { return lives_with_flushes_ + (flushes_ > 0); }

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
  int lives_with_flushes_ = 0;
};

void Watcher::Run(int port, const std::vector<std::unique_ptr<Writer>>& writers) {
  lives_with_flushes_ += flushes_ > 0;
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
  KillTest(int kills, uint64_t seed)
      : kills_(kills), random_(seed), watcher_(seed + kWriters), config_(seed + kWriters + 1) {
    for (int id = 0; id < kWriters; ++id) {
      writers_.push_back(std::make_unique<Writer>(id, seed + static_cast<uint64_t>(id)));
    }
    progress.seed = seed;
    progress.server = &server_;
    config_.MakeFile(server_.config_path());
  }

  void Run();

 private:
  void StartServer();
  void KillWhileStarting(const std::vector<std::string>& flags);
  void Verify();
  void VerifyFlushAll();
  void VerifyKeys(int database, int64_t keys_per_unsettled);
  void VerifyMerged();
  void RunTool(const std::string& command);
  std::set<std::string> ScanKeys(RedisClient* client);
  void Write(const std::function<void()>& end);
  bool FlushAll();
  void EndByKill();
  void EndByStop();
  void PrintSummary() const;

  const int kills_;
  Random random_;
  LiveServer server_;
  std::vector<std::unique_ptr<Writer>> writers_;
  Watcher watcher_;
  ConfigWriter config_;
  std::vector<const Writer*> may_be_flushed_;  // had keys when a FLUSHALL went unanswered
  int kills_done_ = 0;
  int kills_while_starting_ = 0;
  int stops_done_ = 0;
  int flush_alls_ = 0;
};

void KillTest::Run() {
  while (kills_done_ < kills_) {
    ++progress.round;
    StartServer();
    Verify();
    if (random_.OneIn(kRoundsPerFlushAll) && !FlushAll()) continue;
    const bool stop = progress.round % (kKillsPerStop + 1) == 0;
    Write([&] { stop ? EndByStop() : EndByKill(); });
  }
  StartServer();
  Verify();
  VerifyMerged();
  PrintSummary();
}

void KillTest::StartServer() {
  const auto round = static_cast<size_t>(progress.round);
  const auto pick = [round](const auto& values) {
    return std::string(values[round % values.size()]);
  };
  const std::vector<std::string> flags = {"--io-uring=" + pick(kRings),
                                          "--compression-level=" + pick(kCompressionLevels),
                                          "--value-file-threshold=" + pick(kValueFileThresholds)};
  progress.flags = config_.Describe();
  for (const std::string& flag : flags) progress.flags += " " + flag;

  config_.VerifyFile();
  if (progress.round > 1) KillWhileStarting(flags);
  if (!server_.Start(flags)) {
    Fail("the server does not start: it ended with " + std::to_string(server_.exit_code()));
  }
}

void KillTest::KillWhileStarting(const std::vector<std::string>& flags) {
  while (kills_done_ < kills_ && random_.OneIn(4)) {
    server_.Launch(flags);
    std::this_thread::sleep_for(milliseconds(random_.Uniform(kStartingMsMax)));
    server_.Kill();
    ++kills_done_;
    ++kills_while_starting_;
    progress.ending = "kill -9 while starting";
  }
}

// One thread a writer: half of the time goes into comparing.
void KillTest::Verify() {
  config_.Verify(server_.port());
  std::vector<std::thread> threads;
  for (const auto& writer : writers_) {
    threads.emplace_back([&, port = server_.port()] { writer->Verify(port); });
  }
  for (std::thread& thread : threads) thread.join();
  VerifyFlushAll();
  watcher_.Verify(writers_);
  for (int database = 0; database < kDatabases; ++database) {
    VerifyKeys(database, kKeysPerUnsettled);
  }
}

// At the end: every file is sound, and what is counted is what is there.
void KillTest::VerifyMerged() {
  if (const int code = server_.Stop(); code != 0) {
    Fail("an idle server ended with " + std::to_string(code) + " after SIGTERM");
  }
  RunTool("check");
  RunTool("compact");
  StartServer();
  for (int database = 0; database < kDatabases; ++database) {
    VerifyKeys(database, kKeysPerUnsettledMerged);
  }
}

void KillTest::RunTool(const std::string& command) {
  const char* tool = std::getenv("VARVE_TOOL");
  const std::string line = std::string(tool != nullptr ? tool : "build/varve-tool") + " " +
                           command + " " + server_.data_directory() + " >>" + server_.directory() +
                           "/server.log 2>&1";
  if (const int code = std::system(line.c_str()); code != 0) {
    Fail("varve-tool " + command + " ended with " + std::to_string(code));
  }
}

// Each writer has found all of its keys or none. Together too it must be all or none.
void KillTest::VerifyFlushAll() {
  const auto left = std::count_if(may_be_flushed_.begin(), may_be_flushed_.end(),
                                  [](const Writer* writer) { return writer->HoldsAny(); });
  if (left != 0 && left != std::ssize(may_be_flushed_)) Fail("FLUSHALL is half done");
  if (!may_be_flushed_.empty() && left == 0) watcher_.Forget();
  may_be_flushed_.clear();
}

// SCAN finds the writers' keys and no others. DBSIZE counts as many, and those that are due and not
// yet removed; but not those that came due since SCAN found them, nor a few whose making a filter
// hides until a compaction settles it (engine/commit.cc).
void KillTest::VerifyKeys(int database, int64_t keys_per_unsettled) {
  RedisClient client("127.0.0.1", server_.port());
  if (!IsStatus(client.Call({"SELECT", std::to_string(database)}), "OK")) Fail("SELECT");
  const int64_t before_ms = NowMs();
  const std::set<std::string> scanned = ScanKeys(&client);
  const Reply size = client.Call({"DBSIZE"});
  if (!size || size->type != REDIS_REPLY_INTEGER) Fail("DBSIZE: " + client.error());
  const int64_t after_ms = NowMs();

  int64_t due = 0;
  int64_t due_meanwhile = 0;
  size_t known = 0;
  for (const auto& writer : writers_) {
    for (int key = 0; key < writer->key_count(); ++key) {
      if (writer->DatabaseOf(key) != database) continue;
      const Value& value = writer->Answered(key);
      const bool is_scanned = scanned.contains(writer->NameOf(key));
      known += is_scanned;
      due += value.exists() && value.MayBeGone(after_ms);
      due_meanwhile += is_scanned && value.MayBeGone(after_ms);
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
  const int64_t least = count - due_meanwhile - count / keys_per_unsettled;
  if (size->integer < least || size->integer > count + due) {
    Fail("database " + std::to_string(database) + ": DBSIZE is " + std::to_string(size->integer) +
         ", SCAN finds " + std::to_string(count) + " keys, " + std::to_string(due) +
         " may be due, " + std::to_string(due_meanwhile) + " of those that it finds");
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
  threads.emplace_back([this, port = server_.port()] { config_.Run(port); });
  std::this_thread::sleep_for(milliseconds(random_.Uniform(kWritingMsMax)));
  end();
  for (std::thread& thread : threads) thread.join();
}

// FLUSHALL is for all writers, so none of them writes meanwhile. False if the server was killed
// before it answered, or at least before anyone looked.
bool KillTest::FlushAll() {
  for (const auto& writer : writers_) {
    if (writer->HoldsAny()) may_be_flushed_.push_back(writer.get());
    writer->SendFlushAll();
  }
  ++flush_alls_;
  RedisClient client("127.0.0.1", server_.port());
  client.Append({"FLUSHALL"});
  if (random_.OneIn(2)) {
    int is_sent = 0;
    while (is_sent == 0 && redisBufferWrite(client.context(), &is_sent) == REDIS_OK) {
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random_.Uniform(kFlushingUsMax)));
    EndByKill();
    return false;
  }
  if (!IsStatus(client.Read(), "OK")) Fail("FLUSHALL: " + client.error());
  for (const auto& writer : writers_) writer->TakeFlushAll();
  may_be_flushed_.clear();
  watcher_.Forget();
  return true;
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
  const auto sum = [this](uint64_t (Writer::*count)() const) {
    unsigned long long all = 0;
    for (const auto& writer : writers_) all += ((*writer).*count)();
    return all;
  };
  const auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf("kill_test: seed %llu: %d kills, %d of them while starting; %d stops\n",
              number(progress.seed), kills_done_, kills_while_starting_, stops_done_);
  std::printf("  units: %llu answered, none lost; %llu pending, %llu of them kept\n",
              sum(&Writer::units_answered), sum(&Writer::units_pending), sum(&Writer::units_kept));
  std::printf(
      "  restarts left %llu expiries to the millisecond, and %llu keys that were due gone\n",
      sum(&Writer::expiries_kept), sum(&Writer::expiries_done));
  std::printf("  %llu FLUSHDB and %llu SWAPDB answered, %d FLUSHALL sent\n",
              sum(&Writer::flushes_answered), sum(&Writer::swaps_answered), flush_alls_);
  std::printf("  settings: %llu changes, %llu rewrites of the file\n", number(config_.changes()),
              number(config_.rewrites()));
  std::printf("  %llu flushes, in %d of %d rounds; %llu compactions\n", number(watcher_.flushes()),
              watcher_.lives_with_flushes(), progress.round, number(watcher_.compactions()));
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
