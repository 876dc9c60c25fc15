// tests/sim/world/world.cc: a whole server in a simulated world.
#include "tests/sim/world/world.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "engine/check/check.h"
#include "engine/checkpoint/partial_directory.h"
#include "engine/file_names.h"
#include "tests/sim/tiny_options.h"

namespace varve::sim {

namespace {

constexpr char kDirectory[] = "/db";
constexpr char kCheckpoints[] = "/db/checkpoints";
constexpr char kConfigFile[] = "/varve.conf";

// Of what a client has not taken yet.
constexpr size_t kPiecesMax = 4096;

// How long a calm plan takes a restart to last, for how long it does last depends on the options.
constexpr int64_t kRestartMs = 1000;

// After so many steps without an end something goes round in circles.
constexpr int kStepsMax = 200'000;

Config TinyConfig(const Plan& plan) {
  Config config = DefaultConfig();
  config.dir = kDirectory;
  config.file = kConfigFile;
  config.databases = kDatabases;
  config.memory_limit_bytes = 1 << 20;
  config.appendfsync = plan.appendfsync;
  config.compression_level = 0;
  config.checkpoints_max = 1;
  return config;
}

std::string Encode(const Argv& argv) {
  std::string text = "*" + std::to_string(argv.size()) + "\r\n";
  for (const std::string& argument : argv) {
    text += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  }
  return text;
}

// The files of a directory, as kDirectory of another world. To look is no operation of this one.
void CopyFiles(const SimEnv& from, const std::string& directory, SimEnv* to) {
  CHECK(to->CreateDirectory(kDirectory).ok());
  for (const std::string& name : from.Names(directory)) {
    to->SetContents(JoinPath(kDirectory, name), from.Contents(JoinPath(directory, name)));
  }
}

}  // namespace

// --- Sockets -----------------------------------------------------------------------------------

class World::SimConnection final : public Connection {
 public:
  SimConnection(World& world, Peer& peer, Owner& of) : owner(of), world_(world), peer_(peer) {
    peer.connection = this;
  }
  ~SimConnection() override {
    if (peer_.connection == this) peer_.connection = nullptr;
  }

  void SetReading(bool on) override { reading = on; }
  ptrdiff_t Write(std::span<const Slice> slices) override {
    std::string bytes;
    for (const Slice slice : slices) bytes.append(slice.substr(0, peer_.takes - bytes.size()));
    if (peer_.takes != SIZE_MAX) peer_.takes -= bytes.size();
    world_.OnSent(peer_, bytes);
    return static_cast<ptrdiff_t>(bytes.size());
  }
  void WantWritable(bool on) override { wants_writable = on; }
  int descriptor() const override { return 0; }

  Owner& owner;
  bool reading = true;
  bool wants_writable = false;

