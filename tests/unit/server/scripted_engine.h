// tests/unit/server/scripted_engine.h: an engine that does as it is told.
//
// Keys in a map, nothing on disk. The test says which keys are cold (a Get of one waits until
// Arrive), when groups are reported, and whether writes are refused.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/key_format.h"
#include "engine/engine.h"
#include "tests/support/map_scan.h"

namespace varve {

class ScriptedEngine final : public Engine {
 public:
  // --- What the test says ---
  // Groups are reported when the turn ends; otherwise by Report.
  bool reports_at_once = true;
  Status refusal;
  uint64_t delay_us = 0;
  int tells = 1;  // how often of each key that is due
  bool tells_once = false;
  Status read_error;
  // What is due has to be read first, by each scope anew.
  bool due_is_cold = false;

  void MakeCold(std::string engine_key) { cold_.insert(std::move(engine_key)); }
  // What is being waited for has come.
  void Arrive() {
    cold_.clear();
    const PinnedPart part;
    for (const auto& wait : std::exchange(waits_, {})) ReadScope::Arrived(wait, &part);
  }
  size_t waits() const { return waits_.size(); }
  void Report(uint64_t group) {
    reported_group_ = group;
    if (on_reported_) on_reported_();
  }
  uint64_t turns() const { return turns_; }
  size_t prefetched() const { return prefetched_; }
  int commits() const { return commits_; }

  // --- Engine ---
  Status Peek(Slice key, ReadScope& scope, Value* value) override { return Get(key, scope, value); }
  Status Get(Slice key, ReadScope& scope, Value* value) override {
    if (cold_.contains(std::string(key))) {
      waits_.push_back(scope.Expect());
      return Status::Pending();
    }
    if (!read_error.ok()) return read_error;
    const auto found = map_.find(std::string(key));
    if (found == map_.end()) return Status::NotFound();
    scope.DependsOn(found->second.group);
    *value = {found->second.tag, found->second.expire_at_ms, found->second.value, {}};
    return Status::Ok();
  }

  std::unique_ptr<EntryIterator> Scan(Slice lower, Slice upper, ReadScope&) override {
    return std::make_unique<Iterator>(map_, Direction::kForward, lower, upper);
  }
  std::unique_ptr<EntryIterator> ScanBackward(Slice lower, Slice upper, ReadScope&) override {
    return std::make_unique<Iterator>(map_, Direction::kBackward, lower, upper);
  }

  Status RandomKey(Slice prefix, ReadScope&, std::string* key) override {
    const auto found = map_.lower_bound(std::string(prefix));
    if (found == map_.end() || !found->first.starts_with(prefix)) return Status::NotFound();
    *key = found->first;
    return Status::Ok();
  }

  void Prefetch(std::span<const Slice> keys) override { prefetched_ += keys.size(); }

  int64_t CountKeys(Slice prefix) const override {
    int64_t count = 0;
    for (const auto& [key, record] : map_) count += key.starts_with(prefix);
    return count;
  }

  Result<bool> TakeDue(int64_t now_ms, size_t max, ReadScope& scope,
                       std::vector<Due>* due) override {
    if (due_is_cold && !scope.has_parts()) {
      waits_.push_back(scope.Expect());
      return Status::Pending();
    }
    for (const auto& [key, record] : map_) {
      const int64_t at_ms = record.expire_at_ms;
      if (at_ms == 0 || at_ms > now_ms || due->size() == max) continue;
      if (tells_once && !told_.insert(key).second) continue;
      for (int i = 0; i < tells; ++i) due->push_back({key, at_ms, !cold_.contains(key)});
    }
    return !due->empty();
  }

  Status writable() const override { return refusal; }

  uint64_t Commit(Batch& batch) override {
    ++commits_;
    for (BatchReader reader(batch.bytes(), batch.splices()); reader.Next();) {
      const Entry& entry = reader.entry();
      const Slice value = reader.shared() ? reader.shared().slice() : entry.value;
      const std::string key(entry.key);
      switch (entry.kind) {
        case EntryKind::kPut:
          map_[key] = {entry.tag, entry.expire_at_ms, std::string(value), current_group_};
          break;
        case EntryKind::kTombstone: map_.erase(key); break;
        case EntryKind::kPrefixTombstone:
          std::erase_if(map_, [&](const auto& r) { return r.first.starts_with(key); });
          break;
      }
    }
    dirty_ = true;
    return last_commit_group_ = current_group_;
  }

  void EndTurn() override {
    ++turns_;
    if (!dirty_) return;
    dirty_ = false;
    const uint64_t ended = current_group_++;
    if (reports_at_once) Report(ended);
  }

  uint64_t reported_group() const override { return reported_group_; }
  uint64_t current_group() const override { return current_group_; }
  uint64_t last_commit_group() const override { return last_commit_group_; }
  void OnReported(std::function<void()> callback) override { on_reported_ = std::move(callback); }
  void OnLogWork(std::function<void(LogWork, uint64_t)>) override {}
  void Sync(std::function<void(Status)> done) override { done(Status::Ok()); }
  uint64_t WriterDelayUs() const override { return delay_us; }

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
  EngineStats stats() const override {
    EngineStats stats;
    stats.records = map_.size();
    return stats;
  }
  Status Close() override { return Status::Ok(); }

 private:
  struct Record {
    uint8_t tag;
    int64_t expire_at_ms;
    std::string value;
    uint64_t group;
  };
  using Map = std::map<std::string, Record>;

  class Iterator final : public EntryIterator {
   public:
    Iterator(const Map& map, Direction direction, Slice lower, Slice upper)
        : walk_(map, direction, lower, upper) {}
    void SeekToFirst() override {
      walk_.SeekToFirst();
      Settle();
    }
    void Seek(Slice target) override {
      walk_.Seek(target);
      Settle();
    }
    void Next() override {
      walk_.Next();
      Settle();
    }
    bool Valid() const override { return walk_.Valid(); }
    Status status() const override { return Status::Ok(); }
    const Entry& entry() const override { return entry_; }

   private:
    void Settle() {
      if (!walk_.Valid()) return;
      const auto& [key, record] = walk_.item();
      entry_ = Entry();
      entry_.key = key;
      entry_.tag = record.tag;
      entry_.expire_at_ms = record.expire_at_ms;
      entry_.value = record.value;
    }
    MapScan<Map> walk_;
    Entry entry_;
  };

  Map map_;
  std::set<std::string> cold_;
  std::set<std::string> told_;
  std::vector<std::weak_ptr<ReadScope::Wait>> waits_;
  std::function<void()> on_reported_;
  uint64_t current_group_ = 1;
  uint64_t reported_group_ = 0;
  uint64_t last_commit_group_ = 0;
  bool dirty_ = false;
  uint64_t turns_ = 0;
  size_t prefetched_ = 0;
  int commits_ = 0;
};

}  // namespace varve
