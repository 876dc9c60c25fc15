// server/turn.cc: serving, writing and pausing clients.
#include "server/turn.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace varve {

namespace {

constexpr size_t kSlicesPerWrite = 64;

// A client is written to again at once only if what it took was limited by the number of slices.
constexpr int kWritesPerTurnMax = 4;

// No timer measures what is shorter. The engine remembers it: see write_pacer.h.
constexpr uint64_t kPauseUsMin = 1000;
// While writers are paused the engine is asked so often whether it has caught up.
constexpr uint64_t kPauseStepUs = 10'000;

}  // namespace

Turn::Turn(Parts parts)
    : engine_(parts.engine),
      env_(parts.env),
      dispatcher_(parts.dispatcher),
      limits_(parts.limits),
      stats_(parts.stats),
      set_busy_(std::move(parts.set_busy)),
      destroy_(std::move(parts.destroy)) {
  engine_.OnReported([this] { OnReported(); });
}

Turn::~Turn() {
  engine_.OnReported(nullptr);
  if (resume_timer_ != 0) env_.CancelTimer(resume_timer_);
}

void Turn::ReadClocks() {
  now_ms_ = std::max<int64_t>(env_.WallMs(), 1);
  now_us_ = env_.MonotonicUs();
}

// --- What sockets tell -------------------------------------------------------------------------

void Turn::Arrived(Client& client, size_t bytes) {
  ++stats_.reads;
  stats_.input_bytes += bytes;
  client.active_ms = now_ms();
  if (!dispatcher_.Gather(client)) return;
  SetState(client, ClientState::kReady);
  gathered_.PushBack(client.state_hook);
  if (dispatcher_.HasGatheredEnough()) ServeGathered();
}

void Turn::Writable(Client& client) {
  client.socket_full = false;
  WriteSoon(client);
}

// The peer may have shut down its side only, and still wants its replies.
void Turn::ReadEnded(Client& client) {
  client.read_ended = true;
  if (client.state == ClientState::kReading) EndClient(client);  // Else when it has been served.
}

void Turn::Failed(Client& client, int error) {
  Log(LogLevel::kVerbose, "client id=%llu addr=%s: %s",
      static_cast<unsigned long long>(client.session.id), client.peer.c_str(),
      std::strerror(error));
  DropClient(client);
}

// --- Between the states ------------------------------------------------------------------------

void Turn::SetState(Client& client, ClientState state) {
  // A client that was ready and is so again has been taken out of its list to be served.
  if (client.state == state && (state == ClientState::kReading || client.state_hook.linked())) {
    return;
  }
  const bool was_reading = client.state == ClientState::kReading;
  client.state = state;
  switch (state) {
    case ClientState::kReading: client.state_hook.Unlink(); break;
    case ClientState::kReady: ready_.PushBack(client.state_hook); break;
    case ClientState::kWaits: waiting_.PushBack(client.state_hook); break;
    case ClientState::kDrains: draining_.PushBack(client.state_hook); break;
    case ClientState::kPaused: paused_.PushBack(client.state_hook); break;
    case ClientState::kEnds: ending_.PushBack(client.state_hook); break;
    case ClientState::kGone: gone_.PushBack(client.state_hook); break;
  }
  const bool reads = state == ClientState::kReading;
  if (reads != was_reading) client.connection->SetReading(reads);
}

// Whoever is dropped or ended meanwhile has left the list.
void Turn::ServeGathered() {
  dispatcher_.PrefetchGathered();
  while (Client* client = gathered_.PopFront()) Serve(*client);
  dispatcher_.ForgetGathered();
}

void Turn::Serve(Client& client) {
  if (client.state == ClientState::kGone) return;
  client.active_ms = now_ms();
  switch (dispatcher_.Serve(client, now_ms())) {
    case Dispatcher::Served::kAll:
      if (client.read_ended || stopping_) {
        EndClient(client);
      } else {
        SetState(client, ClientState::kReading);
      }
      break;
    case Dispatcher::Served::kSome: SetState(client, ClientState::kReady); break;
    case Dispatcher::Served::kDrains: SetState(client, ClientState::kDrains); break;
    case Dispatcher::Served::kWaits: Wait(client); break;
    case Dispatcher::Served::kEnds: EndClient(client); break;
    case Dispatcher::Served::kDrop: DropClient(client); break;
  }
  if (client.wrote || !client.out.empty()) WriteSoon(client);
}

// Run again when its data has come: in a turn's end, not inside the engine that brings the news.
void Turn::Wait(Client& client) {
  SetState(client, ClientState::kWaits);
  // The scope belongs to the client: when the client is gone, nobody calls.
  ReadScope& scope = client.held->view->scope();
  // Should what it asked for have come already, then there is nobody to call.
  if (!scope.waiting()) return SetState(client, ClientState::kReady);
  scope.WhenReady([this, &client] {
    if (client.state == ClientState::kWaits) SetState(client, ClientState::kReady);
  });
}

void Turn::EndClient(Client& client) {
  if (client.state == ClientState::kGone) return;
  client.held = nullptr;
  SetState(client, ClientState::kEnds);
  WriteSoon(client);
}

void Turn::DropClient(Client& client) { SetState(client, ClientState::kGone); }

void Turn::EndAllClients(const std::function<void(const std::function<void(Client&)>&)>& for_each) {
  stopping_ = true;
  for_each([this](Client& client) {
    if (client.state != ClientState::kWaits) EndClient(client);
  });
}

