// utils/load/runner.cc: phases, pipelines, figures.
#include "utils/load/runner.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <utility>

namespace varve::load {

namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr int kEventsMax = 256;
// After so many pipelines that were due, sockets are looked at.
constexpr int kPipelinesAtATime = 64;
// More wait here, and no memory is used up; the time counts all the same.
constexpr uint64_t kOnTheirWayMax = 1'000'000;
constexpr uint64_t kSilenceNsMax = 60 * kSecondNs;
// The kernel may otherwise add 50 us to every sleep.
constexpr unsigned long kTimerSlackNs = 1000;
constexpr uint64_t kComplaintsMax = 10;

constexpr size_t kKeyBytes = 16;  // "key:" and twelve digits

uint64_t ClockNs(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * kSecondNs + static_cast<uint64_t>(time.tv_nsec);
}
uint64_t NowNs() { return ClockNs(CLOCK_MONOTONIC); }
int64_t WallMs() { return static_cast<int64_t>(ClockNs(CLOCK_REALTIME) / 1'000'000); }

double CpuSeconds() {
  return static_cast<double>(ClockNs(CLOCK_PROCESS_CPUTIME_ID)) / static_cast<double>(kSecondNs);
}

std::array<char, kKeyBytes> KeyOf(uint64_t number) {
  std::array<char, kKeyBytes> key = {'k', 'e', 'y', ':'};
  for (size_t i = key.size(); i-- > 4; number /= 10) key[i] = static_cast<char>('0' + number % 10);
  return key;
}

bool IsTimed(const Phase& phase) { return phase.seconds > 0; }

WriteKind KindOf(Operation operation) {
  if (operation == Operation::kDelete) return WriteKind::kDelete;
  return operation == Operation::kSet ? WriteKind::kSet : WriteKind::kSetExpiring;
}

void PrintLatencies(const char* name, const Histogram& us) {
  std::printf(
      ",\"%s\":{\"count\":%llu,\"p50\":%llu,\"p99\":%llu,\"p999\":%llu,\"p9999\":%llu,\"max\":%"
      "llu}",
      name, static_cast<unsigned long long>(us.total()),
      static_cast<unsigned long long>(us.Percentile(50)),
      static_cast<unsigned long long>(us.Percentile(99)),
      static_cast<unsigned long long>(us.Percentile(99.9)),
      static_cast<unsigned long long>(us.Percentile(99.99)),
      static_cast<unsigned long long>(us.max()));
}

}  // namespace

Runner::Runner(const Options& options)
    : options_(options),
      values_(options.sizes),
      ledger_(options.keys, static_cast<uint32_t>(options.run), options.all_exist, kKeyBytes,
              options.sizes.front().value_bytes),
      order_(options.keys),
      chooser_(options.keys, options.zipf, options.seed),
      random_(options.seed + 1) {
  for (const uint64_t weight : options_.mix) weights_ += weight;
}

Runner::~Runner() {
  if (epoll_ >= 0) close(epoll_);
}

void Runner::Figures::Merge(const Figures& other) {
  read_us.Merge(other.read_us);
  write_us.Merge(other.write_us);
  errors += other.errors;
  wrong += other.wrong;
  late_us = std::max(late_us, other.late_us);
}

Status Runner::Run() {
  RETURN_IF_ERROR(Connect());
  for (size_t i = 0; i < options_.phases.size(); ++i) {
    RETURN_IF_ERROR(RunPhase(options_.phases[i], i));
  }
  return Status::Ok();
}

Status Runner::Connect() {
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return Status::FromErrno(errno, "epoll", "epoll_create1");
  connections_.reserve(options_.connections);
  for (uint64_t i = 0; i < options_.connections; ++i) {
    Result<Client> client = Client::Connect(options_.host, options_.port);
    if (!client.ok()) return client.status();
    Connection& connection = connections_.emplace_back(Connection{std::move(*client)});
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.client.descriptor(), &event) != 0) {
      return Status::FromErrno(errno, "epoll", "epoll_ctl");
    }
  }
  return Status::Ok();
}

