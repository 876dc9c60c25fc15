// server/dispatch.cc: serving one client. See dispatch.h for the steps.
#include "server/dispatch.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/planted_bug.h"
#include "commands/args.h"
#include "commands/table.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"

namespace varve {

namespace {

// Views kept for clients that will wait; beyond that many they are made anew.
constexpr size_t kSpareViewsMax = 64;

// Keys longer than this are not prefetched: building the engine's key would cost more than the
// miss.
constexpr size_t kPrefetchKeyBytesMax = 256;
constexpr size_t kPrefetchKeysMax = 256;

// Memory for so many arguments stays with a request's place, for the next one.
constexpr size_t kArgumentsKept = 1024;

// What was large shall not live on in a place that may not be used again for long.
void LetGo(Request& request) {
  request.shared.clear();
  if (request.argv.capacity() > kArgumentsKept) std::vector<Slice>().swap(request.argv);
}

}  // namespace

Dispatcher::Dispatcher(const Parts& parts)
    : engine_(parts.engine),
      env_(parts.env),
      databases_(parts.databases),
      services_(parts.services),
      watches_(parts.watches),
      limits_(parts.limits),
      stats_(parts.stats),
      stopwatch_(parts.env, parts.stats.commands, parts.latency),
      view_(NewView()),
      gathered_(kRequestsPerBatch),
      requests_(kRequestsPerBatch) {}

std::unique_ptr<View> Dispatcher::NewView() {
  if (!spare_views_.empty()) {
    std::unique_ptr<View> view = std::move(spare_views_.back());
    spare_views_.pop_back();
    return view;
  }
  auto view = std::make_unique<View>(engine_, databases_);
  view->set_post([this](std::function<void()> job) { env_.Post(std::move(job)); });
  return view;
}

void Dispatcher::Stopwatch::Start(uint64_t before_ns) {
  started_us_ = lap_us_ = env_.MonotonicUs();
  before_ns_ = before_ns;
  requests_max_ = latency_.on() || before_ns > 0 ? 1 : kRequestsPerLap;
  is_first_ = true;
}

void Dispatcher::Stopwatch::Lap(const Command* next) {
  const uint64_t ns = Read();
  Count(ns, requests_);
  command_ = next;
  requests_ = 0;
}

uint64_t Dispatcher::Stopwatch::TakeBack() {
  const uint64_t ns = Read();
  Count(ns, requests_ - 1);
  command_ = nullptr;
  requests_ = 0;
  return ns;
}

void Dispatcher::Stopwatch::Restart() {
  lap_us_ = env_.MonotonicUs();
  requests_ = 1;
}

uint64_t Dispatcher::Stopwatch::Read() {
  constexpr uint64_t kNsPerUs = 1000;
  const uint64_t now_us = env_.MonotonicUs();
  const uint64_t took_us = now_us - std::exchange(lap_us_, now_us);
  if (command_ == nullptr) return 0;
  stats_[static_cast<size_t>(CommandIndex(*command_))].us += took_us;
  latency_.CountCommand((command_->flags & kFast) != 0, took_us);
  return took_us * kNsPerUs / requests_ + std::exchange(before_ns_, 0);
}

void Dispatcher::Stopwatch::Count(uint64_t ns, uint64_t requests) {
  if (command_ == nullptr || requests == 0) return;
  stats_[static_cast<size_t>(CommandIndex(*command_))].CountTimes(ns, requests);
}

// --- A client's share of a turn ----------------------------------------------------------------

Dispatcher::Served Dispatcher::Serve(Client& client, int64_t now_ms) {
  now_ms_ = now_ms;
  reported_group_ = engine_.reported_group();
  writable_ = engine_.writable();
  running_ = &client;
  TakeBack(client);

  Served served = Served::kAll;
  for (size_t run = 0;; ++run) {
    if (client.session.close_after_reply) {
      served = Served::kEnds;
      break;
    }
    if (client.out.size() > kUnsentBytesMax) {
      served = Served::kDrains;
      break;
    }
    if (run >= kRequestsPerTurnMax || stopwatch_.elapsed_us() >= kServeUsMax) {
      served = Served::kSome;
      break;
    }
    if (left_.empty()) {
      const Parsed parsed = Parse(client);
      if (parsed == Parsed::kNothing) break;
      if (parsed == Parsed::kProtocolError) {
        served = Served::kEnds;
        break;
      }
    }
    if (!Run(client, left_.front())) {
      served = Served::kWaits;
      break;
    }
    LetGo(left_.front().request);
    left_ = left_.subspan(1);
    if (client.queued_bytes > limits_.requests.query_buffer_bytes_max) {
      Log(LogLevel::kWarning,
          "client id=%llu addr=%s: MULTI holds %s, more than "
          "client-query-buffer-limit: closed",
          static_cast<unsigned long long>(client.session.id), client.peer.c_str(),
          FormatBytes(client.queued_bytes).c_str());
      ++stats_.clients_dropped;
      served = Served::kDrop;
      break;
    }
  }

  stopwatch_.Stop();
  running_ = nullptr;
  if (served == Served::kSome || served == Served::kDrains) Hold(client, false);
  if (served == Served::kWaits) Hold(client, true);
  left_ = {};  // What a client that ends has sent beyond is dropped.
  return served;
}

void Dispatcher::Hold(Client& client, bool with_view) {
  if (left_.empty() && !with_view) return;
  client.held = std::make_unique<Held>();
  client.held->requests.reserve(left_.size());
  for (ParsedRequest& request : left_) {
    client.held->requests.push_back(std::exchange(request, {}));
  }
  if (!with_view) return;
  client.held->view = std::move(view_);
  client.held->took_ns = waiting_ns_;
  view_ = NewView();
}

void Dispatcher::TakeBack(Client& client) {
  stopwatch_.Start(client.held ? client.held->took_ns : 0);
  rerun_ = false;
  const auto [first, count] = std::exchange(client.gathered, {});
  left_ = std::span(gathered_).subspan(first, count);
  if (!client.held) return;
  const std::unique_ptr<Held> held = std::move(client.held);
  std::move(held->requests.begin(), held->requests.end(), requests_.begin());
  left_ = std::span(requests_).first(held->requests.size());
  if (!held->view) return;
  rerun_ = true;
  std::swap(view_, held->view);
  if (spare_views_.size() < kSpareViewsMax) spare_views_.push_back(std::move(held->view));
}

// --- Parse, resolve, prefetch ------------------------------------------------------------------

size_t Dispatcher::ParseInto(std::span<ParsedRequest> space, Client& client,
                             RequestReader::Outcome* outcome) {
  // Before AUTH one at a time: it lifts the limits by which those behind it are parsed.
  if (!client.session.authenticated) space = space.first(1);
  size_t count = 0;
  *outcome = RequestReader::Outcome::kRequest;
  for (ParsedRequest& parsed : space) {
    *outcome = client.reader.Next(&parsed.request);
    if (*outcome != RequestReader::Outcome::kRequest) break;
    const Result<const Command*> resolved = ResolveCommand(parsed.request);
    parsed.command = resolved.ok() ? *resolved : nullptr;
    ++count;
  }
  return count;
}

bool Dispatcher::Gather(Client& client) {
  DCHECK(!client.held);
  const std::span<ParsedRequest> space = std::span(gathered_).subspan(gathered_count_);
  RequestReader::Outcome outcome;
  const size_t count = ParseInto(space, client, &outcome);
  if (count == 0 && outcome == RequestReader::Outcome::kNeedMore) return false;
  client.gathered = {gathered_count_, count};
  gathered_count_ += count;
  NoteKeys(client, space.first(count));
  return true;
}

void Dispatcher::PrefetchGathered() {
  // A single request is about to be run anyway.
  if (gathered_count_ > 1) Prefetch();
  ForgetKeys();
}

void Dispatcher::ForgetGathered() {
  // Some may not have been run: their clients are gone.
  for (size_t i = 0; i < gathered_count_; ++i) LetGo(gathered_[i].request);
  gathered_count_ = 0;
}

Dispatcher::Parsed Dispatcher::Parse(Client& client) {
  RequestReader::Outcome outcome;
  left_ = std::span(requests_).first(ParseInto(requests_, client, &outcome));
  if (!left_.empty()) {
    if (left_.size() > 1) {
      ForgetKeys();
      NoteKeys(client, left_);
      Prefetch();
    }
    return Parsed::kSome;  // An error behind them comes back when they are done.
  }
  if (outcome == RequestReader::Outcome::kNeedMore) return Parsed::kNothing;

  Log(LogLevel::kVerbose, "client id=%llu addr=%s: %s: closed",
      static_cast<unsigned long long>(client.session.id), client.peer.c_str(),
      client.reader.error().c_str());
  ReplyWriter(client.out, client.session.resp_version).Error(client.reader.error());
  ++stats_.error_replies;
  return Parsed::kProtocolError;
}

void Dispatcher::NoteKeys(const Client& client, std::span<const ParsedRequest> requests) {
  for (const ParsedRequest& parsed : requests) {
    if (parsed.command == nullptr || parsed.command->keys.first <= 0) continue;
    const std::vector<Slice>& argv = parsed.request.argv;
    const KeyRange keys = KeysOf(*parsed.command, argv.size());
    for (size_t k = keys.first; k <= keys.last; k += keys.step) {
      if (argv[k].size() > kPrefetchKeyBytesMax) continue;
      if (prefetch_ends_.size() == kPrefetchKeysMax) return;
      view_->AppendEngineKey(client.session.database, argv[k], &prefetch_bytes_);
      prefetch_ends_.push_back(prefetch_bytes_.size());
    }
  }
}

void Dispatcher::ForgetKeys() {
  prefetch_bytes_.clear();
  prefetch_ends_.clear();
}

void Dispatcher::Prefetch() {
  // The bytes lie still only now.
  prefetch_keys_.clear();
  size_t begin = 0;
  for (const size_t end : prefetch_ends_) {
    prefetch_keys_.push_back(Slice(prefetch_bytes_).substr(begin, end - begin));
    begin = end;
  }
  if (!prefetch_keys_.empty()) engine_.Prefetch(prefetch_keys_);
}

// --- Run ---------------------------------------------------------------------------------------

bool Dispatcher::Run(Client& client, ParsedRequest& parsed) {
  Session& session = client.session;
  const uint64_t start = client.out.position();
  const bool rerun = std::exchange(rerun_, false);
  ReplyWriter reply(client.out, session.resp_version);
  uint64_t group = 0;

  if (parsed.command != nullptr) client.last_command = parsed.command;
  Status status = rerun ? Status::Ok() : Admit(client, parsed);
  if (!status.ok()) {
    status = FailTransaction(session, parsed, std::move(status));
    if (parsed.command != nullptr) ++StatsOf(*parsed.command).rejected;
    stopwatch_.Next(nullptr);
  } else if (session.in_multi && (parsed.command->flags & kNotQueued) == 0) {
    stopwatch_.Next(nullptr);
    Queue(client, parsed);
    reply.SimpleString("QUEUED");
  } else {
    CommandStats& stats = StatsOf(*parsed.command);
    stopwatch_.Next(parsed.command);
    if (!rerun) view_->scope().Reset();
    status = Execute(client, parsed, reply, &group);
    if (status.is_pending()) {
      client.out.TruncateTo(start);
      waiting_ns_ = stopwatch_.TakeBack();
      ++stats_.waits;
      return false;
    }
    ++stats.calls;
    stats.failed += status.ok() ? 0 : 1;
  }

  ++stats_.commands_processed;
  if (!status.ok()) {
    client.out.TruncateTo(start);
    reply.Error(ErrorText(status));
    ++stats_.error_replies;
  }
  Settle(client, start, group);
  if (on_ran_) on_ran_({client, parsed.request, now_ms_, start});
  return true;
}

// Ok, or the error that the client gets without the command being run.
Status Dispatcher::Admit(const Client& client, const ParsedRequest& parsed) {
  if (parsed.command == nullptr) return ResolveCommand(parsed.request).status();
  const uint32_t flags = parsed.command->flags;
  if (!client.session.authenticated && (flags & kNoAuth) == 0) {
    return Status::ClientError(std::string(errors::kNoAuth));
  }
  if (client.session.in_multi && (flags & kNoMulti) != 0) {
    return Status::ClientError(std::string(errors::kNotInMulti));
  }
  if (!writable_.ok() && (flags & kWrite) != 0) {
    // On a full disk what frees space goes on: Commit asks about what it really wrote.
    if (writable_.code() != StatusCode::kNoSpace || (flags & kDenyOom) != 0) return writable_;
  }
  return Status::Ok();
}

// A command was refused: if MULTI queues, EXEC will abort. An EXEC that is itself refused aborts
// here.
Status Dispatcher::FailTransaction(Session& session, const ParsedRequest& parsed, Status refusal) {
  session.multi_failed |= session.in_multi;
  const bool is_arity = parsed.command == nullptr;
  if (!is_arity || !EqualsIgnoreCase(parsed.request.argv[0], "exec")) return refusal;
  session.in_multi = session.multi_failed = session.watched_key_changed = false;
  session.queued.clear();
  watches_.Unwatch(session);
  return Status::ClientError(errors::ExecAbortWrongArity("exec"));
}

// Sets `group` to the newest one that the reply shows.
Status Dispatcher::Execute(Client& client, ParsedRequest& parsed, ReplyWriter& reply,
                           uint64_t* group) {
  View& view = *view_;
  view.set_may_yield(true);
  view.Begin(client.session.database, now_ms_);
  CommandContext context{view, reply, client.session, services_, *parsed.command, parsed.request};
  Status status = varve::Run(context);
  if (status.is_pending()) return status;

  const View::Counters& counters = view.counters();
  stats_.keyspace_hits += counters.keyspace_hits;
  stats_.keyspace_misses += counters.keyspace_misses;
  // An error shows what was read as well.
  *group = Planted(PlantedBug::kShowBeforeLogged) ? 0 : view.scope().depends_on_group();
  if (status.ok() && !view.batch().empty()) status = Commit(client, *parsed.command, group);
  return status;
}

Status Dispatcher::Commit(Client& client, const Command& command, uint64_t* group) {
  View& view = *view_;
  if (!writable_.ok()) {
    if (Status refusal = engine_.Accepts(view.batch()); !refusal.ok()) {
      // A read that met an expired key would have deleted it. It may as well stay.
      if (view.OnlyExpires() && (command.flags & kWrite) == 0) return Status::Ok();
      return refusal;
    }
  }
  stats_.expired_keys += view.counters().expired_keys;
  if (watches_.empty()) {
    *group = std::max(*group, engine_.Commit(view.batch()));
    view.Committed();
  } else {
    const Databases before = databases_;
    *group = std::max(*group, engine_.Commit(view.batch()));
    view.Committed();
    watches_.Touch(view.batch(), before, databases_);
  }
  client.wrote = true;
  return Status::Ok();
}

// Copies the request into the session: its bytes must outlive the read buffer. Large arguments are
// shared.
void Dispatcher::Queue(Client& client, const ParsedRequest& parsed) {
  const Request& request = parsed.request;
  Session::QueuedCommand& queued = client.session.queued.emplace_back();
  queued.command = parsed.command;
  queued.request = request;

  size_t size = 0;
  for (const Slice argument : request.argv) size += argument.size();
  for (const auto& [index, bytes] : request.shared) size -= bytes.size();
  // Never within the string object itself, which moves when `queued` grows.
  queued.bytes.reserve(std::max(size, sizeof(std::string)));
  auto shared = request.shared.begin();
  for (size_t i = 0; i < request.argv.size(); ++i) {
    if (shared != request.shared.end() && shared->first == i) {
      ++shared;
      continue;
    }
    const size_t begin = queued.bytes.size();
    queued.bytes.append(request.argv[i]);
    queued.request.argv[i] = Slice(queued.bytes.data() + begin, request.argv[i].size());
  }

  client.queued_bytes += sizeof(queued) + request.argv.size() * sizeof(Slice) + size;
  for (const auto& [index, bytes] : request.shared) client.queued_bytes += bytes.size();
}

// What follows every reply, however it came about.
void Dispatcher::Settle(Client& client, uint64_t reply_start, uint64_t group) {
  Session& session = client.session;
  if (session.reply_mode != ReplyMode::kOn) {
    // What counts is the mode that the command leaves: CLIENT REPLY OFF and SKIP answer nothing
    // themselves, ON does even behind a SKIP. SKIP is about the one command behind it.
    client.out.TruncateTo(reply_start);
    if (session.reply_mode == ReplyMode::kSkipThis) session.reply_mode = ReplyMode::kOn;
    if (session.reply_mode == ReplyMode::kSkipNext) session.reply_mode = ReplyMode::kSkipThis;
  }
  if (group > reported_group_ && client.out.position() > reply_start) {
    client.gate.Hold(reply_start, group);
  }
  if (!session.in_multi) client.queued_bytes = 0;
  if (client.no_auth_limits == session.authenticated) {
    client.no_auth_limits = !session.authenticated;
    client.reader.SetLimits(session.authenticated ? limits_.requests : limits_.requests_no_auth);
  }
}

}  // namespace varve
