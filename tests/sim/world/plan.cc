// tests/sim/world/plan.cc: plans from seeds, and as text.
#include "tests/sim/world/plan.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "env/env.h"

namespace varve::sim {

namespace {

// One history differs from the next in how much of everything there is in it.
class Planner {
 public:
  explicit Planner(uint64_t seed) : random_(seed ^ 0x9a75) {
    plan_.seed = seed;
    if (random_.OneIn(2)) plan_.options_seed = random_.Next() | 1;
    plan_.appendfsync = Pick({"always", "everysec", "everysec", "no"});
    keys_ = 3 + random_.Uniform(random_.OneIn(3) ? 60 : 12);
    clients_ = 1 + static_cast<int>(random_.Uniform(kClients));
    value_bytes_ = random_.OneIn(3) ? 600 : 40;
    risky_ = random_.OneIn(2);
  }

  Plan Make() {
    const uint64_t lives = 1 + random_.Uniform(3);
    for (uint64_t life = 0; life < lives; ++life) {
      const uint64_t length = 5 + random_.Uniform(random_.OneIn(4) ? 120 : 40);
      for (uint64_t i = 0; i < length; ++i) AddStep();
      End();
    }
    return std::move(plan_);
  }

  Plan MakeCalm() {
    plan_.calm = true;
    clients_ = 1;
    const uint64_t length = 40 + random_.Uniform(400);
    for (uint64_t i = 0; i < length; ++i) {
      AddCalmStep();
      Add(Step::Kind::kSettle);
    }
    return std::move(plan_);
  }

 private:
  Step& Add(Step::Kind kind, int64_t number = 0, bool flag = false) {
    Step& step = plan_.steps.emplace_back();
    step.kind = kind;
    step.number = number;
    step.flag = flag;
    return step;
  }

