// tests/bench/requests.cc: from bytes to a command, and back to bytes.
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "base/slice.h"
#include "commands/table.h"
#include "resp/limits.h"
#include "resp/output_buffer.h"
#include "resp/reply_writer.h"
#include "resp/request_reader.h"
#include "tests/bench/keys.h"
#include "tests/bench/measure.h"

namespace varve {
namespace {

constexpr size_t kPipeline = 16;

std::string EncodeRequest(std::initializer_list<Slice> arguments) {
  std::string out = "*" + std::to_string(arguments.size()) + "\r\n";
  for (const Slice argument : arguments) {
    out.append("$").append(std::to_string(argument.size())).append("\r\n");
    out.append(argument).append("\r\n");
  }
  return out;
}

// Until the reader wants more; returns how many requests there were.
size_t ReadAll(RequestReader& reader, Slice stream, Request* request) {
  size_t count = 0;
  while (!stream.empty()) {
    const std::span<char> space = reader.PrepareRead();
    const Slice piece = stream.substr(0, space.size());
    std::memcpy(space.data(), piece.data(), piece.size());
    reader.DidRead(piece.size());
    stream.remove_prefix(piece.size());
    while (reader.Next(request) == RequestReader::Outcome::kRequest) ++count;
  }
  return count;
}

// The pipeline of redis-benchmark -t set -P 16 -d 100, in one read.
void ParsePipelineOfSets(benchmark::State& state) {
  const std::string value(kBenchValueBytes, 'x');
  std::string stream;
  for (size_t i = 0; i < kPipeline; ++i) stream += EncodeRequest({"SET", BenchKey(i), value});
  const RequestLimits limits;
  RequestReader reader(limits);
  Request request;
  Measure(state, kPipeline, [&] {
    if (ReadAll(reader, stream, &request) != kPipeline) std::abort();
  });
}
BENCHMARK(ParsePipelineOfSets);

void FindCommandByName(benchmark::State& state) {
  static constexpr Slice kNames[] = {"SET", "get", "Incr", "MSET", "expire"};
  size_t i = 0;
  Measure(state, 1,
          [&] { benchmark::DoNotOptimize(FindCommand(kNames[i++ % std::size(kNames)])); });
}
BENCHMARK(FindCommandByName);

void ResolveSet(benchmark::State& state) {
  Request request;
  request.argv = {"SET", "key:000000000001", "value"};
  Measure(state, 1, [&] {
    const auto command = ResolveCommand(request);
    if (!command.ok()) std::abort();
    benchmark::DoNotOptimize(*command);
  });
}
BENCHMARK(ResolveSet);

// Sixteen replies into the buffer, and out of it as a socket would take them.
template <typename Write>
void EncodeReplies(benchmark::State& state, Write write) {
  OutputBuffer out;
  ReplyWriter reply(out, 2);
  Measure(state, kPipeline, [&] {
    for (size_t i = 0; i < kPipeline; ++i) write(reply);
    Slice pieces[kPipeline];
    benchmark::DoNotOptimize(out.Gather(out.position(), pieces));
    out.Consume(out.size());
  });
}

void EncodeOk(benchmark::State& state) {
  EncodeReplies(state, [](ReplyWriter& reply) { reply.Ok(); });
}
BENCHMARK(EncodeOk);

void EncodeInteger(benchmark::State& state) {
  EncodeReplies(state, [i = int64_t{0}](ReplyWriter& reply) mutable { reply.Integer(++i); });
}
BENCHMARK(EncodeInteger);

void EncodeBulk(benchmark::State& state) {
  const std::string value(kBenchValueBytes, 'x');
  EncodeReplies(state, [&value](ReplyWriter& reply) { reply.Bulk(Slice(value)); });
}
BENCHMARK(EncodeBulk);

}  // namespace
}  // namespace varve
