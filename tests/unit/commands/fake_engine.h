// tests/unit/commands/fake_engine.h: an engine that is a map, and holds commands to their word.
//
// It can be cold: then the first read of every key, and every step of a scan onto a key not read
// yet, is kPending, and the key is warm from then on. A command that gives the same reply cold and
// warm is pure: nothing of its earlier, incomplete runs is left. Cool() makes all cold again.
//
// It checks what the real one requires: nothing is deleted that is not there, and nothing is
// written under a prefix that is dead.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "data/key_format.h"
#include "engine/engine.h"
#include "tests/support/map_scan.h"

namespace varve {

class FakeEngine final : public Engine {
 public:
  struct Stored {
    EntryKind kind = EntryKind::kPut;
    uint8_t tag = 0;
    int64_t expire_at_ms = 0;
    std::string value;
    SharedBytes shared;  // instead of value
    uint64_t group = 0;
  };

  bool cold = false;
  // Each read is pending with this chance, whether the key is warm or not.
  void PendAtRandom(uint64_t one_in, uint64_t seed) {
    pending_one_in_ = one_in;
    random_ = Random(seed);
  }
  // Set to fail: reads return it.
  Status read_error;
  uint64_t pendings = 0;

  const std::map<std::string, Stored>& records() const { return records_; }
  void Cool() { warm_.clear(); }

  // What was waited for has come.
  void Deliver() {
    std::vector<std::weak_ptr<ReadScope::Wait>> waits;
    waits.swap(waits_);
    for (const auto& wait : waits) ReadScope::Arrived(wait, nullptr);
  }

  // --- Engine ---
  Status Peek(Slice key, ReadScope& scope, Value* value) override { return Get(key, scope, value); }
  Status Get(Slice key, ReadScope& scope, Value* value) override {
    if (!read_error.ok()) return read_error;
    if (MustWait(key, scope)) return Status::Pending();
    const auto found = records_.find(std::string(key));
    if (found == records_.end()) return Status::NotFound();
    const Stored& stored = found->second;
    scope.DependsOn(stored.group);
    if (stored.kind != EntryKind::kPut) return Status::NotFound();
    value->tag = stored.tag;
    value->expire_at_ms = stored.expire_at_ms;
    value->shared = stored.shared;
    value->bytes = stored.shared ? stored.shared.slice() : Slice(stored.value);
    return Status::Ok();
  }

  std::unique_ptr<EntryIterator> Scan(Slice lower, Slice upper, ReadScope& scope) override {
    return std::make_unique<Iterator>(*this, Direction::kForward, lower, upper, scope);
  }
  std::unique_ptr<EntryIterator> ScanBackward(Slice lower, Slice upper, ReadScope& scope) override {
    return std::make_unique<Iterator>(*this, Direction::kBackward, lower, upper, scope);
  }

  Status RandomKey(Slice prefix, ReadScope& scope, std::string* key) override {
    if (MustWait(prefix, scope)) return Status::Pending();
    std::vector<const std::string*> keys;
    for (const auto& [name, stored] : records_) {
      if (name.starts_with(prefix) && stored.kind == EntryKind::kPut) keys.push_back(&name);
    }
    if (keys.empty()) return Status::NotFound();
    *key = *keys[random_.Uniform(keys.size())];
    return Status::Ok();
  }

  void Prefetch(std::span<const Slice>) override {}
  Result<bool> TakeDue(int64_t, size_t, ReadScope&, std::vector<Due>*) override { return false; }

  int64_t CountKeys(Slice counted_prefix) const override {
    int64_t count = 0;
    for (const auto& [name, stored] : records_) {
      if (name.starts_with(counted_prefix) && stored.kind == EntryKind::kPut) ++count;
    }
    return count;
  }

  Status writable() const override { return Status::Ok(); }

  uint64_t Commit(Batch& batch) override {
    BatchReader reader(batch.bytes(), batch.splices());
    while (reader.Next()) Apply(reader.entry(), reader.shared());
    CHECK(reader.ok());
    ++commits;
    return last_commit_group_ = group_;
  }
  uint64_t commits = 0;