 private:
  World& world_;
  Peer& peer_;
};

void World::Connect(Peer& peer) {
  connecting_ = &peer;
  AcceptedSocket socket;
  socket.is_unix = socket.is_loopback = true;
  instance_->Accept(socket);
  if (peer.connection == nullptr) Fail("a client was not accepted");
  EndTurn();
}

// --- The plan ----------------------------------------------------------------------------------

World::World(const Plan& plan, Totals& totals, bool trace)
    : plan_(plan),
      totals_(totals),
      trace_(trace),
      random_(plan.seed ^ 0x3b9),
      env_(plan.seed),
      config_(TinyConfig(plan)),
      mode_(plan.appendfsync) {
  SetLogLevel(LogLevel::kNothing);  // what is wrong here is wrong on purpose
  // A calm plan's time is its own.
  if (!plan.calm) env_.set_tick_us(3);
  env_.SetContents(kConfigFile, "# empty\n");
  if (trace)
    env_.TraceTo([](const std::string& line) { std::fprintf(stderr, "    %s\n", line.c_str()); });
}

World::~World() { Kill(); }

void World::Run() {
  Start();
  for (const Step& step : plan_.steps) {
    step_ = ToString(step);
    Trace(step_);
    const int64_t begin_ms = env_.WallMs();
    Perform(step);
    const bool restarted = step.kind == Step::Kind::kStop || step.kind == Step::Kind::kCrash;
    if (plan_.calm && restarted) env_.SetWallMs(begin_ms + kRestartMs);
    if (!powered()) Crash(RandomPowerCut());
  }
  step_ = "the end";
  Stop();
  if (!powered()) Crash(RandomPowerCut());
  ++totals_.histories;
  totals_.operations += env_.operations();
  totals_.faults += env_.faults();
}

void World::Fail(const std::string& what) {
  std::fprintf(stderr, "seed %llu, at \"%s\": %s\n", static_cast<unsigned long long>(plan_.seed),
               step_.c_str(), what.c_str());
  std::fflush(stderr);
  _exit(kViolationExit);
}

void World::Trace(const std::string& line) {
  if (trace_) std::fprintf(stderr, "%s\n", line.c_str());
}

void World::Perform(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kSend: return Send(step);
    case Step::Kind::kTurn: return Turn();
    case Step::Kind::kJobs: return Jobs(step.number);
    case Step::Kind::kAdvance: return env_.AdvanceMs(static_cast<uint64_t>(step.number));
    case Step::Kind::kJump: return Jump(step.number);
    case Step::Kind::kSettle: return AnswerAll();
    case Step::Kind::kPeace: return Peace();
    case Step::Kind::kTake: {
      Peer& peer = peers_[static_cast<size_t>(step.client)];
      peer.takes = step.number == 0 ? SIZE_MAX : static_cast<size_t>(step.number);
      return;
    }
    case Step::Kind::kDisconnect: return Disconnect(peers_[static_cast<size_t>(step.client)]);
    case Step::Kind::kHold:
      hung_ = true;
      return env_.HoldLane(static_cast<Lane>(step.number), true);
    case Step::Kind::kRelease: return ReleaseLanes();
    case Step::Kind::kFault:
      faulty_ = true;
      return env_.FailNth(static_cast<uint64_t>(step.number) + 1,
                          random_.OneIn(3) ? StatusCode::kNoSpace : StatusCode::kIoError,
                          step.flag);
    case Step::Kind::kFull: faulty_ = true; return SetDiskBytes(static_cast<uint64_t>(step.number));
    case Step::Kind::kHeal: return Heal();
    case Step::Kind::kCutAfter: return env_.CutPowerAfter(static_cast<uint64_t>(step.number) + 1);
    case Step::Kind::kCrash:
      return Crash(step.flag && powered() ? CrashMode::kKeepAll : RandomPowerCut());
    case Step::Kind::kStop: return Stop();
  }
}

void World::ReleaseLanes() {
  hung_ = false;
  for (size_t i = 0; i < kLanes; ++i) env_.HoldLane(static_cast<Lane>(i), false);
}

// What the disk did remains: until the next start errors may still be told.
void World::Heal() {
  env_.FailNth(0);
  SetDiskBytes(UINT64_MAX);
}

void World::SetDiskBytes(uint64_t bytes) {
  disk_bytes_ = bytes;
  env_.SetCapacity(bytes);
}

void World::Send(const Step& step) {
  Peer& peer = peers_[static_cast<size_t>(step.client)];
  if (peer.connection == nullptr) Connect(peer);
  for (const Argv& argv : step.commands) {
    peer.unsent += Encode(argv);
    peer.asked.push_back(argv);
  }
  peer.may_send = step.split == 0 ? peer.unsent.size() : std::min(step.split, peer.unsent.size());
}

// What a loop does for each readable client: one read.
void World::Deliver(Peer& peer) {
  if (peer.connection == nullptr) return;
  if (peer.connection->wants_writable && peer.takes > 0) peer.connection->owner.Writable();
  if (peer.connection == nullptr || !peer.connection->reading || peer.unsent.empty()) return;
  const std::span<char> space = peer.connection->owner.ReadSpace();
  const size_t size =
      std::min({space.size(), peer.unsent.size(), std::max<size_t>(peer.may_send, 1)});
  std::memcpy(space.data(), peer.unsent.data(), size);
  peer.unsent.erase(0, size);
  peer.may_send = peer.unsent.size();  // of two parts the second comes in a later turn
  peer.connection->owner.DidRead(size);
}