Status Runner::RunPhase(const Phase& phase, size_t index) {
  const double rate = phase.rate > 0 ? phase.rate : full_rate_ * phase.rate_part;
  std::printf("{\"event\":\"begin\",\"phase\":\"%s\",\"index\":%zu,\"rate\":%.0f}\n",
              phase.name.c_str(), index, rate);
  std::fflush(stdout);
  pipelines_per_second_ = rate / static_cast<double>(options_.pipeline);
  next_key_ = pipelines_ = second_ = 0;
  in_second_ = in_phase_ = Figures();
  idle_.clear();
  for (size_t i = 0; i < connections_.size(); ++i) idle_.push_back(i);

  const double cpu_before = CpuSeconds();
  begin_ns_ = last_reply_ns_ = NowNs();
  while (true) {
    const uint64_t now_ns = NowNs();
    ledger_.Expire(WallMs());
    EndSeconds(phase, index, now_ns);
    uint64_t next_ns = begin_ns_ + (second_ + 1) * kSecondNs;
    bool sent_all = false;
    RETURN_IF_ERROR(Issue(phase, now_ns, &sent_all, &next_ns));
    if (sent_all && on_their_way_ == 0) break;
    if (on_their_way_ > 0 && now_ns > last_reply_ns_ + kSilenceNsMax) {
      return Status::IoError("no reply for a minute");
    }
    RETURN_IF_ERROR(WaitForReplies(next_ns));
    if (on_their_way_ == 0) last_reply_ns_ = NowNs();
  }
  const double seconds = static_cast<double>(NowNs() - begin_ns_) / static_cast<double>(kSecondNs);
  EndPhase(phase, index, seconds, CpuSeconds() - cpu_before);
  return Status::Ok();
}

// --- Requests ---

Status Runner::Issue(const Phase& phase, uint64_t now_ns, bool* sent_all, uint64_t* next_ns) {
  const auto end_ns =
      begin_ns_ + static_cast<uint64_t>(phase.seconds * static_cast<double>(kSecondNs));
  if (phase.kind == Phase::Kind::kIdle) {
    *sent_all = now_ns >= end_ns;
    *next_ns = std::min(*next_ns, end_ns);
    return Status::Ok();
  }
  if (phase.kind == Phase::Kind::kPace) {
    return IssuePaced(phase, now_ns, end_ns, sent_all, next_ns);
  }

  const auto over = [&] { return IsTimed(phase) ? now_ns >= end_ns : next_key_ == options_.keys; };
  for (const size_t i : std::exchange(idle_, {})) {
    if (over()) break;
    RETURN_IF_ERROR(SendPipeline(phase, connections_[i], now_ns));
  }
  *sent_all = over();
  return Status::Ok();
}

Status Runner::IssuePaced(const Phase& phase, uint64_t now_ns, uint64_t end_ns, bool* sent_all,
                          uint64_t* next_ns) {
  for (int i = 0; i < kPipelinesAtATime; ++i) {
    const auto due_ns =
        begin_ns_ + static_cast<uint64_t>(static_cast<double>(pipelines_) *
                                          static_cast<double>(kSecondNs) / pipelines_per_second_);
    *sent_all = due_ns >= end_ns;
    if (*sent_all || on_their_way_ >= kOnTheirWayMax) return Status::Ok();
    if (due_ns > now_ns) {
      *next_ns = std::min(*next_ns, due_ns);
      return Status::Ok();
    }
    in_second_.late_us = std::max(in_second_.late_us, (now_ns - due_ns) / 1000);
    RETURN_IF_ERROR(SendPipeline(phase, connections_[pipelines_ % connections_.size()], due_ns));
    ++pipelines_;
  }
  *next_ns = now_ns;
  return Status::Ok();
}