  void EndTurn() override { ++group_; }
  uint64_t reported_group() const override { return group_ - 1; }
  uint64_t current_group() const override { return group_; }
  uint64_t last_commit_group() const override { return last_commit_group_; }
  void OnReported(std::function<void()>) override {}
  void OnLogWork(std::function<void(LogWork, uint64_t)>) override {}
  void Sync(std::function<void(Status)> done) override { done(Status::Ok()); }
  uint64_t WriterDelayUs() const override { return 0; }
  void SetDurability(Durability) override {}
  void SetCompactionPolicy(PolicyKind) override {}
  void SetScrubRate(uint64_t) override {}
  void SetMemoryLimit(uint64_t) override {}
  void SetOutsideMemory(uint64_t) override {}
  void SetHeapSlack(uint64_t) override {}
  void Flush(std::function<void(Status)> done) override { done(Status::Ok()); }
  void TakeSnapshot(std::function<void(Result<std::shared_ptr<const Snapshot>>)> done) override {
    done(Status(StatusCode::kNotSupported));
  }
  void Compact(Slice, Slice, std::function<void(Status)> done) override { done(Status::Ok()); }
  void Checkpoint(const std::string&, std::function<void(Result<CheckpointInfo>)> done) override {
    done(CheckpointInfo());
  }
  EngineStats stats() const override { return {}; }
  Status Close() override { return Status::Ok(); }

 private:
  class Iterator final : public EntryIterator {
   public:
    Iterator(FakeEngine& engine, Direction direction, Slice lower, Slice upper, ReadScope& scope)
        : engine_(engine), walk_(engine.records_, direction, lower, upper), scope_(scope) {}

    void SeekToFirst() override {
      walk_.SeekToFirst();
      Settle();
    }
    void Seek(Slice target) override {
      walk_.Seek(target);
      Settle();
    }
    void Next() override {
      CHECK(valid_);
      walk_.Next();
      Settle();
    }
    bool Valid() const override { return valid_; }
    Status status() const override { return status_; }
    const Entry& entry() const override {
      CHECK(valid_);
      return entry_;
    }

   private:
    void Settle() {
      valid_ = walk_.Valid();
      if (!engine_.read_error.ok()) {
        status_ = engine_.read_error;
      } else if (valid_ && engine_.MustWait(walk_.item().first, scope_)) {
        status_ = Status::Pending();
      }
      valid_ = valid_ && status_.ok();
      if (!valid_) return;
      const auto& [key, stored] = walk_.item();
      entry_ = {};
      entry_.key = key;
      entry_.kind = stored.kind;
      entry_.tag = stored.tag;
      entry_.expire_at_ms = stored.expire_at_ms;
      entry_.value = stored.shared ? stored.shared.slice() : Slice(stored.value);
    }

    FakeEngine& engine_;
    MapScan<std::map<std::string, Stored>> walk_;
    ReadScope& scope_;
    bool valid_ = false;
    Status status_;
    Entry entry_;
  };

  bool MustWait(Slice key, ReadScope& scope) {
    const bool unlucky = pending_one_in_ != 0 && random_.OneIn(pending_one_in_);
    const bool is_cold = cold && warm_.insert(std::string(key)).second;
    if (!unlucky && !is_cold) return false;
    waits_.push_back(scope.Expect());
    ++pendings;
    return true;
  }

  void Apply(const Entry& entry, const SharedBytes& shared) {
    const std::string key(entry.key);
    for (const std::string& dead : dead_prefixes_) CHECK(!entry.key.starts_with(dead));
    switch (entry.kind) {
      case EntryKind::kPut:
        records_[key] = {EntryKind::kPut,
                         entry.tag,
                         entry.expire_at_ms,
                         shared ? std::string() : std::string(entry.value),
                         shared,
                         group_};
        return;
      case EntryKind::kTombstone: {
        const auto found = records_.find(key);
        CHECK(found != records_.end() && found->second.kind == EntryKind::kPut);
        found->second = {};
        found->second.kind = EntryKind::kTombstone;
        found->second.group = group_;
        return;
      }
      case EntryKind::kPrefixTombstone:
        std::erase_if(records_, [&](const auto& item) { return item.first.starts_with(key); });
        dead_prefixes_.insert(key);
        return;
    }
  }

  std::map<std::string, Stored> records_;  // tombstones stay
  std::set<std::string> dead_prefixes_;
  std::set<std::string> warm_;
  std::vector<std::weak_ptr<ReadScope::Wait>> waits_;
  uint64_t pending_one_in_ = 0;
  Random random_{1};
  uint64_t group_ = 1;
  uint64_t last_commit_group_ = 0;
};

}  // namespace varve