void World::Turn() {
  const size_t first = random_.Uniform(peers_.size());
  for (size_t i = 0; i < peers_.size(); ++i) Deliver(peers_[(first + i) % peers_.size()]);
  Deliver(admin_);
  EndTurn();
}

void World::EndTurn() {
  instance_->EndTurn();
  instance_->EndTurn();  // before the loop sleeps
  NoteCheckpoint();
  latest_wall_ms();
}

void World::Jobs(int64_t count_max) {
  for (int64_t i = 0; i < count_max && env_.RunOneJob(); ++i) {
  }
  if (powered()) EndTurn();
}

// As long as it takes.
void World::AnswerAll() {
  for (int steps = 0; powered(); ++steps) {
    Settle();
    if (AllAnswered()) return;
    if (steps == kStepsMax) Fail("clients that get no answer");
    Wait(1);
  }
}

// A calm plan's wall clock goes by the plan alone: how long the server takes depends on its options.
void World::Wait(uint64_t ms) {
  const int64_t wall_ms = env_.WallMs();
  env_.AdvanceMs(ms);
  if (plan_.calm) env_.SetWallMs(wall_ms);
}

// Until nobody has anything to do. Timers are not waited for.
void World::Settle() {
  for (int steps = 0; powered(); ++steps) {
    if (steps == kStepsMax) Fail("busy for ever");
    bool more = env_.RunOneJob();
    if (!powered()) return;
    Turn();
    more |= busy_;
    for (const Peer& peer : peers_) {
      const SimConnection* const connection = peer.connection;
      if (connection == nullptr) continue;
      more |= connection->reading && !peer.unsent.empty();
      more |= connection->wants_writable && peer.takes > 0;
    }
    more |= admin_.connection != nullptr && !admin_.unsent.empty() && admin_.connection->reading;
    if (!more) return;
  }
}

void World::Peace() {
  ReleaseLanes();
  Settle();
  if (!powered()) return;
  const uint64_t group = instance_->engine().last_commit_group();
  const bool syncs_before = mode_ != "no";
  // Timers are due one after the other: the cron's ticks, too.
  for (int i = 0; i < 11 && powered(); ++i) {
    env_.AdvanceMs(100);
    Settle();
  }
  // A client may have changed it meanwhile.
  const bool syncs = syncs_before && mode_ != "no";
  if (powered() && syncs && !faulty_) Promise(group, true);
}

bool World::AllAnswered() const {
  return std::all_of(peers_.begin(), peers_.end(),
                     [](const Peer& peer) { return peer.asked.empty() && peer.expected.empty(); });
}

// Set back, it may bring keys to life again whose time had come; whether it does is for the server to say.
void World::Jump(int64_t ms) {
  if (ms < 0) {
    Settle();  // Nobody else is to be served between the jump and the answer.
    if (!powered() || faulty_ || hung_ || !AllAnswered()) return;
  }
  const int64_t latest_ms = latest_wall_ms();
  env_.SetWallMs(env_.WallMs() + ms);
  if (ms < 0) AskAfterExpired(latest_ms);
}

void World::AskAfterExpired(int64_t latest_ms) {
  for (int i = 0; i < kDatabases; ++i) {
    std::vector<Argv> questions = {{"SELECT", std::to_string(i)}};
    for (const auto& [key, value] : model_.now()[static_cast<size_t>(i)]) {
      if (value.expire_at_ms != 0 && value.expire_at_ms <= latest_ms) {
        questions.push_back({"EXISTS", key});
      }
    }
    if (questions.size() == 1) continue;
    const std::vector<std::string> replies = Ask(questions);
    if (!powered()) return;
    for (size_t q = 1; q < questions.size(); ++q) {
      if (replies[q] == ":0\r\n") model_.Drop(i, questions[q][1]);
    }
  }
}

