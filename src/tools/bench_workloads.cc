// tools/bench_workloads.cc: what is done in each, and how often.
#include "tools/bench_workloads.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

namespace varve {

namespace {

// Operations of a turn, as many as the server runs for one client. See server/dispatch.h.
constexpr uint64_t kTurnOperations = 64;
// Entries of a turn, of a walk.
constexpr uint64_t kTurnEntries = 4096;
// Synced writes take long: as with db_bench there are fewer of them, for each writer.
constexpr uint64_t kSyncedPart = 1000;

constexpr size_t kPiecesBytes = 1u << 20;
constexpr size_t kPieceBytes = 100;
constexpr size_t kStampBytes = 8;

// clang-format off
constexpr BenchWorkload kWorkloads[] = {
    {"fillseq", "writes num keys in order", true, &BenchRunner::FillSeq},
    {"fillrandom", "writes num times a random key", true, &BenchRunner::FillRandom},
    {"overwrite", "the same, into the database there is", false, &BenchRunner::FillRandom},
    {"fillsync", "num / 1000 writes of each writer, each synced", true, &BenchRunner::FillSync},
    {"readrandom", "gets random keys", false, &BenchRunner::ReadRandom},
    {"readmissing", "gets keys that are not there", false, &BenchRunner::ReadMissing},
    {"readseq", "walks over keys in order, from the first on", false, &BenchRunner::ReadSeq},
    {"readreverse", "walks over keys in reverse order, from the last on", false, &BenchRunner::ReadReverse},
    {"seekrandom", "begins a scan at random keys", false, &BenchRunner::SeekRandom},
    {"readwhilewriting", "readrandom, with writes in between", false, &BenchRunner::ReadWhileWriting},
    {"waitforcompaction", "until flushes and compactions have ended", false, &BenchRunner::WaitForCompaction},
    {"idle", "does nothing for idle_seconds: space comes back", false, &BenchRunner::Idle},
};
// clang-format on

uint64_t NumberOf(Slice key) {
  uint64_t number = 0;
  for (const char c : key) number = number * 10 + static_cast<uint64_t>(c - '0');
  return number;
}

Status WrongValue(Slice key) {
  return Status::Corruption("key " + std::string(key) + " has a value that is not its own");
}

}  // namespace

// --- Keys and values ---

ValueSource::ValueSource(size_t value_size, double compression_ratio, uint64_t seed)
    : value_size_(value_size), value_(value_size, '\0') {
  // A piece is some random text, repeated until it is full. Printable bytes, as in db_bench: a
  // compressor that looks at single bytes finds something in them, too.
  Random random(seed);
  const size_t raw_bytes = std::max<size_t>(
      1, static_cast<size_t>(static_cast<double>(kPieceBytes) * compression_ratio));
  std::string raw(raw_bytes, '\0');
  while (pieces_.size() < kPiecesBytes + value_size) {
    for (char& c : raw) c = static_cast<char>(' ' + random.Uniform(95));
    for (size_t i = 0; i < kPieceBytes; ++i) pieces_.push_back(raw[i % raw_bytes]);
  }
}

Slice ValueSource::Next(uint64_t number) {
  if (at_ + value_size_ > pieces_.size()) at_ = 0;
  std::memcpy(value_.data(), pieces_.data() + at_, value_size_);
  at_ += value_size_;
  if (value_size_ >= kStampBytes) std::memcpy(value_.data(), &number, kStampBytes);
  return value_;
}

bool ValueSource::Fits(uint64_t number, Slice value) const {
  if (value.size() != value_size_) return false;
  return value_size_ < kStampBytes || std::memcmp(value.data(), &number, kStampBytes) == 0;
}

Slice KeyBuffer::Set(uint64_t number) {
  size_t i = key_.size();
  for (; number > 0; number /= 10) key_[--i] = static_cast<char>('0' + number % 10);
  std::memset(key_.data(), '0', i);
  return key_;
}

Slice KeyBuffer::SetMissing(uint64_t number) {
  missing_.assign(Set(number));
  missing_.push_back('.');
  return missing_;
}

// --- Which, and how long ---

std::span<const BenchWorkload> BenchWorkloads() { return kWorkloads; }

const BenchWorkload* FindBenchWorkload(Slice name) {
  const auto* const it = std::find_if(std::begin(kWorkloads), std::end(kWorkloads),
                                      [name](const BenchWorkload& w) { return w.name == name; });
  return it == std::end(kWorkloads) ? nullptr : it;
}

BenchRunner::BenchRunner(const BenchOptions& options, BenchDatabase& db)
    : options_(options),
      db_(db),
      random_(options.seed),
      key_(options.key_size),
      values_(options.value_size, options.compression_ratio, options.seed) {}

Result<BenchResult> BenchRunner::Run(const BenchWorkload& workload) {
  BenchResult result;
  result.name = workload.name;
  const uint64_t start_us = db_.env().MonotonicUs();
  if (Status s = (this->*workload.run)(&result); !s.ok()) return s;
  const uint64_t us = std::max<uint64_t>(db_.env().MonotonicUs() - start_us, 1);
  result.seconds = static_cast<double>(us) / 1e6;
  scope_.Reset();
  return result;
}

// --- Writing ---

uint64_t BenchRunner::Put(uint64_t number) {
  batch_.Clear();
  batch_.Put(key_.Set(number), 0, 0, values_.Next(number));
  return db_.engine().Commit(batch_);
}

template <typename NextNumber>
Status BenchRunner::Write(uint64_t count, NextNumber next_number, BenchResult* result) {
  result->operations = count;
  result->bytes = count * (options_.key_size + options_.value_size);
  if (options_.sync) return WriteSynced(count, next_number);
  for (uint64_t done = 0; done < count;) {
    // Whether writes are refused changes between turns only.
    RETURN_IF_ERROR(db_.engine().writable());
    const uint64_t end = std::min(count, done + kTurnOperations);
    for (; done < end; ++done) Put(next_number(done));
    db_.Turn();
    db_.HoldWriter();
  }
  return db_.WaitForGroup(db_.engine().last_commit_group());
}

// Every writer waits for its own write before it makes the next: at most `writers` are on their way.
template <typename NextNumber>
Status BenchRunner::WriteSynced(uint64_t count, NextNumber next_number) {
  Engine& engine = db_.engine();
  engine.SetDurability(Durability::kAlways);
  std::deque<uint64_t> groups;  // of the writes on their way, oldest first
  for (uint64_t begun = 0; begun < count || !groups.empty();) {
    RETURN_IF_ERROR(engine.writable());
    for (; begun < count && groups.size() < options_.writers; ++begun) {
      groups.push_back(Put(next_number(begun)));
    }
    RETURN_IF_ERROR(db_.WaitForGroup(groups.front()));
    while (!groups.empty() && groups.front() <= engine.reported_group()) groups.pop_front();
  }
  engine.SetDurability(Durability::kNo);
  return Status::Ok();
}

Status BenchRunner::FillSeq(BenchResult* result) {
  return Write(
      options_.num, [](uint64_t i) { return i; }, result);
}

Status BenchRunner::FillRandom(BenchResult* result) {
  return Write(
      options_.num, [this](uint64_t) { return RandomNumber(); }, result);
}

Status BenchRunner::FillSync(BenchResult* result) {
  const uint64_t count = std::max<uint64_t>(options_.num / kSyncedPart, 1) * options_.writers;
  result->operations = count;
  result->bytes = count * (options_.key_size + options_.value_size);
  return WriteSynced(count, [this](uint64_t) { return RandomNumber(); });
}

// --- Reading ---

Status BenchRunner::Get(Slice key, uint64_t number, BenchResult* result) {
  scope_.Reset();
  Value value;
  Status status = db_.engine().Get(key, scope_, &value);
  while (status.is_pending()) {
    db_.WaitFor(scope_);
    status = db_.engine().Get(key, scope_, &value);
  }
  ++result->reads;
  if (status.is_not_found()) return Status::Ok();
  if (!status.ok()) return status;
  if (!values_.Fits(number, value.bytes)) return WrongValue(key);
  ++result->found;
  result->bytes += key.size() + value.bytes.size();
  return Status::Ok();
}

template <typename Operation>
Status BenchRunner::Read(uint64_t step, Operation operation, BenchResult* result) {
  const uint64_t count = result->operations = options_.read_operations();
  for (uint64_t done = 0; done < count;) {
    const uint64_t end = std::min(count, done + kTurnOperations);
    while (done < end) {
      const uint64_t n = std::min(step, end - done);
      RETURN_IF_ERROR(operation(n));
      done += n;
    }
    db_.Turn();
  }
  return Status::Ok();
}

Status BenchRunner::ReadRandom(BenchResult* result) {
  const uint64_t together = std::max<uint64_t>(options_.prefetch, 1);
  std::vector<uint64_t> numbers(together);
  std::vector<KeyBuffer> buffers(together, key_);
  std::vector<Slice> keys(together);
  const auto get_some = [&](uint64_t n) -> Status {
    for (size_t i = 0; i < n; ++i) {
      numbers[i] = RandomNumber();
      keys[i] = buffers[i].Set(numbers[i]);
    }
    if (options_.prefetch > 0) db_.engine().Prefetch(std::span(keys).first(n));
    for (size_t i = 0; i < n; ++i) RETURN_IF_ERROR(Get(keys[i], numbers[i], result));
    return Status::Ok();
  };
  return Read(together, get_some, result);
}

Status BenchRunner::ReadMissing(BenchResult* result) {
  const auto get_one = [&](uint64_t) {
    const uint64_t number = RandomNumber();
    return Get(key_.SetMissing(number), number, result);
  };
  RETURN_IF_ERROR(Read(1, get_one, result));
  if (result->found > 0) return Status::Corruption("keys were found that nobody wrote");
  return Status::Ok();
}

Status BenchRunner::SeekRandom(BenchResult* result) {
  return Read(
      1, [&](uint64_t) { return Seek(RandomNumber(), result); }, result);
}

Status BenchRunner::Seek(uint64_t number, BenchResult* result) {
  const Slice key = key_.Set(number);
  scope_.Reset();
  for (;;) {
    const std::unique_ptr<EntryIterator> it = db_.engine().Scan(key, Slice(), scope_);
    uint64_t met = 0;
    bool exact = false;
    uint64_t bytes = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const Entry& entry = it->entry();
      if (entry.kind != EntryKind::kPut) continue;
      const Result<uint64_t> size = Look(entry);
      if (size.status().is_pending()) break;
      if (!size.ok()) return size.status();
      if (entry.key < key) return WrongValue(entry.key);
      exact |= entry.key == key;
      bytes += *size;
      if (++met > options_.seek_nexts) break;
    }
    if (scope_.waiting() || (!it->Valid() && it->status().is_pending())) {
      db_.WaitFor(scope_);
      continue;
    }
    ++result->reads;
    result->found += exact;
    result->bytes += bytes;
    return it->Valid() ? Status::Ok() : it->status();
  }
}

