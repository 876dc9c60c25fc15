// engine/compaction/simulation.cc: loads, generations, and the figures.
#include "engine/compaction/simulation.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "engine/compaction/policy.h"
#include "engine/compaction/simulated_tree.h"

namespace varve {

namespace {

// Fewer would make every table a special case.
constexpr uint64_t kGenerationKeysMin = 32;
// A tombstone is its key: about so much smaller than an entry.
constexpr uint64_t kTombstonesPerPut = 8;
// The log is cut with a generation, so keys that are overwritten again and again end one too.
constexpr uint64_t kWritesPerGenerationKey = 2;
constexpr int kGetsPerFlush = 64;
constexpr int kStepsMax = 100'000;

// --- Loads ---

// Ranks from 0, the lower the more popular: "Quickly Generating Billion-Record Synthetic
// Databases", Gray et al., SIGMOD 1994, as in YCSB.
class Zipfian {
 public:
  explicit Zipfian(uint64_t n) : n_(static_cast<double>(n)) {
    for (uint64_t i = 1; i <= n; ++i) zeta_ += 1 / std::pow(static_cast<double>(i), kTheta);
    const double zeta2 = 1 + std::pow(0.5, kTheta);
    eta_ = (1 - std::pow(2 / n_, 1 - kTheta)) / (1 - zeta2 / zeta_);
  }
  uint64_t Next(Random& random) const {
    const double u = static_cast<double>(random.Next() >> 11) * 0x1p-53;
    const double uz = u * zeta_;
    if (uz < 1) return 0;
    if (uz < 1 + std::pow(0.5, kTheta)) return 1;
    const double rank = n_ * std::pow(eta_ * u - eta_ + 1, 1 / (1 - kTheta));
    return std::min(static_cast<uint64_t>(rank), static_cast<uint64_t>(n_) - 1);
  }

 private:
  static constexpr double kTheta = 0.99;
  double n_;
  double zeta_ = 0;
  double eta_ = 0;
};

std::vector<uint32_t> Shuffled(uint64_t n, Random& random) {
  std::vector<uint32_t> order(n);
  for (uint64_t i = 0; i < n; ++i) order[i] = static_cast<uint32_t>(i);
  for (uint64_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.Uniform(i)]);
  return order;
}

// --- One simulation ---

Status CheckOptions(const SimulationOptions& options) {
  if (options.keys == 0 || options.keys > UINT32_MAX || options.keys > options.data_bytes) {
    return Status::InvalidArgument("there must be keys, and fewer of them than bytes of data");
  }
  const uint64_t generation_bytes = options.engine.generation_bytes;
  if (generation_bytes / (options.data_bytes / options.keys) < kGenerationKeysMin) {
    const uint64_t wanted = options.data_bytes * kGenerationKeysMin / generation_bytes + 1;
    return Status::InvalidArgument("a generation would have only a few keys: it takes " +
                                   std::to_string(wanted) + " of them to stand for the data");
  }
  return Status::Ok();
}

class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options)
      : options_(options),
        put_bytes_(options.data_bytes / options.keys),
        tombstone_bytes_(std::max<uint64_t>(put_bytes_ / kTombstonesPerPut, 1)),
        policy_(PolicyOf(options.engine.compaction_policy)),
        random_(options.seed),
        tree_(options.engine, put_bytes_, tombstone_bytes_),
        values_(options.keys),
        in_generation_(options.keys) {}

  Result<SimulationResult> Run();

 private:
  Status FillAtRandom();
  Status WriteInOrder();
  Status WriteLoad(uint64_t writes);
  void ClearTotals();

  Status Put(uint32_t key) { return Write(key, ++last_value_); }
  Status Write(uint32_t key, uint32_t value);
  Status FlushGeneration();
  void Look();
  SimulationResult Figures() const;
  Status CheckAll() const;

  const SimulationOptions options_;
  const uint64_t put_bytes_;
  const uint64_t tombstone_bytes_;
  const CompactionPolicy& policy_;
  Random random_;
  SimulatedTree tree_;
  std::vector<uint32_t> values_;  // by key; 0: not there
  uint64_t live_keys_ = 0;
  uint32_t last_value_ = 0;

  // The active generation: its keys, as they came, and whether a key is among them.
  std::vector<uint32_t> generation_keys_;
  std::vector<bool> in_generation_;
  uint64_t generation_writes_ = 0;

  uint64_t user_bytes_ = 0;
  uint64_t looks_ = 0;
  uint64_t gets_ = 0;
  SimulationResult sums_;  // of what Figures() makes averages
};

Result<SimulationResult> Simulation::Run() {
  if (options_.load == SimulatedLoad::kInOrder) {
    RETURN_IF_ERROR(WriteInOrder());
  } else {
    RETURN_IF_ERROR(FillAtRandom());
    RETURN_IF_ERROR(WriteLoad(options_.keys));
    ClearTotals();
    RETURN_IF_ERROR(WriteLoad(options_.rounds * options_.keys));
  }
  RETURN_IF_ERROR(CheckAll());
  return Figures();
}

Status Simulation::FillAtRandom() {
  for (const uint32_t key : Shuffled(options_.keys, random_)) RETURN_IF_ERROR(Put(key));
  return Status::Ok();
}