void World::Disconnect(Peer& peer) {
  if (peer.connection != nullptr) {
    peer.connection->owner.Failed(ECONNRESET);
    EndTurn();
    if (peer.connection != nullptr) Fail("a client that is gone was kept");
  }
  model_.Forget(peer.session);
  peer = Peer();
}

// --- What the server tells ---------------------------------------------------------------------

std::unique_ptr<Connection> World::Accepted(Connection::Owner& owner) {
  connecting_->id = static_cast<Client&>(owner).session.id;
  return std::make_unique<SimConnection>(*this, *connecting_, owner);
}

void World::OnRan(const Dispatcher::Ran& ran) {
  const uint64_t id = ran.client.session.id;
  if (admin_.connection != nullptr && id == admin_.id) return;
  const auto peer = std::find_if(peers_.begin(), peers_.end(), [id](const Peer& p) {
    return p.connection != nullptr && p.id == id;
  });
  if (peer == peers_.end()) Fail("a command was run for a client that is gone");
  if (peer->asked.empty()) Fail("a command was run that nobody asked for");
  const Argv argv = std::move(peer->asked.front());
  peer->asked.pop_front();
  if (!std::equal(argv.begin(), argv.end(), ran.request.argv.begin(), ran.request.argv.end(),
                  [](const std::string& asked, Slice run) { return Slice(asked) == run; })) {
    Fail("instead of " + ToString(argv) + " another command was run");
  }

  const OutputBuffer& out = ran.client.out;
  slices_.resize(kPiecesMax);
  const size_t count = out.Gather(out.position(), slices_);
  std::string text;
  for (size_t i = 0; i < count; ++i) text.append(slices_[i]);
  text.erase(0, ran.reply_start - out.consumed());
  if (text.size() != out.position() - ran.reply_start) Fail("a reply in too many pieces");

  const uint64_t group = instance_->engine().last_commit_group();
  if (trace_) {
    Trace("  " + ToString(argv) + " -> " + Shortened(text) + ", group " + std::to_string(group));
  }
  const Model::Answer answer =
      model_.Run(peer->session, argv, ran.now_ms, group, text, faulty_ || !powered());
  if (!answer.complaint.empty()) Fail(ToString(argv) + ": " + answer.complaint);
  if (peer->session.in_multi != ran.client.session.in_multi) Fail("MULTI or not, that is in doubt");
  if (!instance_->config().appendfsync.empty() && instance_->config().appendfsync != mode_) {
    mode_ = instance_->config().appendfsync;
    always_since_ = group;
  }
  if (argv[0] == "BGSAVE" && text[0] == '+') {
    NoteCheckpoint();  // the one before has just been told of
    checkpoint_asked_ = group;
  }
  // Which key it is, and whether a save is still under way, no two worlds need agree on.
  if (argv[0] != "RANDOMKEY" && argv[0] != "BGSAVE") transcript_ += text;
  peer->expected.push_back({std::move(text), answer.shows, mode_ == "always"});
  ++totals_.commands;
}

void World::OnSent(Peer& peer, Slice bytes) {
  if (!powered()) return;  // It does not arrive.
  if (&peer == &admin_) {
    admin_received_.append(bytes);
    return;
  }
  peer.received.append(bytes);
  while (!peer.expected.empty() && peer.received.size() >= peer.expected.front().text.size()) {
    const Peer::Reply& reply = peer.expected.front();
    if (!peer.received.starts_with(reply.text)) Fail("a client got another reply than was made");
    peer.received.erase(0, reply.text.size());
    Promise(reply.shows, reply.always && mode_ == "always" && reply.shows > always_since_);
    peer.expected.pop_front();
  }
  if (peer.expected.empty() && !peer.received.empty()) Fail("a client got more than replies");
}

void World::Promise(uint64_t group, bool survives_power_cut) {
  Trace("  told of group " + std::to_string(group) + (survives_power_cut ? ", for good" : ""));
  process_promise_ = std::max(process_promise_, group);
  if (survives_power_cut) power_promise_ = std::max(power_promise_, group);
}

