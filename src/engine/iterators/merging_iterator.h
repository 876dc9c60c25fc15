// engine/iterators/merging_iterator.h: many sorted sources as one.
//
// MergingIterator yields every entry of every child, in the direction that all of them have; where
// several have the same key, the newest child's first, in both directions. NewestIterator lets only
// that first one through. Together they are the view of the tree that a scan walks; a compaction that
// has to see shadowed entries takes the merge alone.
//
// The merge is a loser tree (Knuth, The Art of Computer Programming, vol. 3, 5.4.1): a step replays
// one path, which takes log2(children) comparisons, half of what a binary heap takes.
//
// A child that stops with a status stops the merge with that status: skipping it would show what it
// shadows. A seek moves all children even so, so that everything they wait for is asked for at
// once.
//
// Threads: one at a time, that of the children.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/iterators/iterator.h"

namespace varve {

template <Direction direction>
class MergingIterator final : public EntryIterator {
 public:
  // Newest first. No child has the same key twice. There may be none.
  explicit MergingIterator(std::vector<std::unique_ptr<EntryIterator>> children);

  void SeekToFirst() override;
  void Seek(Slice target) override;
  void Next() override;

  bool Valid() const override { return valid_; }
  Status status() const override { return status_; }
  const Entry& entry() const override { return children_[winner_].iterator->entry(); }
  // Which child the entry is of. REQUIRES: Valid().
  size_t child() const { return winner_; }

 private:
  struct Child {
    std::unique_ptr<EntryIterator> iterator;
    bool valid = false;
    Slice key;  // the iterator's current one
  };

  // Takes over where `child` stands now, and its status if it stopped with one.
  void Refresh(Child* child);
  // Whether child `a`'s entry comes before child `b`'s.
  bool Before(size_t a, size_t b) const;
  void PlayAll();
  void ReplayWinner();

  std::vector<Child> children_;
  // Node i of the tree has the nodes 2i and 2i+1 below it; the nodes from children_.size() on are
  // the children themselves. losers_[i] is the child that lost at node i; node 0 is not used.
  std::vector<size_t> losers_;
  size_t winner_ = 0;
  bool valid_ = false;
  Status status_;
};

// Of the entries that follow each other with the same key, the first only; tombstones included.
class NewestIterator final : public EntryIterator {
 public:
  explicit NewestIterator(std::unique_ptr<EntryIterator> entries) : entries_(std::move(entries)) {}

  void SeekToFirst() override { entries_->SeekToFirst(); }
  void Seek(Slice target) override { entries_->Seek(target); }
  void Next() override;

  bool Valid() const override { return entries_->Valid(); }
  Status status() const override { return entries_->status(); }
  const Entry& entry() const override { return entries_->entry(); }

 private:
  const std::unique_ptr<EntryIterator> entries_;
  std::string key_;
};

}  // namespace varve