Status Runner::SendPipeline(const Phase& phase, Connection& connection, uint64_t due_ns) {
  const int64_t now_ms = WallMs();
  for (uint64_t i = 0; i < options_.pipeline; ++i) {
    Request request;
    request.due_ns = due_ns;
    request.sent_ms = now_ms;
    if (IsTimed(phase)) {
      request.operation = DrawOperation();
      request.key = chooser_.Next();
    } else {
      if (next_key_ == options_.keys) break;
      request.key = order_.At(next_key_++);
      request.operation = phase.kind == Phase::Kind::kCheck          ? Operation::kGet
                          : phase.kind == Phase::Kind::kLoadExpiring ? Operation::kSetExpiring
                                                                     : Operation::kSet;
    }
    Add(connection.client, request, now_ms);
  }
  return Flush(connection);
}

void Runner::Add(Client& client, Request& request, int64_t now_ms) {
  value_.clear();
  if (request.operation == Operation::kGet) {
    request.expectation = ledger_.BeginRead(request.key);
  } else {
    request.version = ledger_.BeginWrite(request.key, KindOf(request.operation));
    if (request.operation == Operation::kSetExpiring) request.expire_at_ms = DrawExpiry(now_ms);
    if (request.operation != Operation::kDelete) values_.AppendTo(&value_, HeadOf(request));
  }
  const auto key = KeyOf(request.key);
  client.Add(request, {key.data(), key.size()}, value_);
  ++on_their_way_;
}

ValueHead Runner::HeadOf(const Request& request) const {
  return {request.key, static_cast<uint32_t>(options_.run), request.version, request.expire_at_ms};
}

Operation Runner::DrawOperation() {
  uint64_t at = random_.Uniform(weights_);
  for (size_t i = 0; i + 1 < options_.mix.size(); ++i) {
    if (at < options_.mix[i]) return static_cast<Operation>(i);
    at -= options_.mix[i];
  }
  return static_cast<Operation>(options_.mix.size() - 1);
}

int64_t Runner::DrawExpiry(int64_t now_ms) {
  const auto span = static_cast<uint64_t>(options_.expire_max_ms - options_.expire_min_ms) + 1;
  const auto from_ms = options_.expire_min_ms + static_cast<int64_t>(random_.Uniform(span));
  return options_.expire_at ? from_ms : now_ms + from_ms;
}

// --- Sockets ---

Status Runner::Flush(Connection& connection) {
  RETURN_IF_ERROR(connection.client.Flush());
  if (connection.client.unsent() == connection.wants_writable) return Status::Ok();
  connection.wants_writable = connection.client.unsent();
  epoll_event event{};
  event.events = connection.wants_writable ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.u64 = static_cast<uint64_t>(&connection - connections_.data());
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.client.descriptor(), &event) != 0) {
    return Status::FromErrno(errno, "epoll", "epoll_ctl");
  }
  return Status::Ok();
}

Status Runner::WaitForReplies(uint64_t until_ns) {
  const uint64_t now_ns = NowNs();
  const uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
  const timespec timeout{static_cast<time_t>(wait_ns / kSecondNs),
                         static_cast<long>(wait_ns % kSecondNs)};
  std::array<epoll_event, kEventsMax> events;
  const int count = epoll_pwait2(epoll_, events.data(), kEventsMax, &timeout, nullptr);
  if (count < 0 && errno != EINTR) return Status::FromErrno(errno, "epoll", "epoll_pwait2");
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    Connection& connection = connections_[event.data.u64];
    if ((event.events & EPOLLOUT) != 0) RETURN_IF_ERROR(Flush(connection));
    if ((event.events & ~static_cast<uint32_t>(EPOLLOUT)) == 0) continue;
    RETURN_IF_ERROR(TakeReplies(connection.client));
    if (connection.client.on_their_way() == 0) idle_.push_back(event.data.u64);
  }
  return Status::Ok();
}

Status Runner::TakeReplies(Client& client) {
  RETURN_IF_ERROR(client.ReadSome());
  last_reply_ns_ = NowNs();
  while (true) {
    Reply reply;
    const Result<bool> whole = client.NextReply(&reply);
    if (!whole.ok()) return whole.status();
    if (!*whole) return Status::Ok();
    Take(client.TakeRequest(), reply);
  }
}

// --- Replies ---