Result<uint64_t> BenchRunner::Look(const Entry& entry) {
  Value value;
  value.bytes = entry.value;
  if (entry.in_value_file) RETURN_IF_ERROR(db_.engine().Get(entry.key, scope_, &value));
  if (!values_.Fits(NumberOf(entry.key), value.bytes)) return WrongValue(entry.key);
  return entry.key.size() + value.bytes.size();
}

Status BenchRunner::ReadSeq(BenchResult* result) { return Walk(Direction::kForward, result); }

Status BenchRunner::ReadReverse(BenchResult* result) { return Walk(Direction::kBackward, result); }

Status BenchRunner::Walk(Direction direction, BenchResult* result) {
  const bool forward = direction == Direction::kForward;
  const uint64_t count = options_.read_operations();
  std::string bound;  // what is behind it has been met
  scope_.Reset();
  while (result->operations < count) {
    const std::unique_ptr<EntryIterator> it =
        forward ? db_.engine().Scan(bound, Slice(), scope_)
                : db_.engine().ScanBackward(Slice(), bound, scope_);
    it->SeekToFirst();
    for (uint64_t left = std::min(kTurnEntries, count - result->operations);
         it->Valid() && left > 0; it->Next(), --left) {
      const Entry& entry = it->entry();
      if (entry.kind == EntryKind::kPut) {
        const Result<uint64_t> size = Look(entry);
        if (size.status().is_pending()) break;
        if (!size.ok()) return size.status();
        result->bytes += *size;
        ++result->operations;
      }
      bound.assign(entry.key);
      if (forward) bound.push_back('\0');
    }
    if (!it->Valid() && !it->status().is_pending()) return it->status();
    if (scope_.waiting()) {
      db_.WaitFor(scope_);
    } else {
      scope_.Reset();
      db_.Turn();
    }
  }
  return Status::Ok();
}

Status BenchRunner::ReadWhileWriting(BenchResult* result) {
  const uint64_t count = result->operations = options_.read_operations();
  for (uint64_t done = 0; done < count;) {
    RETURN_IF_ERROR(db_.engine().writable());
    const uint64_t end = std::min(count, done + kTurnOperations);
    while (done < end) {
      const uint64_t number = RandomNumber();
      RETURN_IF_ERROR(Get(key_.Set(number), number, result));
      if (++done % options_.reads_per_write != 0) continue;
      Put(RandomNumber());
      ++result->writes;
    }
    db_.Turn();
    db_.HoldWriter();
  }
  return db_.WaitForGroup(db_.engine().last_commit_group());
}

Status BenchRunner::WaitForCompaction(BenchResult* result) {
  result->operations = 1;
  return db_.Settle();
}

Status BenchRunner::Idle(BenchResult* result) {
  result->operations = 1;
  db_.Sleep(1000 * options_.idle_seconds);
  return db_.Settle();
}

}  // namespace varve
