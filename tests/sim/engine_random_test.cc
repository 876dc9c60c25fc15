// tests/sim/engine_random_test.cc: whole lives of a database by chance, each from one seed.
//
// A few clients write, read and scan; jobs, time, faults, power cuts and restarts come in between. Nothing that
// a client was told may be untrue later, and what was never written may not appear.
//
//   VARVE_SIM_SEED=n      this one history
//   VARVE_SIM_SECONDS=n   histories never told before, for so long
//   neither               a thousand fixed ones
#include <chrono>
#include <cstdlib>

#include "engine/compaction/policy.h"
#include "tests/sim/engine_world.h"

namespace varve {
namespace {

Options ChooseOptions(Random& random) {
  Options options = TinyOptions();
  DrawTiny(random, options);
  options.durability = static_cast<Durability>(random.Uniform(3));
  return options;
}

// A client does one thing after the other. What it was told counts when its reply may leave.
struct Client {
  enum Kind : uint8_t { kIdle, kGet, kScan, kRandomKey };
  ReadScope scope;
  Kind kind = kIdle;
  std::string key;               // or the prefix
  std::string lower, upper;      // a scan's bounds, within the prefix
  bool backward = false;         // a scan
  std::set<std::string> before;  // a scan's: the keys that were there when it began
  bool ready = false;
};

class RandomHistory {
 public:
  explicit RandomHistory(uint64_t seed)
      : random_(seed),
        policy_random_(~seed),
        snapshot_random_(seed ^ 0x50a9),
        world_(seed, ChooseOptions(random_)),
        clients_(4) {}
  ~RandomHistory() { ForgetClients(); }

  void Run() {
    world_.check_before_open = true;
    REQUIRE(world_.Open());
    for (uint64_t lives = 1 + random_.Uniform(5); lives > 0; --lives) {
      Live(50 + random_.Uniform(300));
      End();
    }
    CalmDown();
    world_.CheckSettled();
    world_.Close();
  }

 private:
  // --- A life ---

  void Live(uint64_t steps) {
    risky_ = random_.OneIn(2);
    if (random_.OneIn(3)) world_.env.CutPowerAfter(1 + random_.Uniform(400));
    for (; steps > 0 && world_.env.power_is_on(); --steps) {
      world_.latest_wall_ms();
      const uint64_t dice = random_.Uniform(100);
      if (dice < 30) {
        Write();
      } else if (dice < 50) {
        Act(clients_[random_.Uniform(clients_.size())]);
      } else if (dice < 65) {
        world_.engine->EndTurn();
      } else if (dice < 90) {
        for (uint64_t n = random_.Uniform(12); n > 0 && world_.env.RunOneJob(); --n) {
        }
      } else {
        Happen();
      }
      if (policy_random_.OneIn(100)) world_.SetCompactionPolicy(RandomPolicy());
      if (snapshot_random_.OneIn(40)) TakeSnapshot();
      if (snapshot_random_.OneIn(50)) CheckSnapshot();
      if (policy_random_.OneIn(60)) CompactSomeRange();
      ReleaseReplies();
    }
  }

  PolicyKind RandomPolicy() { return PolicyKinds()[policy_random_.Uniform(PolicyKinds().size())]; }

