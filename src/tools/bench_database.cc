// tools/bench_database.cc: around the engine, what a server would do.
#include "tools/bench_database.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "engine/file_names.h"
#include "engine/values/value_ref.h"

namespace varve {

namespace {

constexpr char kMarkName[] = "VARVE-BENCH";
constexpr char kMarkText[] = "Made by varve-tool bench, which may throw away all that is here.\n";

// As in server/turn.cc: shorter delays are added up until a timer can measure them.
constexpr uint64_t kPauseUsMin = 1000;
// A moment between two jobs is no end.
constexpr uint64_t kSettleLookMs = 20;
constexpr int kSettleLooks = 3;
constexpr size_t kWalkStepsPerTurn = 4096;

}  // namespace

void BenchTotals::Add(const EngineStats& stats) {
  user_bytes_written += stats.user_bytes_written;
  log_bytes_written += stats.log_bytes_written;
  table_bytes_written += stats.flush_bytes_written + stats.compaction_bytes_written;
  value_bytes_relocated += stats.value_bytes_relocated;
  block_hits += stats.block_hits;
  block_reads += stats.block_reads_nowait + stats.block_reads_waited;
  filter_negatives += stats.filter_negatives;
  filter_false_positives += stats.filter_false_positives;
}

BenchDatabase::BenchDatabase(const BenchOptions& options)
    : options_(options), env_(loop_.handle()), temporary_(options.db.empty()) {}

BenchDatabase::~BenchDatabase() {
  (void)Close();
  if (!temporary_ || directory_.empty()) return;
  (void)RemoveFiles();
  (void)env_.Remove(JoinPath(directory_, kMarkName));
  rmdir(directory_.c_str());
}

// --- Opening and closing ---

Status BenchDatabase::Open() {
  RETURN_IF_ERROR(ClaimDirectory());
  if (!options_.use_existing_db) RETURN_IF_ERROR(RemoveFiles());
  return OpenEngine();
}

Status BenchDatabase::OpenFresh() {
  if (engine_->stats().entries_written == 0) return Status::Ok();
  RETURN_IF_ERROR(Close());
  RETURN_IF_ERROR(RemoveFiles());
  return OpenEngine();
}

Status BenchDatabase::Close() {
  if (!engine_) return Status::Ok();
  const Status status = engine_->Close();
  totals_.Add(engine_->stats());
  engine_.reset();
  return status;
}

Status BenchDatabase::OpenEngine() {
  Options options;
  options.directory = directory_;
  options.durability = Durability::kNo;
  options.memory_limit_bytes = options_.memory_limit_bytes;
  options.block_cache_bytes = options_.cache_size_bytes;
  if (options_.block_size_bytes != 0) {
    options.block_bytes = static_cast<uint32_t>(options_.block_size_bytes);
  }
  options.generation_bytes = options_.write_buffer_size_bytes;
  options.value_file_threshold_bytes = options_.value_file_threshold_bytes;
  Result<std::unique_ptr<Engine>> engine = Engine::Open(options, env_);
  if (!engine.ok()) return engine.status();
  engine_ = std::move(*engine);
  return Status::Ok();
}

Status BenchDatabase::ClaimDirectory() {
  directory_ = options_.db;
  if (temporary_) {
    char name[] = "varve-bench-XXXXXX";
    if (mkdtemp(name) == nullptr) return Status::FromErrno(errno, name, "create directory");
    directory_ = name;
  }
  RETURN_IF_ERROR(env_.CreateDirectory(directory_));
  if (env_.Exists(JoinPath(directory_, kMarkName))) return Status::Ok();
  const Result<std::vector<std::string>> names = env_.List(directory_);
  if (!names.ok()) return names.status();
  if (!names->empty()) {
    return Status::InvalidArgument(directory_ + ": holds something that no bench has made");
  }
  return ReplaceFile(env_, directory_, kMarkName, kMarkText);
}

Status BenchDatabase::RemoveFiles() {
  const Result<std::vector<std::string>> names = env_.List(directory_);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (ParseFileName(name)) RETURN_IF_ERROR(env_.Remove(JoinPath(directory_, name)));
  }
  return Status::Ok();
}