void Runner::Take(const Request& request, const Reply& reply) {
  --on_their_way_;
  const bool is_read = request.operation == Operation::kGet;
  const uint64_t us = (last_reply_ns_ - std::min(request.due_ns, last_reply_ns_)) / 1000;
  (is_read ? in_second_.read_us : in_second_.write_us).Add(us);

  const bool refused = reply.kind == Reply::Kind::kError;
  if (!is_read) {
    const size_t value_bytes =
        request.operation == Operation::kDelete ? 0 : values_.SizeOf(HeadOf(request));
    ledger_.EndWrite(request.key, KindOf(request.operation), refused, value_bytes,
                     request.expire_at_ms);
  }
  if (refused) {
    ++in_second_.errors;
    return Complain(std::string(reply.text));
  }
  const std::string problem = Check(request, reply);
  if (problem.empty()) return;
  ++in_second_.wrong;
  Complain(problem);
}

std::string Runner::Check(const Request& request, const Reply& reply) const {
  const auto number = std::to_string(request.key);
  switch (request.operation) {
    case Operation::kDelete:
      if (reply.kind == Reply::Kind::kInteger) return {};
      break;
    case Operation::kSet:
    case Operation::kSetExpiring:
      if (reply.kind == Reply::Kind::kStatus && reply.text == "OK") return {};
      break;
    case Operation::kGet:
      if (reply.kind == Reply::Kind::kNil) {
        return ledger_.EndRead(request.key, request.expectation, nullptr, request.sent_ms);
      }
      if (reply.kind != Reply::Kind::kBulk) break;
      ValueHead head;
      if (!values_.Parse(reply.text, &head)) {
        return "key " + number + " has a value that is none: " + std::to_string(reply.text.size()) +
               " bytes";
      }
      return ledger_.EndRead(request.key, request.expectation, &head, request.sent_ms);
  }
  return "key " + number + ": an unexpected reply: " + std::string(reply.text.substr(0, 80));
}

void Runner::Complain(const std::string& what) {
  if (++failures_ <= kComplaintsMax) std::fprintf(stderr, "varve-load: %s\n", what.c_str());
}

// --- Figures ---

void Runner::PrintFigures(const Figures& figures) const {
  std::printf(
      ",\"operations\":%llu,\"errors\":%llu,\"wrong\":%llu,\"late_us\":%llu,\"live_keys\":%llu,"
      "\"live_bytes\":%llu",
      static_cast<unsigned long long>(figures.operations()),
      static_cast<unsigned long long>(figures.errors),
      static_cast<unsigned long long>(figures.wrong),
      static_cast<unsigned long long>(figures.late_us),
      static_cast<unsigned long long>(ledger_.live_keys()),
      static_cast<unsigned long long>(ledger_.live_bytes()));
  PrintLatencies("read", figures.read_us);
  PrintLatencies("write", figures.write_us);
  std::puts("}");
  std::fflush(stdout);
}

void Runner::EndSeconds(const Phase& phase, size_t index, uint64_t now_ns) {
  // A second in which nothing came has its line as well.
  while (now_ns >= begin_ns_ + (second_ + 1) * kSecondNs) {
    std::printf("{\"event\":\"second\",\"phase\":\"%s\",\"index\":%zu,\"second\":%llu",
                phase.name.c_str(), index, static_cast<unsigned long long>(second_));
    PrintFigures(in_second_);
    in_phase_.Merge(in_second_);
    in_second_ = Figures();
    ++second_;
  }
}

void Runner::EndPhase(const Phase& phase, size_t index, double seconds, double cpu_seconds) {
  in_phase_.Merge(in_second_);
  const double rate = static_cast<double>(in_phase_.operations()) / seconds;
  if (phase.kind == Phase::Kind::kFull) full_rate_ = rate;
  std::printf(
      "{\"event\":\"end\",\"phase\":\"%s\",\"index\":%zu,\"seconds\":%.3f,\"rate\":%.0f,"
      "\"cpu\":%.3f",
      phase.name.c_str(), index, seconds, rate, cpu_seconds / seconds);
  PrintFigures(in_phase_);
}

}  // namespace varve::load
