// server/client_list.h: lists of clients that a client leaves by itself.
//
// A client has one hook for each kind of list it may be in, and is in at most one list per hook.
// Everything is O(1), and destroying a client takes it out of all of them, so that no list ever
// names a client that is gone.
//
// Threads: loop.
#pragma once

namespace varve {

struct Client;

class ListHook {
 public:
  explicit ListHook(Client* client) : client_(client) {}
  ~ListHook() { Unlink(); }
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;

  bool linked() const { return next_ != this; }
  void Unlink() {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = this;
  }

 private:
  friend class ClientList;
  ListHook* previous_ = this;
  ListHook* next_ = this;
  Client* const client_;
};

class ClientList {
 public:
  bool empty() const { return !head_.linked(); }

  // Takes the hook out of the list it is in, if any.
  void PushBack(ListHook& hook) {
    hook.Unlink();
    hook.previous_ = head_.previous_;
    hook.next_ = &head_;
    head_.previous_->next_ = &hook;
    head_.previous_ = &hook;
  }

  // Null when empty.
  Client* PopFront() {
    ListHook* const first = head_.next_;
    first->Unlink();
    return first->client_;
  }

  // Everything in `other` moves here, behind what is here.
  void TakeAll(ClientList& other) {
    if (other.empty()) return;
    ListHook& from = other.head_;
    from.next_->previous_ = head_.previous_;
    head_.previous_->next_ = from.next_;
    from.previous_->next_ = &head_;
    head_.previous_ = from.previous_;
    from.next_ = from.previous_ = &from;
  }

  // `visit` may move the client it is given to another list, or destroy it.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (ListHook* hook = head_.next_; hook != &head_;) {
      ListHook* const next = hook->next_;
      visit(*hook->client_);
      hook = next;
    }
  }

 private:
  ListHook head_{nullptr};
};

}  // namespace varve