Status Simulation::WriteInOrder() {
  for (uint64_t key = 0; key < options_.keys; ++key) {
    RETURN_IF_ERROR(Put(static_cast<uint32_t>(key)));
  }
  return Status::Ok();
}

Status Simulation::WriteLoad(uint64_t writes) {
  const Zipfian ranks(options_.keys);
  Random places(options_.seed);
  const std::vector<uint32_t> key_of_rank = Shuffled(options_.keys, places);
  for (uint64_t i = 0; i < writes; ++i) {
    const bool zipfian = options_.load == SimulatedLoad::kZipfian;
    const uint32_t key = zipfian ? key_of_rank[ranks.Next(random_)]
                                 : static_cast<uint32_t>(random_.Uniform(options_.keys));
    const bool deletes = options_.load == SimulatedLoad::kDeletes && random_.OneIn(2);
    RETURN_IF_ERROR(deletes ? Write(key, 0) : Put(key));
  }
  return Status::Ok();
}

void Simulation::ClearTotals() {
  tree_.ClearTotals();
  user_bytes_ = looks_ = gets_ = 0;
  sums_ = {};
}

Status Simulation::Write(uint32_t key, uint32_t value) {
  live_keys_ += (value != 0 ? 1 : 0) - (values_[key] != 0 ? 1 : 0);
  values_[key] = value;
  user_bytes_ += value != 0 ? put_bytes_ : tombstone_bytes_;
  ++generation_writes_;
  if (!in_generation_[key]) {
    in_generation_[key] = true;
    generation_keys_.push_back(key);
  }
  const uint64_t keys_max = options_.engine.generation_bytes / put_bytes_;
  const bool full = generation_keys_.size() >= keys_max ||
                    generation_writes_ >= kWritesPerGenerationKey * keys_max;
  return full ? FlushGeneration() : Status::Ok();
}

Status Simulation::FlushGeneration() {
  std::sort(generation_keys_.begin(), generation_keys_.end());
  SimulatedEntries entries;
  entries.reserve(generation_keys_.size());
  for (const uint32_t key : generation_keys_) {
    entries.push_back({key, values_[key]});
    in_generation_[key] = false;
  }
  generation_keys_.clear();
  generation_writes_ = 0;
  RETURN_IF_ERROR(tree_.Flush(std::move(entries)));
  RETURN_IF_ERROR(tree_.Settle(policy_, kStepsMax));
  Look();
  return Status::Ok();
}

void Simulation::Look() {
  ++looks_;
  const uint64_t runs = tree_.runs();
  sums_.runs += static_cast<double>(runs);
  sums_.runs_max = std::max(sums_.runs_max, runs);
  const double space = static_cast<double>(tree_.version().table_bytes()) /
                       static_cast<double>(std::max<uint64_t>(live_keys_, 1) * put_bytes_);
  sums_.space += space;
  sums_.space_max = std::max(sums_.space_max, space);
  for (int i = 0; i < kGetsPerFlush; ++i) {
    const auto key = static_cast<uint32_t>(random_.Uniform(options_.keys));
    if (values_[key] == 0) continue;
    ++gets_;
    sums_.tables += static_cast<double>(tree_.Get(key).tables);
  }
}

SimulationResult Simulation::Figures() const {
  SimulationResult result = sums_;
  result.write = static_cast<double>(tree_.bytes_flushed() + tree_.bytes_compacted()) /
                 static_cast<double>(std::max<uint64_t>(user_bytes_, 1));
  result.runs /= static_cast<double>(std::max<uint64_t>(looks_, 1));
  result.space /= static_cast<double>(std::max<uint64_t>(looks_, 1));
  result.tables /= static_cast<double>(std::max<uint64_t>(gets_, 1));
  result.largest_job_bytes = tree_.largest_job_bytes();
  return result;
}

Status Simulation::CheckAll() const {
  for (uint32_t key = 0; key < options_.keys; ++key) {
    if (in_generation_[key] || tree_.Get(key).value == values_[key]) continue;
    return Status::Corruption("key " + std::to_string(key) + " is not what was written last");
  }
  return Status::Ok();
}

}  // namespace

std::span<const SimulatedLoad> SimulatedLoads() {
  static constexpr SimulatedLoad kLoads[] = {SimulatedLoad::kUniform, SimulatedLoad::kZipfian,
                                             SimulatedLoad::kInOrder, SimulatedLoad::kDeletes};
  return kLoads;
}

const char* ToString(SimulatedLoad load) {
  switch (load) {
    case SimulatedLoad::kUniform: return "uniform";
    case SimulatedLoad::kZipfian: return "zipfian";
    case SimulatedLoad::kInOrder: return "in-order";
    case SimulatedLoad::kDeletes: return "deletes";
  }
  return "?";
}

std::optional<SimulatedLoad> ParseSimulatedLoad(Slice name) {
  for (const SimulatedLoad load : SimulatedLoads()) {
    if (name == ToString(load)) return load;
  }
  return std::nullopt;
}

Result<SimulationResult> Simulate(const SimulationOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  return Simulation(options).Run();
}

}  // namespace varve