// --- Life and death ----------------------------------------------------------------------------

Status World::TryStart() {
  Instance::Host host;
  host.open_connection = [this](int, Connection::Owner& owner) { return Accepted(owner); };
  host.set_busy = [this](bool busy) { busy_ = busy; };
  host.tick = [] {};
  host.stop = [] {};
  host.configured = [](const Config&) {};
  host.sleep = [](uint64_t) {};
  host.measure_memory = [] { return ProcessMemory(); };
  host.ran = [this](const Dispatcher::Ran& ran) { OnRan(ran); };
  host.tune = [seed = plan_.options_seed](Options& options) {
    if (seed == 0) return MakeTiny(options);
    Random random(seed);
    DrawTiny(random, options);
  };
  host.clients_max = 100;
  host.open_tables_max = 8;
  instance_ = std::make_unique<Instance>(config_, env_, std::move(host));
  return instance_->Open();
}

void World::Start() {
  faulty_ = hung_ = false;
  mode_ = config_.appendfsync;
  const Status status = TryStart();
  if (!powered()) return;
  if (!status.ok()) Fail("the server does not start: " + status.ToString());
  always_since_ = instance_->engine().reported_group();
}

void World::Kill() {
  NoteCheckpoint();
  checkpoint_asked_.reset();
  checkpoints_made_ = 0;
  env_.DropJobs();
  instance_ = nullptr;
  for (Peer& peer : peers_) peer = Peer();
  admin_ = Peer();
  busy_ = false;
}

void World::Stop() {
  ReleaseLanes();
  Heal();
  env_.CutPowerAfter(0);
  for (Peer& peer : peers_) peer.takes = SIZE_MAX;
  // A server that has to recover from what the disk did is given the time.
  for (int i = 0; i < 100 && faulty_ && !instance_->engine().writable().ok(); ++i) {
    env_.AdvanceMs(500);
    Settle();
  }
  instance_->EndClients();
  Settle();
  if (instance_->client_count() > 0 && !faulty_) Fail("clients that will not go");
  const uint64_t group = instance_->engine().last_commit_group();
  const Status closed = instance_->Close();
  if (closed.ok()) {
    Promise(group, true);
  } else if (!faulty_) {
    Fail("the server does not stop in good order: " + closed.ToString());
  }
  Kill();
  CheckFiles();
  Start();
  CheckRecovered();
}

CrashMode World::RandomPowerCut() {
  constexpr CrashMode kModes[] = {CrashMode::kDropUnsynced, CrashMode::kTorn,
                                  CrashMode::kRandomPages};
  return kModes[random_.Uniform(std::size(kModes))];
}

void World::Restart(CrashMode mode) {
  Kill();
  Heal();
  env_.Restart(mode);
  if (mode != CrashMode::kKeepAll) process_promise_ = power_promise_;
  ++totals_.crashes;
}

void World::Crash(CrashMode mode) {
  const uint64_t disk_bytes = disk_bytes_;
  Restart(mode);
  if (disk_bytes != UINT64_MAX) StartOnFullDisk(disk_bytes);
  // And again, before it has recovered.
  for (uint64_t cuts = plan_.calm ? 0 : random_.Uniform(3); cuts > 0; --cuts) {
    env_.CutPowerAfter(1 + random_.Uniform(60));
    (void)TryStart();
    Restart(RandomMode());
  }
  if (random_.OneIn(4)) CheckFiles();
  Start();
  CheckRecovered();
}

// It may find that it cannot, but must say why; and loses nothing over it.
void World::StartOnFullDisk(uint64_t disk_bytes) {
  SetDiskBytes(disk_bytes);
  const Status status = TryStart();
  if (!status.ok() && status.code() != StatusCode::kNoSpace) {
    Fail("the server does not start on a full disk: " + status.ToString());
  }
  for (uint64_t jobs = random_.Uniform(20); jobs > 0 && env_.RunOneJob();) --jobs;
  Restart(RandomMode());
}

