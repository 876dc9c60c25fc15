// data/view.cc: reads through the unit's own batch into the engine; writes into the batch.
#include "data/view.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/check.h"
#include "base/planted_bug.h"
#include "base/prefix.h"

namespace varve {

namespace {

// How often RandomKey draws again when what it drew is dead, before it looks for any live key.
constexpr int kRandomKeyDraws = 4;
constexpr uint64_t kRandomKeyWalkSteps = 10'000;

bool Expired(int64_t expire_at_ms, int64_t now_ms) {
  return expire_at_ms != 0 && expire_at_ms <= now_ms;
}

}  // namespace

// --- The unit ----------------------------------------------------------------------------------

void View::Begin(int database, int64_t now_ms) {
  database_ = database;
  now_ms_ = now_ms;
  batch_.Clear();
  changed_.reset();
  counters_ = {};
  own_values_.clear();
}

void View::TruncateTo(const Mark& mark) {
  batch_.TruncateTo(mark.batch);
  changed_ = mark.changed;
}

void View::Committed() {
  if (!changed_) return;
  changed_->changed_in_group = engine_.last_commit_group();
  databases_ = std::move(*changed_);
  changed_.reset();
}

void View::YieldToLoop() {
  CHECK(may_yield());
  const uint64_t group = scope_.depends_on_group();
  scope_.Reset();
  scope_.DependsOn(group);
  post_([wait = std::weak_ptr<ReadScope::Wait>(scope_.Expect())] {
    ReadScope::Arrived(wait, nullptr);
  });
}

// --- From user keys to engine keys -------------------------------------------------------------

Slice View::EngineKey(Slice key) {
  const SpaceId space = SpaceOf(database_);
  if (space == 0) return {};
  if (space != key_buffer_space_) {
    key_buffer_.clear();
    AppendPrefix(&key_buffer_, KeyKind::kKey, space);
    key_buffer_space_ = space;
    key_buffer_prefix_size_ = key_buffer_.size();
  } else {
    key_buffer_.resize(key_buffer_prefix_size_);
  }
  key_buffer_.append(key);
  return key_buffer_;
}

Slice View::EngineKeyForWriting(Slice key) {
  if (SpaceOf(database_) == 0) {
    Databases& databases = ChangedDatabases();
    if (Planted(PlantedBug::kSpaceReused) && databases.next_space > 1) --databases.next_space;
    databases.spaces[static_cast<size_t>(database_)] = databases.next_space++;
    PutDatabases();
  }
  return EngineKey(key);
}

void View::AppendEngineKey(int database, Slice key, std::string* to) const {
  const SpaceId space = SpaceNow(database);
  if (space == 0) return;
  AppendPrefix(to, KeyKind::kKey, space);
  to->append(key);
}

// --- Keys --------------------------------------------------------------------------------------

Status View::Find(Slice key, bool wants_bytes, KeyValue* value) {
  const Slice full = EngineKey(key);
  if (full.empty()) return Status::NotFound();

  Value found;
  bool is_own = false;
  if (!batch_.empty()) {
    Entry entry;
    if (batch_.Find(full, &entry, &found.shared)) {
      if (entry.kind != EntryKind::kPut) return Status::NotFound();
      is_own = true;
      found.tag = entry.tag;
      found.expire_at_ms = entry.expire_at_ms;
      found.bytes = entry.value;
    }
  }
  if (!is_own) {
    const Status s =
        wants_bytes ? engine_.Get(full, scope_, &found) : engine_.Peek(full, scope_, &found);
    if (!s.ok()) return s;
  }
  if (Expired(found.expire_at_ms, now_ms_)) {
    batch_.Delete(full);
    ++counters_.expired_keys;
    return Status::NotFound();
  }
  value->type = static_cast<ValueType>(found.tag);
  value->expire_at_ms = found.expire_at_ms;
  value->bytes = {};
  if (!wants_bytes) return Status::Ok();
  if (is_own && !found.shared) found.bytes = own_values_.emplace_back(found.bytes);
  value->bytes = found.bytes;
  value->shared = std::move(found.shared);
  return Status::Ok();
}

Status View::FindAndCount(Slice key, bool wants_bytes, KeyValue* value) {
  Status s = Find(key, wants_bytes, value);
  if (s.ok()) {
    ++counters_.keyspace_hits;
  } else if (s.is_not_found()) {
    ++counters_.keyspace_misses;
  }
  return s;
}

Status View::GetString(Slice key, bool* found, KeyValue* value) {
  *found = false;
  Status s = Get(key, value);
  if (s.is_not_found()) return Status::Ok();
  if (!s.ok()) return s;
  if (value->type != ValueType::kString) return StatusCode::kWrongType;
  *found = true;
  return Status::Ok();
}

void View::Put(Slice key, ValueType type, int64_t expire_at_ms, Slice value) {
  if (Expired(expire_at_ms, now_ms_)) value = {};
  batch_.Put(EngineKeyForWriting(key), static_cast<uint8_t>(type), expire_at_ms, value);
}

void View::Put(Slice key, ValueType type, int64_t expire_at_ms, const SharedBytes& value) {
  if (Expired(expire_at_ms, now_ms_)) return Put(key, type, expire_at_ms, Slice());
  batch_.Put(EngineKeyForWriting(key), static_cast<uint8_t>(type), expire_at_ms, value);
}

void View::Delete(Slice key) {
  const Slice full = EngineKey(key);
  if (!full.empty()) batch_.Delete(full);
}

Result<int64_t> View::DeleteExpired(const Due& due) {
  const std::optional<SpaceId> space = SpaceOfKey(due.key);
  const std::vector<SpaceId>& spaces = databases_now().spaces;
  if (!space || std::find(spaces.begin(), spaces.end(), *space) == spaces.end()) {
    return Status::NotFound();
  }
  // Two tables may tell of two writes of it at once, as after a start.
  Entry own;
  SharedBytes shared;
  if (batch_.Find(due.key, &own, &shared)) return int64_t{0};
  int64_t expire_at_ms = due.at_ms;
  if (!due.newest && !Planted(PlantedBug::kExpiredUnseen)) {
    Value found;
    RETURN_IF_ERROR(engine_.Peek(due.key, scope_, &found));
    expire_at_ms = found.expire_at_ms;
  }
  if (!Expired(expire_at_ms, now_ms_)) return int64_t{0};
  batch_.Delete(due.key);
  ++counters_.expired_keys;
  return expire_at_ms;
}

// --- Databases ---------------------------------------------------------------------------------

Databases& View::ChangedDatabases() {
  if (!changed_) changed_ = databases_;
  return *changed_;
}

// Bookkeeping: FLUSHDB and FLUSHALL, which write it, are what the operator of a full disk needs.
void View::PutDatabases() { batch_.PutBookkeeping(Databases::RecordKey(), changed_->Encode()); }

int64_t View::KeyCount(int database) const {
  const SpaceId space = SpaceNow(database);
  if (space == 0) return 0;
  std::string prefix;
  AppendPrefix(&prefix, KeyKind::kKey, space);
  return std::max<int64_t>(engine_.CountKeys(prefix), 0);
}

Result<int64_t> View::CountKeys(int database) {
  scope_.DependsOn(engine_.last_commit_group());
  int64_t count = KeyCount(database);
  if (batch_.empty() || SpaceOf(database) == 0) return count;

  std::string prefix;
  AppendPrefix(&prefix, KeyKind::kKey, SpaceOf(database));
  std::map<Slice, EntryKind> latest;
  for (BatchReader reader(batch_.bytes(), batch_.splices()); reader.Next();) {
    if (reader.entry().key.starts_with(prefix)) latest[reader.entry().key] = reader.entry().kind;
  }
  for (const auto& [key, kind] : latest) {
    Value before;
    const Status s = engine_.Peek(key, scope_, &before);
    if (!s.ok() && !s.is_not_found()) return s;
    count += (kind == EntryKind::kPut ? 1 : 0) - (s.ok() ? 1 : 0);
  }
  return std::max<int64_t>(count, 0);
}

void View::Flush(int database) {
  const SpaceId space = SpaceOf(database);
  if (space == 0) return;
  std::string prefix;
  AppendPrefix(&prefix, KeyKind::kKey, space);
  batch_.DeletePrefix(prefix);
  ChangedDatabases().spaces[static_cast<size_t>(database)] = 0;
  PutDatabases();
}

void View::FlushAll() {
  for (int i = 0; i < database_count(); ++i) Flush(i);
}

void View::Swap(int a, int b) {
  if (a == b) return;
  std::vector<SpaceId>& spaces = ChangedDatabases().spaces;
  std::swap(spaces[static_cast<size_t>(a)], spaces[static_cast<size_t>(b)]);
  PutDatabases();
}

// --- Many keys ---------------------------------------------------------------------------------

Result<View::Walk> View::WalkKeys(
    Slice prefix, Slice start, bool after, uint64_t steps_max,
    const std::function<bool(Slice key, const KeyValue& value)>& visit) {
  DCHECK(steps_max > 0);
  Walk walk;
  if (SpaceOf(database_) == 0) {
    walk.finished = true;
    return walk;
  }
  std::string lower;
  AppendPrefix(&lower, KeyKind::kKey, SpaceOf(database_));
  const size_t space_size = lower.size();
  std::string upper = PrefixEnd(lower + std::string(prefix));
  if (start < prefix) {
    lower.append(prefix);
  } else {
    lower.append(start);
    if (after) lower.push_back('\0');  // The first key behind `start`.
  }
  if (lower >= upper) {
    walk.finished = true;
    return walk;
  }

  // The unit's own writes in the range, the latest for each key; they shadow the engine's.
  struct Own {
    Entry entry;
    SharedBytes shared;
  };
  std::map<Slice, Own> own;
  for (BatchReader reader(batch_.bytes(), batch_.splices()); reader.Next();) {
    const Slice key = reader.entry().key;
    if (key >= lower && key < upper) own[key] = {reader.entry(), reader.shared()};
  }
  auto next_own = own.cbegin();

  const std::unique_ptr<EntryIterator> entries = engine_.Scan(lower, upper, scope_);
  entries->SeekToFirst();
  bool enough = false;
  for (uint64_t steps = 0;;) {
    if (!entries->Valid()) {
      if (Status s = entries->status(); !s.ok()) {
        if (enough) return walk;  // Whether anything is left may be found out by the next walk.
        return s;
      }
      if (next_own == own.cend()) {
        walk.finished = true;
        return walk;
      }
    }
    if (enough) return walk;

    const bool is_own =
        next_own != own.cend() && (!entries->Valid() || next_own->first <= entries->entry().key);
    const bool shadows = is_own && entries->Valid() && next_own->first == entries->entry().key;
    const Entry& entry = is_own ? next_own->second.entry : entries->entry();

    bool go_on = true;
    if (entry.kind == EntryKind::kPut && !Expired(entry.expire_at_ms, now_ms_)) {
      KeyValue value;
      value.type = static_cast<ValueType>(entry.tag);
      value.expire_at_ms = entry.expire_at_ms;
      if (!entry.in_value_file) value.bytes = entry.value;
      if (is_own) value.shared = next_own->second.shared;
      go_on = visit(entry.key.substr(space_size), value);
    }
    if (!go_on || ++steps >= steps_max) {
      // One more move tells whether anything is left.
      enough = true;
      walk.position = entry.key.substr(space_size);
    }
    if (!is_own || shadows) entries->Next();
    if (is_own) ++next_own;
  }
}

Status View::RandomKey(std::string* key) {
  const Slice prefix = EngineKey({});
  if (prefix.empty()) return Status::NotFound();
  const std::string space(prefix);
  std::string drawn;
  for (int i = 0; i < kRandomKeyDraws; ++i) {
    Status s = engine_.RandomKey(space, scope_, &drawn);
    if (s.is_not_found()) break;
    if (!s.ok()) return s;
    drawn.erase(0, space.size());
    KeyValue value;
    s = Peek(drawn, &value);
    if (s.ok()) *key = std::move(drawn);
    if (!s.is_not_found()) return s;
  }

  // Nearly all is dead, or what is there was written by this very unit. Then it is the first live
  // key behind the last one drawn, or the first of all.
  bool found = false;
  const auto take_first = [&](Slice live, const KeyValue&) {
    *key = live;
    found = true;
    return false;
  };
  for (const Slice start : {Slice(drawn), Slice()}) {
    std::string from(start);
    for (bool after = false, finished = false; !finished; after = true) {
      Result<Walk> walk = WalkKeys({}, from, after, kRandomKeyWalkSteps, take_first);
      if (!walk.ok()) return walk.status();
      if (found) return Status::Ok();
      finished = walk->finished;
      from = std::move(walk->position);
    }
  }
  return Status::NotFound();
}

}  // namespace varve
