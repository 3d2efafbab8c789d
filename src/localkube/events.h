// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>

#include "localkube/api/api.h"
#include "net/loop.h"

namespace localkube {

// Writes Events, in the order they happened and a moment later, so that they
// never hold up what they tell about. The same one again only raises its count.
// Names end with the time in hexadecimal nanoseconds, as Kubernetes' do: in the
// order of names they are in the order of time.
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
    int64_t stamp;
  };
  static net::Task<void> write(EventRecorder* self);

  net::Loop& loop_;
  Api& api_;
  net::Timer timer_;
  std::deque<Pending> pending_;
  std::map<std::string, Known> known_;
  bool writing_ = false;
  int64_t last_stamp_ = 0;  // nanoseconds since 1970, each later than the one before
};

}  // namespace localkube