void World::CheckFiles() {
  SimEnv copy(1);
  copy.set_pending_percent(0);
  CopyFiles(env_, kDirectory, &copy);
  CheckReport report;
  const Status status = CheckDatabase(copy, kDirectory, &report);
  if (status.is_not_found()) return;
  if (!status.ok()) Fail("the database cannot be checked: " + status.ToString());
  if (!report.sound()) Fail("the check finds " + report.problems().front().ToString());
}

void World::CheckRecovered() {
  const uint64_t last = instance_->engine().reported_group();
  if (last < process_promise_) {
    Fail("the server is at group " + std::to_string(last) + ", but told of " +
         std::to_string(process_promise_));
  }
  ModelState wanted = model_.StateAt(last);
  const ModelState found = ReadAll();
  RequireEqual(found, wanted, "at group " + std::to_string(last));
  CheckCheckpoints();
  for (size_t i = 0; i < wanted.size(); ++i) {
    std::erase_if(wanted[i], [&](const auto& entry) {
      // What has expired may lie there still, and show when the clock is set back.
      return !found[i].contains(entry.first) && entry.second.expire_at_ms > env_.WallMs();
    });
  }
  model_.Rebase(std::move(wanted));
  process_promise_ = power_promise_ = last;
}

// Keys that may have expired may be missing.
void World::RequireEqual(const ModelState& found, const ModelState& wanted,
                         const std::string& where) {
  const int64_t latest_ms = latest_wall_ms();
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::string there = " in database " + std::to_string(i) + " " + where;
    for (const auto& [key, value] : found[i]) {
      const auto known = wanted[i].find(key);
      if (known == wanted[i].end()) Fail(key + there + " should not be there");
      if (!(known->second == value)) {
        Fail(key + there + " is " + value.bytes.substr(0, 20) + " until " +
             std::to_string(value.expire_at_ms) + " instead of " +
             known->second.bytes.substr(0, 20) + " until " +
             std::to_string(known->second.expire_at_ms));
      }
    }
    for (const auto& [key, value] : wanted[i]) {
      const bool may_have_expired = value.expire_at_ms != 0 && value.expire_at_ms <= latest_ms;
      if (!may_have_expired && !found[i].contains(key)) Fail(key + there + " is missing");
    }
  }
}

ModelState World::ReadAll() {
  ModelState state;
  for (int i = 0; i < kDatabases; ++i) {
    const std::vector<std::string> replies = Ask({{"SELECT", std::to_string(i)}, {"KEYS", "*"}});
    std::vector<Argv> questions;
    Slice list = replies[1];
    list.remove_prefix(list.find('\n') + 1);
    while (!list.empty()) {
      const Slice element = list.substr(0, ReplySize(list));
      const size_t begin = element.find('\n') + 1;
      const std::string key(element.substr(begin, element.size() - begin - 2));
      questions.push_back({"GET", key});
      questions.push_back({"PEXPIRETIME", key});
      list.remove_prefix(element.size());
    }
    const std::vector<std::string> answers = Ask(questions);
    if (answers.size() < questions.size()) Fail("no power");
    for (size_t q = 0; q < questions.size(); q += 2) {
      const std::string& value = answers[q];
      if (value[0] != '$' || value[1] == '-') continue;  // It has expired meanwhile.
      const size_t begin = value.find('\n') + 1;
      const int64_t at_ms = std::strtoll(answers[q + 1].c_str() + 1, nullptr, 10);
      if (at_ms == -2) continue;
      state[static_cast<size_t>(i)][questions[q][1]] = {
          value.substr(begin, value.size() - begin - 2), std::max<int64_t>(at_ms, 0)};
    }
  }
  return state;
}

// --- Checkpoints -------------------------------------------------------------------------------

// Only one is made at a time, and one that was made is counted before older ones are removed.
void World::NoteCheckpoint() {
  if (!checkpoint_asked_ || instance_ == nullptr || !instance_->is_open()) return;
  Engine& engine = instance_->engine();
  const uint64_t made = engine.stats().checkpoints;
  if (made == checkpoints_made_) return;
  checkpoints_made_ = made;
  checkpoint_told_ = {*std::exchange(checkpoint_asked_, {}), engine.last_commit_group()};
  Trace("  told of a checkpoint");
}

