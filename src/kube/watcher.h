// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kube/client.h"

namespace kube {

// Keeps a caller informed of one table, for ever: lists it, then watches from
// there; resumes after a broken connection; lists again after 410 Gone and then
// tells only what differs. Failures are logged and tried again with back-off
// (0.1 s to 10 s, with jitter): the caller keeps what it knows meanwhile.
class Watcher {
 public:
  enum class Event {
    Added,
    Modified,
    Deleted,  // the object is the last one seen, or only its kind and metadata after a relist
    Synced,   // once, when the first list has been told, or the table turned out not to exist yet; the object is empty
  };
  using Call = std::function<void(Event, const Object&)>;

  Watcher(Client& client, Resource resource, Call call, std::string ns = {}, ListOptions options = {});
  ~Watcher();  // no call after this
  Watcher(const Watcher&) = delete;

  bool synced() const;

  struct State;  // for the implementation

 private:
  std::shared_ptr<State> state_;
};

}  // namespace kube
