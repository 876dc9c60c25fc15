// tests/bench/log.cc: the loop's part of the log: commits gathered into a group, and handed over.
#include <string>

#include "engine/batch.h"
#include "engine/log/log_writer.h"
#include "env/sim_env.h"
#include "tests/bench/keys.h"
#include "tests/bench/measure.h"

namespace varve {
namespace {

constexpr size_t kCommitsPerGroup = 800;  // as in a turn of a busy server

void LogAppend(benchmark::State& state) {
  SimEnv env(1);
  if (!env.CreateDirectory("log").ok()) std::abort();
  Options options;
  options.directory = "log";
  options.durability = Durability::kNo;
  options.Derive();
  uint64_t file_number = 0;
  LogWriter log(options, env, 1, 0,
                {.new_file_number = [&file_number] { return ++file_number; },
                 .on_reported = [] {},
                 .on_work = [](LogWork, uint64_t) {},
                 .on_failed = [](const Status&) { std::abort(); },
                 .on_no_space = [](const Status&) { std::abort(); }});
  Batch batch;
  batch.Put(BenchKey(1), 0, 0, Slice(std::string(kBenchValueBytes, 'x')));
  Measure(
      state, kCommitsPerGroup,
      [&] {
        for (size_t i = 0; i < kCommitsPerGroup; ++i) log.Append(batch);
        log.EndTurn();
      },
      [&] {
        env.RunUntilIdle();
        log.RetireBefore(file_number);
      });
  env.DropJobs();
}
BENCHMARK(LogAppend);

}  // namespace
}  // namespace varve
