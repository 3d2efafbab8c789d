// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace proxy {

// Being a member of one List<T, Tag>; leaves it when destroyed.
template <typename Tag>
struct Link {
  Link* before = nullptr;
  Link* after = nullptr;

  Link() = default;
  Link(const Link&) = delete;
  ~Link() { leave(); }
  bool linked() const { return before != nullptr; }
  void leave() {
    if (!before) return;
    before->after = after;
    after->before = before;
    before = after = nullptr;
  }
};

// Objects in a row that carry their links themselves: adding and removing
// allocates nothing. Does not own.
template <typename T, typename Tag = T>
class List {
 public:
  List() { head_.before = head_.after = &head_; }
  List(const List&) = delete;
  ~List() {
    // What was deleted has left (~Link); the analyzer does not see that.
    while (!empty()) head_.after->leave();  // NOLINT(clang-analyzer-cplusplus.NewDelete)
    head_.before = head_.after = nullptr;
  }

  bool empty() const { return head_.after == &head_; }
  T& front() { return *static_cast<T*>(head_.after); }
  T& back() { return *static_cast<T*>(head_.before); }
  void push_back(T& item) { insert(item, &head_); }
  void push_front(T& item) { insert(item, head_.after); }

  // For all; the call may remove the item it is given, and no other.
  template <typename Call>
  void each(Call call) {
    for (Link<Tag>* at = head_.after; at != &head_;) {
      Link<Tag>* next = at->after;
      call(*static_cast<T*>(at));
      at = next;
    }
  }
  // The first that fits; nullptr: none does.
  template <typename Fits>
  T* find(Fits fits) {
    for (Link<Tag>* at = head_.after; at != &head_; at = at->after)
      if (fits(*static_cast<T*>(at))) return static_cast<T*>(at);
    return nullptr;
  }

 private:
  void insert(T& item, Link<Tag>* where) {
    Link<Tag>& link = item;
    link.leave();
    link.before = where->before;
    link.after = where;
    where->before->after = &link;
    where->before = &link;
  }
  Link<Tag> head_;
};

}  // namespace proxy