// --- The end of a turn -------------------------------------------------------------------------

void Turn::End() {
  ServeGathered();
  // Those who become ready in here are for the next turn.
  ClientList served_now;
  served_now.TakeAll(ready_);
  while (Client* client = served_now.PopFront()) {
    if (stopping_ && !(client->held && client->held->view)) {
      EndClient(*client);
    } else {
      Serve(*client);
    }
  }

  engine_.EndTurn();

  if (!writing_.empty()) {
    const uint64_t delay_us = engine_.WriterDelayUs();
    const uint64_t resume_at_us = delay_us >= kPauseUsMin ? env_.MonotonicUs() + delay_us : 0;
    const uint64_t reported_group = engine_.reported_group();
    while (Client* client = writing_.PopFront()) {
      if (client->state == ClientState::kGone) continue;
      WriteOut(*client, reported_group);
      if (std::exchange(client->wrote, false) && resume_at_us > 0) {
        PauseWriter(*client, resume_at_us);
      }
    }
  }

  while (Client* client = gone_.PopFront()) destroy_(*client);
  set_busy_(!ready_.empty());
  now_ms_ = 0;
}

void Turn::OnReported() {
  const uint64_t reported_group = engine_.reported_group();
  held_.ForEach([&](Client& client) {
    if (client.gate.first_group() <= reported_group) WriteSoon(client);
  });
}

void Turn::WriteOut(Client& client, uint64_t reported_group) {
  const uint64_t limit = client.gate.Limit(reported_group, client.out.position());
  if (client.gate.holding()) {
    held_.PushBack(client.gate_hook);
  } else {
    client.gate_hook.Unlink();
  }
  // A socket that was full is tried again when it says that it is not.
  if (client.socket_full) return AfterWrite(client);
  if (!SendUpTo(client, limit)) return;

  client.socket_full = client.out.consumed() < limit;
  client.connection->WantWritable(client.socket_full);
  if (!client.socket_full) client.stuck_since_ms = 0;
  AfterWrite(client);
}

bool Turn::SendUpTo(Client& client, uint64_t limit) {
  for (int i = 0; i < kWritesPerTurnMax && client.out.consumed() < limit; ++i) {
    std::array<Slice, kSlicesPerWrite> slices;
    const size_t count = client.out.Gather(limit, slices);
    size_t size = 0;
    for (size_t s = 0; s < count; ++s) size += slices[s].size();

    const ptrdiff_t sent = client.connection->Write({slices.data(), count});
    if (sent < 0) {
      Failed(client, static_cast<int>(-sent));
      return false;
    }
    ++stats_.writes;
    stats_.output_bytes += static_cast<uint64_t>(sent);
    client.out.Consume(static_cast<size_t>(sent));
    // As of now; WriteOut forgets it when nothing is left.
    if (sent > 0 || client.stuck_since_ms == 0) client.stuck_since_ms = now_ms();
    if (static_cast<size_t>(sent) < size) break;
  }
  return true;
}

void Turn::AfterWrite(Client& client) {
  if (client.state == ClientState::kEnds && client.out.empty()) return DropClient(client);
  // No sooner and no later: so one that takes nothing stays above it, and is found by its soft
  // limit.
  if (client.state == ClientState::kDrains && client.out.size() <= kUnsentBytesMax) {
    return SetState(client, ClientState::kReady);
  }
  const uint64_t hard_bytes = limits_.output.hard_bytes;
  if (hard_bytes == 0 || client.out.size() <= hard_bytes) return;
  Log(LogLevel::kWarning,
      "client id=%llu addr=%s: %s of unsent replies, more than client-output-buffer-limit: closed",
      static_cast<unsigned long long>(client.session.id), client.peer.c_str(),
      FormatBytes(client.out.size()).c_str());
  ++stats_.clients_dropped;
  DropClient(client);
}

// --- Writers, when the engine is behind --------------------------------------------------------

void Turn::PauseWriter(Client& client, uint64_t until_us) {
  if (client.state != ClientState::kReading && client.state != ClientState::kReady) return;
  client.paused_until_us = until_us;
  ++stats_.writers_paused;
  SetState(client, ClientState::kPaused);
  ArmResume(client.paused_until_us);
}

void Turn::ArmResume(uint64_t resume_at_us) {
  if (resume_timer_ != 0) {
    if (resume_at_us_ <= resume_at_us) return;
    env_.CancelTimer(resume_timer_);
  }
  const uint64_t now = env_.MonotonicUs();
  resume_at_us_ = std::min(resume_at_us, now + kPauseStepUs);
  const uint64_t delay_ms = resume_at_us_ > now ? (resume_at_us_ - now + 999) / 1000 : 0;
  resume_timer_ = env_.RunAfter(delay_ms, [this] {
    resume_timer_ = 0;
    ResumePaused();
  });
}

void Turn::ResumePaused() {
  const uint64_t now = env_.MonotonicUs();
  const bool caught_up = engine_.WriterDelayUs() == 0;
  uint64_t next_us = UINT64_MAX;
  paused_.ForEach([&](Client& client) {
    if (caught_up || client.paused_until_us <= now) {
      // By way of the ready ones: it may hold requests.
      SetState(client, ClientState::kReady);
    } else {
      next_us = std::min(next_us, client.paused_until_us);
    }
  });
  if (next_us != UINT64_MAX) ArmResume(next_us);
}

}  // namespace varve