// --- The loop ---

void BenchDatabase::Turn() {
  engine_->EndTurn();
  // A post runs after timers, I/O and finished jobs have had their turn, and keeps the loop from sleeping.
  bool turned = false;
  env_.Post([&turned] { turned = true; });
  env_.RunUntil([&turned] { return turned; });
}

void BenchDatabase::Sleep(uint64_t ms) {
  bool over = false;
  env_.RunAfter(ms, [&over] { over = true; });
  env_.RunUntil([&over] { return over; });
}

void BenchDatabase::HoldWriter() {
  const uint64_t delay_us = engine_->WriterDelayUs();
  if (delay_us >= kPauseUsMin) Sleep(delay_us / 1000);
}

Status BenchDatabase::WaitForGroup(uint64_t group) {
  engine_->EndTurn();
  env_.RunUntil([&] { return engine_->reported_group() >= group || !engine_->writable().ok(); });
  return engine_->reported_group() >= group ? Status::Ok() : engine_->writable();
}

void BenchDatabase::WaitFor(ReadScope& scope) {
  if (!scope.waiting()) return;  // it has come meanwhile
  bool ready = false;
  scope.WhenReady([&ready] { ready = true; });
  env_.RunUntil([&ready] { return ready; });
}

// --- Upkeep ---

Status BenchDatabase::Settle() {
  for (int quiet = 0; quiet < kSettleLooks; ++quiet) {
    Sleep(kSettleLookMs);
    const EngineStats stats = engine_->stats();
    // What failed is tried again for ever; nobody wants to wait for that.
    if (!stats.last_error.empty()) return Status::IoError(stats.last_error);
    if (stats.flush_running || stats.compactions_running > 0 || stats.frozen_generations > 0)
      quiet = -1;
  }
  return Status::Ok();
}

Status BenchDatabase::Flush() {
  bool flushed = false;
  Status outcome;
  engine_->Flush([&](Status status) {
    outcome = std::move(status);
    flushed = true;
  });
  env_.RunUntil([&flushed] { return flushed; });
  return outcome;
}

Result<BenchLiveData> BenchDatabase::WalkAll() {
  BenchLiveData live;
  std::string from;  // the least key that has not been met
  ReadScope scope;
  for (;;) {
    std::unique_ptr<EntryIterator> it = engine_->Scan(from, Slice(), scope);
    size_t steps = 0;
    for (it->SeekToFirst(); it->Valid() && steps < kWalkStepsPerTurn; it->Next(), ++steps) {
      const Entry& entry = it->entry();
      from.assign(entry.key);
      from.push_back('\0');
      if (entry.kind != EntryKind::kPut) continue;
      ++live.keys;
      ValueRef ref;
      const bool elsewhere = entry.in_value_file && DecodeValueRef(entry.value, &ref);
      live.bytes += entry.key.size() + (elsewhere ? ref.value_bytes : entry.value.size());
    }
    const bool more = it->Valid();
    const Status status = it->status();
    it.reset();
    if (more) {
      scope.Reset();
      Turn();
    } else if (status.is_pending()) {
      WaitFor(scope);
    } else if (!status.ok()) {
      return status;
    } else {
      return live;
    }
  }
}

BenchTotals BenchDatabase::totals() const {
  BenchTotals totals = totals_;
  if (engine_) totals.Add(engine_->stats());
  return totals;
}

Result<uint64_t> BenchDatabase::DiskBytes() {
  const Result<std::vector<std::string>> names = env_.List(directory_);
  if (!names.ok()) return names.status();
  uint64_t bytes = 0;
  for (const std::string& name : *names) {
    if (!ParseFileName(name)) continue;
    const Result<std::unique_ptr<File>> file =
        env_.Open(JoinPath(directory_, name), OpenMode::kRead);
    if (file.status().is_not_found()) continue;  // removed meanwhile
    if (!file.ok()) return file.status();
    const Result<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    bytes += *size;
  }
  return bytes;
}

}  // namespace varve