  void AddStep() {
    const uint64_t dice = random_.Uniform(100);
    if (dice < 40) return Send();
    if (dice < 65) return void(Add(Step::Kind::kTurn));
    if (dice < 85) return void(Add(Step::Kind::kJobs, Number(random_.OneIn(3) ? 60 : 8)));
    if (dice < 90) return void(Add(Step::Kind::kAdvance, Number(random_.OneIn(4) ? 3000 : 120)));
    if (dice < 92) return void(Add(Step::Kind::kPeace));
    if (dice < 93) return void(Add(Step::Kind::kDisconnect).client = Client());
    if (dice < 94) return void(Add(Step::Kind::kTake, Number(200)).client = Client());
    if (dice < 95) return void(Add(Step::Kind::kJump, Number(40'000) - 20'000));
    if (dice < 96) return void(Add(Step::Kind::kHold, Number(static_cast<int64_t>(kLanes))));
    if (dice < 97) return void(Add(Step::Kind::kRelease));
    if (!risky_ || dice < 98) return Send();
    switch (random_.Uniform(4)) {
      case 0:
      case 1: Add(Step::Kind::kFault, Number(40), random_.OneIn(3)); break;
      case 2: Add(Step::Kind::kFull, 4000 + Number(100'000)); break;
      case 3: Add(Step::Kind::kHeal); break;
    }
  }

  // Once all is finished, a process that is killed has nothing to lose.
  void AddCalmStep() {
    const uint64_t dice = random_.Uniform(100);
    if (dice < 84) return Send();
    if (dice < 94) return void(Add(Step::Kind::kAdvance, Number(random_.OneIn(4) ? 3000 : 120)));
    if (dice < 96) return void(Add(Step::Kind::kPeace));
    if (dice < 98) return void(Add(Step::Kind::kDisconnect));
    if (dice < 99) return void(Add(Step::Kind::kStop));
    Add(Step::Kind::kCrash, 0, true);
  }

  // How a life ends.
  void End() {
    switch (random_.Uniform(6)) {
      case 0: Add(Step::Kind::kStop); break;
      case 1:
      case 2: Add(Step::Kind::kCrash, 0, true); break;
      case 3: Add(Step::Kind::kCrash); break;
      default:
        // Somewhere within the last steps.
        Step cut;
        cut.kind = Step::Kind::kCutAfter;
        cut.number = Number(30);
        const size_t back = random_.Uniform(std::min<size_t>(plan_.steps.size(), 20) + 1);
        plan_.steps.insert(plan_.steps.end() - static_cast<ptrdiff_t>(back), std::move(cut));
        Add(Step::Kind::kPeace);
        Add(Step::Kind::kCrash);
    }
  }

  void Send() {
    Step step;
    step.kind = Step::Kind::kSend;
    step.client = Client();
    const uint64_t count = 1 + random_.Uniform(random_.OneIn(4) ? 20 : 3);
    if (random_.OneIn(8)) return SendTransaction(std::move(step), count);
    for (uint64_t i = 0; i < count; ++i) step.commands.push_back(Command());
    if (random_.OneIn(6)) step.split = 1 + random_.Uniform(60);
    plan_.steps.push_back(std::move(step));
  }

  // Often in one go, sometimes with steps of others in between.
  void SendTransaction(Step step, uint64_t count) {
    if (random_.OneIn(3)) step.commands.push_back({"WATCH", Key(), Key()});
    if (random_.OneIn(4)) {
      plan_.steps.push_back(step);
      step.commands.clear();
      Add(Step::Kind::kTurn);
      Send();
    }
    step.commands.push_back({"MULTI"});
    for (uint64_t i = 0; i < count; ++i) {
      Argv command = Command();
      // Their replies are not known in full; WATCH is not allowed.
      while (command[0] == "RANDOMKEY" || command[0] == "BGSAVE" || command[0] == "WATCH") {
        command = Command();
      }
      step.commands.push_back(std::move(command));
    }
    step.commands.push_back({random_.OneIn(8) ? "DISCARD" : "EXEC"});
    plan_.steps.push_back(std::move(step));
  }

  Argv Command() {
    const uint64_t dice = random_.Uniform(100);
    if (dice < 22) return Set();
    if (dice < 40) return {"GET", Key()};
    switch (random_.Uniform(31)) {
      case 0: return {"MGET", Key(), Key(), Key()};
      case 1: return {Pick({"EXISTS", "TOUCH"}), Key(), Key()};
      case 2: return {Pick({"STRLEN", "TYPE"}), Key()};
      case 3: return {Pick({"PTTL", "PEXPIRETIME"}), Key()};
      case 4: return {"SETNX", Key(), Value()};
      case 5: return {"PSETEX", Key(), Time(), Value()};
      case 6: return {"GETSET", Key(), Value()};
      case 7: return {"GETDEL", Key()};
      case 8: return {"MSET", Key(), Value(), Key(), Value(), Key(), Value()};
      case 9: return {"MSETNX", Key(), Value(), Key(), Value()};
      case 10: return {"APPEND", Key(), Value()};
      case 11: return {"SETRANGE", Key(), Text(Number(50)), Value()};
      case 12:
      case 13: return {"INCR", Counter()};
      case 14: return {"INCRBY", Counter(), Text(Number(1000) - 500)};
      case 15:
      case 16:
      case 17: return {"DEL", Key()};
      case 18: return {"UNLINK", Key(), Key(), Key()};
      case 19:
      case 20: return {"PEXPIRE", Key(), Time()};
      case 21: return {"PERSIST", Key()};
      case 22: return {"RENAME", Key(), Key()};
      case 23: return {"RENAMENX", Key(), Key()};
      case 24:
        return random_.OneIn(2) ? Argv{"COPY", Key(), Key(), "DB", Database(), "REPLACE"}
                                : Argv{"COPY", Key(), Key(), "DB", Database()};
      case 25: return {"MOVE", Key(), Database()};
      case 26: return {"SELECT", random_.OneIn(2) ? "0" : Database()};
      case 27: return random_.OneIn(6) ? Argv{"RANDOMKEY"} : Argv{"PING"};
      case 28:
        if (random_.OneIn(3)) return {"SWAPDB", Database(), Database()};
        return {random_.OneIn(4) ? "FLUSHALL" : "FLUSHDB"};
      case 29:
        if (random_.OneIn(4)) return {"BGSAVE"};
        return random_.OneIn(2) ? Argv{"WATCH", Key()} : Argv{"UNWATCH"};
      case 30:
        if (!random_.OneIn(3)) return {"GET", Key()};
        if (random_.OneIn(2)) {
          return {"CONFIG", "SET", "compaction-policy",
                  Pick({"leveled", "tiered", "lazy-leveled"})};
        }
        return {"CONFIG", "SET", "appendfsync", Pick({"always", "everysec", "no"})};
    }
    return {"PING"};
  }

  Argv Set() {
    Argv set = {"SET", Key(), Value()};
    if (random_.OneIn(3)) {
      if (random_.OneIn(3)) set.push_back(Pick({"NX", "XX"}));
      if (random_.OneIn(4)) set.push_back("GET");
      if (random_.OneIn(3)) {
        set.insert(set.end(), {"PX", Time()});
      } else if (random_.OneIn(4)) {
        set.push_back("KEEPTTL");
      }
    }
    return set;
  }

  int64_t Number(int64_t below) {
    return static_cast<int64_t>(random_.Uniform(static_cast<uint64_t>(below)));
  }
  static std::string Text(int64_t number) { return std::to_string(number); }
  const char* Pick(std::initializer_list<const char*> words) {
    return words.begin()[random_.Uniform(words.size())];
  }
  int Client() { return static_cast<int>(random_.Uniform(static_cast<uint64_t>(clients_))); }
  std::string Key() {
    if (random_.OneIn(20)) return Counter();
    return "key" + std::to_string(random_.Uniform(keys_));
  }
  std::string Counter() { return "n" + std::to_string(random_.Uniform(3)); }
  std::string Database() {
    return std::to_string(random_.OneIn(2) ? 0 : random_.Uniform(kDatabases));
  }
  // Often around the time that a plan takes.
  std::string Time() { return Text(1 + Number(random_.OneIn(3) ? 200'000 : 3000)); }
  // No two are the same, so that a reply tells which of them it shows.
  std::string Value() {
    std::string value = std::to_string(++values_) + ":";
    uint64_t size = random_.Uniform(value_bytes_);
    if (random_.OneIn(60)) size = 20'000;
    value.resize(std::max(size, value.size()), static_cast<char>('a' + values_ % 26));
    return value;
  }

  Random random_;
  Plan plan_;
  uint64_t keys_ = 0;
  int clients_ = 0;
  uint64_t value_bytes_ = 0;
  bool risky_ = false;  // the disk has faults as well
  uint64_t values_ = 0;
};

}  // namespace

Plan MakePlan(uint64_t seed) { return Planner(seed).Make(); }
Plan MakeCalmPlan(uint64_t seed) { return Planner(seed).MakeCalm(); }

std::string ToString(const Argv& argv) {
  std::string text;
  for (const std::string& argument : argv) {
    if (!text.empty()) text += ' ';
    text += argument.size() <= 24
                ? argument
                : argument.substr(0, 16) + "...(" + std::to_string(argument.size()) + " bytes)";
  }
  return text;
}

std::string ToString(const Step& step) {
  const std::string number = std::to_string(step.number);
  const std::string client = "client " + std::to_string(step.client);
  switch (step.kind) {
    case Step::Kind::kSend: {
      std::string text = client + ":";
      for (const Argv& argv : step.commands)
        text += (text.back() == ':' ? " " : " | ") + ToString(argv);
      if (step.split > 0) text += "   (split at byte " + std::to_string(step.split) + ")";
      return text;
    }
    case Step::Kind::kTurn: return "a turn of the loop";
    case Step::Kind::kJobs: return "up to " + number + " jobs";
    case Step::Kind::kAdvance: return number + " ms pass";
    case Step::Kind::kJump: return "the wall clock jumps by " + number + " ms";
    case Step::Kind::kSettle: return "all is finished";
    case Step::Kind::kPeace: return "all is finished, a second passes, all is finished";
    case Step::Kind::kTake:
      return client +
             (step.number == 0 ? " takes everything again" : " takes " + number + " more bytes");
    case Step::Kind::kDisconnect: return client + " disconnects";
    case Step::Kind::kHold: return "lane " + number + " hangs";
    case Step::Kind::kRelease: return "no lane hangs";
    case Step::Kind::kFault:
      return "the disk fails after " + number + " operations" +
             (step.flag ? ", and goes on to" : "");
    case Step::Kind::kFull: return "the disk has room for " + number + " bytes";
    case Step::Kind::kHeal: return "the disk is all right";
    case Step::Kind::kCutAfter: return "the power is to fail after " + number + " disk operations";
    case Step::Kind::kCrash: return step.flag ? "the process is killed" : "the power fails";
    case Step::Kind::kStop: return "the server stops and starts";
  }
  return "";
}

std::string ToString(const Plan& plan) {
  std::string text = "appendfsync " + plan.appendfsync + "\n";
  if (plan.options_seed != 0) text += "options by chance\n";
  for (const Step& step : plan.steps) text += "  " + ToString(step) + "\n";
  return text;
}

}  // namespace varve::sim
