// tests/unit/engine/compaction/simulation_test.cc: the simulator shows of each policy what it is
// for.
#include "engine/compaction/simulation.h"

#include <map>
#include <string>

#include "engine/compaction/policy.h"
#include "engine/compaction/simulated_tree.h"

#include <doctest/doctest.h>

namespace varve {
namespace {

// A two hundred and fiftieth of the default: a blink.
SimulationOptions SmallSimulation(SimulatedLoad load, PolicyKind policy) {
  SimulationOptions options;
  options.load = load;
  options.data_bytes = 1u << 30;
  options.keys = 1u << 14;
  options.rounds = 2;
  options.engine.generation_bytes = 4u << 20;
  options.engine.table_bytes = 2u << 20;
  options.engine.level1_bytes = 16u << 20;
  options.engine.compaction_policy = policy;
  return options;
}

SimulationResult Run(const SimulationOptions& options) {
  const Result<SimulationResult> result = Simulate(options);
  REQUIRE_MESSAGE(result.ok(), result.status().ToString());
  return *result;
}

TEST_CASE(
    "simulation: tiering writes less, leveling reads and wastes less, laziness lies between") {
  for (const SimulatedLoad load : {SimulatedLoad::kUniform, SimulatedLoad::kDeletes}) {
    CAPTURE(ToString(load));
    const SimulationResult leveled = Run(SmallSimulation(load, PolicyKind::kLeveled));
    const SimulationResult tiered = Run(SmallSimulation(load, PolicyKind::kTiered));
    const SimulationResult lazy = Run(SmallSimulation(load, PolicyKind::kLazyLeveled));
    CHECK(tiered.write < lazy.write);
    CHECK(lazy.write < leveled.write);
    CHECK(tiered.space > 1.5);
    CHECK(lazy.space < 1.35);
    CHECK(leveled.space < 1.35);
    CHECK(tiered.runs > leveled.runs);
    CHECK(tiered.tables > lazy.tables);
  }
}

TEST_CASE("simulation: what comes in order is written once by all of them") {
  for (const PolicyKind policy : PolicyKinds()) {
    CAPTURE(ToString(policy));
    const SimulationResult r = Run(SmallSimulation(SimulatedLoad::kInOrder, policy));
    CHECK(r.write == doctest::Approx(1));
    CHECK(r.space == doctest::Approx(1));
    CHECK(r.largest_job_bytes == 0);
  }
}

TEST_CASE("simulation: lazy-leveled merges into its last run part by part, at no great price") {
  SimulationOptions options = SmallSimulation(SimulatedLoad::kUniform, PolicyKind::kLazyLeveled);
  const SimulationResult whole = Run(options);
  options.engine.compaction_bytes_max = 64u << 20;
  const SimulationResult in_parts = Run(options);
  CHECK(whole.largest_job_bytes > 400u << 20);
  CHECK(in_parts.largest_job_bytes < 300u << 20);
  CHECK(in_parts.write < 1.5 * whole.write);
}

TEST_CASE("simulation: one seed, one result") {
  SimulationOptions options = SmallSimulation(SimulatedLoad::kZipfian, PolicyKind::kLazyLeveled);
  const SimulationResult first = Run(options);
  CHECK(Run(options).write == first.write);
  CHECK(Run(options).space == first.space);
  options.seed = 2;
  CHECK(Run(options).write != first.write);
}

TEST_CASE("simulation: what cannot stand for the data is refused") {
  SimulationOptions options = SmallSimulation(SimulatedLoad::kUniform, PolicyKind::kLeveled);
  options.keys = 1000;
  CHECK(Simulate(options).status().ToString().find("it takes 8193 of them") != std::string::npos);
  options.keys = 0;
  CHECK_FALSE(Simulate(options).ok());
  options.keys = 2;
  options.data_bytes = 1;
  CHECK_FALSE(Simulate(options).ok());
}

TEST_CASE("simulated trees: a plan that is none is told") {
  class Fixed final : public CompactionPolicy {
   public:
    explicit Fixed(CompactionPlan plan) : plan_(std::move(plan)) {}
    std::optional<CompactionPlan> Pick(const Version&, const PolicyState&) const override {
      return plan_;
    }
    std::optional<CompactionPlan> PickManual(const Version&, const PolicyState&,
                                             const CompactionRange&) const override {
      return plan_;
    }
    uint64_t DebtBytes(const Version&, const Options&) const override { return 0; }

   private:
    const CompactionPlan plan_;
  };
  Options options;
  options.table_bytes = 10;
  SimulatedTree tree(options, 1, 1);
  REQUIRE(tree.Plant(2, {{1, 1}, {5, 2}}).ok());
  REQUIRE(tree.Plant(3, {{3, 3}, {4, 0}}).ok());
  CHECK_FALSE(tree.Plant(3, {{4, 9}}).ok());
  const FileRef above = tree.version().level(2)[0];
  const FileRef below = tree.version().level(3)[0];
  const auto fails = [&tree](CompactionPlan plan) { return !tree.Step(Fixed(plan)).ok(); };
  CompactionPlan plan;
  plan.level = 2;
  plan.output_level = 3;
  CHECK(fails(plan));  // of nothing
  plan.inputs = {above};
  CHECK(fails(plan));  // overlaps what is there
  plan.trivial_move = true;
  CHECK(fails(plan));
  plan.trivial_move = false;
  plan.drop_only = true;
  CHECK(fails(plan));  // drops what is alive
  plan.drop_only = false;
  plan.level = 1;
  CHECK(fails(plan));  // from another level
  plan.level = 2;
  plan.next_inputs = {below};
  tree.SetBusy({below->number});
  CHECK(fails(plan));
  tree.SetBusy({});
  CHECK_FALSE(fails(plan));
  CHECK(tree.version().table_count() == 1);
  CHECK(tree.Get(3).value == 3);
  CHECK(tree.Get(4).value == 0);
  CHECK(tree.Get(5).value == 2);
}

}  // namespace
}  // namespace varve