  // Out of the ordinary.
  void Happen() {
    switch (random_.Uniform(risky_ ? 15 : 11)) {
      case 0: world_.env.AdvanceMs(random_.Uniform(1200)); break;
      case 1: world_.env.AdvanceMs(1000); break;
      case 2: world_.SetDurability(static_cast<Durability>(random_.Uniform(3))); break;
      case 3: world_.engine->Sync(PromiseIfOk()); break;
      case 4: world_.engine->Flush(PromiseIfOk()); break;
      case 5:
        if (random_.OneIn(3)) world_.engine->Compact({}, {}, PromiseIfOk());
        break;
      case 6:
        world_.engine->SetOutsideMemory(random_.OneIn(2) ? random_.Uniform(300'000) : 0);
        break;
      case 7:
        if (random_.OneIn(3)) {
          world_.env.SetWallMs(world_.env.WallMs() +
                               static_cast<int64_t>(random_.Uniform(200'000)) - 100'000);
        }
        break;
      case 8: world_.env.HoldLane(static_cast<Lane>(random_.Uniform(kLanes)), true); break;
      case 9: ReleaseLanes(); break;
      case 10: ASecondOfPeace(); break;
      case 11:
      case 12: {
        world_.faulty = true;
        const StatusCode code = random_.OneIn(3) ? StatusCode::kNoSpace : StatusCode::kIoError;
        world_.env.FailNth(1 + random_.Uniform(40), code, random_.OneIn(3));
        break;
      }
      case 13:
        world_.faulty = true;
        world_.env.SetCapacity(random_.Uniform(100'000));
        break;
      case 14: world_.Heal(); break;
    }
  }

  // After which everything is on the disk, unless nobody wants it to be.
  void ASecondOfPeace() {
    if (world_.faulty) return;
    ReleaseLanes();
    const uint64_t group = world_.engine->last_commit_group();
    world_.engine->EndTurn();
    world_.RunUntilIdle();
    world_.env.AdvanceMs(1000);
    world_.RunUntilIdle();
    const bool wanted = world_.durability() != Durability::kNo;
    if (wanted && world_.env.power_is_on()) world_.Promise(group);
  }

  std::function<void(Status)> PromiseIfOk() {
    const uint64_t group = world_.engine->last_commit_group();
    return [this, group](const Status& status) {
      if (status.ok()) world_.Promise(group);
    };
  }

  // Of a few keys, of a prefix, or any.
  void CompactSomeRange() {
    std::string lower = policy_random_.OneIn(4) ? "" : RandomBound();
    std::string upper = policy_random_.OneIn(4) ? "" : RandomBound();
    if (!upper.empty() && upper < lower) std::swap(lower, upper);
    // An empty one is through before anything is flushed.
    if (!upper.empty() && upper == lower) upper += "~";
    world_.engine->Compact(lower, upper, PromiseIfOk());
  }
  std::string RandomBound() {
    std::string bound = policy_random_.OneIn(3) ? "c" : "s";
    bound += std::to_string(10 + policy_random_.Uniform(4));
    if (policy_random_.OneIn(2)) bound += std::to_string(policy_random_.Uniform(40));
    return bound;
  }

  // How a life ends, and the next one begins.
  void End() {
    ReleaseLanes();
    const uint64_t way = random_.Uniform(4);
    while (snapshot_random_.OneIn(2)) CheckSnapshot();
    if (way == 0 && world_.env.power_is_on()) {
      // In peace, if it can be had.
      const bool closed = world_.Close();
      ForgetClients();
      CheckSnapshot();  // which does not need the engine any more
      if (closed && world_.env.power_is_on()) {
        world_.Kill();
        if (random_.OneIn(2)) world_.Restart(RandomMode());
      } else {
        world_.Restart(RandomMode());
      }
    } else if (way == 1 && world_.env.power_is_on()) {
      CalmDown();
      if (world_.env.power_is_on()) world_.CheckSettled();
      ForgetClients();
      world_.Restart(RandomMode());
    } else {
      ForgetClients();
      world_.Restart(RandomMode());
    }
    Reopen();
  }

  void Reopen() {
    ForgetSnapshots();
    world_.Heal();
    world_.env.CutPowerAfter(0);
    world_.faulty = false;
    for (uint64_t cuts = random_.Uniform(3); cuts > 0; --cuts) {
      world_.env.CutPowerAfter(1 + random_.Uniform(60));
      (void)world_.Open();
      world_.Restart(RandomMode());
    }
    if (random_.OneIn(5)) {
      world_.faulty = true;
      world_.env.FailNth(1 + random_.Uniform(60));
    }
    REQUIRE(world_.Open());
    world_.CheckRecovered();
    if (world_.env.faults() > 0) world_.env.FailNth(0);
  }

  CrashMode RandomMode() { return static_cast<CrashMode>(random_.Uniform(4)); }

  // Everything is all right again, and the engine has to find that out by itself.
  void CalmDown() {
    ReleaseLanes();
    world_.Heal();
    world_.env.CutPowerAfter(0);
    if (!world_.AwaitWritable()) return;
    world_.engine->EndTurn();
    (void)world_.Await(
        [this] { return world_.engine->reported_group() == world_.engine->last_commit_group(); });
    ReleaseReplies();
  }

  void ReleaseLanes() {
    for (size_t i = 0; i < kLanes; ++i) world_.env.HoldLane(static_cast<Lane>(i), false);
  }

  // --- Writing ---

  // The first few numbers that are not dead: what a client that reads them from the database would use.
  std::string LivePrefix() {
    const bool space = !random_.OneIn(4);
    uint64_t skip = random_.Uniform(space ? 3 : 2);
    for (int number = 10;; ++number) {
      std::string prefix = (space ? "s" : "c") + std::to_string(number);
      if (number == 99) FAIL("out of prefixes");
      if (!world_.history.now().dead.contains(prefix) && skip-- == 0) return prefix;
    }
  }
  std::string RandomKeyName() { return LivePrefix() + std::to_string(random_.Uniform(40)); }

  void Write() {
    const Status writable = world_.engine->writable();
    const bool deletes_only = writable.code() == StatusCode::kNoSpace;
    if (!writable.ok() && !deletes_only) return;
    std::vector<Change> changes;
    for (uint64_t n = 1 + random_.Uniform(random_.OneIn(8) ? 40 : 4); n > 0; --n) {
      std::string key = RandomKeyName();
      const uint64_t dice = random_.Uniform(100);
      if (dice < 25 || deletes_only) {
        const bool exists = world_.history.now().entries.contains(key);
        if (exists || random_.OneIn(4)) changes.push_back(DeleteOf(std::move(key)));
      } else {
        changes.push_back(RandomPut(std::move(key), dice));
      }
    }
    // Last, for nothing may be written under it any more.
    if (random_.OneIn(40) && world_.history.now().dead.size() < 60) {
      const std::string prefix = LivePrefix();
      std::erase_if(changes, [&](const Change& c) { return c.key.starts_with(prefix); });
      changes.push_back(KillOf(prefix));
    }
    if (changes.empty()) return;
    world_.Commit(std::move(changes));
    if (random_.OneIn(2)) world_.engine->EndTurn();
  }

  Change RandomPut(std::string key, uint64_t dice) {
    std::string value = std::to_string(++values_) + ":";
    uint64_t size = random_.Uniform(120);
    if (dice > 97) size = random_.Uniform(3000);
    if (dice > 98 && random_.OneIn(6)) size = kSharedValueBytesMin + random_.Uniform(5000);
    value.resize(std::max(size, value.size()), static_cast<char>('a' + values_ % 26));
    int64_t expire_at_ms = 0;
    if (random_.OneIn(8)) {
      expire_at_ms = world_.env.WallMs() + static_cast<int64_t>(random_.Uniform(60'000)) - 5'000;
    }
    return PutOf(std::move(key), std::move(value), expire_at_ms,
                 static_cast<uint8_t>(random_.Uniform(kTagMax + 1)));
  }

  // --- Reading ---

  void Act(Client& client) {
    if (client.kind != Client::kIdle) {
      if (client.ready) Read(client);
      return;
    }
    client.scope.Reset();
    const uint64_t dice = random_.Uniform(20);
    client.kind = dice < 16 ? Client::kGet : dice < 18 ? Client::kScan : Client::kRandomKey;
    client.key = client.kind == Client::kGet ? RandomKeyName() : LivePrefix();
    client.before.clear();
    if (client.kind == Client::kScan) {
      ChooseScan(client);
      for (const auto& [key, stored] : world_.history.now().entries) client.before.insert(key);
    }
    if (random_.OneIn(4)) {
      const Slice keys[] = {client.key};
      world_.engine->Prefetch(keys);
    }
    Read(client);
  }

  void ChooseScan(Client& client) {
    const auto somewhere = [&] { return client.key + std::to_string(policy_random_.Uniform(40)); };
    client.backward = policy_random_.OneIn(2);
    client.lower = policy_random_.OneIn(2) ? client.key : somewhere();
    client.upper = policy_random_.OneIn(2) ? PrefixEnd(client.key) : somewhere();
  }

  void Read(Client& client) {
    client.ready = false;
    // Its prefix may have died while it waited: then nobody asks any more.
    Status status = Status::NotFound();
    uint64_t saw = 0;
    if (!world_.history.now().IsDead(client.key)) {
      switch (client.kind) {
        case Client::kGet: status = Get(client, &saw); break;
        case Client::kScan: status = Scan(client, &saw); break;
        case Client::kRandomKey: status = RandomKey(client, &saw); break;
        case Client::kIdle: break;
      }
    }
    if (status.is_pending()) {
      client.scope.WhenReady([&client] { client.ready = true; });
      return;
    }
    if (!status.ok() && !status.is_not_found()) {
      const bool excused = world_.faulty || !world_.env.power_is_on();
      REQUIRE_MESSAGE((excused && status.code() != StatusCode::kCorruption), status.ToString());
    } else {
      replies_.push_back({client.scope.depends_on_group(), saw});
    }
    client.kind = Client::kIdle;
  }

  Status Get(Client& client, uint64_t* saw) {
    Value value;
    Status status = world_.engine->Get(client.key, client.scope, &value);
    if (status.ok() || status.is_not_found()) {
      world_.CheckValue(client.key, status, value);
      Value meta;
      const Status peeked = world_.engine->Peek(client.key, client.scope, &meta);
      if (peeked.ok() || peeked.is_not_found()) {
        CHECK(peeked.code() == status.code());
        CHECK(meta.tag == value.tag);
        CHECK(meta.expire_at_ms == value.expire_at_ms);
      }
    }
    *saw = world_.history.GroupOf(client.key);
    return status;
  }

  // Every key that was there all the time is met, and none that is not there now.
  Status Scan(Client& client, uint64_t* saw) {
    const auto it = client.backward
                        ? world_.engine->ScanBackward(client.lower, client.upper, client.scope)
                        : world_.engine->Scan(client.lower, client.upper, client.scope);
    const auto in_bounds = [&](Slice key) { return key >= client.lower && key < client.upper; };
    std::set<std::string> met;
    std::string last;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      const Entry& entry = it->entry();
      std::string key(entry.key);
      if (!in_bounds(key)) FAIL(key << " is not between the bounds");
      const bool in_order = client.backward ? key < last : key > last;
      if (!last.empty() && !in_order) FAIL(key << " comes after " << last);
      last = key;
      if (entry.kind != EntryKind::kPut) continue;
      Stored stored;
      RETURN_IF_ERROR(StoredOf(*world_.engine, entry, client.scope, &stored));
      const Value value{stored.tag, stored.expire_at_ms, *stored.value, {}};
      world_.CheckValue(key, Status::Ok(), value);
      met.insert(std::move(key));
    }
    if (!it->status().ok()) return it->status();
    for (const auto& [key, stored] : world_.history.now().entries) {
      if (!in_bounds(key) || MayBeGone(stored, world_.latest_wall_ms())) continue;
      if (client.before.contains(key) && !met.contains(key)) FAIL("the scan missed " << key);
    }
    *saw = world_.history.now_group();
    return Status::Ok();
  }

  Status RandomKey(Client& client, uint64_t* saw) {
    std::string key;
    Status status = world_.engine->RandomKey(client.key, client.scope, &key);
    const Entries& now = world_.history.now().entries;
    if (status.ok()) {
      if (!key.starts_with(client.key) || !now.contains(key)) FAIL(key << " is no key");
      *saw = world_.history.GroupOf(key);
    } else if (status.is_not_found()) {
      for (auto it = now.lower_bound(client.key);
           it != now.end() && it->first.starts_with(client.key); ++it) {
        if (!MayBeGone(it->second, world_.latest_wall_ms())) FAIL(it->first << " was not found");
      }
    }
    return status;
  }

  // --- Replies ---

  struct Reply {
    uint64_t depends_on_group;
    uint64_t saw_group;
  };

  struct Taken {
    std::shared_ptr<const Snapshot> snapshot;
    HistoryState wanted;
  };

  void ReleaseReplies() {
    std::erase_if(replies_, [this](const Reply& reply) {
      if (reply.depends_on_group > world_.engine->reported_group()) return false;
      world_.Saw(reply.saw_group);
      return true;
    });
  }

  // --- Snapshots ---

  void TakeSnapshot() {
    const uint64_t asked_group = world_.engine->last_commit_group();
    world_.engine->TakeSnapshot([this, asked_group](const auto& taken) {
      if (!taken.ok()) {
        const bool excused = world_.faulty || taken.status().code() == StatusCode::kAborted;
        REQUIRE_MESSAGE((excused || !world_.env.power_is_on()), taken.status().ToString());
        return;
      }
      const uint64_t group = (*taken)->group();
      if (group < asked_group) FAIL("a snapshot of " << group << ", not " << asked_group);
      world_.Promise(group);  // it is made of what is on the disk
      snapshots_.push_back({*taken, world_.history.StateAt(group)});
    });
  }

  // Any of them; often its last use.
  void CheckSnapshot() {
    if (snapshots_.empty()) return;
    const auto one =
        snapshots_.begin() + static_cast<ptrdiff_t>(snapshot_random_.Uniform(snapshots_.size()));
    const Result<Entries> found = EntriesOf(*one->snapshot);
    if (found.ok()) {
      RequireHolds(*found, one->wanted, world_.latest_wall_ms());
    } else {
      const bool excused = world_.faulty || !world_.env.power_is_on();
      REQUIRE_MESSAGE((excused && found.status().code() != StatusCode::kCorruption),
                      found.status().ToString());
    }
    if (snapshot_random_.OneIn(2)) snapshots_.erase(one);
  }

  // Their process is gone.
  void ForgetSnapshots() { snapshots_.clear(); }

  // Their connections are gone.
  void ForgetClients() {
    for (Client& client : clients_) {
      client.scope.Reset();
      client.kind = Client::kIdle;
    }
    replies_.clear();
  }

  Random random_;
  Random policy_random_;  // a sequence of its own, so that lives do not depend on it
  Random snapshot_random_;
  EngineWorld world_;
  std::vector<Client> clients_;
  std::vector<Reply> replies_;
  std::vector<Taken> snapshots_;
  bool risky_ = false;
  uint64_t values_ = 0;
};

void RunSeed(uint64_t seed) {
  CAPTURE(seed);
  NameHistory(seed);
  RandomHistory history(seed);
  history.Run();
}

TEST_CASE("engine histories: whatever happens, nobody was told an untruth") {
  if (const char* seed = std::getenv("VARVE_SIM_SEED")) {
    RunSeed(std::strtoull(seed, nullptr, 10));
    return;
  }
  if (const char* seconds = std::getenv("VARVE_SIM_SECONDS")) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::seconds(std::atoi(seconds));
    uint64_t seed = static_cast<uint64_t>(Clock::now().time_since_epoch().count()) << 8;
    uint64_t histories = 0;
    for (; Clock::now() < end; ++histories) RunSeed(++seed);
    MESSAGE(histories << " histories");
    return;
  }
  for (uint64_t seed = 1; seed <= 1000; ++seed) RunSeed(seed);
}

}  // namespace
}  // namespace varve
