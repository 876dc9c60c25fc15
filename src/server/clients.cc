// server/clients.cc: accepting, describing, killing and looking after clients.
#include "server/clients.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/check.h"
#include "base/log.h"
#include "resp/errors.h"

namespace varve {

namespace {

// A client that ends but takes nothing of its last replies is given up after this.
constexpr int64_t kLastRepliesMs = 60'000;

std::string FlagsOf(const Client& client) {
  std::string flags;
  if (client.state == ClientState::kWaits) flags += 'b';
  if (client.state == ClientState::kEnds) flags += 'c';
  if (client.state == ClientState::kGone) flags += 'A';
  if (client.session.watched_key_changed) flags += 'd';
  if (client.session.in_multi) flags += 'x';
  if (client.session.no_evict) flags += 'e';
  if (client.is_unix) flags += 'U';
  return flags.empty() ? "N" : flags;
}

}  // namespace

void Clients::Refuse(const AcceptedSocket& socket, Slice error) {
  ++parts_.stats.connections_rejected;
  const std::string line = "-" + std::string(error) + "\r\n";
  // Whether it arrives is up to the socket: nothing is kept for a client we do not have.
  [[maybe_unused]] const ssize_t sent =
      send(socket.descriptor, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  close(socket.descriptor);
}

void Clients::Accept(const AcceptedSocket& socket) {
  ++parts_.stats.connections_received;
  if (clients_.size() >= parts_.limits.clients_max) return Refuse(socket, errors::kMaxClients);
  const bool open_to_all = parts_.config.requirepass.empty();
  if (parts_.config.protected_mode && open_to_all && !socket.is_loopback) {
    return Refuse(socket, errors::kProtectedMode);
  }
  if (!socket.is_unix) {
    SetNoDelay(socket.descriptor);
    SetKeepAlive(socket.descriptor, static_cast<int>(parts_.config.tcp_keepalive_seconds));
  }

  const RequestLimits& limits =
      open_to_all ? parts_.limits.requests : parts_.limits.requests_no_auth;
  auto client = std::make_unique<Client>(++last_id_, limits, *turn_);
  client->session.authenticated = open_to_all;
  client->no_auth_limits = !open_to_all;
  client->peer = socket.peer;
  client->local = socket.local;
  client->is_unix = socket.is_unix;
  client->connected_ms = client->active_ms = turn_->now_ms();
  client->connection = parts_.open(socket.descriptor, *client);
  clients_.emplace_hint(clients_.end(), last_id_, std::move(client));
}

void Clients::Destroy(Client& client) {
  parts_.watches.Unwatch(client.session);
  clients_.erase(client.session.id);
}

Client* Clients::Find(uint64_t id) const {
  const auto found = clients_.find(id);
  return found == clients_.end() ? nullptr : found->second.get();
}

void Clients::ForEach(const std::function<void(Client&)>& visit) const {
  for (const auto& [id, client] : clients_) visit(*client);
}

// --- CLIENT LIST and KILL ----------------------------------------------------------------------

std::string Clients::Describe(const Client& client) const {
  const Session& session = client.session;
  const int64_t now_ms = turn_->now_ms();
  const size_t buffered = client.reader.buffered_bytes();
  const size_t read_memory = client.reader.memory_bytes();
  std::string line;
  const auto add = [&line](Slice name, const std::string& value) {
    if (!line.empty()) line.push_back(' ');
    line.append(name).append("=").append(value);
  };
  const auto add_number = [&add](Slice name, auto value) { add(name, std::to_string(value)); };

  add_number("id", session.id);
  add("addr", client.peer);
  add("laddr", client.local);
  add_number("fd", client.connection->descriptor());
  add("name", session.name);
  add_number("age", (now_ms - client.connected_ms) / 1000);
  add_number("idle", (now_ms - client.active_ms) / 1000);
  add("flags", FlagsOf(client));
  add_number("db", session.database);
  add_number("sub", 0);
  add_number("psub", 0);
  add_number("ssub", 0);
  add("multi", session.in_multi ? std::to_string(session.queued.size()) : "-1");
  add_number("qbuf", buffered);
  add_number("qbuf-free", read_memory > buffered ? read_memory - buffered : 0);
  add_number("argv-mem", 0);  // arguments lie in the query buffer
  add_number("multi-mem", client.queued_bytes);
  // There is no fixed reply buffer: replies take memory as they come, see omem.
  add_number("rbs", 0);
  add_number("rbp", 0);
  add_number("obl", 0);
  add_number("oll", client.out.empty() ? 0 : 1);
  add_number("omem", client.out.memory_bytes());
  add_number("tot-mem", client.memory_bytes());
  add("events", client.socket_full ? "rw" : "r");
  add("cmd", client.last_command ? std::string(client.last_command->name) : "NULL");
  add("user", "default");
  add_number("redir", -1);
  add_number("resp", session.resp_version);
  add("lib-name", session.library_name);
  add("lib-ver", session.library_version);
  return line;
}

int Clients::Kill(const Session& me, const Services::ClientFilter& filter) {
  const auto matches = [](const std::optional<std::string>& wanted, Slice is) {
    return !wanted || *wanted == is;
  };
  int killed = 0;
  for (const auto& [id, client] : clients_) {
    const bool is_me = id == me.id;
    if (client->state == ClientState::kGone || (is_me && filter.skip_me)) continue;
    if ((filter.id && *filter.id != id) || !matches(filter.address, client->peer) ||
        !matches(filter.local_address, client->local) || !matches(filter.user, "default") ||
        !matches(filter.type, "normal")) {
      continue;
    }
    ++killed;
    if (is_me) {
      client->session.close_after_reply = true;
    } else {
      turn_->DropClient(*client);
    }
  }
  return killed;
}

// --- Limits ------------------------------------------------------------------------------------

void Clients::Look(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const auto next = clients_.upper_bound(looked_at_id_);
    if (next == clients_.end()) {
      memory_bytes_ = std::exchange(round_memory_bytes_, 0);
      largest_input_bytes_ = std::exchange(round_input_bytes_, 0);
      largest_output_bytes_ = std::exchange(round_output_bytes_, 0);
      looked_at_id_ = 0;
      return;
    }
    looked_at_id_ = next->first;
    LookAt(*next->second);
  }
}

void Clients::LookAt(Client& client) {
  if (client.state == ClientState::kGone) return;
  const int64_t now_ms = turn_->now_ms();
  const auto drop = [&](const char* why) {
    Log(LogLevel::kWarning, "client id=%llu addr=%s: %s: closed",
        static_cast<unsigned long long>(client.session.id), client.peer.c_str(), why);
    ++parts_.stats.clients_dropped;
    turn_->DropClient(client);
  };

  const OutputLimit& output = parts_.limits.output;
  if (client.stuck_since_ms != 0) {
    const int64_t stuck_ms = now_ms - client.stuck_since_ms;
    if (output.soft_bytes != 0 && client.out.size() > output.soft_bytes &&
        stuck_ms >= output.soft_seconds * 1000) {
      return drop("takes nothing of its replies, see client-output-buffer-limit");
    }
    if (client.state == ClientState::kEnds && stuck_ms >= kLastRepliesMs) {
      return drop("takes nothing of its last replies");
    }
  }
  const int64_t idle_max = parts_.limits.idle_seconds_max;
  if (idle_max > 0 && client.state == ClientState::kReading && client.out.empty() &&
      now_ms - client.active_ms > idle_max * 1000) {
    Log(LogLevel::kVerbose, "client id=%llu addr=%s: idle: closed",
        static_cast<unsigned long long>(client.session.id), client.peer.c_str());
    return turn_->DropClient(client);
  }

  // An idle client needs no buffers. One whose requests are held still refers to its read buffer.
  if (client.state == ClientState::kReading && now_ms - client.active_ms > 1000) {
    client.reader.ReleaseIfEmpty();
    client.out.ShrinkIfEmpty();
  }
  round_memory_bytes_ += client.memory_bytes();
  round_input_bytes_ = std::max<uint64_t>(round_input_bytes_, client.reader.memory_bytes());
  round_output_bytes_ = std::max<uint64_t>(round_output_bytes_, client.out.memory_bytes());
}

}  // namespace varve
