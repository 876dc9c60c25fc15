// tests/sim/world/model.cc: what a server should answer, and what it should hold.
#include "tests/sim/world/model.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/check.h"
#include "base/numbers.h"

namespace varve::sim {

namespace {

constexpr char kOk[] = "+OK\r\n";
constexpr char kNull[] = "$-1\r\n";

std::string Integer(int64_t value) { return ":" + std::to_string(value) + "\r\n"; }
std::string Bulk(Slice bytes) {
  std::string text = "$" + std::to_string(bytes.size()) + "\r\n";
  return text.append(bytes).append("\r\n");
}
std::string Error(Slice text) { return std::string("-").append(text).append("\r\n"); }
std::string Header(size_t count) { return "*" + std::to_string(count) + "\r\n"; }

int64_t Number(const std::string& text) { return std::strtoll(text.c_str(), nullptr, 10); }

bool Has(const Argv& argv, size_t from, Slice word) {
  return std::any_of(argv.begin() + static_cast<ptrdiff_t>(std::min(from, argv.size())), argv.end(),
                     [&](const std::string& argument) { return argument == word; });
}

// Where a line ends, behind its newline; 0 if it does not.
size_t LineEnd(Slice text) {
  const size_t at = text.find("\r\n");
  return at == Slice::npos ? 0 : at + 2;
}

std::optional<ModelValue> ValueIn(const ModelDatabase& keys, const std::string& key) {
  const auto found = keys.find(key);
  return found == keys.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

std::string Shortened(Slice text) {
  std::string out;
  for (const char c : text.substr(0, 120)) {
    if (c == '\r' || c == '\n') {
      out += c == '\r' ? "\\r" : "\\n";
    } else {
      out += c >= ' ' && c <= '~' ? c : '?';
    }
  }
  return text.size() > 120 ? out + "..." : out;
}

bool IsDiskError(Slice reply) {
  return reply.starts_with("-IOERR ") || reply.starts_with("-MISCONF ");
}

size_t ReplySize(Slice text) {
  const size_t line = LineEnd(text);
  if (line == 0) return 0;
  const int64_t number = Number(std::string(text.substr(1, line - 3)));
  if (text[0] == '$') {
    const size_t size = number < 0 ? line : line + static_cast<size_t>(number) + 2;
    return size <= text.size() ? size : 0;
  }
  if (text[0] != '*') return line;
  size_t size = line;
  for (int64_t i = 0; i < number; ++i) {
    const size_t element = ReplySize(text.substr(size));
    if (element == 0) return 0;
    size += element;
  }
  return size;
}

// --- State and history -------------------------------------------------------------------------

bool Model::Alive(const ModelValue& value) const {
  return value.expire_at_ms == 0 || value.expire_at_ms > now_ms_;
}

const ModelValue* Model::Find(int database, const std::string& key) {
  Shows(database, key);
  const ModelDatabase& keys = now_[static_cast<size_t>(database)];
  const auto found = keys.find(key);
  return found == keys.end() || !Alive(found->second) ? nullptr : &found->second;
}

void Model::Shows(int database, const std::string& key) {
  const auto at = static_cast<size_t>(database);
  const auto group = groups_[at].find(key);
  shows_ = std::max({shows_, cleared_[at], group == groups_[at].end() ? 0 : group->second});
}

void Model::Apply(const Change& change, ModelState* state) {
  ModelDatabase& keys = (*state)[static_cast<size_t>(change.database)];
  switch (change.kind) {
    case Change::Kind::kPut: keys[change.key] = change.value; break;
    case Change::Kind::kErase: keys.erase(change.key); break;
    case Change::Kind::kClear: keys.clear(); break;
    case Change::Kind::kSwap: keys.swap((*state)[static_cast<size_t>(change.other)]); break;
  }
}

void Model::Record(Change change) {
  const auto at = static_cast<size_t>(change.database);
  if (change.kind == Change::Kind::kPut || change.kind == Change::Kind::kErase) {
    groups_[at][change.key] = group_;
  } else {
    cleared_[at] = cleared_[static_cast<size_t>(change.other)] = group_;
  }
  shows_ = group_;
  Apply(change, &now_);
  changes_.emplace_back(group_, std::move(change));
}

void Model::Put(int database, const std::string& key, ModelValue value) {
  Touch(database, key);
  Record({Change::Kind::kPut, database, 0, key, std::move(value)});
}

void Model::Erase(int database, const std::string& key) {
  Touch(database, key);
  Record({Change::Kind::kErase, database, 0, key, {}});
}

void Model::Clear(int database) {
  // Where nothing is, nothing may have been written.
  if (now_[static_cast<size_t>(database)].empty()) return;
  TouchDatabase(database, nullptr);
  Record({Change::Kind::kClear, database, database, {}, {}});
}

void Model::Swap(int a, int b) {
  if (a == b) return;
  TouchDatabase(a, &now_[static_cast<size_t>(b)]);
  TouchDatabase(b, &now_[static_cast<size_t>(a)]);
  std::swap(groups_[static_cast<size_t>(a)], groups_[static_cast<size_t>(b)]);
  Record({Change::Kind::kSwap, a, b, {}, {}});
}

ModelState Model::StateAt(uint64_t group) const {
  ModelState state = base_;
  for (const auto& [written, change] : changes_) {
    if (written > group) break;
    Apply(change, &state);
  }
  return state;
}

void Model::Rebase(ModelState state) {
  base_ = now_ = std::move(state);
  changes_.clear();
  for (auto& groups : groups_) groups.clear();
  cleared_.fill(0);
  sessions_.clear();
}

void Model::Drop(int database, const std::string& key) {
  // Only as of now: a power cut may take its end back.
  now_[static_cast<size_t>(database)].erase(key);
}

void Model::Touch(int database, const std::string& key) {
  for (Session* session : sessions_) {
    for (Session::Watched& watched : session->watched) {
      if (watched.database != database || watched.key != key) continue;
      session->watched_key_changed = watched.touched = true;
    }
  }
}

// The database is about to be empty, or to hold what `swapped` does.
void Model::TouchDatabase(int database, const ModelDatabase* swapped) {
  for (Session* session : sessions_) {
    for (Session::Watched& watched : session->watched) {
      if (watched.database != database) continue;
      if (watched.existed || (swapped != nullptr && swapped->contains(watched.key))) {
        session->watched_key_changed = watched.touched = true;
      } else if (swapped != nullptr) {
        session->may_have_changed = true;
      }
    }
  }
}

// --- Commands ----------------------------------------------------------------------------------

Model::Answer Model::Run(Session& session, const Argv& argv, int64_t now_ms, uint64_t group,
                         Slice reply, bool may_fail) {
  if (std::find(sessions_.begin(), sessions_.end(), &session) == sessions_.end()) {
    sessions_.push_back(&session);
  }
  now_ms_ = now_ms;
  group_ = group;
  shows_ = 0;
  reply_ = reply;
  may_fail_ = may_fail;
  database_ = session.database;

  const std::string& name = argv[0];
  Expected expected;
  if (name == "MULTI") {
    session.in_multi = true;
    expected.text = kOk;
  } else if (name == "DISCARD") {
    expected.text = session.in_multi ? kOk : Error("ERR DISCARD without MULTI");
    if (session.in_multi) session.EndTransaction();
  } else if (name == "EXEC") {
    if (may_fail && IsDiskError(reply)) {
      session.EndTransaction();
      return {};
    }
    expected = PerformExec(session);
  } else if (session.in_multi) {
    if (may_fail && IsDiskError(reply)) {
      session.multi_failed = true;
      return {};
    }
    session.queued.push_back(argv);
    expected.text = "+QUEUED\r\n";
  } else {
    if (may_fail && IsDiskError(reply)) return {};
    expected = Perform(session, argv);
  }

  Answer answer;
  answer.shows = shows_;
  if (expected.check) {
    answer.complaint = expected.check(reply);
  } else if (reply != Slice(expected.text)) {
    answer.complaint = "answered " + Shortened(reply) + " instead of " + Shortened(expected.text);
  }
  return answer;
}

Model::Expected Model::PerformExec(Session& session) {
  if (!session.in_multi) return {Error("ERR EXEC without MULTI"), {}};
  bool changed = session.watched_key_changed || (session.may_have_changed && reply_ == "*-1\r\n");
  for (const Session::Watched& watched : session.watched) {
    if (watched.existed && Find(watched.database, watched.key) == nullptr) changed = true;
  }
  const std::vector<Argv> queued = std::move(session.queued);
  // When nothing is done, nothing is told of what it is that has changed: the client will look again.
  shows_ = 0;
  const bool failed = session.multi_failed;
  session.EndTransaction();
  if (failed) {
    return {Error("EXECABORT Transaction discarded because of previous errors."), {}};
  }
  if (changed) return {"*-1\r\n", {}};

  std::vector<Session*> unchanged;
  for (Session* other : sessions_) {
    if (!other->watched_key_changed) unchanged.push_back(other);
  }
  const bool swaps = std::any_of(queued.begin(), queued.end(),
                                 [](const Argv& argv) { return argv[0] == "SWAPDB"; });
  const ModelState before = swaps && !unchanged.empty() ? now_ : ModelState();

  std::string text = Header(queued.size());
  Slice left = reply_.substr(std::min(reply_.size(), LineEnd(reply_)));
  for (const Argv& argv : queued) {
    const Slice element = left.substr(0, ReplySize(left));
    left.remove_prefix(element.size());
    // What could not be read stands in its place, and the others have happened.
    if (may_fail_ && IsDiskError(element)) {
      text.append(element);
      continue;
    }
    database_ = session.database;
    text += Perform(session, argv).text;
  }
  for (Session* other : unchanged) {
    const bool changes = std::any_of(
        other->watched.begin(), other->watched.end(), [&](const Session::Watched& watched) {
          const size_t database = static_cast<size_t>(watched.database);
          const bool is_there = now_[database].contains(watched.key);
          if (!watched.touched || !(watched.existed || is_there)) return false;
          return !swaps ||
                 ValueIn(before[database], watched.key) != ValueIn(now_[database], watched.key);
        });
    if (other->watched_key_changed && !changes) {
      other->watched_key_changed = false;
      for (Session::Watched& watched : other->watched) watched.touched = false;
      other->may_have_changed = true;
    }
  }
  return {text, {}};
}

Model::Expected Model::Perform(Session& session, const Argv& argv) {
  const std::string& name = argv[0];
  const std::string key = argv.size() > 1 ? argv[1] : "";
  const auto value_or_null = [this](const std::string& of) {
    const ModelValue* value = Find(of);
    return value == nullptr ? std::string(kNull) : Bulk(value->bytes);
  };

  // --- Reading
  if (name == "GET") return {value_or_null(key), {}};
  if (name == "MGET") {
    std::string text = Header(argv.size() - 1);
    for (size_t i = 1; i < argv.size(); ++i) text += value_or_null(argv[i]);
    return {text, {}};
  }
  if (name == "EXISTS" || name == "TOUCH") {
    int64_t count = 0;
    for (size_t i = 1; i < argv.size(); ++i) count += Find(argv[i]) != nullptr;
    return {Integer(count), {}};
  }
  if (name == "STRLEN") {
    const ModelValue* value = Find(key);
    return {Integer(value == nullptr ? 0 : static_cast<int64_t>(value->bytes.size())), {}};
  }
  if (name == "TYPE") return {Find(key) == nullptr ? "+none\r\n" : "+string\r\n", {}};
  if (name == "PTTL" || name == "PEXPIRETIME") return PerformTtl(argv);

  // --- Writing
  if (name == "SET") return PerformSet(argv);
  if (name == "SETNX") {
    const bool absent = Find(key) == nullptr;
    if (absent) Put(key, argv[2]);
    return {Integer(absent), {}};
  }
  if (name == "PSETEX") {
    Put(key, argv[3], now_ms_ + Number(argv[2]));
    return {kOk, {}};
  }
  if (name == "GETSET") {
    std::string text = value_or_null(key);
    Put(key, argv[2]);
    return {text, {}};
  }
  if (name == "GETDEL") {
    std::string text = value_or_null(key);
    if (Find(key) != nullptr) Erase(database_, key);
    return {text, {}};
  }
  if (name == "MSET") {
    for (size_t i = 1; i + 1 < argv.size(); i += 2) Put(argv[i], argv[i + 1]);
    return {kOk, {}};
  }
  if (name == "MSETNX") {
    bool found = false;
    for (size_t i = 1; i + 1 < argv.size(); i += 2) found |= Find(argv[i]) != nullptr;
    for (size_t i = 1; !found && i + 1 < argv.size(); i += 2) Put(argv[i], argv[i + 1]);
    return {Integer(!found), {}};
  }
  if (name == "APPEND") {
    const ModelValue* old = Find(key);
    ModelValue value = old == nullptr ? ModelValue() : *old;
    value.bytes += argv[2];
    const auto size = static_cast<int64_t>(value.bytes.size());
    Put(database_, key, std::move(value));
    return {Integer(size), {}};
  }
  if (name == "SETRANGE") {
    const ModelValue* old = Find(key);
    ModelValue value = old == nullptr ? ModelValue() : *old;
    const auto offset = static_cast<size_t>(Number(argv[2]));
    if (!argv[3].empty()) {
      value.bytes.resize(std::max(value.bytes.size(), offset + argv[3].size()), '\0');
      value.bytes.replace(offset, argv[3].size(), argv[3]);
    }
    const auto size = static_cast<int64_t>(value.bytes.size());
    if (!argv[3].empty()) Put(database_, key, std::move(value));
    return {Integer(size), {}};
  }
  if (name == "INCR") return Increment(key, 1);
  if (name == "INCRBY") return Increment(key, Number(argv[2]));
  if (name == "DEL" || name == "UNLINK") {
    int64_t count = 0;
    for (size_t i = 1; i < argv.size(); ++i) {
      if (Find(argv[i]) == nullptr) continue;
      Erase(database_, argv[i]);
      ++count;
    }
    return {Integer(count), {}};
  }
  if (name == "PEXPIRE" || name == "PEXPIREAT") return PerformExpire(argv);
  if (name == "PERSIST") {
    const ModelValue* value = Find(key);
    if (value == nullptr || value->expire_at_ms == 0) return {Integer(0), {}};
    Put(key, std::string(value->bytes));
    return {Integer(1), {}};
  }
  if (name == "RENAME" || name == "RENAMENX") return PerformRename(argv);
  if (name == "COPY" || name == "MOVE") return PerformCopy(argv);

  // --- Databases
  if (name == "SELECT") {
    session.database = static_cast<int>(Number(key));
    return {kOk, {}};
  }
  if (name == "FLUSHDB") {
    Clear(database_);
    return {kOk, {}};
  }
  if (name == "FLUSHALL") {
    for (int i = 0; i < kDatabases; ++i) Clear(i);
    return {kOk, {}};
  }
  if (name == "SWAPDB") {
    Swap(static_cast<int>(Number(key)), static_cast<int>(Number(argv[2])));
    return {kOk, {}};
  }
  if (name == "RANDOMKEY") {
    return {{}, [this](Slice reply) -> std::string {
              const ModelDatabase& keys = now_[static_cast<size_t>(database_)];
              const bool none = std::none_of(keys.begin(), keys.end(), [this](const auto& entry) {
                return Alive(entry.second);
              });
              if (reply == kNull) return none ? "" : "answered that there is no key";
              for (const auto& [name_of, value] : keys) {
                if (Alive(value) && reply == Slice(Bulk(name_of))) return "";
              }
              return "answered " + Shortened(reply) + ", which is no key";
            }};
  }

  // --- Others
  if (name == "PING") return {"+PONG\r\n", {}};
  if (name == "ECHO") return {Bulk(key), {}};
  if (name == "WATCH") {
    for (size_t i = 1; i < argv.size(); ++i) {
      session.watched.push_back({database_, argv[i], Find(argv[i]) != nullptr});
    }
    return {kOk, {}};
  }
  if (name == "UNWATCH") {
    session.watched.clear();
    session.watched_key_changed = session.may_have_changed = false;
    return {kOk, {}};
  }
  if (name == "CONFIG") return {kOk, {}};
  if (name == "BGSAVE") {
    return {{}, [](Slice reply) -> std::string {
              const bool fine = reply == "+Background saving started\r\n" ||
                                reply == "-ERR Background save already in progress\r\n";
              return fine ? "" : "answered " + Shortened(reply);
            }};
  }
  CHECK(false);  // a command that plan.cc makes, and this does not know
  return {};
}

// SET key value [NX | XX] [GET] [PX ms | KEEPTTL]
Model::Expected Model::PerformSet(const Argv& argv) {
  const std::string& key = argv[1];
  const ModelValue* old = argv.size() > 3 ? Find(key) : nullptr;
  const bool get = Has(argv, 3, "GET");
  const bool refused =
      (Has(argv, 3, "NX") && old != nullptr) || (Has(argv, 3, "XX") && old == nullptr);
  std::string text = kOk;
  if (get) text = old == nullptr ? std::string(kNull) : Bulk(old->bytes);
  if (!get && refused) text = kNull;
  if (refused) return {text, {}};
  int64_t expire_at_ms = 0;
  if (Has(argv, 3, "KEEPTTL") && old != nullptr) expire_at_ms = old->expire_at_ms;
  const auto px = std::find(argv.begin() + 3, argv.end(), "PX");
  if (px != argv.end()) expire_at_ms = now_ms_ + Number(*(px + 1));
  Put(key, argv[2], expire_at_ms);
  return {text, {}};
}

Model::Expected Model::Increment(const std::string& key, int64_t by) {
  const ModelValue* old = Find(key);
  const std::optional<int64_t> number =
      old == nullptr ? std::optional<int64_t>(0) : ParseInt64(old->bytes);
  if (!number) return {Error("ERR value is not an integer or out of range"), {}};
  int64_t sum = 0;
  if (__builtin_add_overflow(*number, by, &sum)) {
    return {Error("ERR increment or decrement would overflow"), {}};
  }
  Put(key, std::to_string(sum), old == nullptr ? 0 : old->expire_at_ms);
  return {Integer(sum), {}};
}

// PEXPIRE key ms, PEXPIREAT key time
Model::Expected Model::PerformExpire(const Argv& argv) {
  const ModelValue* value = Find(argv[1]);
  if (value == nullptr) return {Integer(0), {}};
  const int64_t at_ms = Number(argv[2]) + (argv[0] == "PEXPIRE" ? now_ms_ : 0);
  if (at_ms <= now_ms_) {
    Erase(database_, argv[1]);
  } else {
    Put(argv[1], std::string(value->bytes), at_ms);
  }
  return {Integer(1), {}};
}

Model::Expected Model::PerformTtl(const Argv& argv) {
  const ModelValue* value = Find(argv[1]);
  if (value == nullptr) return {Integer(-2), {}};
  if (value->expire_at_ms == 0) return {Integer(-1), {}};
  return {Integer(value->expire_at_ms - (argv[0] == "PTTL" ? now_ms_ : 0)), {}};
}

Model::Expected Model::PerformRename(const Argv& argv) {
  const bool only_new = argv[0] == "RENAMENX";
  const ModelValue* source = Find(argv[1]);
  if (source == nullptr) return {Error("ERR no such key"), {}};
  if (argv[1] == argv[2]) return {only_new ? Integer(0) : kOk, {}};
  if (only_new && Find(argv[2]) != nullptr) return {Integer(0), {}};
  const ModelValue value = *source;
  Put(database_, argv[2], value);
  Erase(database_, argv[1]);
  return {only_new ? Integer(1) : kOk, {}};
}

// COPY source destination DB n [REPLACE], MOVE key n
Model::Expected Model::PerformCopy(const Argv& argv) {
  const bool move = argv[0] == "MOVE";
  const std::string& to_key = move ? argv[1] : argv[2];
  const auto to = static_cast<int>(Number(move ? argv[2] : argv[4]));
  if (to == database_ && argv[1] == to_key) {
    return {Error("ERR source and destination objects are the same"), {}};
  }
  const ModelValue* source = Find(argv[1]);
  if (source == nullptr) return {Integer(0), {}};
  if (!Has(argv, 5, "REPLACE") && Find(to, to_key) != nullptr) return {Integer(0), {}};
  const ModelValue value = *source;
  Put(to, to_key, value);
  if (move) Erase(database_, argv[1]);
  return {Integer(1), {}};
}

}  // namespace varve::sim