// What lies there was made in this life, or is known from an earlier one.
void World::CheckCheckpoints() {
  std::map<std::string, ModelState> there;
  decltype(going_checkpoints_) going;
  const auto told = std::exchange(checkpoint_told_, {});
  if (told) newest_checkpoint_.clear();
  for (const std::string& name : env_.DirectoryNames(kCheckpoints)) {
    const bool is_partial = name.ends_with(kPartialSuffix);
    const std::string whole_name =
        name.substr(0, name.size() - (is_partial ? kPartialSuffix.size() : 0));
    const auto known = checkpoints_.find(whole_name);
    const auto went = going_checkpoints_.find(whole_name);
    const bool is_new = known == checkpoints_.end();
    const bool may_be_back = went != going_checkpoints_.end();
    std::optional<ModelState> wanted;
    if (!is_new) wanted = std::move(known->second);
    if (may_be_back) wanted = std::move(went->second);
    if (is_partial) {
      going.emplace(whole_name, std::move(wanted));
      continue;
    }
    uint64_t group = 0;
    ModelState found = ReadCheckpoint(name, &group);
    if (!wanted) wanted = may_be_back ? found : model_.StateAt(group);
    RequireEqual(found, *wanted, "of checkpoint " + name + " at group " + std::to_string(group));
    there.emplace(name, *std::move(wanted));
    const bool is_told = told && told->asked_group <= group && group <= told->told_group;
    if (is_new && is_told) newest_checkpoint_ = name;
  }
  if (told && newest_checkpoint_.empty()) {
    Fail("there is no checkpoint between groups " + std::to_string(told->asked_group) + " and " +
         std::to_string(told->told_group) + ", but one was told of");
  }
  if (!newest_checkpoint_.empty() && !there.contains(newest_checkpoint_)) {
    Fail("checkpoint " + newest_checkpoint_ + " is gone");
  }
  checkpoints_ = std::move(there);
  going_checkpoints_ = std::move(going);
}

// As a server that is started on a copy of it, so long ago that nothing expires.
ModelState World::ReadCheckpoint(const std::string& name, uint64_t* group) {
  Plan plan;
  plan.seed = plan_.seed;
  plan.options_seed = plan_.options_seed;
  plan.appendfsync = "no";
  plan.calm = true;
  Totals totals;
  World other(plan, totals, false);
  other.step_ = step_ + ", reading checkpoint " + name;
  CopyFiles(env_, JoinPath(kCheckpoints, name), &other.env_);
  other.env_.SetWallMs(1);
  other.CheckFiles();
  other.Start();
  *group = other.instance_->engine().reported_group();
  ++totals_.checkpoints;
  return other.ReadAll();
}

std::vector<std::string> World::Ask(const std::vector<Argv>& commands) {
  if (admin_.connection == nullptr) Connect(admin_);
  for (const Argv& argv : commands) admin_.unsent += Encode(argv);
  admin_.may_send = admin_.unsent.size();
  std::vector<std::string> replies;
  for (int steps = 0; replies.size() < commands.size(); ++steps) {
    if (steps == kStepsMax) Fail("no answer to " + ToString(commands[replies.size()]));
    Deliver(admin_);
    EndTurn();
    for (size_t size = 1; size > 0 && !admin_received_.empty();) {
      size = ReplySize(admin_received_);
      if (size > 0) replies.push_back(admin_received_.substr(0, size));
      admin_received_.erase(0, size);
    }
    if (replies.size() < commands.size() && !env_.RunOneJob()) env_.AdvanceMs(1);
    if (!powered()) return {};
  }
  for (size_t i = 0; i < replies.size(); ++i) {
    if (replies[i][0] == '-') Fail(ToString(commands[i]) + " answers " + replies[i]);
  }
  return replies;
}

}  // namespace varve::sim
