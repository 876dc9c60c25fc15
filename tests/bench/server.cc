// tests/bench/server.cc: a request's whole way through the server, between the socket's two calls: parse, look up, run, commit, reply.
//
// A server over a simulated disk, with connections that are strings; files, threads and clocks cost nothing here.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "env/sim_env.h"
#include "server/config.h"
#include "server/instance.h"
#include "tests/bench/keys.h"
#include "tests/bench/measure.h"

namespace varve {
namespace {

constexpr size_t kClients = 50;
constexpr size_t kRequestsPerRound = 800;  // over all clients, as in a turn of a busy server
constexpr uint64_t kMemoryLimitBytes = 4ull << 30;

class StringConnection final : public Connection {
 public:
  StringConnection(Owner& of, size_t* sent) : owner(of), sent_(sent) {}
  void SetReading(bool) override {}
  void WantWritable(bool) override {}
  int descriptor() const override { return 0; }
  ptrdiff_t Write(std::span<const Slice> slices) override {
    ptrdiff_t size = 0;
    for (const Slice slice : slices) size += static_cast<ptrdiff_t>(slice.size());
    *sent_ += static_cast<size_t>(size);
    return size;
  }

  Owner& owner;

 private:
  size_t* sent_;
};

class BenchServer {
 public:
  explicit BenchServer(size_t keys) : keys_(BenchKeys(keys)), order_(RandomOrder(keys)) {
    SetLogLevel(LogLevel::kWarning);
    Config config = DefaultConfig();
    config.dir = "data";
    config.memory_limit_bytes = kMemoryLimitBytes;
    Instance::Host host;
    host.open_connection = [this](int, Connection::Owner& owner) {
      auto connection = std::make_unique<StringConnection>(owner, &sent_);
      connections_.push_back(connection.get());
      return connection;
    };
    host.set_busy = [](bool) {};
    host.tick = host.stop = [] {};
    host.configured = [](const Config&) {};
    host.measure_memory = [] { return ProcessMemory{}; };
    host.clients_max = 10000;
    host.open_tables_max = 1000;
    instance_ = std::make_unique<Instance>(config, env_, host);
    if (!instance_->Open().ok()) std::abort();
    for (size_t i = 0; i < kClients; ++i) {
      AcceptedSocket socket;
      socket.is_unix = socket.is_loopback = true;
      instance_->Accept(socket);
    }
    for (at_ = 0; at_ < keys;) {
      Round([this](std::string* to) { AppendSet(to); }, 16);
      Settle();
    }
  }
  ~BenchServer() {
    env_.DropJobs();
    instance_ = nullptr;
  }

  // kRequestsPerRound requests, `depth` of a client at a time, in as many turns as that takes.
  template <typename Append>
  void Round(Append append, size_t depth) {
    size_t left = kRequestsPerRound;
    while (left > 0) {
      for (StringConnection* connection : connections_) {
        bytes_.clear();
        for (size_t i = 0; i < depth; ++i) append(&bytes_);
        left -= std::min(left, depth);
        Slice rest = bytes_;
        while (!rest.empty()) {
          const std::span<char> space = connection->owner.ReadSpace();
          const size_t size = std::min(space.size(), rest.size());
          std::memcpy(space.data(), rest.data(), size);
          rest.remove_prefix(size);
          connection->owner.DidRead(size);
          // The next piece comes in another turn.
          if (!rest.empty()) instance_->EndTurn();
        }
      }
      instance_->EndTurn();
    }
  }
  // What worker threads would do, and the replies that waited for it.
  void Settle() {
    env_.RunUntilIdle();
    instance_->EndTurn();
  }

  void AppendGet(std::string* to) {
    to->append("*2\r\n$3\r\nGET\r\n$16\r\n").append(NextKey()).append("\r\n");
  }
  void AppendSet(std::string* to) {
    to->append("*3\r\n$3\r\nSET\r\n$16\r\n").append(NextKey()).append("\r\n$100\r\n");
    to->append(value_).append("\r\n");
  }
  size_t sent() const { return sent_; }

 private:
  Slice NextKey() {
    const Slice key = keys_[order_[at_ % order_.size()]];
    ++at_;
    return key;
  }

  const std::vector<std::string> keys_;
  const std::vector<uint32_t> order_;
  const std::string value_ = std::string(kBenchValueBytes, 'x');
  size_t at_ = 0;
  size_t sent_ = 0;
  std::string bytes_;
  SimEnv env_{1};
  std::vector<StringConnection*> connections_;
  std::unique_ptr<Instance> instance_;
};

constexpr int64_t kHot = 1000;
constexpr int64_t kCold = 1000000;

// range(0) keys, pipelines of range(1).
void ServeGet(benchmark::State& state) {
  BenchServer server(static_cast<size_t>(state.range(0)));
  const auto depth = static_cast<size_t>(state.range(1));
  const size_t before = server.sent();
  Measure(state, kRequestsPerRound,
          [&] { server.Round([&server](std::string* to) { server.AppendGet(to); }, depth); });
  if (server.sent() - before < kRequestsPerRound * kBenchValueBytes) std::abort();
}
BENCHMARK(ServeGet)->Args({kHot, 16})->Args({kCold, 16})->Args({kCold, 1});

// Without what worker threads do; the loop's part of handing them the log is in it.
void ServeSet(benchmark::State& state) {
  BenchServer server(static_cast<size_t>(state.range(0)));
  const auto depth = static_cast<size_t>(state.range(1));
  Measure(
      state, kRequestsPerRound,
      [&] { server.Round([&server](std::string* to) { server.AppendSet(to); }, depth); },
      [&] { server.Settle(); });
}
BENCHMARK(ServeSet)->Args({kHot, 16})->Args({kCold, 16})->Args({kCold, 1});

}  // namespace
}  // namespace varve
