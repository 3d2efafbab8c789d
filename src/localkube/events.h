// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>

#include "localkube/api/api.h"
#include "net/loop.h"

namespace localkube {

// Writes Events, in the order they happened and a moment later, so that they
// never hold up what they tell about. The same one again only raises its count.
class EventRecorder {
 public:
  EventRecorder(net::Loop& loop, Api& api);

  enum class Type { Normal, Warning };
  struct Event {
    Type type = Type::Normal;
    std::string reason;  // "Started"
    std::string message;
    std::string component;   // "kubelet"
    std::string field_path;  // "spec.containers{web}", or empty
  };
  void record(const objects::Object& about, Event event);

 private:
  struct Known {
    std::string name;
    int64_t count = 0;
    std::string first;
  };
  struct Pending {
    base::Json involved;
    Event event;
    std::string at;
  };
  static net::Task<void> write(EventRecorder* self);

  net::Loop& loop_;
  Api& api_;
  net::Timer timer_;
  std::deque<Pending> pending_;
  std::map<std::string, Known> known_;
  bool writing_ = false;
};

}  // namespace localkube
